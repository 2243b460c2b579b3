//! BullMQ's key names.

/// The keys of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    prefix: String,
    queue: String,
    base: String,
}

/// Suffixes that are keys of the queue itself, so no job may have them as its id.
pub(crate) const SUFFIXES: [&str; 19] = [
    "wait",
    "paused",
    "active",
    "prioritized",
    "pc",
    "delayed",
    "waiting-children",
    "completed",
    "failed",
    "stalled",
    "stalled-check",
    "limiter",
    "meta",
    "marker",
    "events",
    "id",
    "repeat",
    "priority",
    "delay",
];

impl Keys {
    /// `prefix` is BullMQ's key prefix, `queue` the queue's name.
    #[must_use]
    pub fn new(prefix: &str, queue: &str) -> Self {
        Self { prefix: prefix.to_owned(), queue: queue.to_owned(), base: format!("{prefix}:{queue}:") }
    }

    /// The prefix alone.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The queue's name.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// `PREFIX:QUEUE:`, what every key starts with.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `PREFIX:QUEUE`, BullMQ's qualified name of the queue.
    #[must_use]
    pub fn queue_key(&self) -> String {
        format!("{}:{}", self.prefix, self.queue)
    }

    /// `PREFIX:QUEUE:SUFFIX`: a key of the queue, or a job's hash when the suffix is its id.
    #[must_use]
    pub fn key(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.base)
    }
}
