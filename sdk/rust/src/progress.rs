//! Tells those who watch the job how far it is. Never waits.

use std::fmt;

use serde::Serialize;

use crate::host;

/// A progress value that the host did not take.
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
