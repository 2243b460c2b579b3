//! The job as the host hands it to a handler.

/// One attempt's input. Texts come from the producer; the queue crate has bounded none of them but Redis's own 512 MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Unique in its queue, stable across attempts.
    pub id: String,
    /// BullMQ's job name; with the queue it is the job type.
    pub name: String,
    /// The queue's name without prefix.
    pub queue: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How many attempts the job may have; at least 1.
    pub max_attempts: u32,
    /// JSON text exactly as the producer wrote it.
    pub data: Vec<u8>,
    /// When the producer added it, ms since the Unix epoch.
    pub enqueued_at_ms: u64,
    /// When it was to run: for its first start `enqueued_at_ms` plus its delay, for a later one its start.
    pub scheduled_at_ms: u64,
    /// What goes with the job beside its data; names as the producer wrote them.
    pub headers: Vec<(String, String)>,
}
