//! `gristmill:job/state`.

use gristmill_core::service::{self, StateAnswer, StateStep};

use crate::bindings::gristmill::job::state::{Host, StateError};
use crate::guest::Guest;

impl From<service::StateError> for StateError {
    fn from(error: service::StateError) -> Self {
        match error {
            service::StateError::Invalid(why) => Self::Invalid(why),
            service::StateError::TooLarge => Self::TooLarge,
            service::StateError::QuotaExceeded => Self::QuotaExceeded,
            service::StateError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl Guest {
    async fn state(&mut self, key: String, step: StateStep) -> Result<StateAnswer, StateError> {
        step.check(&key)?;
        if !self.calls.take() {
            return Err(StateError::QuotaExceeded);
        }
        Ok(self.host.state(key, step).await?)
    }
}

/// The host answered what another step asks.
fn unfit() -> StateError {
    StateError::Unavailable("the host's answer does not fit".to_owned())
}

fn changed(answer: &StateAnswer) -> Result<bool, StateError> {
    match answer {
        StateAnswer::Changed(changed) => Ok(*changed),
        _ => Err(unfit()),
    }
}

impl Host for Guest {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, StateError>> {
        let answer = self.state(key, StateStep::Get).await;
        Ok(answer.and_then(|answer| match answer {
            StateAnswer::Value(value) => Ok(value),
            _ => Err(unfit()),
        }))
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<(), StateError>> {
        Ok(self.state(key, StateStep::Set { value, ttl_ms }).await.map(drop))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, StateError>> {
        Ok(self.state(key, StateStep::Delete).await.and_then(|answer| changed(&answer)))
    }

    async fn increment(
        &mut self,
        key: String,
        delta: i64,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<i64, StateError>> {
        let answer = self.state(key, StateStep::Increment { delta, ttl_ms }).await;
        Ok(answer.and_then(|answer| match answer {
            StateAnswer::Number(sum) => Ok(sum),
            _ => Err(unfit()),
        }))
    }

    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<bool, StateError>> {
        let step = StateStep::CompareAndSet { expected, value, ttl_ms };
        Ok(self.state(key, step).await.and_then(|answer| changed(&answer)))
    }
}
