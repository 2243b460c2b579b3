//! Settings that are changed while workers run: kept in Redis, obeyed by all of them, before what their files say.

use std::collections::BTreeMap;

use crate::config::{Config, Queue};
use crate::limiter::{Tier, check_tiers, is_name};
use crate::units::{closest, parse_rate};

/// Bytes of a key, or of a value as text.
pub const MAX_SETTING: usize = 1 << 10;
/// The largest weight of a queue: the heaviest counts as much as so many of the lightest.
pub const MAX_WEIGHT: u32 = 1_000;
/// The most slots of a queue in one worker.
pub const MAX_CONCURRENCY: usize = 10_000;

/// One changed setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `limiters.NAME.tiers`
    Tiers {
        /// The limiter.
        limiter: String,
        /// Its tiers from now on.
        tiers: Vec<Tier>,
    },
    /// `queues.NAME.weight`
    Weight {
        /// The queue.
        queue: String,
        /// Its weight.
        weight: u32,
    },
    /// `queues.NAME.concurrency`
    Concurrency {
        /// The queue.
        queue: String,
        /// Its slots in each worker.
        slots: usize,
    },
}

impl Setting {
    /// Puts it into a configuration. `Err`: that has nothing of this name, or cannot live with it.
    pub fn apply(&self, config: &mut Config) -> Result<(), String> {
        let Self::Tiers { limiter, tiers } = self else {
            let (Self::Weight { queue, .. } | Self::Concurrency { queue, .. }) = self else { return Ok(()) };
            known("queue", queue, &config.queues)?;
            return match (self, config.queues.get(queue)) {
                (Self::Concurrency { slots, .. }, Some(section)) => fits(*slots, section, config),
                _ => Ok(()),
            };
        };
        known("limiter", limiter, &config.limiters)?;
        let least = tiers.iter().min_by_key(|tier| tier.limit);
        for (queue, section) in &config.queues {
            let charges = section.jobs.values().flat_map(|job| &job.limiters);
            let dear = charges.filter(|charge| charge.limiter == *limiter).max_by_key(|charge| charge.cost);
            if let (Some(charge), Some(tier)) = (dear, least)
                && tier.limit < charge.cost
            {
                return Err(format!(
                    "a job of queue `{queue}` costs {}, which `{tier}` never has",
                    charge.cost
                ));
            }
        }
        if let Some(known) = config.limiters.get_mut(limiter) {
            known.tiers.clone_from(tiers);
        }
        Ok(())
    }

    /// Reads a key as the configuration would name it, and its value: rates with commas between them, or a number.
    pub fn parse(key: &str, value: &str) -> Result<Self, String> {
        if key.len() > MAX_SETTING || value.len() > MAX_SETTING {
            return Err(format!("a key and its value have at most {MAX_SETTING} bytes"));
        }
        let part = |start: &str, end: &str| {
            key.strip_prefix(start)?.strip_suffix(end).filter(|name| !name.is_empty()).map(str::to_owned)
        };
        if let Some(limiter) = part("limiters.", ".tiers").filter(|name| is_name(name)) {
            let rates: Result<Vec<_>, _> = value.split(',').map(|rate| parse_rate(rate.trim())).collect();
            let tier = |(limit, window)| Tier { limit, window };
            let mut tiers: Vec<_> = rates?.into_iter().map(tier).collect();
            check_tiers(&mut tiers)?;
            return Ok(Self::Tiers { limiter, tiers });
        }
        if let Some(queue) = part("queues.", ".weight") {
            let number = value.trim().parse().ok().filter(|weight| (1..=MAX_WEIGHT).contains(weight));
            let weight = number.ok_or_else(|| format!("`{value}` is not a weight from 1 to {MAX_WEIGHT}"))?;
            return Ok(Self::Weight { queue, weight });
        }
        if let Some(queue) = part("queues.", ".concurrency") {
            let number = value.trim().parse().ok().filter(|slots| (1..=MAX_CONCURRENCY).contains(slots));
            let slots =
                number.ok_or_else(|| format!("`{value}` is not a number from 1 to {MAX_CONCURRENCY}"))?;
            return Ok(Self::Concurrency { queue, slots });
        }
        let known = "`limiters.NAME.tiers`, `queues.NAME.weight` and `queues.NAME.concurrency`";
        Err(format!("`{key}` cannot be set while workers run; {known} can"))
    }
}

/// Whether a queue may have so many slots.
fn fits(slots: usize, section: &Queue, config: &Config) -> Result<(), String> {
    if slots < section.reserved {
        return Err(format!(
            "the queue's `reserved` is {}, more than {slots}; lower it first",
            section.reserved
        ));
    }
    if slots > section.concurrency && config.worker.slots.is_none() {
        let laid_out = section.concurrency;
        return Err(format!(
            "the worker has {laid_out} slots for this queue; set `worker.slots` to share more"
        ));
    }
    Ok(())
}

fn known<T>(noun: &str, name: &str, all: &BTreeMap<String, T>) -> Result<(), String> {
    if all.contains_key(name) {
        return Ok(());
    }
    let near = closest(name, all.keys().map(String::as_str));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(format!("no {noun} is called `{name}`{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("limiters.api.tiers", "5/s, 100/min", true)]
    #[case("limiters.a.b.tiers", "5/s", true)]
    #[case("limiters.api.tiers", "5", false)]
    #[case("limiters.api.tiers", "5/s,6/s", false)]
    #[case("limiters.a b.tiers", "5/s", false)]
    #[case("queues.e-mail.weight", "3", true)]
    #[case("queues.e-mail.weight", "0", false)]
    #[case("queues.a.b.concurrency", "10000", true)]
    #[case("queues.a.concurrency", "10001", false)]
    #[case("queues..concurrency", "1", false)]
    #[case("redis.url", "x", false)]
    fn settings(#[case] key: &str, #[case] value: &str, #[case] fits: bool) {
        assert_eq!(Setting::parse(key, value).is_ok(), fits, "{:?}", Setting::parse(key, value));
    }

    #[test]
    fn what_the_configuration_cannot_live_with() {
        let text = "[limiters.api]\ntiers = [\"20/s\"]\n[queues.q.jobs.\"*\"]\nhandler = \"h.wasm\"\n\
                    limiters = [{ name = \"api\", cost = 10 }]\n";
        let file = Some((std::path::Path::new("gristmill.toml"), text));
        let mut config = crate::config::load(&crate::config::Input { file, ..Default::default() }).config;
        let mut apply = |key, value| Setting::parse(key, value).unwrap().apply(&mut config);
        assert_eq!(apply("limiters.api.tiers", "10/s"), Ok(()));
        assert!(apply("limiters.api.tiers", "10/s,9/min").unwrap_err().contains("costs 10"));
        assert!(apply("limiters.apo.tiers", "10/s").unwrap_err().ends_with("did you mean `api`?"));
        assert!(apply("queues.r.weight", "2").unwrap_err().contains("no queue is called `r`"));
        assert_eq!(apply("queues.q.weight", "2"), Ok(()));
        assert_eq!(apply("queues.q.concurrency", "10"), Ok(()));
        assert!(apply("queues.q.concurrency", "11").unwrap_err().contains("set `worker.slots`"));
        assert_eq!(config.limiters["api"].tiers[0].limit, 10);
    }
}
