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

    /// What a Cluster hashes in place of the whole key, so that all keys of the queue are in one slot: the first text in
    /// braces. `None`: the queue cannot be on a Cluster.
    #[must_use]
    pub fn hash_tag(&self) -> Option<&str> {
        let (_, rest) = self.base.split_once('{')?;
        rest.split_once('}').map(|(tag, _)| tag).filter(|tag| !tag.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("{bull}", "q", Some("bull"))]
    #[case("bull", "{orders}", Some("orders"))]
    #[case("bull", "{a}{b}", Some("a"))]
    #[case("bull", "q", None)]
    #[case("bull", "{}q", None)]
    #[case("bull", "}q{", None)]
    fn hash_tags(#[case] prefix: &str, #[case] queue: &str, #[case] tag: Option<&str>) {
        assert_eq!(Keys::new(prefix, queue).hash_tag(), tag);
    }
}
