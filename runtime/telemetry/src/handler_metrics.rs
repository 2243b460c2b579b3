//! Metrics that handlers define. Their names and labels are a guest's: checked, prefixed, and capped in number.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use gristmill_core::metric::{MAX_LABEL_VALUE, MetricKind, MetricRecord, MetricRefusal, check};
use gristmill_core::units::cut;
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, GaugeVec, HistogramOpts, HistogramVec, Opts, Registry, exponential_buckets};

/// Series of all handlers together that one worker holds.
pub(crate) const MAX_SERIES: usize = 2_000;

/// Every series that handlers have made so far.
#[derive(Default)]
pub struct HandlerMetrics {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    registry: Registry,
    families: HashMap<String, Family>,
    /// Hashes would do; the values are bounded, so exactness costs little.
    series: HashSet<(String, Vec<String>)>,
}

struct Family {
    labels: Vec<String>,
    vector: Vector,
}

enum Vector {
    Counter(CounterVec),
    Gauge(GaugeVec),
    Histogram(HistogramVec),
}

impl HandlerMetrics {
    /// Records it under `gristmill_handler_NAME` with the labels `queue` and `job` before the handler's own.
    pub fn record(&self, queue: &str, job: &str, mut record: MetricRecord) -> Result<(), MetricRefusal> {
        check(&record)?;
        record.labels.sort();
        let name = format!("gristmill_handler_{}", record.name);
        let mut values =
            vec![cut(queue, MAX_LABEL_VALUE).into_owned(), cut(job, MAX_LABEL_VALUE).into_owned()];
        values.extend(record.labels.iter().map(|(_, value)| cut(value, MAX_LABEL_VALUE).into_owned()));

        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name, values);
        let known = state.series.contains(&key);
        if !known && state.series.len() >= MAX_SERIES {
            return Err(MetricRefusal::Series);
        }
        state.family(&key.0, &record)?.set(record.kind, record.value, &key.1)?;
        if !known {
            state.series.insert(key);
        }
        Ok(())
    }

    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).registry.gather()
    }
}

impl State {
    fn family(&mut self, name: &str, record: &MetricRecord) -> Result<&Family, MetricRefusal> {
        if !self.families.contains_key(name) {
            let family = Family::new(name, record).map_err(|_| MetricRefusal::Name)?;
            let collector: Box<dyn prometheus::core::Collector> = match &family.vector {
                Vector::Counter(vector) => Box::new(vector.clone()),
                Vector::Gauge(vector) => Box::new(vector.clone()),
                Vector::Histogram(vector) => Box::new(vector.clone()),
            };
            self.registry.register(collector).map_err(|_| MetricRefusal::Conflict)?;
            self.families.insert(name.to_owned(), family);
        }
        let family = &self.families[name];
        let same = family.labels.iter().eq(record.labels.iter().map(|(name, _)| name));
        if same { Ok(family) } else { Err(MetricRefusal::Conflict) }
    }
}

impl Family {
    fn new(name: &str, record: &MetricRecord) -> Result<Self, prometheus::Error> {
        let labels: Vec<String> = record.labels.iter().map(|(name, _)| name.clone()).collect();
        let mut all = vec!["queue", "job"];
        all.extend(labels.iter().map(String::as_str));
        let help = "Recorded by handlers";
        let vector = match record.kind {
            MetricKind::Counter => Vector::Counter(CounterVec::new(Opts::new(name, help), &all)?),
            MetricKind::Gauge => Vector::Gauge(GaugeVec::new(Opts::new(name, help), &all)?),
            MetricKind::Histogram => {
                // Wide enough for milliseconds as well as bytes: the handler's unit is not known.
                let buckets = exponential_buckets(0.001, 10.0, 12)?;
                Vector::Histogram(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), &all)?)
            }
        };
        Ok(Self { labels, vector })
    }

    fn set(&self, kind: MetricKind, value: f64, labels: &[String]) -> Result<(), MetricRefusal> {
        match (&self.vector, kind) {
            (Vector::Counter(vector), MetricKind::Counter) => vector.with_label_values(labels).inc_by(value),
            (Vector::Gauge(vector), MetricKind::Gauge) => vector.with_label_values(labels).set(value),
            (Vector::Histogram(vector), MetricKind::Histogram) => {
                vector.with_label_values(labels).observe(value);
            }
            _ => return Err(MetricRefusal::Conflict),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: MetricKind, name: &str, label: &str) -> MetricRecord {
        let labels = vec![("template".to_owned(), label.to_owned())];
        MetricRecord { kind, name: name.to_owned(), value: 1.0, labels }
    }

    #[test]
    fn a_name_keeps_its_kind_and_labels() {
        let metrics = HandlerMetrics::default();
        assert_eq!(metrics.record("q", "j", record(MetricKind::Counter, "sent", "a")), Ok(()));
        assert_eq!(
            metrics.record("q", "j", record(MetricKind::Gauge, "sent", "a")),
            Err(MetricRefusal::Conflict)
        );
        let plain = MetricRecord { labels: vec![], ..record(MetricKind::Counter, "sent", "a") };
        assert_eq!(metrics.record("q", "j", plain), Err(MetricRefusal::Conflict));
    }

    #[test]
    fn the_number_of_series_is_capped() {
        let metrics = HandlerMetrics::default();
        for n in 0..MAX_SERIES {
            assert_eq!(metrics.record("q", "j", record(MetricKind::Counter, "n", &n.to_string())), Ok(()));
        }
        assert_eq!(
            metrics.record("q", "j", record(MetricKind::Counter, "n", "new")),
            Err(MetricRefusal::Series)
        );
        assert_eq!(metrics.record("q", "j", record(MetricKind::Counter, "n", "7")), Ok(()));
        let series: usize = metrics.gather().iter().map(|f| f.get_metric().len()).sum();
        assert_eq!(series, MAX_SERIES);
    }
}
