//! BullMQ's own metrics of jobs, under the names and labels of its telemetry, for dashboards that know them.
//!
//! On `/metrics` they have the names that OpenTelemetry's translation for Prometheus gives them; over OTLP their own.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use prometheus::IntCounter;

use crate::metrics::Families;

/// The attributes of each metric; a label has `_` for `.`.
pub(crate) const LABELS: [&str; 3] = ["bullmq_queue_name", "bullmq_job_name", "bullmq_job_state"];
/// States that attempts are counted under, with the name of the counter.
pub(crate) const COUNTED: [(&str, &str); 5] = [
    ("completed", "bullmq_jobs_completed_total"),
    ("failed", "bullmq_jobs_failed_total"),
    ("delayed", "bullmq_jobs_delayed_total"),
    ("retried", "bullmq_jobs_retried_total"),
    ("waiting-children", "bullmq_jobs_waiting_children_total"),
];
/// OpenTelemetry's buckets where nothing else is asked for, in ms; BullMQ asks for nothing else.
pub(crate) const BUCKETS: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2.5e3, 5e3, 7.5e3, 1e4];

/// The same metrics for OTLP.
pub(crate) struct Meter {
    /// In the order of [`COUNTED`].
    counters: [Counter<u64>; COUNTED.len()],
    duration: Histogram<f64>,
    jobs: Gauge<u64>,
}

impl Meter {
    pub(crate) fn new(meter: &opentelemetry::metrics::Meter) -> Self {
        let counter = |state: &'static str| {
            let name = format!("bullmq.jobs.{}", state.replace('-', "_"));
            let description = format!("Number of jobs {state}");
            meter.u64_counter(name).with_description(description).with_unit("1").build()
        };
        Self {
            counters: COUNTED.map(|(state, _)| counter(state)),
            duration: meter
                .f64_histogram("bullmq.job.duration")
                .with_description("Job processing duration")
                .with_unit("ms")
                .build(),
            jobs: meter
                .u64_gauge("bullmq.queue.jobs")
                .with_description("Number of jobs in the queue by state")
                .with_unit("{jobs}")
                .build(),
        }
    }

    pub(crate) fn set_jobs(&self, queue: &str, state: &'static str, count: u64) {
        let attributes = [
            KeyValue::new("bullmq.queue.name", queue.to_owned()),
            KeyValue::new("bullmq.queue.jobs.state", state),
        ];
        self.jobs.record(count, &attributes);
    }
}

/// Where OTLP takes them, once it does.
pub(crate) type Sent = Arc<OnceLock<Meter>>;

/// One job type's.
pub(crate) struct Series {
    queue: String,
    job: String,
    families: Arc<Families>,
    sent: Sent,
    /// In the order of [`COUNTED`]; each is made when it is counted first, so that a page shows no idle ones.
    known: [OnceLock<Counted>; COUNTED.len()],
}

struct Counted {
    count: IntCounter,
    duration: prometheus::Histogram,
    attributes: [KeyValue; 3],
}

impl Series {
    pub(crate) fn new(queue: &str, job: &str, families: Arc<Families>, sent: Sent) -> Self {
        Self { queue: queue.to_owned(), job: job.to_owned(), families, sent, known: Default::default() }
    }

    /// Counts an attempt that left its job in `state`.
    pub(crate) fn count(&self, state: &'static str, elapsed: Duration) {
        let Some(at) = COUNTED.iter().position(|(counted, _)| *counted == state) else { return };
        let counted = self.known[at].get_or_init(|| self.make(at, state));
        let ms = elapsed.as_secs_f64() * 1e3;
        counted.count.inc();
        counted.duration.observe(ms);
        if let Some(meter) = self.sent.get() {
            meter.counters[at].add(1, &counted.attributes);
            meter.duration.record(ms, &counted.attributes);
        }
    }

    fn make(&self, at: usize, state: &'static str) -> Counted {
        let labels = [self.queue.as_str(), self.job.as_str(), state];
        Counted {
            count: self.families.bullmq_jobs[at].with_label_values(&labels),
            duration: self.families.bullmq_duration.with_label_values(&labels),
            attributes: [
                KeyValue::new("bullmq.queue.name", self.queue.clone()),
                KeyValue::new("bullmq.job.name", self.job.clone()),
                KeyValue::new("bullmq.job.state", state),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;

    #[test]
    fn attempts_are_counted_under_bullmqs_names() {
        let metrics = Metrics::new().unwrap();
        let of = metrics.job_type("mail", "welcome");
        of.count_state("completed", Duration::from_millis(7));
        of.count_state("completed", Duration::from_millis(70));
        of.count_state("waiting-children", Duration::ZERO);
        of.count_state("no such state", Duration::ZERO);
        let page = String::from_utf8(metrics.render()).unwrap();
        let labels = r#"bullmq_job_name="welcome",bullmq_job_state="completed",bullmq_queue_name="mail""#;
        for line in [
            format!("bullmq_jobs_completed_total{{{labels}}} 2"),
            format!("bullmq_job_duration_milliseconds_bucket{{{labels},le=\"10\"}} 1"),
            format!("bullmq_job_duration_milliseconds_sum{{{labels}}} 77"),
            format!(
                "bullmq_jobs_waiting_children_total{{{}}} 1",
                labels.replace("completed", "waiting-children")
            ),
        ] {
            assert!(page.contains(&line), "{line}\n{page}");
        }
    }
}
