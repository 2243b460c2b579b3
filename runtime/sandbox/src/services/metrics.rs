//! `gristmill:job/metrics`.

use gristmill_core::metric::{MAX_LABEL_VALUE, MAX_LABELS, MAX_NAME, MetricKind, MetricRecord};
use gristmill_core::units::cut;

use crate::bindings::gristmill::job::metrics::Host;
use crate::bindings::gristmill::job::types::Attributes;
use crate::guest::Guest;

impl Guest {
    fn record(&mut self, kind: MetricKind, name: String, value: f64, labels: Attributes) {
        if self.records.take() {
            self.host.metric(bounded(kind, name, value, labels));
        }
    }
}

/// Bounds what is passed on, and leaves names and numbers of labels that are over the ceiling recognisable as such.
fn bounded(kind: MetricKind, mut name: String, value: f64, mut labels: Attributes) -> MetricRecord {
    let keep_name = |name: &mut String| name.truncate(name.floor_char_boundary(MAX_NAME + 4));
    keep_name(&mut name);
    labels.truncate(MAX_LABELS + 1);
    for (name, value) in &mut labels {
        keep_name(name);
        if value.len() > MAX_LABEL_VALUE {
            *value = cut(value, MAX_LABEL_VALUE).into_owned();
        }
    }
    MetricRecord { kind, name, value, labels }
}

impl Host for Guest {
    #[expect(clippy::cast_precision_loss, reason = "counters are shown as f64, as Prometheus does")]
    fn counter_add(&mut self, name: String, value: u64, labels: Attributes) -> wasmtime::Result<()> {
        self.record(MetricKind::Counter, name, value as f64, labels);
        Ok(())
    }

    fn gauge_set(&mut self, name: String, value: f64, labels: Attributes) -> wasmtime::Result<()> {
        self.record(MetricKind::Gauge, name, value, labels);
        Ok(())
    }

    fn histogram_record(&mut self, name: String, value: f64, labels: Attributes) -> wasmtime::Result<()> {
        self.record(MetricKind::Histogram, name, value, labels);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gristmill_core::metric::{MetricRefusal, check};

    use super::*;

    #[test]
    fn bounds_without_making_the_wrong_right() {
        let long = || "x".repeat(1_000);
        let many = (0..100).map(|i| (format!("l{i}"), long())).collect();
        let record = bounded(MetricKind::Gauge, "ok".to_owned(), 1.0, many);
        assert_eq!(check(&record), Err(MetricRefusal::Labels));
        assert!(record.labels.iter().all(|(_, value)| value.len() <= MAX_LABEL_VALUE));
        assert_eq!(check(&bounded(MetricKind::Gauge, long(), 1.0, vec![])), Err(MetricRefusal::Name));
    }
}
