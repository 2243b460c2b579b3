//! Time, fuel and memory.

use std::time::{Duration, Instant};

use gristmill_core::outcome::{Outcome, StopReason};
use serde_json::{Value, json};

use crate::handmade;
use crate::support::{metered, script, trial};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timeout_while_computing() {
    let report = script(json!([{"op": "loop"}])).timeout(200).run().await;
    let Outcome::Stopped(stop) = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(stop.failed_reason(), "timeout: the attempt ran for its limit of 200ms");
    assert!(stop.backtrace.unwrap().contains("scripted::"), "a loop's place is known");
    assert!((200..2_000).contains(&report.elapsed.as_millis()), "{:?}", report.elapsed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timeout_while_waiting_in_a_host_call() {
    let report = script(json!([{"op": "sleep", "ms": 60_000}])).timeout(150).run().await;
    let Outcome::Stopped(stop) = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(stop.failed_reason(), "timeout: the attempt ran for its limit of 150ms");
    assert!((150..2_000).contains(&report.elapsed.as_millis()), "{:?}", report.elapsed);
}

#[tokio::test]
async fn timeout_on_a_runtime_of_one_thread() {
    let start = Instant::now();
    let trial = script(json!([{"op": "loop"}])).timeout(300);
    let mut looping = std::pin::pin!(trial.stopped());
    // A task of the same thread gets its turn while the guest computes.
    let beside = tokio::spawn(async {});
    let mut ran = false;
    let stop = loop {
        tokio::select! {
            stop = &mut looping => break stop,
            () = async { while !beside.is_finished() { tokio::task::yield_now().await } }, if !ran => ran = true,
        }
    };
    assert!(ran, "the guest gave the thread away");
    assert_eq!(stop.reason, StopReason::Timeout);
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_function_that_loops() {
    let parts = "(memory (export \"memory\") 1) (func $loop (loop (br 0))) (start $loop)";
    let module = handmade::load(&handmade::worker(parts)).unwrap();
    let stop = trial(module, json!([])).timeout(100).stopped().await;
    assert_eq!(stop.reason, StopReason::Timeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_and_computing_within_the_time_is_fine() {
    let trial =
        script(json!([{"op": "sleep", "ms": 20}, {"op": "burn", "ms": 30}, {"op": "return", "value": 1}]));
    let report = trial.run().await;
    assert_eq!(report.outcome, Outcome::Returned(Some(b"1".to_vec())));
    assert!(report.elapsed >= Duration::from_millis(50), "{:?}", report.elapsed);
}

#[tokio::test]
async fn fuel_is_counted_and_the_same_each_time() {
    let steps = json!([{"op": "return", "value": 1}]);
    let first = metered(steps.clone()).run().await.fuel.unwrap();
    let second = metered(steps).run().await.fuel.unwrap();
    assert_eq!(first, second);
    assert!((1_000..1_000_000).contains(&first), "{first}");
}

#[tokio::test]
async fn fuel_that_is_used_up() {
    let report = metered(json!([{"op": "loop"}])).limits(|limits| limits.fuel = Some(5_000_000)).run().await;
    let Outcome::Stopped(stop) = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(stop.failed_reason(), "fuel: the handler used up its 5000000 units of fuel");
    assert_eq!(report.fuel, Some(5_000_000));
}

#[tokio::test]
async fn fuel_needs_a_metered_module() {
    let stop = script(json!([])).limits(|limits| limits.fuel = Some(1_000)).stopped().await;
    assert_eq!(stop.reason, StopReason::Handler);
}

#[tokio::test]
async fn memory_over_its_limit() {
    for step in [json!({"op": "alloc", "mib": 100}), json!({"op": "leak", "mib": 100})] {
        let report = script(json!([step])).run().await;
        let Outcome::Stopped(stop) = report.outcome else { panic!("{:?}", report.outcome) };
        assert_eq!(stop.failed_reason(), "memory: the handler asked for more than its limit of 64 MiB");
        assert!(report.peak_memory <= 64 << 20, "{}", report.peak_memory);
    }
}

#[tokio::test]
async fn memory_that_adds_up() {
    let leaks: Vec<_> = (0..100).map(|_| json!({"op": "leak", "mib": 1})).collect();
    let stop = script(json!(leaks)).limits(|limits| limits.memory = 16 << 20).stopped().await;
    assert_eq!(stop.reason, StopReason::Memory);
}

#[tokio::test]
async fn memory_within_its_limit() {
    let report = script(json!([{"op": "alloc", "mib": 40}, {"op": "return", "value": 1}])).run().await;
    assert_eq!(report.outcome, Outcome::Returned(Some(b"1".to_vec())));
    assert!((40 << 20..=64 << 20).contains(&report.peak_memory), "{}", report.peak_memory);
}

#[tokio::test]
async fn more_memory_at_the_start_than_the_limit() {
    let module = handmade::load(&handmade::worker("(memory (export \"memory\") 1600)")).unwrap();
    let stop = trial(module, json!([])).stopped().await;
    assert_eq!(stop.reason, StopReason::Memory);
}

#[tokio::test]
async fn an_instance_starts_clean() {
    for _ in 0..20 {
        script(json!([{"op": "alloc", "mib": 8}])).run().await;
        let report = script(json!([])).run().await;
        assert!(report.peak_memory < 4 << 20, "{}", report.peak_memory);
    }
}

/// What an adaptive limit of a metered job type means: fuel bounds what computes, time what waits.
#[rstest::rstest]
#[case::computes_on(json!({"op": "burn", "ms": 400}), None)]
#[case::waits(json!({"op": "sleep", "ms": 60_000}), Some("adaptive limit of 100ms"))]
#[case::computes_for_ever(json!({"op": "loop"}), Some("limit of 900ms"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metered_attempt_may_compute_past_its_adaptive_limit(
    #[case] step: Value,
    #[case] stopped: Option<&str>,
) {
    let trial = metered(json!([step])).limits(|limits| {
        limits.fuel = Some(u64::MAX);
        limits.timeout = Duration::from_millis(100);
        limits.computing_timeout = Some(Duration::from_millis(900));
        limits.adapted = true;
    });
    match (trial.run().await.outcome, stopped) {
        (Outcome::Returned(_), None) => {}
        (Outcome::Stopped(stop), Some(words)) => {
            assert_eq!(stop.reason, StopReason::Timeout);
            assert!(stop.message.ends_with(words), "{}", stop.message);
        }
        (other, _) => panic!("{other:?}"),
    }
}
