//! The job that is running.

use std::fmt;

/// One attempt of a job.
///
/// Times and headers are functions of [`crate::context`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// Unique in its queue and the same in every attempt: use it as idempotency key.
    pub id: String,
    /// BullMQ's job name.
    pub name: String,
    /// The queue's name without prefix.
    pub queue: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How many attempts the job may have, this one included; at least 1.
    pub max_attempts: u32,
    /// The data as JSON text, exactly as the producer wrote it. The handler's second argument is this, parsed.
    pub data: Vec<u8>,
}

impl Job {
    pub(crate) fn new(
        id: String,
        name: String,
        queue: String,
        attempt: u32,
        max_attempts: u32,
        data: Vec<u8>,
    ) -> Self {
        Self { id, name, queue, attempt, max_attempts, data }
    }

    /// Whether a retryable error of this attempt is final, because no attempt is left.
    #[must_use]
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.max_attempts
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("queue", &self.queue)
            .field("attempt", &self.attempt)
            .field("max_attempts", &self.max_attempts)
            .field("data", &String::from_utf8_lossy(&self.data))
            .finish()
    }
}
