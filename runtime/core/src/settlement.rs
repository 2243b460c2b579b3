//! What an outcome becomes in Redis. The engine decides it, the queue crate writes it.

use crate::options::Keep;

/// One job's settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The job.
    pub id: String,
    /// The token that we locked it with.
    pub token: std::sync::Arc<str>,
    /// Where it goes.
    pub action: Action,
    /// Digest of the deployed module that served the attempt.
    pub module: Option<std::sync::Arc<str>>,
    /// True once a call that carried it has been lost: then "somebody has settled it" is most likely our own first call.
    pub repeated: bool,
}

/// Where a settled job goes. `stacktrace` is the whole JSON array to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// To `completed`.
    Complete {
        /// JSON text.
        returnvalue: Vec<u8>,
        /// What becomes of it then.
        keep: Keep,
    },
    /// To `failed`, for good.
    Fail {
        /// Not empty.
        reason: String,
        /// JSON array of strings.
        stacktrace: String,
        /// What becomes of it then.
        keep: Keep,
        /// The job's attempts, for the `retries-exhausted` event.
        attempts: u32,
    },
    /// Again: to the back of the queue (front with `lifo`), or to `delayed`. Counts an attempt.
    Retry {
        /// Not empty.
        reason: String,
        /// JSON array of strings.
        stacktrace: String,
        /// 0 retries at once.
        delay_ms: u64,
        /// To the front when retried at once.
        lifo: bool,
    },
    /// To `delayed`, with no attempt counted.
    Delay {
        /// From now.
        delay_ms: u64,
    },
    /// To `delayed`: a limiter or a breaker held it back before it began. That is counted apart and was no start.
    Hold {
        /// From now.
        delay_ms: u64,
    },
    /// Back to the front of the queue, with no attempt counted.
    Release,
    /// To `waiting-children`, or to `delayed` for a moment when no child is pending any more.
    WaitForChildren {
        /// That moment.
        else_ms: u64,
    },
}

impl Action {
    /// The state that BullMQ's own metrics count the attempt under; `None` where BullMQ counts none.
    #[must_use]
    pub fn counted_state(&self) -> Option<&'static str> {
        match self {
            Self::Complete { .. } => Some("completed"),
            Self::Fail { .. } => Some("failed"),
            Self::Retry { delay_ms: 0, .. } => Some("retried"),
            Self::Retry { .. } | Self::Delay { .. } => Some("delayed"),
            Self::WaitForChildren { .. } => Some("waiting-children"),
            Self::Release | Self::Hold { .. } => None,
        }
    }
}
