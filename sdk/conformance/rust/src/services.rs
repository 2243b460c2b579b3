//! Steps that ask the host for something that it may refuse.

use gristmill::JobError;
use gristmill::circuit_breaker::{self, BreakerError, Outcome};
use gristmill::enqueue::{self, Added, EnqueueError, NewJob};
use gristmill::http::{HttpError, Request};
use gristmill::rate_limit::{self, LimitError};
use gristmill::secrets::{self, SecretError};
use gristmill::state::{self, StateError};
use serde_json::{Value, json};

use crate::{Step, duration, number, text, texts};

pub(crate) fn ask(op: &str, step: &mut Step) -> Result<Value, JobError> {
    let caught = step.get("catch").and_then(Value::as_bool) == Some(true);
    match asked(op, step) {
        Err(error) if caught => error.value(),
        Err(error) => Err(error.into_job_error()),
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(JobError::permanent(format!("there is no operation `{op}`"))),
    }
}

/// An error of any service.
enum Refused {
    Limit(LimitError),
    Breaker(BreakerError),
    Enqueue(EnqueueError),
    State(StateError),
    Secret(SecretError),
    Http(HttpError),
    Job(JobError),
}

macro_rules! refused {
    ($($variant:ident($error:ty)),*) => {
        $(impl From<$error> for Refused {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })*
    };
}
refused!(
    Limit(LimitError),
    Breaker(BreakerError),
    Enqueue(EnqueueError),
    State(StateError),
    Secret(SecretError),
    Http(HttpError),
    Job(JobError)
);

impl Refused {
    fn into_job_error(self) -> JobError {
        match self {
            Self::Limit(error) => error.into(),
            Self::Breaker(error) => error.into(),
            Self::Enqueue(error) => error.into(),
            Self::State(error) => error.into(),
            Self::Secret(error) => error.into(),
            Self::Http(error) => error.into(),
            Self::Job(error) => error,
        }
    }

    /// Its name in the WIT, and the time that it carries.
    fn value(self) -> Result<Value, JobError> {
        let kind = match &self {
            Self::Limit(LimitError::Limited(wait)) => {
                return Ok(json!({ "error": "limited", "retryAfter": wait.as_millis() }));
            }
            Self::Breaker(BreakerError::Open(wait)) => {
                return Ok(json!({ "error": "open", "retryAfter": wait.as_millis() }));
            }
            Self::Limit(LimitError::UnknownLimiter) => "unknown-limiter",
            Self::Breaker(BreakerError::UnknownBreaker) => "unknown-breaker",
            Self::Limit(LimitError::Denied)
            | Self::Breaker(BreakerError::Denied)
            | Self::Enqueue(EnqueueError::Denied(_))
            | Self::Secret(SecretError::Denied)
            | Self::Http(HttpError::Denied { .. }) => "denied",
            Self::Limit(LimitError::Invalid(_))
            | Self::Breaker(BreakerError::Invalid(_))
            | Self::Enqueue(EnqueueError::Invalid(_))
            | Self::State(StateError::Invalid(_)) => "invalid",
            Self::Enqueue(EnqueueError::QuotaExceeded) | Self::State(StateError::QuotaExceeded) => {
                "quota-exceeded"
            }
            Self::State(StateError::TooLarge) | Self::Http(HttpError::TooLarge { .. }) => "too-large",
            Self::Http(HttpError::Timeout { .. }) => "timeout",
            Self::Http(_) => "failed",
            Self::Job(_) => return Err(self.into_job_error()),
            _ => "unavailable",
        };
        Ok(json!({ "error": kind }))
    }
}

fn asked(op: &str, step: &mut Step) -> Result<Option<Value>, Refused> {
    let key = text(step, "key");
    let ttl = duration(step, "ttl");
    let value = match op {
        "enqueue" => added(&enqueue::submit(new_job(step.remove("job").unwrap_or_default())?)?),
        "enqueueMany" => {
            let jobs = step.get("jobs").and_then(Value::as_array).cloned().unwrap_or_default();
            let jobs: Result<Vec<_>, _> = jobs.into_iter().map(new_job).collect();
            enqueue::submit_many(jobs?)?.iter().map(added).collect()
        }
        "children" => {
            let mut values: Vec<Value> = enqueue::children()?.into_iter().map(|child| child.value).collect();
            values.sort_by_key(Value::to_string);
            json!(values)
        }
        "failedChildren" => {
            let mut reasons: Vec<_> =
                enqueue::failed_children()?.into_iter().map(|child| child.value).collect();
            reasons.sort();
            json!(reasons)
        }
        "stateGet" => json!(state::get::<Value>(&key)?),
        "stateSet" => json!(state::set(&key, &step.get("value"), ttl)?),
        "stateDelete" => json!(state::delete(&key)?),
        "stateIncrement" => {
            json!(state::increment(&key, step.get("delta").and_then(Value::as_i64).unwrap_or_default(), ttl)?)
        }
        "stateCompareAndSet" => {
            json!(state::compare_and_set(
                &key,
                step.get("expected"),
                step.get("value").unwrap_or(&Value::Null),
                ttl
            )?)
        }
        "secret" => json!(secrets::get(&text(step, "name"))?.len()),
        "tryAcquire" => json!(rate_limit::try_acquire(&text(step, "limiter"), &key, cost(step))?),
        "acquire" => {
            let max = duration(step, "maxWait").unwrap_or_default();
            json!(rate_limit::acquire(&text(step, "limiter"), &key, cost(step), max)?.as_millis() >= 100)
        }
        "enter" => {
            let outcome = match text(step, "outcome").as_str() {
                "success" => Outcome::Success,
                "failure" => Outcome::Failure,
                _ => Outcome::Ignore,
            };
            json!(circuit_breaker::enter(&text(step, "breaker"), &key)?.complete(outcome))
        }
        "http" => {
            let method = step.get("method").and_then(Value::as_str).unwrap_or("GET");
            let mut request = Request::new(method, text(step, "url")).body(text(step, "body"));
            for (name, value) in texts(step, "headers") {
                request = request.header(name, value);
            }
            let response = request.send()?;
            json!({ "status": response.status, "body": response.text(), "header": response.header("x-answer") })
        }
        "httpStream" => {
            let mut length = 0;
            Request::get(text(step, "url")).stream(|piece| length += piece.len())?;
            json!(length)
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn cost(step: &Step) -> u32 {
    u32::try_from(number(step, "cost")).unwrap_or(u32::MAX)
}

fn added(added: &Added) -> Value {
    json!({ "id": added.id, "existing": added.existing })
}

fn new_job(job: Value) -> Result<NewJob, JobError> {
    let Value::Object(job) = job else { return Err(JobError::permanent("a job is an object")) };
    let mut new = NewJob::new(text(&job, "name"), &job.get("data"))?;
    if let Some(queue) = job.get("queue").and_then(Value::as_str) {
        new = new.queue(queue);
    }
    if let Some(delay) = duration(&job, "delay") {
        new = new.delay(delay);
    }
    if let Some(key) = job.get("uniqueKey").and_then(Value::as_str) {
        new = new.unique_key(key);
    }
    if job.get("child").and_then(Value::as_bool) == Some(true) {
        new = new.child();
    }
    for (name, value) in job.get("options").and_then(Value::as_object).cloned().unwrap_or_default() {
        new = new.option(name, value);
    }
    Ok(new)
}
