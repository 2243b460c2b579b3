//! Alerts: what the rules find at each look, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gristmill_core::alert::{
    Alert, AlertSeverity, CALM_MS, Change, Finding, Rule, Step, step as next, subject,
};
use gristmill_core::config::{ANOMALY_RULE, AlertTarget};
use gristmill_core::sample::Sample;
use gristmill_queue::{AlertChange, AnomalyRow, Message, Monitor, QueueError};
use gristmill_telemetry::event::{AlertMoved, Notified};

use crate::server::Pages;

/// What is remembered while this worker has the turn: since when a rule holds for a queue, or does not.
#[derive(Default)]
pub(super) struct Memory {
    since: BTreeMap<String, (bool, u64)>,
}

pub(super) async fn evaluate(
    pages: &Pages,
    monitor: &Monitor,
    memory: &mut Memory,
    looks: &BTreeMap<String, Sample>,
    odd: &[AnomalyRow],
    now_ms: u64,
) -> Result<(), QueueError> {
    let config = &pages.sources.config;
    let alerts = monitor.alerts().await?;
    let findings = findings(pages, monitor, looks, odd, now_ms).await?;
    let anomaly = anomaly_rule();
    let rule = |name: &str| config.alerts.rules.iter().find(|rule| rule.name == name);
    let subjects: BTreeSet<&String> = findings.keys().chain(alerts.keys()).collect();
    memory.since.retain(|subject, _| subjects.contains(subject));
    let calm =
        u64::try_from((2 * config.monitoring.health_interval).as_millis()).unwrap_or(CALM_MS).min(CALM_MS);
    let mut changes = Vec::new();
    for subject in subjects {
        let found = findings.get(subject);
        let before = alerts.get(subject);
        let since = memory.since.entry(subject.clone()).or_insert((found.is_some(), now_ms));
        if since.0 != found.is_some() {
            *since = (found.is_some(), now_ms);
        }
        // A rule that is not configured any more has ceased to hold.
        let (name, queue) = match (found, before) {
            (Some((name, queue, _)), _) => (name.as_str(), Some(queue.as_str())),
            (None, Some((alert, _))) => (alert.rule.as_str(), alert.queue.as_deref()),
            (None, None) => continue,
        };
        let gone = Rule { name: name.to_owned(), ..anomaly.clone() };
        let rule = if name == ANOMALY_RULE { &anomaly } else { rule(name).unwrap_or(&gone) };
        let step = next(
            (rule, queue),
            before.map(|(alert, _)| alert),
            found.map(|(_, _, finding)| finding),
            (since.1, now_ms),
            calm,
        );
        changes.extend(change(subject, before, step, &config.alerts.targets));
    }
    write(pages, monitor, changes).await
}

async fn write(pages: &Pages, monitor: &Monitor, changes: Vec<AlertChange>) -> Result<(), QueueError> {
    if changes.is_empty() {
        return Ok(());
    }
    let made = monitor.change_alerts(Some(&pages.sources.identity.id), &changes).await?;
    let Some((made, lost)) = made else { return Ok(()) };
    for (change, made) in changes.iter().zip(made) {
        let told = change.now.as_ref().filter(|now| change.seen.is_none() || now.raised_ms == now.updated_ms);
        if let Some(alert) = told.or(change.ended.as_ref()).filter(|_| made) {
            AlertMoved { alert }.emit();
        }
    }
    if lost > 0 {
        let reason = "too many messages wait to be sent";
        Notified { target: "all", about: "alerts", result: Err((reason, false)) }
            .emit(&pages.sources.metrics);
    }
    Ok(())
}

/// What the rules find, by subject: the rule's name, the queue, and the finding.
async fn findings(
    pages: &Pages,
    monitor: &Monitor,
    looks: &BTreeMap<String, Sample>,
    odd: &[AnomalyRow],
    now_ms: u64,
) -> Result<BTreeMap<String, (String, String, Finding)>, QueueError> {
    let config = &pages.sources.config;
    let longest = config.alerts.rules.iter().map(Rule::window_ms).max().unwrap_or(0);
    let step = u64::try_from(config.monitoring.interval.as_millis()).unwrap_or(60_000);
    let mut findings = BTreeMap::new();
    for (queue, look) in looks {
        let mut rows = if longest == 0 {
            Vec::new()
        } else {
            monitor.rows(queue, step, (now_ms.saturating_sub(longest), now_ms)).await?
        };
        rows.push(look.clone());
        for rule in config.alerts.rules.iter().filter(|rule| rule.is_for(queue)) {
            if let Some(finding) = rule.look(&rows) {
                let key = subject(&rule.name, Some(queue));
                findings.insert(key, (rule.name.clone(), queue.clone(), finding));
            }
        }
    }
    if config.alerts.anomalies {
        for (queue, finding) in worst(odd) {
            let key = subject(ANOMALY_RULE, Some(&queue));
            findings.insert(key, (ANOMALY_RULE.to_owned(), queue, finding));
        }
    }
    Ok(findings)
}

