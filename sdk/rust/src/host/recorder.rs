//! A host for tests: it remembers what the handler said, in the thread that runs it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use crate::circuit_breaker::{BreakerError, Outcome};
use crate::enqueue::{Added, EnqueueError, NewJob};
use crate::http::{HttpError, Request, Response};
use crate::log::Level;
use crate::rate_limit::LimitError;
use crate::secrets::SecretError;
use crate::state::StateError;
use crate::testing::{Context, Line, Metric, MetricKind, Records};

/// What the thread's handler has said and will be told.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) records: Records,
    pub(crate) context: Context,
    pub(crate) answers: VecDeque<Result<Response, HttpError>>,
    pub(crate) children: Vec<(String, Vec<u8>)>,
    pub(crate) failed_children: Vec<(String, String)>,
    pub(crate) checkpoint: Option<Vec<u8>>,
    /// True while the services that need Redis are away.
    pub(crate) away: bool,
    pub(crate) state: BTreeMap<String, Vec<u8>>,
    pub(crate) secrets: BTreeMap<String, String>,
    /// Units that each limiter still has.
    pub(crate) limiters: BTreeMap<String, u32>,
    /// Whether each breaker is closed.
    pub(crate) breakers: BTreeMap<String, bool>,
}

thread_local! {
    static RECORDER: RefCell<Recorder> = RefCell::default();
}

pub(crate) fn with<R>(act: impl FnOnce(&mut Recorder) -> R) -> R {
    RECORDER.with_borrow_mut(act)
}

pub(crate) fn enqueued_at() -> u64 {
    with(|recorder| recorder.context.enqueued_at_ms)
}

pub(crate) fn scheduled_at() -> u64 {
    with(|recorder| recorder.context.scheduled_at_ms)
}

pub(crate) fn deadline() -> Option<u64> {
    with(|recorder| recorder.context.deadline_ms)
}

pub(crate) fn remaining() -> Option<u64> {
    with(|recorder| recorder.context.remaining_ms)
}

pub(crate) fn cancelled() -> bool {
    with(|recorder| recorder.context.cancelled)
}

