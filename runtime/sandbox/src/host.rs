//! What the sandbox asks of whoever runs attempts.

use std::future::ready;
use std::pin::Pin;

use gristmill_core::breaker::Guarded;
use gristmill_core::metric::MetricRecord;
use gristmill_core::service::{
    Added, BreakerError, ChildFailures, ChildResults, EnqueueError, LimitError, StateAnswer, StateError,
    StateStep, Submission,
};

/// Importance of a log line, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Follows every step.
    Trace,
    /// For finding faults.
    Debug,
    /// Normal events; lines of stdout.
    Info,
    /// Something odd; lines of stderr.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// The lower-case word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What a service answers, when it does. Dropped when the attempt ends first.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a service says where there is none.
const NO_REDIS: &str = "this host has no Redis";

/// A soft limit that an attempt has passed; each is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// The soft timeout.
    Time,
    /// The soft memory limit.
    Memory,
}

/// Something that a guest asked for and its job type does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denied {
    /// A request to a host, or its method.
    Http,
    /// A response larger than allowed.
    HttpResponse,
    /// A job for another queue.
    Enqueue,
    /// A limiter.
    Limiter,
    /// A breaker.
    Breaker,
    /// A secret.
    Secret,
    /// More than its directories may hold.
    Disk,
}

impl Denied {
    /// The word in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::HttpResponse => "http-response",
            Self::Enqueue => "enqueue",
            Self::Limiter => "limiter",
            Self::Breaker => "breaker",
            Self::Secret => "secret",
            Self::Disk => "disk",
        }
    }
}

/// A request of a guest, for whoever traces it.
pub trait RequestTrace: Send {
    /// Headers that go with the request, in place of what the guest has set.
    fn headers(&self) -> Vec<(String, String)>;

    /// The status of its response, or why there is none. Dropped instead, the attempt ended first.
    fn responded(self: Box<Self>, answer: Result<u16, &str>);
}

/// Receives what a guest says while it runs, and serves what it asks for.
///
/// The methods are called on the guests' runtime threads in the middle of host calls: they must not block, and
/// do better to queue than to work. The sandbox has applied the ceilings of the attempt's limits, and `Allow`, already.
/// The services are those that need Redis; by default there are none.
pub trait Host: Send + Sync + 'static {
    /// One line of the job's log: not empty, without line breaks, control characters or escape sequences, at
    /// most `Limits::log_line_bytes` long.
    fn log(&self, level: Level, line: String);

    /// A new progress value: JSON text of at most `Limits::progress_bytes`.
    fn progress(&self, json: String);

    /// A metric record of the guest. Names and labels are bounded in size but not checked:
    /// [`gristmill_core::metric::check`] is for the receiver, which counts refusals.
    fn metric(&self, record: MetricRecord);

    /// Whether a core dump is wanted of this attempt, which has broken off. Asked once, and only where one can be made.
    fn wants_core_dump(&self) -> bool {
        false
    }

    /// The attempt has passed a soft limit.
    fn warn(&self, warning: Warning) {
        let _ = warning;
    }

    /// The guest asked for something that is not allowed, and was told so.
    fn denied(&self, what: Denied) {
        let _ = what;
    }

    /// A request of the guest, which is allowed, is about to be sent.
    fn request(&self, method: &str, host: &str, port: u16) -> Option<Box<dyn RequestTrace>> {
        let _ = (method, host, port);
        None
    }

    /// Whether lines of this level are wanted; unwanted ones are neither delivered nor counted.
    fn enabled(&self, level: Level) -> bool {
        let _ = level;
        true
    }

    /// Adds jobs, all or none; at least one.
    fn enqueue(&self, jobs: Vec<Submission>) -> Answer<'_, Result<Vec<Added>, EnqueueError>> {
        let _ = jobs;
        Box::pin(ready(Err(EnqueueError::Unavailable(NO_REDIS.to_owned()))))
    }

    /// Key and return value (JSON text) of the children that completed.
    fn children(&self) -> Answer<'_, Result<ChildResults, EnqueueError>> {
        Box::pin(ready(Err(EnqueueError::Unavailable(NO_REDIS.to_owned()))))
    }

    /// Key and reason of the children whose failure the job survives.
    fn failed_children(&self) -> Answer<'_, Result<ChildFailures, EnqueueError>> {
        Box::pin(ready(Err(EnqueueError::Unavailable(NO_REDIS.to_owned()))))
    }

    /// Charges a limiter once, without waiting.
    fn acquire(&self, limiter: String, key: String, cost: u64) -> Answer<'_, Result<(), LimitError>> {
        let _ = (limiter, key, cost);
        Box::pin(ready(Err(LimitError::Unavailable(NO_REDIS.to_owned()))))
    }

    /// Enters a breaker: the epoch to leave it with, or none when nobody wants to hear how it ended.
    fn enter(&self, breaker: String, key: String) -> Answer<'_, Result<Option<u64>, BreakerError>> {
        let _ = (breaker, key);
        Box::pin(ready(Err(BreakerError::Unavailable(NO_REDIS.to_owned()))))
    }

    /// Tells a breaker how a call has ended. Called inside a runtime, and must not block.
    fn leave(&self, breaker: String, key: String, epoch: u64, how: Guarded) {
        let _ = (breaker, key, epoch, how);
    }

    /// One checked step on the job type's state.
    fn state(&self, key: String, step: StateStep) -> Answer<'_, Result<StateAnswer, StateError>> {
        let _ = (key, step);
        Box::pin(ready(Err(StateError::Unavailable(NO_REDIS.to_owned()))))
    }

    /// Keeps a checkpoint with the job.
    fn save_checkpoint(&self, data: Vec<u8>) -> Answer<'_, Result<(), String>> {
        let _ = data;
        Box::pin(ready(Err(NO_REDIS.to_owned())))
    }

    /// The job's checkpoint.
    fn load_checkpoint(&self) -> Answer<'_, Result<Option<Vec<u8>>, String>> {
        Box::pin(ready(Err(NO_REDIS.to_owned())))
    }

    /// Replaces the job's data: JSON text.
    fn update_data(&self, json: String) -> Answer<'_, Result<(), String>> {
        let _ = json;
        Box::pin(ready(Err(NO_REDIS.to_owned())))
    }
}