/// The rule of odd values, which must stay odd for some rows.
fn anomaly_rule() -> Rule {
    Rule {
        name: ANOMALY_RULE.to_owned(),
        warning: None,
        critical: None,
        for_ms: u64::try_from(Duration::from_mins(2).as_millis()).unwrap_or(u64::MAX),
        queues: Vec::new(),
        summary: None,
    }
}

/// Of each queue the series that is furthest away.
fn worst(odd: &[AnomalyRow]) -> BTreeMap<String, Finding> {
    let mut worst: BTreeMap<String, &AnomalyRow> = BTreeMap::new();
    for row in odd {
        let known = worst.entry(row.queue.clone()).or_insert(row);
        if row.score.abs() > known.score.abs() {
            *known = row;
        }
    }
    let finding = |(queue, row): (String, &AnomalyRow)| {
        let summary = format!(
            "{} is {:.0}, and at such a time it is {:.0} (score {:.0})",
            row.series, row.value, row.expected, row.score
        );
        let severity = AlertSeverity::Warning;
        (queue, Finding { severity, value: row.value, threshold: row.expected, summary })
    };
    worst.into_iter().map(finding).collect()
}

fn change(
    subject: &str,
    before: Option<&(Alert, String)>,
    step: Step,
    targets: &[AlertTarget],
) -> Option<AlertChange> {
    let seen = before.map(|(_, text)| text.clone());
    let subject = subject.to_owned();
    match step {
        Step::Nothing => None,
        Step::Keep(alert, told) => {
            if told.is_none() && before.is_some_and(|(known, _)| *known == alert) {
                return None;
            }
            let messages = told.map(|told| messages(&alert, told, targets)).unwrap_or_default();
            Some(AlertChange { subject, seen, now: Some(alert), ended: None, messages })
        }
        Step::End(alert) => {
            let messages = messages(&alert, Change::Resolved, targets);
            Some(AlertChange { subject, seen, now: None, ended: Some(alert), messages })
        }
    }
}

/// A message for each target that wants to hear of it. The end of an alert is told to whoever heard of it when it was worst.
fn messages(alert: &Alert, change: Change, targets: &[AlertTarget]) -> Vec<Message> {
    let word = match change {
        Change::Raised => "raised",
        Change::Resolved => "resolved",
    };
    let told = if change == Change::Resolved { alert.worst } else { alert.severity };
    let wants = |target: &&AlertTarget| told >= target.severity;
    let message = |target: &AlertTarget| Message {
        id: format!("{}/{}/{word}/{}", target.name, alert.id, alert.updated_ms),
        target: target.name.clone(),
        alert: alert.clone(),
        change,
        tries: 0,
        not_before_ms: 0,
    };
    targets.iter().filter(wants).map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_core::alert::{Thresholds, built_in};
    use gristmill_core::config::TargetKind;
    use gristmill_core::sample::{Depths, Staff};
    use gristmill_core::tally::Tally;

    fn target(name: &str, severity: AlertSeverity) -> AlertTarget {
        let url = "http://127.0.0.1:1/".to_owned();
        AlertTarget { name: name.into(), kind: TargetKind::Webhook, url, secret: None, severity }
    }

    #[test]
    fn targets_hear_of_what_is_bad_enough_and_of_its_end() {
        let targets = [target("all", AlertSeverity::Warning), target("pager", AlertSeverity::Critical)];
        let depths = Depths { waiting: 300, ..Depths::default() };
        let look = Sample::new((1, 1), depths, (0, false), &Tally::default(), Staff::default());
        let rule = built_in(&Thresholds::default()).remove(0);
        let found = rule.look(&[look]);
        let step = next((&rule, Some("q")), None, found.as_ref(), (0, 7), 0);
        let change = change("queue-depth/q", None, step, &targets).unwrap();
        let ids = |change: &AlertChange| change.messages.iter().map(|m| m.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&change), ["all/queue-depth/q@7/raised/7"]);
        let alert = change.now.clone().unwrap();
        let kept = (alert.clone(), "text".to_owned());
        let same = next((&rule, Some("q")), Some(&alert), None, (7, 8), 60_000);
        assert_eq!(super::change("queue-depth/q", Some(&kept), same, &targets), None);
        let end = next((&rule, Some("q")), Some(&alert), None, (7, 60_007), 60_000);
        let end = super::change("queue-depth/q", Some(&kept), end, &targets).unwrap();
        assert_eq!((ids(&end), end.now), (vec!["all/queue-depth/q@7/resolved/60007".to_owned()], None));
        let worse = Alert { worst: AlertSeverity::Critical, ..alert };
        let end = next((&rule, Some("q")), Some(&worse), None, (7, 60_007), 60_000);
        assert_eq!(super::change("queue-depth/q", Some(&kept), end, &targets).unwrap().messages.len(), 2);
    }

    #[test]
    fn the_oddest_series_of_a_queue_is_told() {
        let row = |series: &str, score| AnomalyRow {
            queue: "q".into(),
            series: series.into(),
            at_ms: 1,
            value: 900.0,
            expected: 10.0,
            score,
        };
        let found = worst(&[row("backlog", 8.0), row("p95_ms", -12.0), row("error_rate", 7.0)]);
        assert_eq!(found["q"].summary, "p95_ms is 900, and at such a time it is 10 (score -12)");
    }
}
