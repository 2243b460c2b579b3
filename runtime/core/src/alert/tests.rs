use super::*;
use crate::sample::{Depths, Staff};
use crate::tally::Tally;

fn rows(waiting: &[u64]) -> Vec<Sample> {
    let row = |(n, waiting): (usize, &u64)| {
        let depths = Depths { waiting: *waiting, ..Depths::default() };
        let at_ms = (n as u64 + 1) * 60_000;
        Sample::new((at_ms, 60_000), depths, (0, false), &Tally::default(), Staff::default())
    };
    waiting.iter().enumerate().map(row).collect()
}

#[rstest::rstest]
#[case("backlog > 5", &[1, 9], Some((9.0, 5.0)))]
#[case("backlog > 9", &[1, 9], None)]
#[case("backlog >= 9 and workers < 1", &[9], Some((9.0, 9.0)))]
#[case("backlog > 100 or workers == 0", &[9], Some((0.0, 0.0)))]
#[case("not (backlog > 100)", &[9], Some((1.0, 0.0)))]
#[case("not backlog > 3", &[9], None)]
#[case("avg(backlog, 2m) > 4", &[100, 4, 5, 6], Some((5.0, 4.0)))]
#[case("max(waiting, 10m) - min(waiting, 10m) > 90", &[100, 4], Some((96.0, 90.0)))]
#[case("change(waiting, 1h) < -50", &[100, 4], Some((-96.0, -50.0)))]
#[case("p95_ms < 1000000", &[9], None)]
#[case("waiting * 2 + 1 > 18 and oldest_wait_ms < 5m", &[9], Some((19.0, 18.0)))]
#[case("waiting / workers > 1", &[9], None)]
#[case("memory_bytes < 1 MiB", &[1], None)]
fn conditions(#[case] text: &str, #[case] waiting: &[u64], #[case] expected: Option<(f64, f64)>) {
    match Expression::parse(text) {
        Ok(expression) => assert_eq!(expression.holds(&rows(waiting)), expected, "{text}"),
        Err(error) => assert!(text.contains(" MiB") && error.contains("`MiB`"), "{text}: {error}"),
    }
}

#[rstest::rstest]
#[case("backlog", "not a condition")]
#[case("backlgo > 3", "did you mean `backlog`?")]
#[case("backlog > 3 parsecs", "not expected here")]
#[case("backlog > 3parsecs", "`parsecs` is not a unit")]
#[case("backlog > ", "missing at the end")]
#[case("(backlog > 3", "`)` is missing")]
#[case("backlog > 3 and 4", "between comparisons")]
#[case("1 < backlog < 3", "numbers on both sides")]
#[case("avg(backlog) > 3", "`,` is expected")]
#[case("avg(backlog, workers) > 3", "takes a series and a time")]
#[case("avg(backlog, 2d) > 3", "below a day")]
#[case("backlog § 3", "has no meaning")]
#[case("", "missing at the end")]
#[case("not backlog", "before a comparison")]
#[case("(backlog > 3) + 1 > 2", "sums are made of numbers")]
fn what_does_not_parse(#[case] text: &str, #[case] message: &str) {
    let error = Expression::parse(text).unwrap_err();
    assert!(error.contains(message), "{text}: {error}");
}

#[test]
fn long_expressions_are_refused_before_they_are_deep() {
    assert!(Expression::parse(&"(".repeat(2_000)).unwrap_err().contains("bytes"));
    assert!(Expression::parse(&"(".repeat(200)).unwrap_err().contains("parts"));
}

fn depth_rule(for_ms: u64) -> Rule {
    let mut rule = built_in(&Thresholds::default()).remove(0);
    rule.for_ms = for_ms;
    rule
}

/// Moves an alert through findings, one a minute; answers what was told, and when.
fn story(rule: &Rule, depths: &[u64]) -> Vec<(u64, Change, AlertSeverity)> {
    let (mut alert, mut told): (Option<Alert>, Vec<_>) = (None, Vec::new());
    let (mut held, mut since) = (false, 0);
    for (n, depth) in depths.iter().enumerate() {
        let now = (n as u64 + 1) * 60_000;
        let found = rule.look(&rows(&[*depth]));
        if found.is_some() != held {
            (held, since) = (found.is_some(), now);
        }
        match step((rule, Some("q")), alert.as_ref(), found.as_ref(), (since, now), CALM_MS) {
            Step::Nothing => {}
            Step::Keep(kept, change) => {
                told.extend(change.map(|change| (now / 60_000, change, kept.severity)));
                alert = Some(kept);
            }
            Step::End(ended) => {
                assert_eq!((ended.state, ended.resolved_ms), (AlertState::Resolved, Some(now)));
                told.push((now / 60_000, Change::Resolved, ended.severity));
                alert = None;
            }
        }
    }
    told
}

