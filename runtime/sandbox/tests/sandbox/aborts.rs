//! Neighbours and what stays behind.

use std::time::{Duration, Instant};

use gristmill_core::outcome::{Outcome, StopReason};
use serde_json::{Value, json};

use crate::support::{SLOTS, sandbox, script, scripted, shared, trial};

/// Outcomes of hostile scripts that end soon, with the word that each must have.
fn hostile() -> [(Value, &'static str); 6] {
    [
        (json!([{"op": "trap"}]), "trap"),
        (json!([{"op": "leak", "mib": 100}]), "memory"),
        (json!([{"op": "loop"}]), "timeout"),
        (json!([{"op": "sleep", "ms": 60_000}]), "timeout"),
        (json!([{"op": "recurse"}]), "trap"),
        (json!([{"op": "panic", "message": "x"}]), "trap"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_of_hostile_guests_are_unaffected() {
    let hostile = (0..12).map(|i| {
        let (steps, word) = hostile()[i % 6].clone();
        tokio::spawn(async move { (script(steps).timeout(1_000).run().await.outcome.label(), word) })
    });
    let hostile: Vec<_> = hostile.collect();
    let good = (0..200).map(|i| {
        tokio::spawn(async move { (script(json!([{"op": "return", "value": i}])).returned().await, i) })
    });
    for good in good.collect::<Vec<_>>() {
        let (value, expected) = good.await.unwrap();
        assert_eq!(value, expected);
    }
    for hostile in hostile {
        let (label, word) = hostile.await.unwrap();
        assert_eq!(label, word);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_aborted_attempts_leave_no_slot_taken() {
    let sandbox = sandbox(Some(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("cwasm")));
    let module = sandbox.load(&crate::support::guest("scripted"), false).unwrap();
    let attempts = (0..1_000).map(|i| {
        let (sandbox, module) = (sandbox.clone(), module.clone());
        let (steps, word) = hostile()[i % 6].clone();
        tokio::spawn(async move {
            let trial = trial(module.clone(), steps).timeout(20);
            if i % 7 == 0 {
                // The caller goes away in the middle.
                let _ = tokio::time::timeout(Duration::from_millis(5), sandbox.run(&module, trial.attempt()))
                    .await;
                return None;
            }
            Some((sandbox.run(&module, trial.attempt()).await.outcome, word))
        })
    });
    for attempt in attempts.collect::<Vec<_>>() {
        if let Some((outcome, word)) = attempt.await.unwrap() {
            // A busy machine can use up a short time before the guest has done its harm.
            assert!([word, "timeout"].contains(&outcome.label()), "{word}: {outcome:?}");
        }
    }
    assert_eq!(sandbox.live_instances(), 0);

    // All slots at once prove that none is lost.
    let start = Instant::now();
    let parked = (0..SLOTS).map(|_| {
        let (sandbox, module) = (sandbox.clone(), module.clone());
        tokio::spawn(async move {
            let trial =
                trial(module.clone(), json!([{"op": "sleep", "ms": 500}, {"op": "return", "value": 1}]));
            sandbox.run(&module, trial.attempt()).await.outcome
        })
    });
    for parked in parked.collect::<Vec<_>>() {
        assert_eq!(parked.await.unwrap(), Outcome::Returned(Some(b"1".to_vec())));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_attempts_than_slots_wait_for_their_turn() {
    let attempts = (0..SLOTS * 4).map(|i| {
        tokio::spawn(async move {
            script(json!([{"op": "sleep", "ms": 10}, {"op": "return", "value": i}])).returned().await
        })
    });
    for (i, attempt) in attempts.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(attempt.await.unwrap(), i);
    }
}

#[tokio::test]
async fn too_many_handles_end_the_guest_and_not_the_host() {
    // Each request that is refused leaves a handle or two until it is dropped; the SDK drops them, so this only shows
    // that many calls in one attempt work.
    let steps: Vec<_> = (0..3_000).map(|i| json!({"op": "log", "line": i.to_string()})).collect();
    let report = script(json!(steps)).run().await;
    assert_eq!(report.outcome, Outcome::Returned(Some(b"null".to_vec())));
    assert_eq!(report.dropped_lines, 2_000);
}

#[tokio::test]
async fn a_host_call_with_too_much_data_is_a_trap() {
    let steps = json!([{"op": "log", "line": "x".repeat(4 << 20)}]);
    let stop = script(steps).stopped().await;
    assert_eq!(stop.reason, StopReason::Trap);
    assert!(stop.message.contains("too much data"), "{}", stop.message);
}

#[test]
fn futures_can_move_between_threads() {
    fn is_send(_: &impl Send) {}
    let trial = trial(scripted().clone(), json!([]));
    is_send(&shared().run(scripted(), trial.attempt()));
}
