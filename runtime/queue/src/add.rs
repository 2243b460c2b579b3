//! Adding plain jobs: standard, LIFO, prioritized and delayed ones.

use redis::Value;

use crate::Queue;
use crate::error::QueueError;
use crate::keys::SUFFIXES;
use crate::script::ADD;
use crate::turn::text;

/// BullMQ's highest priority number.
pub(crate) const MAX_PRIORITY: u32 = (1 << 21) - 1;

/// A job to add.
#[derive(Debug, Clone, Default)]
pub struct NewJob {
    /// Its name.
    pub name: String,
    /// JSON text.
    pub data: String,
    /// BullMQ's options as a JSON object; `delay`, `priority` and `lifo` below are written into it by the caller.
    pub opts: String,
    /// An id of the producer's choice.
    pub custom_id: Option<String>,
    /// Ms from now.
    pub delay_ms: u64,
    /// 0 is none; 1 runs first; at most 2 097 151.
    pub priority: u32,
    /// To the front of the queue.
    pub lifo: bool,
}

/// Checks an id that a producer chose, by BullMQ's rules and ours: it must not be another key's name.
pub fn check_custom_id(id: &str) -> Result<(), QueueError> {
    let why = if id.is_empty() || id.len() > 512 {
        "must have 1 to 512 bytes"
    } else if id == "0" || id.starts_with("0:") || id.bytes().all(|b| b.is_ascii_digit()) {
        "must not be a number: BullMQ counts its own ids"
    } else if id.contains(':') {
        "must not contain `:`"
    } else if SUFFIXES.contains(&id) {
        "is the name of one of the queue's own keys"
    } else {
        return Ok(());
    };
    Err(QueueError::Job(format!("job id `{id}` {why}")))
}

impl Queue {
    /// Adds jobs in one call and answers their ids. Repeating it adds those without a custom id again.
    pub async fn add(&self, jobs: &[NewJob], now_ms: u64) -> Result<Vec<String>, QueueError> {
        let mut call = ADD.call(&self.keys, now_ms);
        for job in jobs {
            if let Some(id) = &job.custom_id {
                check_custom_id(id)?;
            }
            if job.priority > MAX_PRIORITY {
                return Err(QueueError::Job(format!("priority {} is above {MAX_PRIORITY}", job.priority)));
            }
            call.arg(job.custom_id.as_deref().unwrap_or_default())
                .arg(&job.name)
                .arg(&job.data)
                .arg(&job.opts);
            call.arg(now_ms).arg(job.delay_ms).arg(job.priority).arg(u8::from(job.lifo));
        }
        match call.send(&self.connection).await? {
            Value::Array(ids) => Ok(ids.into_iter().map(text).collect()),
            _ => Err(self.connection.unfit("ids")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("order-17", true)]
    #[case("17", false)]
    #[case("wait", false)]
    #[case("a:b", false)]
    #[case("", false)]
    fn custom_ids(#[case] id: &str, #[case] fits: bool) {
        assert_eq!(check_custom_id(id).is_ok(), fits);
    }
}
