//! What limiters cost: the throughput of a job type that declares one, and the memory of many keys.

use anyhow::{Context, Result};
use gristmill_core::limiter::{Algorithm, Limiter, Tier, Unreachable};
use gristmill_core::units::parse_rate;
use gristmill_queue::{Connection, LimitCall, Line, PrivateRedis, charge};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use super::contender::{Contender, Kind, Programs};
use super::drain;
use super::table::median;
use crate::steps::say;

const KEYS: usize = 100_000;
/// Charges of each key: most tenants make few calls in a window.
const CHARGES: usize = 3;
/// Keys charged at a time.
const AT_ONCE: usize = 500;

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Jobs per second without a limiter, and with one of three tiers that never refuses.
    pub plain: f64,
    pub limited: f64,
    /// The median of the ratios of runs side by side.
    pub ratio: f64,
    /// Bytes of Redis' memory for `KEYS` keys of a limiter with three tiers.
    pub key_bytes: u64,
}

pub(crate) async fn measure(redis: &PrivateRedis, programs: &Programs, rounds: usize) -> Result<Limits> {
    let with = |kind| Contender { kind, concurrency: 200, jobs: 40_000, remove: true };
    let (mut plain, mut limited, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    plain.push(drain::measure(redis, programs, with(Kind::Gristmill)).await?.jobs_per_s);
    for round in 0..rounds.max(1) {
        say(&format!("a queue with and without a limiter, round {} of {rounds}", round + 1));
        let behind = drain::measure(redis, programs, with(Kind::Limited)).await?.jobs_per_s;
        let after = drain::measure(redis, programs, with(Kind::Gristmill)).await?.jobs_per_s;
        let before = plain.last().copied().unwrap_or(after);
        ratios.push(behind / f64::midpoint(before, after));
        limited.push(behind);
        plain.push(after);
    }
    let key_bytes = keys().await?;
    let of = |values: Vec<f64>| median(values.into_iter());
    Ok(Limits { plain: of(plain), limited: of(limited), ratio: of(ratios), key_bytes })
}

async fn keys() -> Result<u64> {
    say(&format!("{KEYS} keys of one limiter"));
    let redis = PrivateRedis::start().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let mut raw = redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    let tiers: Result<Vec<_>, _> = ["300/min", "10000/h", "100000/day"].map(parse_rate).into_iter().collect();
    let tier = |(limit, window)| Tier { limit, window };
    let limiter = Limiter {
        algorithm: Algorithm::SlidingWindow,
        tiers: tiers.map_err(anyhow::Error::msg)?.into_iter().map(tier).collect(),
        unreachable: Unreachable::Refuse,
        max_keys: 10_000_000,
    };
    let before = used_memory(&mut raw).await?;
    for _ in 0..CHARGES {
        for first in (0..KEYS).step_by(AT_ONCE) {
            let one = async |number: usize| {
                let key = format!("customer-{number:012}");
                let call = LimitCall { name: "email-sending", limiter: &limiter, key: &key, cost: 1 };
                charge(&connection, &[call], Line::None).await
            };
            futures_util::future::try_join_all((first..first + AT_ONCE).map(one)).await?;
        }
    }
    Ok(used_memory(&mut raw).await?.saturating_sub(before))
}

async fn used_memory(raw: &mut MultiplexedConnection) -> Result<u64> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(raw).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.context("Redis does not say what memory it uses")?.trim().parse()?)
}

impl Limits {
    pub(crate) fn json(self) -> Value {
        json!({
            "jobs_per_s": self.plain, "limited_jobs_per_s": self.limited, "ratio": self.ratio, "keys": KEYS,
            "key_bytes": self.key_bytes,
        })
    }

    pub(crate) fn rows(self) -> [[String; 2]; 2] {
        [
            [
                "jobs/s behind a limiter of three tiers that never refuses, over none".to_owned(),
                format!("{:.0} over {:.0}: {:.2}", self.limited, self.plain, self.ratio),
            ],
            [
                format!(
                    "memory of Redis for {KEYS} keys of a limiter of three tiers, {CHARGES} charges each"
                ),
                format!("{:.1} MB", self.key_bytes as f64 / 1e6),
            ],
        ]
    }
}
