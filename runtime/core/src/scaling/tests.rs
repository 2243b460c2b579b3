use super::*;

mod day;

const RANGE: Range = Range { min: 1, max: 10 };

fn signals(backlog: u64, oldest_s: u64) -> Signals {
    Signals { workers: 2, slots: 20, backlog, oldest_wait_ms: oldest_s * 1_000, ..Signals::default() }
}

fn at(desired: u64) -> Progress {
    Progress { desired: Some(desired), changed_ms: 1, ..Progress::default() }
}

#[rstest::rstest]
#[case::idle(signals(0, 0), Action::Hold, 2)]
#[case::depth(signals(150, 1), Action::Up, 3)]
#[case::twice(signals(200, 1), Action::Up, 4)]
#[case::four_times(signals(400, 1), Action::Up, 5)]
#[case::latency(signals(50, 60), Action::Up, 4)]
#[case::nothing_to_gain(signals(12, 60), Action::Hold, 2)]
#[case::cpu_alone(Signals { cpu_percent: 90.0, ..signals(0, 0) }, Action::Hold, 2)]
#[case::cpu_with_jobs(Signals { cpu_percent: 90.0, ..signals(30, 1) }, Action::Up, 3)]
#[case::memory_with_jobs(Signals { memory_percent: 85.0, ..signals(30, 1) }, Action::Up, 3)]
#[case::many_tiny_jobs(Signals { mean_ms: Some(2.0), ..signals(5_000, 1) }, Action::Hold, 2)]
#[case::few_long_jobs(Signals { mean_ms: Some(60_000.0), ..signals(45, 1) }, Action::Up, 5)]
fn what_signals_ask_for(#[case] signals: Signals, #[case] action: Action, #[case] desired: u64) {
    let decision = decide(&ScalingPolicy::default(), RANGE, &signals, &at(2), 120_000);
    assert_eq!((decision.action, decision.desired), (action, desired), "{decision:?}");
    assert_eq!(decision.explanation.len(), 6);
}

#[test]
fn the_range_holds_at_once_and_the_most_is_the_most() {
    let policy = ScalingPolicy::default();
    assert_eq!(decide(&policy, Range { min: 3, max: 9 }, &signals(0, 0), &at(2), 2).desired, 3);
    assert_eq!(decide(&policy, Range { min: 0, max: 1 }, &signals(0, 0), &at(2), 2).desired, 1);
    let full = decide(&policy, Range { min: 1, max: 2 }, &signals(900, 90), &at(2), 120_000);
    assert_eq!((full.action, full.desired), (Action::Hold, 2));
    assert!(full.reason.ends_with("2 workers are the most"), "{}", full.reason);
}

#[test]
fn a_queue_without_workers_gets_one_as_soon_as_a_job_waits() {
    let none = Signals { workers: 0, slots: 0, ..signals(1, 0) };
    let range = Range { min: 0, max: 5 };
    let before = Progress { changed_ms: 999, ..at(0) };
    assert_eq!(decide(&ScalingPolicy::default(), range, &none, &before, 1_000).desired, 1);
    let idle = Signals { backlog: 0, ..none };
    assert_eq!(decide(&ScalingPolicy::default(), range, &idle, &before, 1_000).desired, 0);
}

#[test]
fn cooldowns_keep_changes_apart_and_a_removal_that_was_taken_back_makes_patient() {
    let policy = ScalingPolicy::default();
    let (calm, busy) = (signals(0, 0), signals(400, 60));
    let first = decide(&policy, RANGE, &busy, &at(2), 100_000);
    assert_eq!(first.action, Action::Up);
    assert_eq!(decide(&policy, RANGE, &busy, &first.progress, 130_000).action, Action::Hold);
    assert_eq!(decide(&policy, RANGE, &busy, &first.progress, 160_000).action, Action::Up);
    let calmed = decide(&policy, RANGE, &calm, &first.progress, 200_000);
    assert_eq!(calmed.action, Action::Hold);
    let early = decide(&policy, RANGE, &calm, &calmed.progress, 499_000);
    assert_eq!(early.action, Action::Hold);
    let down = decide(&policy, RANGE, &calm, &early.progress, 500_000);
    assert_eq!((down.action, down.desired, down.progress.patience), (Action::Down, 4, 1));
    let back = decide(&policy, RANGE, &busy, &down.progress, 560_000);
    assert_eq!((back.action, back.progress.patience), (Action::Up, 2));
}

#[test]
fn nobody_is_let_go_whose_slots_hold_jobs() {
    let decided = |active, mean_ms| {
        let (policy, signals) = (ScalingPolicy::default(), Signals { active, mean_ms, ..signals(0, 0) });
        let first = decide(&policy, RANGE, &signals, &at(2), 1_000_000);
        decide(&policy, RANGE, &signals, &first.progress, 2_000_000).action
    };
    // Two workers of ten slots: one suffices for ten.
    assert_eq!([decided(11, None), decided(20, Some(1.0))], [Action::Hold, Action::Hold]);
    assert_eq!([decided(10, None), decided(0, None), decided(0, Some(1.0))], [Action::Down; 3]);
}

#[test]
fn workers_that_keep_up_because_they_are_many_are_not_let_go() {
    let policy = ScalingPolicy::default();
    // 2 workers of 10 slots; 19 of the 20 slots are used by what ends.
    let steady = Signals { mean_ms: Some(1_000.0), ended_per_minute: 1_140.0, active: 19, ..signals(0, 0) };
    let long_calm = Progress { calm_since_ms: Some(1), ..at(2) };
    let kept = decide(&policy, RANGE, &steady, &long_calm, 900_000);
    assert_eq!(
        (kept.action, kept.reason.as_str()),
        (Action::Hold, "calm, but one worker less would be busy")
    );
    let light = Signals { ended_per_minute: 300.0, active: 5, ..steady };
    assert_eq!(decide(&policy, RANGE, &light, &long_calm, 900_000).desired, 1);
}
