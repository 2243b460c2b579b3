//! What a handler can reach and waste by WASI.

use gristmill_core::outcome::{Outcome, Stop, StopReason};
use gristmill_sandbox::{Level, Report};
use serde_json::json;

use crate::support::{Trial, guest, shared, trial};

async fn nosy(attempt: &str) -> (Trial, Report) {
    let module = shared().load(&guest("nosy"), false).unwrap();
    let trial = trial(module, json!([]));
    let mut attempted = trial.attempt();
    attempted.job.data = serde_json::to_vec(attempt).unwrap();
    let report = shared().run(&trial.module, attempted).await;
    (trial, report)
}

async fn stopped(attempt: &str) -> Stop {
    match nosy(attempt).await.1.outcome {
        Outcome::Stopped(stop) => stop,
        other => panic!("not stopped: {other:?}"),
    }
}

#[tokio::test]
async fn nothing_is_granted_but_clocks() {
    let report = nosy("reach").await.1;
    assert_eq!(report.outcome, Outcome::Returned(Some(br#"["clocks"]"#.to_vec())));
}

#[tokio::test]
async fn handles_are_limited() {
    let stop = stopped("handles").await;
    assert_eq!(stop.reason, StopReason::Trap);
    assert!(stop.message.contains("resource table"), "{}", stop.message);
}

#[tokio::test]
async fn random_bytes_are_limited() {
    let stop = stopped("random").await;
    assert_eq!(stop.reason, StopReason::Trap);
    assert!(stop.message.contains("65536"), "{}", stop.message);
}

#[tokio::test]
async fn exiting_is_not_returning() {
    let stop = stopped("exit").await;
    // WASI 0.2 tells only success from failure.
    assert_eq!(stop.failed_reason(), "trap: the handler exited with status 1 instead of returning");
}

#[tokio::test]
async fn last_lines_need_no_line_break() {
    let (trial, report) = nosy("tails").await;
    assert_eq!(report.outcome, Outcome::Returned(Some(b"[]".to_vec())));
    let logs = trial.host.logs.lock().unwrap();
    let lines: Vec<_> = logs.iter().map(|(level, line)| (*level, line.as_str())).collect();
    assert_eq!(lines, [(Level::Warn, "first"), (Level::Info, "out"), (Level::Warn, "err")]);
}
