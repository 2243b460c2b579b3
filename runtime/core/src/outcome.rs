//! How an attempt ended. The sandbox makes it, the engine turns it into a [`crate::settlement::Settlement`].

use std::time::Duration;

/// The end of one attempt, whoever caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The handler returned; JSON text that the sandbox has checked. `None` stores `null`.
    Returned(Option<Vec<u8>>),
    /// The handler returned an error that may go away: retried under the job's policy.
    Retryable(Failure),
    /// The handler returned an error that will not go away: no retry.
    Permanent(Failure),
    /// Something the handler called said "slow down": delayed, no attempt used.
    RateLimited {
        /// No sooner than this; `None` leaves it to the job's backoff.
        retry_after: Option<Duration>,
        /// For people; goes to the job's log.
        message: String,
    },
    /// The handler asked to be called later: delayed, no attempt used.
    Deferred {
        /// How long from now.
        delay: Duration,
        /// For people; goes to the job's log.
        reason: String,
    },
    /// The handler waits for its child jobs; no attempt used.
    WaitForChildren,
    /// The host ended the attempt.
    Stopped(Stop),
    /// The host interrupted the attempt for a reason that is not the job's: nothing is charged to the job.
    Interrupted(Interrupt),
}

/// What a handler says of its failure. The sandbox has cut every text to its ceiling.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// For people; becomes `failedReason`.
    pub message: String,
    /// Stable word that groups failures; low cardinality.
    pub code: Option<String>,
    /// Stack trace or anything else that explains; becomes an entry of `stacktrace`.
    pub detail: Option<String>,
}

/// Why the host ended an attempt; counts as a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The limit or rule that was broken.
    pub reason: StopReason,
    /// What happened, without the reason's word: `the attempt ran for 1 s, its limit`.
    pub message: String,
    /// Backtrace of the guest with names, one frame a line, innermost first, and what else explains.
    pub backtrace: Option<String>,
}

impl Stop {
    /// The text for `failedReason`: `timeout: the attempt ran for 1 s, its limit`.
    #[must_use]
    pub fn failed_reason(&self) -> String {
        format!("{}: {}", self.reason.as_str(), self.message)
    }
}

/// The words that `failedReason` starts with and that label metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// Ran past its hard timeout, computing or waiting.
    Timeout,
    /// Asked for more memory than its limit, or could not start within it.
    Memory,
    /// Used up its fuel.
    Fuel,
    /// Trapped: unreachable code, a panic, out of bounds, stack overflow, a host function called wrongly.
    Trap,
    /// Asked for something that its job type does not allow.
    Denied,
    /// Returned something too large, or that is not JSON.
    Output,
    /// The handler is missing or does not fit this host.
    Handler,
}

impl StopReason {
    /// The word in `failedReason` and in metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Fuel => "fuel",
            Self::Trap => "trap",
            Self::Denied => "denied",
            Self::Output => "output",
            Self::Handler => "handler",
        }
    }
}

/// Why the host took an attempt back without blaming the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interrupt {
    /// The lock is gone: another worker may have the job. Nothing is written to Redis.
    LockLost,
    /// The drain's time is up: the job goes back to the front of its queue.
    Drained,
    /// Somebody cancelled this job.
    Cancelled,
}

impl Outcome {
    /// Whether the attempt failed, by itself or by the host.
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self, Self::Retryable(_) | Self::Permanent(_) | Self::Stopped(_))
    }

    /// Adds to what goes into the stack trace of an attempt that failed; nothing for others.
    pub fn explain(&mut self, text: &str) {
        let detail = match self {
            Self::Retryable(failure) | Self::Permanent(failure) => &mut failure.detail,
            Self::Stopped(stop) => &mut stop.backtrace,
            _ => return,
        };
        *detail = Some(match detail.take().filter(|detail| !detail.is_empty()) {
            Some(detail) => format!("{detail}\n{text}"),
            None => text.to_owned(),
        });
    }

    /// The `outcome` label of metrics; one of ten words.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Returned(_) => "completed",
            Self::Retryable(_) | Self::Permanent(_) => "failed",
            Self::RateLimited { .. } => "rate-limited",
            Self::Deferred { .. } => "deferred",
            Self::WaitForChildren => "waiting-children",
            Self::Stopped(stop) => stop.reason.as_str(),
            Self::Interrupted(Interrupt::LockLost) => "lock-lost",
            Self::Interrupted(Interrupt::Drained) => "drained",
            Self::Interrupted(Interrupt::Cancelled) => "cancelled",
        }
    }
}
