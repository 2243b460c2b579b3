use super::*;

fn options(text: &str) -> JobOptions {
    JobOptions::parse(text)
}

fn after(made: u32, options: &JobOptions) -> Facts<'_> {
    Facts { attempts_made: made, started_before: made, options, stacktrace: None }
}

fn retryable(message: &str) -> Outcome {
    Outcome::Retryable(Failure { message: message.to_owned(), ..Failure::default() })
}

#[test]
fn a_job_without_attempts_fails_at_once() {
    let options = options("{}");
    let action = decide(&retryable("no"), &after(0, &options), &JobPolicy::default(), 0.0);
    let stacktrace = r#"["no"]"#.to_owned();
    assert_eq!(action, Some(Action::Fail { reason: "no".into(), stacktrace, keep: Keep::All, attempts: 1 }));
}

#[rstest::rstest]
#[case::at_once(r#"{"attempts":2}"#, 0, Some(0))]
#[case::fixed(r#"{"attempts":3,"backoff":300}"#, 1, Some(300))]
#[case::exponential(r#"{"attempts":5,"backoff":{"type":"exponential","delay":100}}"#, 2, Some(400))]
#[case::used_up(r#"{"attempts":2}"#, 1, None)]
fn retries(#[case] opts: &str, #[case] made: u32, #[case] delay: Option<u64>) {
    let options = options(opts);
    let action = decide(&retryable("no"), &after(made, &options), &JobPolicy::default(), 0.0);
    match (action, delay) {
        (Some(Action::Retry { delay_ms, .. }), Some(expected)) => assert_eq!(delay_ms, expected),
        (Some(Action::Fail { .. }), None) => {}
        (action, _) => panic!("unexpected {action:?}"),
    }
}

