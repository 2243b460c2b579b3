//! How a handler fails, and what the host does then.

use std::any::Any;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::circuit_breaker::BreakerError;
use crate::enqueue::EnqueueError;
use crate::http::HttpError;
use crate::rate_limit::LimitError;
use crate::secrets::SecretError;
use crate::state::StateError;

/// How a handler ends other than by returning a value.
///
/// `?` turns any error into a retryable one; choose another end where retrying cannot help:
///
/// ```
/// use gristmill::JobError;
///
/// fn parse(amount: &str) -> Result<u32, JobError> {
///     amount.parse().map_err(|error| JobError::permanent(error).code("bad-amount"))
/// }
/// assert!(matches!(parse("x"), Err(JobError::Permanent(failure)) if failure.code.as_deref() == Some("bad-amount")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobError {
    /// May work later: retried under the job's policy; uses an attempt.
    Retryable(Failure),
    /// Will never work: failed at once.
    Permanent(Failure),
    /// Something that was called said "slow down": delayed, uses no attempt.
    RateLimited {
        /// No sooner than this; `None` leaves the time to the job's backoff.
        retry_after: Option<Duration>,
        /// For people; goes to the job's log.
        message: String,
    },
    /// Not now: delayed, uses no attempt.
    Deferred {
        /// How long from now.
        delay: Duration,
        /// For people; goes to the job's log.
        reason: String,
    },
    /// To be called again when this job's children have finished; uses no attempt.
    WaitForChildren,
}

/// What went wrong. The host cuts long texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Failure {
    /// For people; becomes BullMQ's `failedReason`. At most 8 KiB are kept.
    pub message: String,
    /// Stable word of few distinct values, to group failures by. At most 64 bytes are kept.
    pub code: Option<String>,
    /// Whatever explains more; becomes an entry of BullMQ's `stacktrace`. At most 64 KiB are kept.
    pub detail: Option<String>,
}

impl JobError {
    /// May work later.
    #[must_use]
    pub fn retryable(message: impl Display) -> Self {
        Self::Retryable(Failure { message: message.to_string(), ..Failure::default() })
    }

    /// Will never work.
    #[must_use]
    pub fn permanent(message: impl Display) -> Self {
        Self::Permanent(Failure { message: message.to_string(), ..Failure::default() })
    }

    /// Not now, but after `delay`.
    #[must_use]
    pub fn deferred(delay: Duration, reason: impl Display) -> Self {
        Self::Deferred { delay, reason: reason.to_string() }
    }

    /// Something said "slow down"; pass how long, if it said that as well.
    #[must_use]
    pub fn rate_limited(retry_after: impl Into<Option<Duration>>, message: impl Display) -> Self {
        Self::RateLimited { retry_after: retry_after.into(), message: message.to_string() }
    }

    /// Call again when the children have finished.
    #[must_use]
    pub fn wait_for_children() -> Self {
        Self::WaitForChildren
    }

    /// Adds a stable word to a retryable or permanent error; others have none.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        if let Self::Retryable(failure) | Self::Permanent(failure) = &mut self {
            failure.code = Some(code.into());
        }
        self
    }

    /// Adds an explanation to a retryable or permanent error; others have none.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        if let Self::Retryable(failure) | Self::Permanent(failure) = &mut self {
            failure.detail = Some(detail.into());
        }
        self
    }

    /// The text for people.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Retryable(failure) | Self::Permanent(failure) => &failure.message,
            Self::RateLimited { message, .. } => message,
            Self::Deferred { reason, .. } => reason,
            Self::WaitForChildren => "waits for its children",
        }
    }
}

impl Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

/// Retryable, with the error's causes as detail. An error of this crate that would come again in every attempt (not
/// allowed, malformed, too large) is permanent; a limiter without room and an open breaker send the job back for as long
/// as they say.
impl<E: std::error::Error + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        if let Some(waiting) = waiting(&error) {
            return waiting;
        }
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(format!("caused by: {cause}"));
            next = cause.source();
        }
        let detail = (!causes.is_empty()).then(|| causes.join("\n"));
        let failure = Failure { message: error.to_string(), code: None, detail };
        if hopeless(&error) { Self::Permanent(failure) } else { Self::Retryable(failure) }
    }
}

fn waiting(error: &dyn Any) -> Option<JobError> {
    if let Some(limited @ LimitError::Limited(wait)) = error.downcast_ref() {
        return Some(JobError::rate_limited(*wait, limited.to_string()));
    }
    match error.downcast_ref() {
        Some(open @ BreakerError::Open(wait)) => Some(JobError::deferred(*wait, open.to_string())),
        _ => None,
    }
}

/// True for an error of this crate that would come again in every attempt.
fn hopeless(error: &dyn Any) -> bool {
    let http = error.downcast_ref().is_some_and(|error| {
        matches!(
            error,
            HttpError::Denied { .. }
                | HttpError::Url { .. }
                | HttpError::Header { .. }
                | HttpError::TooLarge { .. }
        )
    });
    let enqueue = error.downcast_ref().is_some_and(|error| !matches!(error, EnqueueError::Unavailable(_)));
    let state = error
        .downcast_ref()
        .is_some_and(|error| !matches!(error, StateError::Unavailable(_) | StateError::QuotaExceeded));
    let secret = matches!(error.downcast_ref(), Some(SecretError::Denied));
    let limiter = error.downcast_ref().is_some_and(|error| !matches!(error, LimitError::Unavailable(_)));
    let breaker = error.downcast_ref().is_some_and(|error| !matches!(error, BreakerError::Unavailable(_)));
    http || enqueue || state || secret || limiter || breaker
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot read the amount")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn any_error_is_retryable_and_keeps_its_causes() {
        let error = JobError::from(Outer("x".parse::<u8>().unwrap_err()));
        let JobError::Retryable(failure) = error else { panic!("{error:?}") };
        assert_eq!(failure.message, "cannot read the amount");
        assert_eq!(failure.detail.unwrap(), "caused by: invalid digit found in string");
    }

    #[test]
    fn what_would_fail_again_is_permanent() {
        for error in [HttpError::Denied { host: "example.com".to_owned() }, HttpError::TooLarge { max: 1 }] {
            let error = JobError::from(error);
            assert!(matches!(error, JobError::Permanent(_)), "{error:?}");
        }
        let error = JobError::from(HttpError::Timeout { host: "example.com".to_owned() });
        assert!(matches!(error, JobError::Retryable(_)), "{error:?}");
    }

    #[test]
    fn only_failures_have_code_and_detail() {
        let error = JobError::permanent("no").code("c").detail("d");
        let failure =
            Failure { message: "no".to_owned(), code: Some("c".to_owned()), detail: Some("d".to_owned()) };
        assert_eq!(error, JobError::Permanent(failure));
        assert_eq!(JobError::wait_for_children().code("c"), JobError::WaitForChildren);
    }
}
