//! `gristmill:job/rate-limit`.

use std::time::Duration;

use gristmill_core::limiter::{MAX_COST, MAX_KEY};
use gristmill_core::service;
use tokio::time::Instant;

use crate::bindings::gristmill::job::rate_limit::{Host, LimitError};
use crate::guest::Guest;
use crate::{Denied, Level};

/// The shortest time between two tries of one call that waits.
const SHORTEST: Duration = Duration::from_millis(5);

impl From<service::LimitError> for LimitError {
    fn from(error: service::LimitError) -> Self {
        match error {
            service::LimitError::Limited { wait_ms } => Self::Limited(wait_ms),
            service::LimitError::Unknown => Self::UnknownLimiter,
            service::LimitError::Denied => Self::Denied,
            service::LimitError::Invalid(why) => Self::Invalid(why),
            service::LimitError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// Tries until there is room or `most` would be over; says how long that took.
pub(crate) async fn acquire(
    host: &dyn crate::Host,
    limiter: &str,
    key: &str,
    cost: u64,
    most: Duration,
) -> Result<Duration, service::LimitError> {
    let began = Instant::now();
    loop {
        match host.acquire(limiter.to_owned(), key.to_owned(), cost).await {
            Ok(()) => return Ok(began.elapsed()),
            Err(service::LimitError::Limited { wait_ms }) => {
                let wait = Duration::from_millis(wait_ms).max(SHORTEST);
                if began.elapsed() + wait > most {
                    return Err(service::LimitError::Limited { wait_ms });
                }
                tokio::time::sleep(wait).await;
            }
            Err(error) => return Err(error),
        }
    }
}

impl Guest {
    async fn limiter(
        &mut self,
        limiter: &str,
        key: &str,
        cost: u32,
        most: Duration,
    ) -> Result<Duration, LimitError> {
        if !self.allow.limiters.iter().any(|allowed| allowed == limiter) {
            self.host.denied(Denied::Limiter);
            let limiter = gristmill_core::units::cut(limiter, 256);
            self.log.write(Level::Warn, &format!("rate-limit: `{limiter}` is not in `allow.limiters`"), &[]);
            return Err(LimitError::Denied);
        }
        if key.len() > MAX_KEY {
            return Err(LimitError::Invalid(format!(
                "a key has at most {MAX_KEY} bytes, this one {}",
                key.len()
            )));
        }
        let cost = u64::from(cost);
        if !(1..=MAX_COST).contains(&cost) {
            return Err(LimitError::Invalid(format!("a cost is 1 to {MAX_COST}, not {cost}")));
        }
        if !self.calls.take() {
            return Err(LimitError::Unavailable("the attempt has made as many calls as it may".to_owned()));
        }
        Ok(acquire(&*self.host, limiter, key, cost, most).await?)
    }
}

impl Host for Guest {
    async fn try_acquire(
        &mut self,
        limiter: String,
        key: String,
        cost: u32,
    ) -> wasmtime::Result<Result<(), LimitError>> {
        Ok(self.limiter(&limiter, &key, cost, Duration::ZERO).await.map(drop))
    }

    async fn acquire(
        &mut self,
        limiter: String,
        key: String,
        cost: u32,
        max_wait_ms: u64,
    ) -> wasmtime::Result<Result<u64, LimitError>> {
        let waited = self.limiter(&limiter, &key, cost, Duration::from_millis(max_wait_ms)).await;
        Ok(waited.map(|waited| u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)))
    }
}
