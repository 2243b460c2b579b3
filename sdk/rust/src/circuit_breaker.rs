//! Circuit breakers, shared by all workers: calls to a service that fails are not made for a while. A job type may ask
//! those in `allow.breakers`. HTTP requests pass the breaker of their entry in `allow.http` by themselves.
//!
//! ```
//! use gristmill::{JobError, circuit_breaker, testing};
//!
//! fn charge() -> Result<(), JobError> {
//!     // Open, `?` sends the job back until a probe may pass; that uses no attempt.
//!     circuit_breaker::guard("stripe", "", call_the_service)?
//! }
//! # fn call_the_service() -> Result<(), JobError> { Ok(()) }
//!
//! testing::set_breaker("stripe", true);
//! assert!(charge().is_ok());
//! testing::set_breaker("stripe", false);
//! assert!(matches!(charge(), Err(JobError::Deferred { .. })));
//! ```

use std::fmt;
use std::time::Duration;

use crate::host;

/// Why a call is not to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerError {
    /// It is open; the soonest that a probe may pass.
    Open(Duration),
    /// The worker's configuration has no breaker of this name.
    UnknownBreaker,
    /// The job type may not ask it: it is not in `allow.breakers`.
    Denied,
    /// A key over 256 bytes.
    Invalid(String),
    /// The attempt has made as many calls as it may, or there is no Redis.
    Unavailable(String),
}

impl fmt::Display for BreakerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(wait) => write!(f, "the breaker is open for {} ms", wait.as_millis()),
            Self::UnknownBreaker => f.write_str("no breaker has this name: define it as `[breakers.NAME]`"),
            Self::Denied => {
                f.write_str("the job type does not allow this breaker: list it in `allow.breakers`")
            }
            Self::Invalid(why) => f.write_str(why),
            Self::Unavailable(why) => write!(f, "the breaker cannot be asked: {why}"),
        }
    }
}

impl std::error::Error for BreakerError {}

/// How a guarded call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The service works.
    Success,
    /// It does not.
    Failure,
    /// The call says nothing of it.
    Ignore,
}

/// Leave to make one call. Dropped without [`Permit::complete`], it counts as a failure.
#[derive(Debug)]
pub struct Permit(host::BreakerPermit);

impl Permit {
    /// Says how the call ended.
    pub fn complete(self, outcome: Outcome) {
        host::complete(self.0, outcome);
    }
}

/// Asks for leave to make one call. `key` has a state of its own, such as a region; `""` is the one that all share.
pub fn enter(breaker: &str, key: &str) -> Result<Permit, BreakerError> {
    host::enter(breaker, key).map(Permit)
}

/// Makes one call, if it may, and says how it ended: an `Err` is a failure.
pub fn guard<T, E>(
    breaker: &str,
    key: &str,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<Result<T, E>, BreakerError> {
    let permit = enter(breaker, key)?;
    let result = call();
    permit.complete(if result.is_ok() { Outcome::Success } else { Outcome::Failure });
    Ok(result)
}
