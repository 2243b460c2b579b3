//! Limiters: named rate limits that all workers share, those in `allow.limiters` of the job type. Every call waits for
//! Redis.
//!
//! ```
//! use std::time::Duration;
//! use gristmill::{JobError, rate_limit, testing};
//!
//! fn send() -> Result<(), JobError> {
//!     // Refused, `?` sends the job back for as long as the limiter says; that uses no attempt.
//!     rate_limit::try_acquire("resend-api", "", 1)?;
//!     Ok(())
//! }
//!
//! testing::set_limiter("resend-api", 1);
//! assert!(send().is_ok());
//! assert!(matches!(send(), Err(JobError::RateLimited { .. })));
//! assert!(rate_limit::acquire("resend-api", "", 1, Duration::from_secs(5)).is_err());
//! ```

use std::fmt;
use std::time::Duration;

use crate::host;

/// Why nothing was charged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// No room; the soonest that it is worth trying again.
    Limited(Duration),
    /// The worker's configuration has no limiter of this name.
    UnknownLimiter,
    /// The job type may not ask it: it is not in `allow.limiters`.
    Denied,
    /// A key over 256 bytes, a cost that is zero or that no tier ever allows, or too many keys.
    Invalid(String),
    /// Redis did not answer, or the attempt has made as many calls as it may.
    Unavailable(String),
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limited(wait) => write!(f, "the limiter has no room for {} ms", wait.as_millis()),
            Self::UnknownLimiter => f.write_str("no limiter has this name: define it as `[limiters.NAME]`"),
            Self::Denied => {
                f.write_str("the job type does not allow this limiter: list it in `allow.limiters`")
            }
            Self::Invalid(why) => f.write_str(why),
            Self::Unavailable(why) => write!(f, "the limiter cannot be asked: {why}"),
        }
    }
}

impl std::error::Error for LimitError {}

/// Charges `cost` units, at least 1, and never waits for room. `key` counts apart, such as a tenant; `""` counts all
/// together.
pub fn try_acquire(limiter: &str, key: &str, cost: u32) -> Result<(), LimitError> {
    host::try_acquire(limiter, key, cost)
}

/// Waits for room, up to `max_wait`, and answers how long that took. The wait takes neither a thread nor fuel; the
/// attempt's deadline holds all the while.
pub fn acquire(limiter: &str, key: &str, cost: u32, max_wait: Duration) -> Result<Duration, LimitError> {
    let most = u64::try_from(max_wait.as_millis()).unwrap_or(u64::MAX);
    host::acquire(limiter, key, cost, most).map(Duration::from_millis)
}