#[test]
fn an_alert_is_told_when_it_begins_when_it_gets_worse_and_when_it_ends() {
    use AlertSeverity::{Critical, Warning};
    use Change::{Raised, Resolved};
    let told = story(&depth_rule(0), &[10, 300, 300, 900, 300, 10, 10, 10]);
    assert_eq!(told, [(2, Raised, Warning), (4, Raised, Critical), (7, Resolved, Critical)]);
    // Less bad for long enough, it may become worse anew; to and fro at the bound is told once.
    let told = story(&depth_rule(0), &[900, 300, 300, 900, 10, 10]);
    assert_eq!(told, [(1, Raised, Critical), (4, Raised, Critical), (6, Resolved, Critical)]);
    let told = story(&depth_rule(0), &[900, 300, 900, 300, 900, 300]);
    assert_eq!(told, [(1, Raised, Critical)]);
}

#[test]
fn what_does_not_last_is_no_alert_and_a_short_calm_no_end() {
    use AlertSeverity::Warning;
    assert_eq!(story(&depth_rule(120_000), &[10, 300, 10, 300, 10]), []);
    let told = story(&depth_rule(0), &[300, 10, 300, 10, 300]);
    assert_eq!(told, [(1, Change::Raised, Warning)]);
}

#[test]
fn an_acknowledgement_ends_with_its_time_or_when_it_gets_worse() {
    let rule = depth_rule(0);
    let finding = |depth| rule.look(&rows(&[depth])).unwrap();
    let Step::Keep(mut alert, _) = step((&rule, Some("q")), None, Some(&finding(300)), (0, 1_000), 0) else {
        panic!("no alert");
    };
    alert.state = AlertState::Acknowledged;
    alert.acknowledged =
        Some(Acknowledgement { who: "a".into(), at_ms: 1_000, note: String::new(), until_ms: Some(5_000) });
    let at = |now, depth| match step((&rule, Some("q")), Some(&alert), Some(&finding(depth)), (0, now), 0) {
        Step::Keep(alert, change) => (alert.state, change),
        other => panic!("{other:?}"),
    };
    assert_eq!(at(4_000, 300), (AlertState::Acknowledged, None));
    assert_eq!(at(5_000, 300), (AlertState::Raised, Some(Change::Raised)));
    assert_eq!(at(2_000, 900), (AlertState::Raised, Some(Change::Raised)));
}

#[test]
fn built_in_rules_look_at_their_series() {
    use AlertSeverity::{Critical, Warning};
    let rules = built_in(&Thresholds::default());
    assert!(rules.iter().all(|rule| rule.critical.is_some()), "an expression did not parse");
    let mut tally = Tally::default();
    (0..90).for_each(|_| tally.record(false, false, 200_000_000, None));
    (0..10).for_each(|_| tally.record(true, true, 400_000_000, None));
    let staff = Staff { workers: 0, memory_percent: 80.0, ..Staff::default() };
    let depths = Depths { prioritized: 501, ..Depths::default() };
    let row = Sample::new((1, 60_000), depths, (0, false), &tally, staff);
    let found: Vec<_> = rules
        .iter()
        .filter_map(|rule| rule.look(std::slice::from_ref(&row)).map(|f| (rule.name.as_str(), f.severity)))
        .collect();
    assert_eq!(
        found,
        [
            ("queue-depth", Critical),
            ("error-rate", Warning),
            ("timeout-rate", Critical),
            ("processing-time", Critical),
            ("memory-usage", Warning),
            ("no-worker", Critical),
        ]
    );
}

#[test]
fn patterns_of_queues() {
    let rule = Rule { queues: vec!["mail-*".into(), "pay".into()], ..depth_rule(0) };
    assert!(rule.is_for("mail-out") && rule.is_for("pay") && !rule.is_for("payment"));
}
