//! `gristmill:job/circuit-breaker`.

use std::sync::Arc;

use gristmill_core::breaker::Guarded;
use gristmill_core::limiter::MAX_KEY;
use gristmill_core::service;
use wasmtime::component::Resource;

use crate::bindings::gristmill::job::circuit_breaker::{BreakerError, Host, HostPermit, Outcome};
use crate::guest::Guest;
use crate::{Denied, Level};

/// Leave to make one call, until somebody says how it ended. Dropped before, it has failed.
#[expect(unreachable_pub, reason = "the generated bindings export it")]
pub struct Permit {
    host: Arc<dyn crate::Host>,
    breaker: String,
    key: String,
    epoch: Option<u64>,
}

impl Permit {
    /// Enters a breaker.
    pub(crate) async fn enter(
        host: &Arc<dyn crate::Host>,
        breaker: String,
        key: String,
    ) -> Result<Self, service::BreakerError> {
        let epoch = host.enter(breaker.clone(), key.clone()).await?;
        Ok(Self { host: Arc::clone(host), breaker, key, epoch })
    }

    pub(crate) fn complete(mut self, how: Guarded) {
        self.end(how);
    }

    fn end(&mut self, how: Guarded) {
        if let Some(epoch) = self.epoch.take() {
            self.host.leave(std::mem::take(&mut self.breaker), std::mem::take(&mut self.key), epoch, how);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.end(Guarded::Failure);
    }
}

impl From<service::BreakerError> for BreakerError {
    fn from(error: service::BreakerError) -> Self {
        match error {
            service::BreakerError::Open { wait_ms } => Self::Open(wait_ms),
            service::BreakerError::Unknown => Self::UnknownBreaker,
            service::BreakerError::Denied => Self::Denied,
            service::BreakerError::Invalid(why) => Self::Invalid(why),
            service::BreakerError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl Guest {
    async fn breaker(&mut self, breaker: String, key: String) -> Result<Permit, BreakerError> {
        if !self.allow.breakers.contains(&breaker) {
            self.host.denied(Denied::Breaker);
            let breaker = gristmill_core::units::cut(&breaker, 256);
            self.log.write(
                Level::Warn,
                &format!("circuit-breaker: `{breaker}` is not in `allow.breakers`"),
                &[],
            );
            return Err(BreakerError::Denied);
        }
        if key.len() > MAX_KEY {
            return Err(BreakerError::Invalid(format!(
                "a key has at most {MAX_KEY} bytes, this one {}",
                key.len()
            )));
        }
        if !self.calls.take() {
            return Err(BreakerError::Unavailable("the attempt has made as many calls as it may".to_owned()));
        }
        Ok(Permit::enter(&self.host, breaker, key).await?)
    }
}

impl Host for Guest {
    async fn enter(
        &mut self,
        breaker: String,
        key: String,
    ) -> wasmtime::Result<Result<Resource<Permit>, BreakerError>> {
        match self.breaker(breaker, key).await {
            Ok(permit) => Ok(Ok(self.table.push(permit)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl HostPermit for Guest {
    fn complete(&mut self, this: Resource<Permit>, outcome: Outcome) -> wasmtime::Result<()> {
        self.table.delete(this)?.complete(match outcome {
            Outcome::Success => Guarded::Success,
            Outcome::Failure => Guarded::Failure,
            Outcome::Ignore => Guarded::Ignore,
        });
        Ok(())
    }

    fn drop(&mut self, permit: Resource<Permit>) -> wasmtime::Result<()> {
        self.table.delete(permit)?;
        Ok(())
    }
}