#[test]
fn the_job_types_policy_holds_only_where_the_producer_set_none() {
    let policy = JobPolicy { attempts: 3, backoff: Backoff::parse("fixed:7ms").ok(), ..JobPolicy::default() };
    let none = options("{}");
    let action = decide(&retryable("no"), &after(0, &none), &policy, 0.0);
    assert!(matches!(action, Some(Action::Retry { delay_ms: 7, .. })), "{action:?}");
    let own = options(r#"{"attempts":1}"#);
    assert!(matches!(decide(&retryable("no"), &after(0, &own), &policy, 0.0), Some(Action::Fail { .. })));
}

#[test]
fn a_permanent_failure_is_final() {
    let options = options(r#"{"attempts":9}"#);
    let outcome = Outcome::Permanent(Failure::default());
    let action = decide(&outcome, &after(0, &options), &JobPolicy::default(), 0.0);
    assert!(
        matches!(action, Some(Action::Fail { ref reason, .. }) if reason == "the handler gave no message")
    );
}

#[test]
fn an_unknown_backoff_fails_with_a_word_of_why() {
    let options = options(r#"{"attempts":3,"backoff":{"type":"mine","delay":5}}"#);
    let action = decide(&retryable("no"), &after(0, &options), &JobPolicy::default(), 0.0);
    assert!(
        matches!(action, Some(Action::Fail { ref reason, .. }) if reason.contains("`mine`")),
        "{action:?}"
    );
}

#[test]
fn what_is_not_the_jobs_fault_uses_no_attempt() {
    let options = options("{}");
    let facts = after(0, &options);
    let policy = JobPolicy::default();
    let limited = Outcome::RateLimited { retry_after: Some(Duration::from_secs(2)), message: String::new() };
    assert_eq!(decide(&limited, &facts, &policy, 0.0), Some(Action::Delay { delay_ms: 2_000 }));
    let deferred = Outcome::Deferred { delay: Duration::from_millis(1), reason: String::new() };
    assert_eq!(decide(&deferred, &facts, &policy, 0.0), Some(Action::Delay { delay_ms: MIN_DEFERRAL_MS }));
    let drained = Outcome::Interrupted(Interrupt::Drained);
    assert_eq!(decide(&drained, &facts, &policy, 0.0), Some(Action::Release));
    assert_eq!(decide(&Outcome::Interrupted(Interrupt::LockLost), &facts, &policy, 0.0), None);
}

#[test]
fn stack_traces_append_and_are_bounded() {
    let options = options(r#"{"attempts":9,"stackTraceLimit":2}"#);
    let facts =
        Facts { started_before: 2, attempts_made: 2, options: &options, stacktrace: Some(r#"["a","b"]"#) };
    let stop =
        Stop { reason: StopReason::Trap, message: "unreachable".into(), backtrace: Some("0: run".into()) };
    let action = decide(&Outcome::Stopped(stop), &facts, &JobPolicy::default(), 0.0);
    let Some(Action::Retry { stacktrace, reason, .. }) = action else { panic!("{action:?}") };
    assert_eq!(reason, "trap: unreachable");
    assert_eq!(stacktrace, r#"["b","trap: unreachable\n0: run"]"#);
    let broken = Facts { stacktrace: Some("{}"), ..facts };
    assert!(matches!(
        decide(&retryable("no"), &broken, &JobPolicy::default(), 0.0),
        Some(Action::Retry { ref stacktrace, .. }) if stacktrace == r#"["no"]"#
    ));
}

#[test]
fn a_deferral_without_time_hands_back_until_it_spins() {
    let options = options("{}");
    let outcome = Outcome::Deferred { delay: Duration::ZERO, reason: String::new() };
    let go = |started_before| {
        let facts = Facts { started_before, ..after(3, &options) };
        decide(&outcome, &facts, &JobPolicy::default(), 0.0)
    };
    assert_eq!(go(3 + MAX_FREE_STARTS - 1), Some(Action::Release));
    assert_eq!(go(3 + MAX_FREE_STARTS), Some(Action::Delay { delay_ms: MIN_DEFERRAL_MS }));
}

#[test]
fn what_is_kept_is_the_producers_choice_first() {
    let bounded = Keep::Bounded { count: Some(5), age_s: None, limit: 1_000 };
    let policy =
        JobPolicy { remove_on_complete: Keep::Remove, remove_on_fail: bounded, ..JobPolicy::default() };
    let kept = |outcome: &Outcome, opts: &str| match decide(outcome, &after(0, &options(opts)), &policy, 0.0)
    {
        Some(Action::Complete { keep, .. } | Action::Fail { keep, .. }) => keep,
        action => panic!("{action:?}"),
    };
    assert_eq!(kept(&Outcome::Returned(None), "{}"), Keep::Remove);
    assert_eq!(kept(&Outcome::Returned(None), r#"{"removeOnComplete":false}"#), Keep::All);
    assert_eq!(kept(&retryable("no"), "{}"), bounded);
    assert_eq!(kept(&retryable("no"), r#"{"removeOnFail":true}"#), Keep::Remove);
}

fn stop(reason: StopReason) -> Outcome {
    Outcome::Stopped(Stop { reason, message: "over".into(), backtrace: None })
}

#[rstest::rstest]
#[case::second_trap(r#"["trap: a"]"#, StopReason::Trap, None)]
#[case::third_trap(
    r#"["trap: a","trap: b"]"#,
    StopReason::Trap,
    Some("poison: 3 attempts trapped, the last with trap: over")
)]
#[case::others_do_not_count(r#"["trap: a","timeout: b","no"]"#, StopReason::Trap, None)]
#[case::timeouts_have_no_budget(r#"["timeout: a","timeout: b","timeout: c"]"#, StopReason::Timeout, None)]
#[case::memory_has_one(r#"["memory: a"]"#, StopReason::Memory, Some("memory: over"))]
fn a_cause_has_a_budget(#[case] earlier: &str, #[case] reason: StopReason, #[case] failed: Option<&str>) {
    let options = options(r#"{"attempts":9}"#);
    let facts = Facts { stacktrace: Some(earlier), ..after(2, &options) };
    let memory = CausePolicy { budget: Some(2), ..CausePolicy::default() };
    let policy = JobPolicy { memory, ..JobPolicy::default() };
    match (decide(&stop(reason), &facts, &policy, 0.0), failed) {
        (Some(Action::Retry { .. }), None) => {}
        (Some(Action::Fail { reason, .. }), Some(expected)) => assert_eq!(reason, expected),
        (action, _) => panic!("unexpected {action:?}"),
    }
}

#[test]
fn a_cause_has_a_backoff_of_its_own() {
    let options = options(r#"{"attempts":9,"backoff":100}"#);
    let timeout = CausePolicy { factor: 2.5, ..CausePolicy::default() };
    let policy = JobPolicy { timeout, ..JobPolicy::default() };
    let delay = |outcome: &Outcome| match decide(outcome, &after(0, &options), &policy, 0.0) {
        Some(Action::Retry { delay_ms, .. }) => delay_ms,
        action => panic!("{action:?}"),
    };
    assert_eq!((delay(&stop(StopReason::Timeout)), delay(&stop(StopReason::Trap))), (250, 100));
    assert_eq!(delay(&retryable("no")), 100);
}
