//! Calls that wait for the host's Redis, or for a file.

use super::super::bindings::gristmill::job::{enqueue, progress, secrets, state};
use crate::enqueue::{Added, EnqueueError, NewJob};
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
