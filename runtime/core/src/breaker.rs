//! Circuit breakers: when calls to a service that fails are not made for a while.

use std::time::Duration;

use crate::outcome::Outcome;

/// `[breakers.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Share of failed calls, in percent, at which it opens.
    pub failure_rate: u32,
    /// Calls in a window before that share says anything.
    pub min_calls: u64,
    /// Failures one after another at which it opens.
    pub consecutive: Option<u64>,
    /// The time that calls are counted over.
    pub window: Duration,
    /// How long it stays open before it lets probes through.
    pub open_for: Duration,
    /// Calls that must end well before it closes; as many pass at a time while it is half-open.
    pub probes: u64,
}

/// What the end of a guarded call says of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    /// It works.
    Success,
    /// It fails.
    Failure,
    /// Nothing.
    Ignore,
}

/// What the end of an attempt says of the service that its job type declares.
#[must_use]
pub fn judge(outcome: &Outcome) -> Guarded {
    match outcome {
        Outcome::Returned(_) => Guarded::Success,
        Outcome::Retryable(_) | Outcome::Stopped(_) => Guarded::Failure,
        // A job that will never work is the job's fault; the others were not done.
        Outcome::Permanent(_)
        | Outcome::RateLimited { .. }
        | Outcome::Deferred { .. }
        | Outcome::WaitForChildren
        | Outcome::Interrupted(_) => Guarded::Ignore,
    }
}
