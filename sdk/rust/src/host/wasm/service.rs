//! Calls that wait for the host's Redis, or for a file.

use std::time::Duration;

use super::super::bindings::gristmill::job::{
    circuit_breaker, enqueue, progress, rate_limit, secrets, state,
};
use crate::circuit_breaker::{BreakerError, Outcome};
use crate::enqueue::{Added, EnqueueError, NewJob};
use crate::rate_limit::LimitError;
use crate::secrets::SecretError;
use crate::state::StateError;

pub(crate) use progress::{load_checkpoint, save_checkpoint, update_data};

impl From<enqueue::EnqueueError> for EnqueueError {
    fn from(error: enqueue::EnqueueError) -> Self {
        match error {
            enqueue::EnqueueError::Denied(why) => Self::Denied(why),
            enqueue::EnqueueError::Invalid(why) => Self::Invalid(why),
            enqueue::EnqueueError::QuotaExceeded => Self::QuotaExceeded,
            enqueue::EnqueueError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<state::StateError> for StateError {
    fn from(error: state::StateError) -> Self {
        match error {
            state::StateError::Invalid(why) => Self::Invalid(why),
            state::StateError::TooLarge => Self::TooLarge,
            state::StateError::QuotaExceeded => Self::QuotaExceeded,
            state::StateError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

fn new_job(job: NewJob) -> enqueue::NewJob {
    let options = (!job.options.is_empty()).then(|| serde_json::Value::Object(job.options).to_string());
    enqueue::NewJob {
        name: job.name,
        queue: job.queue,
        data: job.data,
        delay: job.delay_ms,
        unique_key: job.unique_key,
        child: job.child,
        options,
    }
}

fn added(added: enqueue::Added) -> Added {
    Added::new(added.id, added.existing)
}

pub(crate) fn submit(job: NewJob) -> Result<Added, EnqueueError> {
    Ok(added(enqueue::submit(&new_job(job))?))
}

pub(crate) fn submit_many(jobs: Vec<NewJob>) -> Result<Vec<Added>, EnqueueError> {
    let jobs: Vec<_> = jobs.into_iter().map(new_job).collect();
    Ok(enqueue::submit_many(&jobs)?.into_iter().map(added).collect())
}

pub(crate) fn children() -> Result<Vec<(String, Vec<u8>)>, EnqueueError> {
    Ok(enqueue::children()?)
}

pub(crate) fn failed_children() -> Result<Vec<(String, String)>, EnqueueError> {
    Ok(enqueue::failed_children()?)
}

pub(crate) fn state_get(key: &str) -> Result<Option<Vec<u8>>, StateError> {
    Ok(state::get(key)?)
}

pub(crate) fn state_set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), StateError> {
    Ok(state::set(key, value, ttl_ms)?)
}

pub(crate) fn state_delete(key: &str) -> Result<bool, StateError> {
    Ok(state::delete(key)?)
}

pub(crate) fn state_increment(key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, StateError> {
    Ok(state::increment(key, delta, ttl_ms)?)
}

pub(crate) fn state_compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
    ttl_ms: Option<u64>,
) -> Result<bool, StateError> {
    Ok(state::compare_and_set(key, expected, value, ttl_ms)?)
}

pub(crate) fn secret(name: &str) -> Result<String, SecretError> {
    secrets::get(name).map_err(|error| match error {
        secrets::SecretError::Denied => SecretError::Denied,
        secrets::SecretError::Unavailable(why) => SecretError::Unavailable(why),
    })
}

impl From<rate_limit::LimitError> for LimitError {
    fn from(error: rate_limit::LimitError) -> Self {
        match error {
            rate_limit::LimitError::Limited(ms) => Self::Limited(Duration::from_millis(ms)),
            rate_limit::LimitError::UnknownLimiter => Self::UnknownLimiter,
            rate_limit::LimitError::Denied => Self::Denied,
            rate_limit::LimitError::Invalid(why) => Self::Invalid(why),
            rate_limit::LimitError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

pub(crate) fn try_acquire(limiter: &str, key: &str, cost: u32) -> Result<(), LimitError> {
    Ok(rate_limit::try_acquire(limiter, key, cost)?)
}

pub(crate) fn acquire(limiter: &str, key: &str, cost: u32, max_wait_ms: u64) -> Result<u64, LimitError> {
    Ok(rate_limit::acquire(limiter, key, cost, max_wait_ms)?)
}

pub(crate) type BreakerPermit = circuit_breaker::Permit;

impl From<circuit_breaker::BreakerError> for BreakerError {
    fn from(error: circuit_breaker::BreakerError) -> Self {
        match error {
            circuit_breaker::BreakerError::Open(ms) => Self::Open(Duration::from_millis(ms)),
            circuit_breaker::BreakerError::UnknownBreaker => Self::UnknownBreaker,
            circuit_breaker::BreakerError::Denied => Self::Denied,
            circuit_breaker::BreakerError::Invalid(why) => Self::Invalid(why),
            circuit_breaker::BreakerError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

pub(crate) fn enter(breaker: &str, key: &str) -> Result<BreakerPermit, BreakerError> {
    Ok(circuit_breaker::enter(breaker, key)?)
}

pub(crate) fn complete(permit: BreakerPermit, outcome: Outcome) {
    BreakerPermit::complete(
        permit,
        match outcome {
            Outcome::Success => circuit_breaker::Outcome::Success,
            Outcome::Failure => circuit_breaker::Outcome::Failure,
            Outcome::Ignore => circuit_breaker::Outcome::Ignore,
        },
    );
}