pub(crate) fn header(name: &str) -> Option<String> {
    headers().into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

pub(crate) fn headers() -> Vec<(String, String)> {
    with(|recorder| recorder.context.headers.clone())
}

pub(crate) fn traceparent() -> Option<String> {
    with(|recorder| recorder.context.traceparent.clone())
}

pub(crate) fn digest() -> String {
    with(|recorder| recorder.context.digest.clone())
}

pub(crate) fn tracestate() -> Option<String> {
    with(|recorder| recorder.context.tracestate.clone())
}

pub(crate) fn log_enabled(_: Level) -> bool {
    true
}

pub(crate) fn log_write(level: Level, message: &str, fields: &[(String, String)]) {
    with(|recorder| {
        recorder.records.logs.push(Line { level, message: message.to_owned(), fields: fields.to_vec() });
    });
}

pub(crate) fn progress_report(done: u64, total: Option<u64>, message: Option<&str>) {
    let value = match (total, message) {
        (Some(0), None) => Value::from(100),
        (Some(total), None) => Value::from((u128::from(done) * 100 / u128::from(total)).min(100) as u64),
        (total, message) => {
            let parts = [("total", total.map(Value::from)), ("message", message.map(Value::from))];
            let given = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            std::iter::once(("done".to_owned(), done.into())).chain(given).collect()
        }
    };
    with(|recorder| recorder.records.progress.push(value));
}

pub(crate) fn progress_set(json: &[u8]) -> Result<(), String> {
    let value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    with(|recorder| recorder.records.progress.push(value));
    Ok(())
}

pub(crate) fn counter_add(name: &str, value: u64, labels: &[(String, String)]) {
    record(MetricKind::Counter, name, value as f64, labels);
}

pub(crate) fn gauge_set(name: &str, value: f64, labels: &[(String, String)]) {
    record(MetricKind::Gauge, name, value, labels);
}

pub(crate) fn histogram_record(name: &str, value: f64, labels: &[(String, String)]) {
    record(MetricKind::Histogram, name, value, labels);
}

fn record(kind: MetricKind, name: &str, value: f64, labels: &[(String, String)]) {
    with(|recorder| {
        recorder.records.metrics.push(Metric { kind, name: name.to_owned(), value, labels: labels.to_vec() });
    });
}

pub(crate) fn stream(request: &Request, piece: &mut dyn FnMut(&[u8])) -> Result<Response, HttpError> {
    let response = send(request)?;
    piece(&response.body);
    Ok(Response { body: Vec::new(), ..response })
}

pub(crate) fn send(request: &Request) -> Result<Response, HttpError> {
    let host = request.url()?.authority;
    with(|recorder| {
        recorder.records.requests.push(request.clone());
        let nobody = || {
            Err(HttpError::Failed {
                host,
                reason: "the test gave no answer; see `testing::answer`".to_owned(),
            })
        };
        recorder.answers.pop_front().unwrap_or_else(nobody)
    })
}

/// What a service says while the test has none.
const AWAY: &str = "the test says so; see `testing::set_services`";

fn served<E>(away: fn(String) -> E) -> Result<(), E> {
    if with(|recorder| recorder.away) { Err(away(AWAY.to_owned())) } else { Ok(()) }
}

pub(crate) fn submit(job: NewJob) -> Result<Added, EnqueueError> {
    served(EnqueueError::Unavailable)?;
    with(|recorder| {
        recorder.records.enqueued.push(job);
        Ok(Added::new(format!("added-{}", recorder.records.enqueued.len()), false))
    })
}

pub(crate) fn submit_many(jobs: Vec<NewJob>) -> Result<Vec<Added>, EnqueueError> {
    jobs.into_iter().map(submit).collect()
}

pub(crate) fn children() -> Result<Vec<(String, Vec<u8>)>, EnqueueError> {
    served(EnqueueError::Unavailable)?;
    Ok(with(|recorder| recorder.children.clone()))
}

pub(crate) fn failed_children() -> Result<Vec<(String, String)>, EnqueueError> {
    served(EnqueueError::Unavailable)?;
    Ok(with(|recorder| recorder.failed_children.clone()))
}

pub(crate) fn save_checkpoint(data: &[u8]) -> Result<(), String> {
    served(|why| why)?;
    with(|recorder| recorder.checkpoint = Some(data.to_vec()));
    Ok(())
}

pub(crate) fn load_checkpoint() -> Result<Option<Vec<u8>>, String> {
    served(|why| why)?;
    Ok(with(|recorder| recorder.checkpoint.clone()))
}

pub(crate) fn update_data(json: &[u8]) -> Result<(), String> {
    served(|why| why)?;
    let value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    with(|recorder| recorder.records.data.push(value));
    Ok(())
}

pub(crate) fn state_get(key: &str) -> Result<Option<Vec<u8>>, StateError> {
    served(StateError::Unavailable)?;
    Ok(with(|recorder| recorder.state.get(key).cloned()))
}

pub(crate) fn state_set(key: &str, value: &[u8], _ttl_ms: Option<u64>) -> Result<(), StateError> {
    served(StateError::Unavailable)?;
    with(|recorder| recorder.state.insert(key.to_owned(), value.to_vec()));
    Ok(())
}

pub(crate) fn state_delete(key: &str) -> Result<bool, StateError> {
    served(StateError::Unavailable)?;
    Ok(with(|recorder| recorder.state.remove(key).is_some()))
}

pub(crate) fn state_increment(key: &str, delta: i64, _ttl_ms: Option<u64>) -> Result<i64, StateError> {
    served(StateError::Unavailable)?;
    with(|recorder| {
        let present = recorder.state.get(key).map_or(Some(0), |value| serde_json::from_slice(value).ok());
        let sum = present.and_then(|number: i64| number.checked_add(delta));
        let sum = sum.ok_or_else(|| StateError::Invalid(format!("`{key}` holds no whole number")))?;
        recorder.state.insert(key.to_owned(), sum.to_string().into_bytes());
        Ok(sum)
    })
}

pub(crate) fn state_compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
    ttl_ms: Option<u64>,
) -> Result<bool, StateError> {
    if state_get(key)?.as_deref() != expected {
        return Ok(false);
    }
    state_set(key, value, ttl_ms)?;
    Ok(true)
}

pub(crate) fn secret(name: &str) -> Result<String, SecretError> {
    with(|recorder| recorder.secrets.get(name).cloned()).ok_or(SecretError::Denied)
}

/// How long a limiter or a breaker without room says to wait.
const WAIT: Duration = Duration::from_secs(1);

pub(crate) fn try_acquire(limiter: &str, _: &str, cost: u32) -> Result<(), LimitError> {
    with(|recorder| {
        let left = recorder.limiters.get_mut(limiter).ok_or(LimitError::Denied)?;
        *left = left.checked_sub(cost).ok_or(LimitError::Limited(WAIT))?;
        Ok(())
    })
}

pub(crate) fn acquire(limiter: &str, key: &str, cost: u32, _: u64) -> Result<u64, LimitError> {
    try_acquire(limiter, key, cost).map(|()| 0)
}

/// Remembers how it ended.
#[derive(Debug)]
pub(crate) struct BreakerPermit {
    breaker: String,
    outcome: Outcome,
}

impl Drop for BreakerPermit {
    fn drop(&mut self) {
        let guarded = (std::mem::take(&mut self.breaker), self.outcome);
        with(|recorder| recorder.records.guarded.push(guarded));
    }
}

pub(crate) fn enter(breaker: &str, _: &str) -> Result<BreakerPermit, BreakerError> {
    match with(|recorder| recorder.breakers.get(breaker).copied()) {
        None => Err(BreakerError::Denied),
        Some(false) => Err(BreakerError::Open(WAIT)),
        Some(true) => Ok(BreakerPermit { breaker: breaker.to_owned(), outcome: Outcome::Failure }),
    }
}

pub(crate) fn complete(mut permit: BreakerPermit, outcome: Outcome) {
    permit.outcome = outcome;
}
