//! Ending attempts from outside.

use std::time::{Duration, Instant};

use gristmill_core::outcome::{Interrupt, Outcome};
use serde_json::{Value, json};

use crate::support::script;

async fn interrupted(step: Value) {
    let trial = script(json!([{"op": "log", "line": "started"}, step]));
    let (interrupter, host) = (trial.interrupter.clone(), trial.host.clone());
    let running = tokio::spawn(async move { trial.run().await });
    while host.lines().is_empty() {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    interrupter.interrupt(Interrupt::LockLost);
    interrupter.interrupt(Interrupt::Drained);
    let report = running.await.unwrap();
    assert_eq!(report.outcome, Outcome::Interrupted(Interrupt::LockLost));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_computing() {
    interrupted(json!({"op": "loop"})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_waiting_in_a_host_call() {
    interrupted(json!({"op": "sleep", "ms": 60_000})).await;
}

#[tokio::test]
async fn before_the_start() {
    let trial = script(json!([{"op": "log", "line": "started"}]));
    trial.interrupter.interrupt(Interrupt::Cancelled);
    assert_eq!(trial.run().await.outcome, Outcome::Interrupted(Interrupt::Cancelled));
    assert!(trial.host.lines().is_empty());
}
