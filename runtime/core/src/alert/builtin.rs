//! The rules that every installation has, by their thresholds.

use super::expression::Expression;
use super::{CALM_MS, Rule};

/// From where on a series warns, and from where on it is critical.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Warns above this.
    pub warning: f64,
    /// Is critical above this.
    pub critical: f64,
}

/// `[alerts]`: the thresholds of the built-in rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    /// Jobs that could run now.
    pub queue_depth: Bounds,
    /// Percent of the attempts that failed in the last interval.
    pub error_rate: Bounds,
    /// Percent of the attempts that timed out in the last interval.
    pub timeout_rate: Bounds,
    /// Attempts' P95, which warns, and P99, which is critical, in ms.
    pub processing_time: Bounds,
    /// Memory of workers, percent of their hard limit.
    pub memory_usage: Bounds,
}

impl Default for Thresholds {
    fn default() -> Self {
        let bounds = |warning, critical| Bounds { warning, critical };
        Self {
            queue_depth: bounds(200.0, 500.0),
            error_rate: bounds(5.0, 10.0),
            timeout_rate: bounds(2.0, 5.0),
            processing_time: bounds(120_000.0, 300_000.0),
            memory_usage: bounds(75.0, 90.0),
        }
    }
}

/// Name, series that warns, series that is critical, what is told.
const RULES: [(&str, &str, &str, &str); 5] = [
    ("queue-depth", "backlog", "backlog", "{value} jobs wait, more than {threshold}"),
    ("error-rate", "error_rate", "error_rate", "{value} % of the attempts failed, more than {threshold} %"),
    (
        "timeout-rate",
        "timeout_rate",
        "timeout_rate",
        "{value} % of the attempts timed out, more than {threshold} %",
    ),
    ("processing-time", "p95_ms", "p99_ms", "slow attempts take {value} ms, more than {threshold} ms"),
    (
        "memory-usage",
        "memory_percent",
        "memory_percent",
        "workers use {value} % of their memory limit, more than {threshold} %",
    ),
];

/// The built-in rules: five with thresholds, and one for queues with jobs that no worker serves.
#[must_use]
pub fn built_in(thresholds: &Thresholds) -> Vec<Rule> {
    let bounds = [
        thresholds.queue_depth,
        thresholds.error_rate,
        thresholds.timeout_rate,
        thresholds.processing_time,
        thresholds.memory_usage,
    ];
    let parse = |text: &str| Expression::parse(text).ok();
    let mut rules: Vec<Rule> = RULES
        .into_iter()
        .zip(bounds)
        .map(|((name, warns, critical, summary), bounds)| Rule {
            name: name.to_owned(),
            warning: parse(&format!("{warns} > {}", bounds.warning)),
            critical: parse(&format!("{critical} > {}", bounds.critical)),
            for_ms: 0,
            queues: Vec::new(),
            summary: Some(summary.to_owned()),
        })
        .collect();
    rules.push(Rule {
        name: "no-worker".to_owned(),
        warning: None,
        critical: parse("workers < 1 and backlog > 0"),
        for_ms: CALM_MS,
        queues: Vec::new(),
        summary: Some("jobs wait and no worker serves the queue".to_owned()),
    });
    rules
}
