//! Every way to end.

use std::time::Duration;

use gristmill_core::outcome::{Failure, Outcome, StopReason};
use serde_json::{Value, json};

use crate::support::script;

#[tokio::test]
async fn returns_a_value() {
    let report = script(json!([{"op": "return", "value": {"ok": [1, "ä"]}}])).run().await;
    assert_eq!(report.outcome, Outcome::Returned(Some(r#"{"ok":[1,"ä"]}"#.into())));
    assert!(
        report.peak_memory >= 64 << 10 && report.fuel.is_none() && report.elapsed < Duration::from_secs(5),
        "{report:?}"
    );
}

#[tokio::test]
async fn gives_the_job_to_the_handler() {
    let mut echoed = script(json!([{"op": "echo"}])).returned().await;
    let digest = echoed["digest"].take();
    assert!(digest.as_str().is_some_and(|d| d.starts_with("sha256:") && d.len() == 71), "{digest}");
    let data = json!({"steps": [{"op": "echo"}]});
    assert_eq!(
        echoed,
        json!({"id": "41", "name": "trial", "queue": "trials", "attempt": 1, "data": data, "digest": null})
    );
}

#[tokio::test]
async fn handler_errors() {
    let message = |text: &str| Failure { message: text.to_owned(), ..Failure::default() };
    let cases = [
        (json!({"op": "fail", "message": "later"}), Outcome::Retryable(message("later"))),
        (
            json!({"op": "fail", "message": "never", "kind": "permanent"}),
            Outcome::Permanent(message("never")),
        ),
        (
            json!({"op": "delay", "ms": 1500}),
            Outcome::Deferred {
                delay: Duration::from_millis(1_500),
                reason: "the script says so".to_owned(),
            },
        ),
        (
            json!({"op": "rate-limited", "ms": 30}),
            Outcome::RateLimited {
                retry_after: Some(Duration::from_millis(30)),
                message: "the script says so".to_owned(),
            },
        ),
    ];
    for (step, expected) in cases {
        assert_eq!(script(json!([step])).run().await.outcome, expected);
    }
}

#[tokio::test]
async fn texts_of_a_failure_are_cut() {
    let outcome = script(json!([{"op": "fail", "message": "ä".repeat(10_000)}])).run().await.outcome;
    let Outcome::Retryable(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.len() <= 8 << 10 && failure.message.ends_with('…'), "{}", failure.message.len());
}

#[tokio::test]
async fn a_delay_without_end_is_bounded() {
    let outcome = script(json!([{"op": "delay", "ms": u64::MAX}])).run().await.outcome;
    let Outcome::Deferred { delay, .. } = outcome else { panic!("{outcome:?}") };
    assert!(delay <= Duration::from_secs(3_650 * 86_400), "{delay:?}");
}

#[tokio::test]
async fn data_that_does_not_fit_is_permanent() {
    let outcome = script(json!("no list")).run().await.outcome;
    let Outcome::Permanent(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.contains("at `steps`"), "{}", failure.message);
    assert_eq!(failure.code.as_deref(), Some("bad-data"));
}

#[tokio::test]
async fn a_trap_has_a_backtrace_with_names() {
    let stop = script(json!([{"op": "trap"}])).stopped().await;
    assert_eq!(stop.reason, StopReason::Trap);
    assert!(stop.failed_reason().starts_with("trap: unreachable"), "{}", stop.failed_reason());
    let backtrace = stop.backtrace.unwrap();
    assert!(backtrace.lines().all(|line| line.starts_with("at ")), "{backtrace}");
    assert!(backtrace.contains("scripted::"), "{backtrace}");
}

#[tokio::test]
async fn a_panic_is_a_trap_whose_message_is_logged() {
    let trial = script(json!([{"op": "panic", "message": "the sky falls"}]));
    let stop = trial.stopped().await;
    assert_eq!(stop.reason, StopReason::Trap);
    assert!(
        stop.message.starts_with("the handler panicked at ") && stop.message.ends_with(": the sky falls"),
        "{}",
        stop.message
    );
    assert!(trial.host.lines().iter().any(|line| line == "the sky falls"), "{:?}", trial.host.lines());
}

#[tokio::test]
async fn endless_recursion_is_a_trap() {
    let stop = script(json!([{"op": "recurse"}])).stopped().await;
    assert_eq!(stop.reason, StopReason::Trap, "{}", stop.message);
}

#[tokio::test]
async fn an_output_over_its_limit() {
    let value = Value::String("x".repeat(2_000));
    let steps = json!([{"op": "return", "value": value}]);
    let stop = script(steps.clone()).limits(|limits| limits.output = 1_000).stopped().await;
    assert_eq!(stop.reason, StopReason::Output);
    assert_eq!(stop.failed_reason(), "output: the return value has 2.0 KiB, more than its limit of 1000 B");
    assert_eq!(script(steps).returned().await, value);
}

#[tokio::test]
async fn an_output_far_over_its_limit_does_not_reach_the_host() {
    let value = Value::String("x".repeat(3 << 20));
    let trial = script(json!([{"op": "return", "value": value}])).limits(|limits| limits.output = 1 << 10);
    let stop = trial.stopped().await;
    assert_eq!(stop.reason, StopReason::Output);
    assert!(stop.message.contains("more than its limit of 1 KiB"), "{}", stop.message);
}

#[tokio::test]
async fn a_limit_above_the_default_is_kept() {
    let value = Value::String("x".repeat(3 << 20));
    let trial = script(json!([{"op": "return", "value": value}])).limits(|limits| limits.output = 8 << 20);
    assert_eq!(trial.returned().await, value);
}
