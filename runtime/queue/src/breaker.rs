//! Circuit breakers in Redis, shared by all workers, on the server's clock.

use gristmill_core::breaker::Breaker;
use redis::Value;
use serde_json::{Value as Json, json};

use crate::connection::Connection;
use crate::error::QueueError;
use crate::limiter::time;
use crate::script::BREAKER;
use crate::turn::{integer, millis, text};

/// A breaker, and what it counts under.
#[derive(Debug, Clone, Copy)]
pub struct BreakerCall<'a> {
    /// The breaker's name.
    pub name: &'a str,
    /// What it is.
    pub breaker: &'a Breaker,
    /// Its own state; empty for the one that all share.
    pub key: &'a str,
}

/// What happens at a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerStep {
    /// A call wants to begin.
    Enter,
    /// A call of this epoch has ended well.
    Success(u64),
    /// A call of this epoch has failed.
    Failure(u64),
    /// A call of this epoch has ended, and says nothing of the service.
    Ignore(u64),
    /// Somebody closes it.
    Reset,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// None passes.
    Open,
    /// A few pass, to see whether the service is back.
    HalfOpen,
}

impl BreakerState {
    /// The word in scripts, logs and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }

    fn read(word: &str) -> Self {
        match word {
            "open" => Self::Open,
            "half-open" => Self::HalfOpen,
            _ => Self::Closed,
        }
    }
}

/// A breaker's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// `Err`: not now, but after this many ms. `Ok`: go on, in this epoch.
    pub passes: Result<u64, u64>,
    /// Where it stands now.
    pub state: BreakerState,
    /// Where it stood before this step.
    pub before: BreakerState,
}

impl BreakerCall<'_> {
    pub(crate) fn json(&self) -> Json {
        let Self { name, breaker, key } = self;
        json!({
            "name": name, "key": key, "failure_rate": breaker.failure_rate, "min_calls": breaker.min_calls,
            "consecutive": breaker.consecutive.unwrap_or(0), "window": millis(breaker.window),
            "open_for": millis(breaker.open_for), "probes": breaker.probes,
        })
    }

    fn state_key(&self) -> String {
        format!("gristmill:breaker:{{{}}}:k:{}", self.name, self.key)
    }

    /// Takes a step. Repeated, an entry takes two probes and an end counts twice.
    pub async fn step(&self, connection: &Connection, step: BreakerStep) -> Result<Entry, QueueError> {
        self.step_at(connection, step, None).await
    }

    async fn step_at(
        &self,
        connection: &Connection,
        step: BreakerStep,
        at_ms: Option<u64>,
    ) -> Result<Entry, QueueError> {
        let (word, epoch) = match step {
            BreakerStep::Enter => ("enter", 0),
            BreakerStep::Success(epoch) => ("success", epoch),
            BreakerStep::Failure(epoch) => ("failure", epoch),
            BreakerStep::Ignore(epoch) => ("ignore", epoch),
            BreakerStep::Reset => ("reset", 0),
        };
        let mut call = BREAKER.call_on(&self.state_key());
        call.arg(time(at_ms)).arg(self.json().to_string()).arg(word).arg(epoch);
        let unfit = || connection.unfit("a breaker's answer");
        let Value::Array(parts) = call.send(connection).await? else { return Err(unfit()) };
        let [passes, wait, epoch, state, before] = <[Value; 5]>::try_from(parts).map_err(|_| unfit())?;
        let number = |value: &Value| u64::try_from(integer(value)).unwrap_or(0);
        let passes = if integer(&passes) == 1 { Ok(number(&epoch)) } else { Err(number(&wait).max(1)) };
        let (state, before) = (BreakerState::read(&text(state)), BreakerState::read(&text(before)));
        Ok(Entry { passes, state, before })
    }

    /// Where it stands, without taking a step: its state, failures and calls of the window, and times that it opened.
    pub async fn view(&self, connection: &Connection) -> Result<BreakerView, QueueError> {
        let fields = ["state", "calls", "failures", "last_calls", "last_failures", "opened", "until"];
        let found = connection.call(redis::cmd("HMGET").arg(self.state_key()).arg(&fields)).await?;
        let Value::Array(found) = found else { return Err(connection.unfit("a breaker's view")) };
        let [state, rest @ ..] = &found[..] else { return Err(connection.unfit("a breaker's view")) };
        let numbers: Vec<u64> = rest.iter().map(|n| text(n.clone()).parse().unwrap_or(0)).collect();
        let number = |at: usize| numbers.get(at).copied().unwrap_or(0);
        let state = BreakerState::read(&text(state.clone()));
        Ok(BreakerView {
            state,
            calls: number(0) + number(2),
            failures: number(1) + number(3),
            opened: number(4),
            until_ms: (state != BreakerState::Closed).then(|| number(5)),
        })
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BreakerView {
    /// Its state.
    pub state: BreakerState,
    /// Calls of the last window, while it is closed.
    pub calls: u64,
    /// Failures among them.
    pub failures: u64,
    /// Times that it opened since it was last forgotten.
    pub opened: u64,
    /// When an open one lets probes through, or those of a half-open one count as gone; ms since the epoch.
    pub until_ms: Option<u64>,
}

#[cfg(test)]
mod tests;
