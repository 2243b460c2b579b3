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

use crate::circuit_breaker::Outcome;
use crate::enqueue::NewJob;
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
    /// Jobs added; their ids are `added-1` and so on.
    pub enqueued: Vec<NewJob>,
    /// Values that replaced the job's data.
    pub data: Vec<Value>,
    /// Calls that a breaker let pass: its name and how they ended.
    pub guarded: Vec<(String, Outcome)>,
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

/// Whether the services that need Redis (`enqueue`, `state`, checkpoints) answer; at first they do.
pub fn set_services(there: bool) {
    with(|recorder| recorder.away = !there);
}

/// Allows a secret, with this value.
pub fn set_secret(name: &str, value: &str) {
    with(|recorder| recorder.secrets.insert(name.to_owned(), value.to_owned()));
}

/// Allows a limiter, with so many units left; a test has no time in which they come back.
pub fn set_limiter(name: &str, units: u32) {
    with(|recorder| recorder.limiters.insert(name.to_owned(), units));
}

/// Allows a breaker, closed or open.
pub fn set_breaker(name: &str, closed: bool) {
    with(|recorder| recorder.breakers.insert(name.to_owned(), closed));
}

/// Sets the children of the job that have completed: BullMQ's key and return value of each.
///
/// # Panics
/// If a value has no JSON form.
pub fn set_children(children: impl IntoIterator<Item = (String, Value)>) {
    let json = |value: Value| serde_json::to_vec(&value).expect("a value has a JSON form");
    let children = children.into_iter().map(|(key, value)| (key, json(value))).collect();
    with(|recorder| recorder.children = children);
}

/// Sets the children that have failed: BullMQ's key and reason of each.
pub fn set_failed_children(children: impl IntoIterator<Item = (String, String)>) {
    with(|recorder| recorder.failed_children = children.into_iter().collect());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{context, enqueue, metrics, progress, state};

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

    #[test]
    fn remembers_jobs_state_and_checkpoints() {
        let job = || NewJob::new("page", &1).unwrap().queue("pages").option("priority", 2).child();
        assert_eq!(enqueue::submit(job()).unwrap().id, "added-1");
        assert_eq!(take().enqueued, [job()]);
        set_children([("bull:pages:7".to_owned(), 5.into())]);
        assert_eq!(enqueue::children::<u8>().unwrap()[0].value, 5);
        assert!(enqueue::children::<String>().is_err());

        progress::save_checkpoint(&(3, "x")).unwrap();
        assert_eq!(progress::load_checkpoint::<(u8, String)>().unwrap(), Some((3, "x".to_owned())));
        progress::update_data(&[1]).unwrap();
        assert_eq!(take().data, [serde_json::json!([1])]);

        assert!(state::compare_and_set("k", None, &1, None).unwrap());
        assert!(!state::compare_and_set("k", Some(&7), &2, None).unwrap());
        assert_eq!(state::increment("k", 4, None), Ok(5));
        assert!(state::delete("k").unwrap() && state::get::<i64>("k").unwrap().is_none());
        state::set("text", &"x", None).unwrap();
        assert!(state::increment("text", 1, None).is_err());

        set_services(false);
        let away = enqueue::submit(job()).unwrap_err();
        assert!(matches!(JobError::from(away), JobError::Retryable(_)));
        assert!(state::get::<i64>("k").is_err() && progress::load_checkpoint::<u8>().is_err());
    }
}
