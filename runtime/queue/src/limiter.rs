//! Limiters in Redis, shared by all workers: charged in one script call, on the server's clock.

use gristmill_core::config::Groups;
use gristmill_core::limiter::{Limiter, Tier};
use redis::Value;
use serde_json::{Value as Json, json};

use crate::breaker::BreakerCall;
use crate::connection::Connection;
use crate::error::QueueError;
use crate::script::{LIMIT, LIMITER_SHOW};
use crate::turn::{integer, text};

/// A charge of one limiter.
#[derive(Debug, Clone, Copy)]
pub struct LimitCall<'a> {
    /// The limiter's name.
    pub name: &'a str,
    /// What it is.
    pub limiter: &'a Limiter,
    /// Counted under it; empty for all together.
    pub key: &'a str,
    /// Units.
    pub cost: u64,
}

impl LimitCall<'_> {
    fn json(&self) -> Json {
        let Self { name, limiter, key, cost } = self;
        let tiers: Vec<u64> = limiter.tiers.iter().flat_map(|tier| [tier.limit, tier.window_ms()]).collect();
        json!({
            "name": name, "algorithm": limiter.algorithm.as_str(), "key": key, "cost": cost,
            "tiers": tiers, "max_keys": limiter.max_keys,
        })
    }

    fn state_key(&self) -> String {
        format!("{}k:{}", prefix(self.name), self.key)
    }
}

fn prefix(name: &str) -> String {
    format!("gristmill:limiter:{{{name}}}:")
}

/// What every job of a queue shares: limiters and breakers, which let `turn` take no more jobs than may start, and groups,
/// which take turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gates(String);

impl Gates {
    /// `None` where there are none. On a Cluster only groups: limiters and breakers are in other slots than the queue.
    #[must_use]
    pub fn new(
        limiters: &[LimitCall<'_>],
        breakers: &[BreakerCall<'_>],
        groups: Option<&Groups>,
    ) -> Option<Self> {
        if limiters.is_empty() && breakers.is_empty() && groups.is_none() {
            return None;
        }
        let limiters: Vec<_> = limiters.iter().map(LimitCall::json).collect();
        let breakers: Vec<_> = breakers.iter().map(BreakerCall::json).collect();
        let groups = groups.map(groups_json);
        Some(Self(json!({ "limiters": limiters, "breakers": breakers, "groups": groups }).to_string()))
    }

    pub(crate) fn as_json(&self) -> &str {
        &self.0
    }
}

fn groups_json(groups: &Groups) -> Json {
    let (field, pointer) = groups.key.as_deref().map_or(("opts", "/group/id"), |pointer| ("data", pointer));
    let part = |part: &str| part.replace("~1", "/").replace("~0", "~");
    let path: Vec<_> = pointer.split('/').skip(1).map(part).collect();
    let rate: Vec<u64> = groups.rate_limit.iter().flat_map(|tier| [tier.limit, tier.window_ms()]).collect();
    json!({
        "field": field, "path": path, "weights": groups.weights, "concurrency": groups.concurrency.unwrap_or(0),
        "rate": rate,
    })
}

/// Which line a refused call joins; it then gets a time of its own, so that the first refused are the first served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// None: it asks again when it likes.
    None,
    /// The end: a job that comes for the first time.
    Back,
    /// The front: a job that was sent away before.
    Front,
}

/// A limiter's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every tier of every limiter is charged.
    Charged,
    /// Nothing is charged.
    Refused {
        /// How long to wait, ms.
        wait_ms: u64,
        /// Which of the calls refused.
        call: usize,
        /// The window of the tier that refused, ms; 0 when the limiter has too many keys.
        window_ms: u64,
    },
}

