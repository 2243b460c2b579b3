//! Tests of handlers without WebAssembly, on the machine that builds them.
//!
//! A handler is an ordinary function. Call it with [`job`], or with JSON through [`call`]; what it told the host is in
//! [`take`], per thread, so that tests may run beside each other:
//!
//! ```
//! use gristmill::{Job, JobError, testing};
//!
//! #[gristmill::handler]
//! fn greet(job: Job, name: String) -> Result<String, JobError> {
//!     gristmill::info!(attempt = job.attempt, "greeting");
//!     Ok(format!("Hello {name}"))
//! }
//!
//! assert_eq!(greet(testing::job("Ada"), "Ada".to_owned()).unwrap(), "Hello Ada");
//! assert_eq!(testing::call(greet, testing::job("Ada")).unwrap(), "Hello Ada");
//! assert!(testing::call(greet, testing::job(7)).is_err());
//! assert_eq!(testing::take().logs[0].message, "greeting");
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::host::with;
use crate::http::{HttpError, Request, Response};
use crate::log::Level;
use crate::{Job, JobError, run};

/// Everything that handlers of this thread told the host since it was last taken.
#[derive(Debug, Default)]
pub struct Records {
    /// Lines of the log, without those of `println!`.
    pub logs: Vec<Line>,
    /// Progress values as BullMQ would show them.
    pub progress: Vec<Value>,
    /// Metric records.
    pub metrics: Vec<Metric>,
    /// HTTP requests.
    pub requests: Vec<Request>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its importance.
    pub level: Level,
    /// Its text without fields.
    pub message: String,
    /// Its fields in their order.
    pub fields: Vec<(String, String)>,
}

/// A metric record.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Which function recorded it.
    pub kind: MetricKind,
    /// Its name.
    pub name: String,
    /// Amount added, value set or value observed.
    pub value: f64,
    /// Its labels in their order.
    pub labels: Vec<(String, String)>,
}

/// The kinds of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// From [`crate::metrics::counter`].
    Counter,
    /// From [`crate::metrics::gauge`].
    Gauge,
    /// From [`crate::metrics::histogram`].
    Histogram,
}

/// What [`crate::context`] tells handlers of this thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Ms since the Unix epoch.
    pub enqueued_at_ms: u64,
    /// Ms since the Unix epoch.
    pub scheduled_at_ms: u64,
    /// Ms since the Unix epoch.
    pub deadline_ms: Option<u64>,
    /// Ms until the soft timeout.
    pub remaining_ms: Option<u64>,
    /// Whether the result is no longer wanted.
    pub cancelled: bool,
    /// The job's headers.
    pub headers: Vec<(String, String)>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace state.
    pub tracestate: Option<String>,
    /// Digest of the component.
    pub digest: String,
}

/// A first attempt of three, of job `1` named `test` in queue `test`, with this data. Its fields can be changed.
///
/// # Panics
/// If the data has no JSON form.
#[must_use]
pub fn job(data: impl Serialize) -> Job {
    let data = serde_json::to_vec(&data).expect("job data has a JSON form");
    Job::new("1".to_owned(), "test".to_owned(), "test".to_owned(), 1, 3, data)
}

/// Calls a handler as the host does: with the job's data parsed from JSON, and its return value as JSON.
pub fn call<T: DeserializeOwned, R: Serialize>(
    handler: fn(Job, T) -> Result<R, JobError>,
    job: Job,
) -> Result<Value, JobError> {
    let data = run::parse(&job.data)?;
    let bytes = run::serialize(&handler(job, data)?)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// What was recorded so far; the next records start from nothing.
#[must_use]
pub fn take() -> Records {
    with(|recorder| std::mem::take(&mut recorder.records))
}

/// Sets what [`crate::context`] tells from now on.
pub fn set_context(context: Context) {
    with(|recorder| recorder.context = context);
}

/// Answers the next HTTP request that has no answer yet; a request without an answer fails.
pub fn answer(answer: Result<Response, HttpError>) {
    with(|recorder| recorder.answers.push_back(answer));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{context, metrics, progress};

    #[test]
    fn records_progress_as_bullmq_shows_it() {
        progress::report(1, 4);
        progress::report(5, None);
        progress::report_with(1, 2, "half");
        progress::set(&["any", "value"]).unwrap();
        let shown = take().progress;
        let expected = serde_json::json!([25, {"done": 5}, {"done": 1, "total": 2, "message": "half"}, ["any", "value"]]);
        assert_eq!(Value::from(shown), expected);
    }

    #[test]
    fn records_metrics() {
        metrics::counter("sent", 2, &[("kind", "a")]);
        metrics::gauge("depth", -1.5, &[]);
        let records = take().metrics;
        assert_eq!((records[0].kind, records[0].value), (MetricKind::Counter, 2.0));
        assert_eq!(records[0].labels, [("kind".to_owned(), "a".to_owned())]);
        assert!((records[1].value + 1.5).abs() < f64::EPSILON);
        assert!(take().metrics.is_empty());
    }

    #[test]
    fn tells_the_context() {
        let headers = vec![("Tenant".to_owned(), "acme".to_owned())];
        set_context(Context { remaining_ms: Some(1_500), headers, cancelled: true, ..Context::default() });
        assert_eq!(context::remaining(), Some(Duration::from_millis(1_500)));
        assert_eq!(context::header("tenant").as_deref(), Some("acme"));
        assert!(context::cancelled());
    }
}
