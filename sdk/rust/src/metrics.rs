//! Metrics of the handler's own, which the worker serves to Prometheus with the labels `queue` and `job` added.
//!
//! Names and label names are `[a-zA-Z_][a-zA-Z0-9_]*`. Give labels few distinct values: the host counts and drops
//! what breaks its rules or exceeds its ceilings.
//!
//! ```
//! gristmill::metrics::counter("emails_sent", 1, &[("template", "welcome")]);
//! gristmill::metrics::histogram("pdf_pages", 12.0, &[]);
//! ```

use crate::host;

fn labels(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Adds to a counter.
pub fn counter(name: &str, value: u64, with: &[(&str, &str)]) {
    host::counter_add(name, value, &labels(with));
}

/// Sets a gauge.
pub fn gauge(name: &str, value: f64, with: &[(&str, &str)]) {
    host::gauge_set(name, value, &labels(with));
}

/// Observes one value of a distribution.
pub fn histogram(name: &str, value: f64, with: &[(&str, &str)]) {
    host::histogram_record(name, value, &labels(with));
}
