//! What the job shows of its progress, and what it keeps for its next attempt.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host;

/// A value that the host did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressError(String);

impl fmt::Display for ProgressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ProgressError {}

/// Says that `done` of `total` units are done. With a total, BullMQ's progress becomes the whole percentage.
pub fn report(done: u64, total: impl Into<Option<u64>>) {
    host::progress_report(done, total.into(), None);
}

/// Like [`report`], with a text for people; BullMQ's progress becomes an object of `done`, `total` and `message`.
pub fn report_with(done: u64, total: impl Into<Option<u64>>, message: &str) {
    host::progress_report(done, total.into(), Some(message));
}

/// Sets BullMQ's progress to any value.
pub fn set(value: &impl Serialize) -> Result<(), ProgressError> {
    let json = serde_json::to_vec(value).map_err(|error| ProgressError(error.to_string()))?;
    host::progress_set(&json).map_err(ProgressError)
}

/// Keeps a value, at most 256 KiB as JSON, with the job: its next attempt gets it. A later one takes its place. Waits
/// for Redis.
pub fn save_checkpoint(value: &impl Serialize) -> Result<(), ProgressError> {
    let json = serde_json::to_vec(value).map_err(|error| ProgressError(error.to_string()))?;
    host::save_checkpoint(&json).map_err(ProgressError)
}

/// The value that was kept last, by this attempt or an earlier one. Waits for Redis.
pub fn load_checkpoint<T: DeserializeOwned>() -> Result<Option<T>, ProgressError> {
    let Some(json) = host::load_checkpoint().map_err(ProgressError)? else { return Ok(None) };
    let value = serde_json::from_slice(&json);
    value.map(Some).map_err(|error| ProgressError(format!("the checkpoint holds something else: {error}")))
}

/// Replaces the job's data for later attempts and for all who look at the job. Waits for Redis.
pub fn update_data(data: &impl Serialize) -> Result<(), ProgressError> {
    let json = serde_json::to_vec(data).map_err(|error| ProgressError(error.to_string()))?;
    host::update_data(&json).map_err(ProgressError)
}
