//! Log, stdout, stderr, progress and metrics.

use gristmill_core::metric::MetricKind;
use gristmill_core::outcome::Outcome;
use gristmill_sandbox::Level;
use serde_json::json;

use crate::support::script;

#[tokio::test]
async fn log_lines_keep_order_and_level() {
    let trial = script(json!([
        {"op": "log", "line": "one"},
        {"op": "print", "line": "two\nthree"},
        {"op": "log", "line": "four", "level": "error"},
    ]));
    trial.run().await;
    let expected =
        [(Level::Info, "one"), (Level::Info, "two"), (Level::Info, "three"), (Level::Error, "four")];
    let logs = trial.host.logs.lock().unwrap();
    assert_eq!(logs.iter().map(|(level, line)| (*level, line.as_str())).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn terminals_are_safe() {
    let trial = script(json!([{"op": "print", "line": "\u{1b}[2J\u{1b}]0;owned\u{7}clean\rx"}]));
    trial.run().await;
    assert_eq!(trial.host.lines(), ["cleanx"]);
}

#[tokio::test]
async fn a_flood_is_counted_and_the_handler_goes_on() {
    let mut steps = vec![json!({"op": "print", "line": "x\n".repeat(50_000)})];
    steps.extend((0..100).map(|i| json!({"op": "log", "line": format!("{i}")})));
    steps.push(json!({"op": "return", "value": "done"}));
    let trial = script(json!(steps)).limits(|limits| limits.log_lines = 10);
    let report = trial.run().await;
    assert_eq!(report.outcome, Outcome::Returned(Some(br#""done""#.to_vec())));
    assert_eq!(trial.host.lines().len(), 10);
    assert_eq!(report.dropped_lines, 50_000 + 100 - 10);
}

#[tokio::test]
async fn a_long_line_is_cut() {
    let steps =
        json!([{"op": "print", "line": "ä".repeat(100_000)}, {"op": "log", "line": "ö".repeat(100_000)}]);
    let trial = script(steps).limits(|limits| limits.log_line_bytes = 100);
    trial.run().await;
    let lines = trial.host.lines();
    assert!(
        lines.len() == 2 && lines.iter().all(|line| line.len() <= 100 && line.ends_with('…')),
        "{lines:?}"
    );
}

#[tokio::test]
async fn progress_of_any_json() {
    let trial =
        script(json!([{"op": "progress", "value": 42}, {"op": "progress", "value": {"page": [1, 2]}}]));
    trial.run().await;
    assert_eq!(*trial.host.progress.lock().unwrap(), ["42", r#"{"page":[1,2]}"#]);
}

#[tokio::test]
async fn progress_that_is_too_large_is_an_error_of_the_handler() {
    let trial = script(json!([{"op": "progress", "value": "x".repeat(100)}]))
        .limits(|limits| limits.progress_bytes = 50);
    let outcome = trial.run().await.outcome;
    let Outcome::Retryable(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.contains("more than the limit of 50 B"), "{}", failure.message);
    assert!(trial.host.progress.lock().unwrap().is_empty());
}

#[tokio::test]
async fn too_many_updates_and_records_are_dropped() {
    let metric = json!({"op": "metric", "kind": "counter", "name": "n", "value": 1});
    let steps: Vec<_> =
        (0..20).flat_map(|i| [json!({"op": "progress", "value": i}), metric.clone()]).collect();
    let trial =
        script(json!(steps)).limits(|limits| (limits.progress_updates, limits.metric_records) = (5, 3));
    let report = trial.run().await;
    assert_eq!(trial.host.progress.lock().unwrap().len(), 5);
    assert_eq!(trial.host.metrics.lock().unwrap().len(), 3);
    assert_eq!((report.dropped_updates, report.dropped_records), (15, 17));
}

#[tokio::test]
async fn metrics_of_each_kind() {
    let trial = script(json!([
        {"op": "metric", "kind": "counter", "name": "sent", "value": 2, "labels": {"to": "a"}},
        {"op": "metric", "kind": "gauge", "name": "depth", "value": -1.5},
        {"op": "metric", "kind": "histogram", "name": "size", "value": 0.25},
    ]));
    trial.run().await;
    let metrics = trial.host.metrics.lock().unwrap();
    let kinds: Vec<_> =
        metrics.iter().map(|record| (record.kind, record.name.as_str(), record.value)).collect();
    let expected = [
        (MetricKind::Counter, "sent", 2.0),
        (MetricKind::Gauge, "depth", -1.5),
        (MetricKind::Histogram, "size", 0.25),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(metrics[0].labels, [("to".to_owned(), "a".to_owned())]);
}