/// Charges limiters, all or none. On a Cluster each is charged by itself, one after another: a later refusal leaves what
/// the earlier ones charged. Repeating it charges again.
pub async fn charge(
    connection: &Connection,
    calls: &[LimitCall<'_>],
    line: Line,
) -> Result<Verdict, QueueError> {
    charge_at(connection, calls, line, None).await
}

async fn charge_at(
    connection: &Connection,
    calls: &[LimitCall<'_>],
    line: Line,
    at_ms: Option<u64>,
) -> Result<Verdict, QueueError> {
    let together = if connection.is_cluster() { 1 } else { calls.len().max(1) };
    for (number, part) in calls.chunks(together).enumerate() {
        let specs: Vec<_> = part.iter().map(LimitCall::json).collect();
        let mut call = LIMIT.call_on(&part[0].state_key());
        let line = match line {
            Line::None => 0,
            Line::Back => 1,
            Line::Front => 2,
        };
        call.arg(time(at_ms)).arg(Json::from(specs).to_string()).arg(line);
        let answer = call.send(connection).await?;
        let Value::Array(parts) = answer else { return Err(connection.unfit("a limiter's answer")) };
        let numbers: Vec<u64> = parts.iter().map(|n| u64::try_from(integer(n)).unwrap_or(0)).collect();
        let &[charged, wait_ms, which, window_ms] = &numbers[..] else {
            return Err(connection.unfit("a limiter's answer"));
        };
        if charged == 0 {
            let which = usize::try_from(which).unwrap_or(1).max(1) - 1;
            return Ok(Verdict::Refused { wait_ms: wait_ms.max(1), call: number + which, window_ms });
        }
    }
    Ok(Verdict::Charged)
}

/// The server uses its own clock where none is given.
pub(crate) fn time(at_ms: Option<u64>) -> String {
    at_ms.map(|ms| ms.to_string()).unwrap_or_default()
}

/// What a limiter has counted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LimiterView {
    /// Each tier, the shortest time first.
    pub tiers: Vec<TierView>,
    /// The last day in slices of ten minutes, oldest first; those without a call are left out.
    pub slices: Vec<LimiterSlice>,
    /// About how many keys it counts apart.
    pub keys: u64,
}

/// A tier's consumption now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TierView {
    /// `300/1m`
    pub tier: String,
    /// Units at most.
    pub limit: u64,
    /// In this many ms.
    pub window_ms: u64,
    /// Units that count now.
    pub used: u64,
}

/// Ten minutes of a limiter.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LimiterSlice {
    /// When it begins, ms since the epoch.
    pub from_ms: u64,
    /// Units that were charged.
    pub allowed: u64,
    /// Refusals by the window, in ms, of the tier that refused.
    pub refused: std::collections::BTreeMap<u64, u64>,
}

impl LimitCall<'_> {
    /// What is counted under the call's key, and how the limiter fared with all of them.
    pub async fn view(&self, connection: &Connection) -> Result<LimiterView, QueueError> {
        let mut call = LIMITER_SHOW.call_on(&self.state_key());
        call.arg("").arg(self.json().to_string());
        let unfit = || connection.unfit("a limiter's view");
        let Value::Array(parts) = call.send(connection).await? else { return Err(unfit()) };
        let [_, Value::Array(used), Value::Array(slices), keys] = &parts[..] else { return Err(unfit()) };
        let number = |value: &Value| u64::try_from(integer(value)).unwrap_or(0);
        let tier = |(tier, used): (&Tier, &Value)| TierView {
            tier: tier.to_string(),
            limit: tier.limit,
            window_ms: tier.window_ms(),
            used: number(used),
        };
        Ok(LimiterView {
            tiers: self.limiter.tiers.iter().zip(used).map(tier).collect(),
            slices: slices.iter().filter_map(slice).collect(),
            keys: number(keys),
        })
    }

    /// Forgets what is counted under the call's key; jobs that wait for a time that they were given go on waiting for it.
    pub async fn reset(&self, connection: &Connection) -> Result<(), QueueError> {
        connection.call(redis::cmd("DEL").arg(self.state_key())).await.map(drop)
    }
}

fn slice(value: &Value) -> Option<LimiterSlice> {
    let Value::Array(parts) = value else { return None };
    let [from, Value::Array(fields)] = &parts[..] else { return None };
    let from_ms = u64::try_from(integer(from)).ok()?;
    let mut slice = LimiterSlice { from_ms, allowed: 0, refused: std::collections::BTreeMap::new() };
    for pair in fields.chunks(2) {
        let [field, count] = pair else { continue };
        let count = text(count.clone()).parse().unwrap_or(0);
        let field = text(field.clone());
        if field == "allowed" {
            slice.allowed = count;
        } else if let Some(window) = field.strip_prefix("refused:").and_then(|ms| ms.parse().ok()) {
            slice.refused.insert(window, count);
        }
    }
    Some(slice)
}

#[cfg(test)]
mod tests;
