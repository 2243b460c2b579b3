//! What a running job writes into its own hash: data, and a checkpoint for its next attempt.

use redis::Value;

use crate::error::QueueError;
use crate::script::KEEP;
use crate::turn::integer;
use crate::{Lock, Queue};

/// A field of ours in BullMQ's hash of a job: it lives and goes with the job, and BullMQ's clients pass over it.
const CHECKPOINT: &str = "gristmill:checkpoint";

impl Queue {
    /// Keeps a checkpoint with a job that is ours; false when its lock is lost. Repeating it changes nothing.
    pub async fn save_checkpoint(&self, job: &Lock, data: &[u8], now_ms: u64) -> Result<bool, QueueError> {
        self.keep(job, CHECKPOINT, data, now_ms).await
    }

    /// The checkpoint of a job.
    pub async fn load_checkpoint(&self, id: &str) -> Result<Option<Vec<u8>>, QueueError> {
        let answer = self.connection.call(redis::cmd("HGET").arg(self.keys.key(id)).arg(CHECKPOINT)).await?;
        Ok(match answer {
            Value::BulkString(data) => Some(data),
            _ => None,
        })
    }

    /// Replaces the data, JSON text, of a job that is ours; false when its lock is lost. Repeating it changes nothing.
    pub async fn update_data(&self, job: &Lock, json: &str, now_ms: u64) -> Result<bool, QueueError> {
        self.keep(job, "data", json.as_bytes(), now_ms).await
    }

    async fn keep(&self, job: &Lock, field: &str, value: &[u8], now_ms: u64) -> Result<bool, QueueError> {
        let mut call = KEEP.call(&self.keys, now_ms);
        call.arg(&job.id).arg(&*job.token).arg(field).arg(value);
        Ok(integer(&call.send(&self.connection).await?) == 1)
    }
}
