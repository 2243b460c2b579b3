use std::collections::HashMap;
use std::time::Duration;

use gristmill_core::limiter::{Algorithm, Unreachable};
use gristmill_core::units::parse_rate;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::PrivateRedis;

async fn redis() -> (Connection, PrivateRedis) {
    let server = PrivateRedis::start().await.unwrap();
    let (connection, _) = Connection::open(&server.url()).await.unwrap();
    (connection, server)
}

fn limiter(algorithm: Algorithm, tiers: &[&str]) -> Limiter {
    let tier = |rate: &&str| parse_rate(rate).map(|(limit, window)| Tier { limit, window }).unwrap();
    Limiter {
        algorithm,
        tiers: tiers.iter().map(tier).collect(),
        unreachable: Unreachable::Refuse,
        max_keys: 1_000,
    }
}

/// What a limiter may have let through, from the list of all that it did.
struct Oracle<'a> {
    limiter: &'a Limiter,
    /// When, and how much, for each key.
    granted: HashMap<String, Vec<(u64, u64)>>,
}

impl Oracle<'_> {
    fn grant(&mut self, key: &str, at: u64, cost: u64) {
        let granted = self.granted.entry(key.to_owned()).or_default();
        granted.push((at, cost));
        for tier in &self.limiter.tiers {
            let window = tier.window_ms();
            let since =
                |from: u64| granted.iter().filter(|(t, _)| *t >= from).map(|(_, cost)| cost).sum::<u64>();
            match self.limiter.algorithm {
                Algorithm::SlidingWindow => {
                    let used = since((at + 1).saturating_sub(window));
                    assert!(used <= tier.limit, "{tier} let {used} through in the window that ends at {at}");
                }
                Algorithm::FixedWindow => {
                    let used = since(at / window * window);
                    assert!(used <= tier.limit, "{tier} let {used} through in the window of {at}");
                }
                Algorithm::TokenBucket => {
                    // A bucket lets through at most what it held and what has come since, from any point on.
                    let mut used = 0;
                    for (t, cost) in granted.iter().rev() {
                        used += cost;
                        let room = tier.limit as f64 * (1.0 + (at - t) as f64 / window as f64);
                        assert!(used as f64 <= room + 1e-3, "{tier} let {used} through from {t} to {at}");
                    }
                }
            }
        }
    }
}

/// Clients whose clocks disagree, random costs and keys, and times that pass unevenly: never more than the limit, and a
/// refusal says when it is worth trying again.
#[rstest::rstest]
#[case(Algorithm::SlidingWindow, &["5/s"], 1)]
#[case(Algorithm::SlidingWindow, &["100/s", "2000/min"], 2)]
#[case(Algorithm::SlidingWindow, &["10/s", "200/min", "1000/h"], 3)]
#[case(Algorithm::TokenBucket, &["100/s", "1000/min"], 4)]
#[case(Algorithm::TokenBucket, &["7/3s"], 5)]
#[case(Algorithm::FixedWindow, &["60/min", "200/h"], 6)]
#[tokio::test]
async fn never_above_the_limit(#[case] algorithm: Algorithm, #[case] tiers: &[&str], #[case] seed: u64) {
    let (connection, _server) = redis().await;
    let limiter = limiter(algorithm, tiers);
    let mut random = StdRng::seed_from_u64(seed);
    let mut oracle = Oracle { limiter: &limiter, granted: HashMap::new() };
    let most = limiter.tiers.iter().map(|tier| tier.limit).min().unwrap_or(1);
    let pace = limiter.tiers[0].window_ms() / limiter.tiers[0].limit;
    let (mut at, mut refusals) = (1_700_000_000_000_u64, 0);
    for _ in 0..3_000 {
        at += match random.random_range(0..400) {
            0 => limiter.tiers[0].window_ms() * 2,
            1..20 => random.random_range(0..=pace * 5),
            _ => random.random_range(0..=pace / 3),
        };
        let key = format!("tenant-{}", random.random_range(0..2));
        let cost = if random.random_bool(0.3) { random.random_range(1..=most.min(5)) } else { 1 };
        let call = LimitCall { name: "l", limiter: &limiter, key: &key, cost };
        match charge_at(&connection, &[call], Line::None, Some(at)).await.unwrap() {
            Verdict::Charged => oracle.grant(&key, at, cost),
            Verdict::Refused { wait_ms, .. } => {
                refusals += 1;
                if random.random_bool(0.2) {
                    let before =
                        charge_at(&connection, &[call], Line::None, Some(at + wait_ms - 1)).await.unwrap();
                    let then = charge_at(&connection, &[call], Line::None, Some(at + wait_ms)).await.unwrap();
                    assert!(
                        before != Verdict::Charged || wait_ms == 1,
                        "it could have gone on sooner than said"
                    );
                    assert_eq!(then, Verdict::Charged, "{wait_ms} ms were not enough");
                    at += wait_ms;
                    oracle.grant(&key, at, cost);
                }
            }
        }
    }
    assert!(refusals > 100, "the limit was hardly met: {refusals}");
}

/// Under constant demand, nearly all that the limit allows is let through.
#[rstest::rstest]
#[case(Algorithm::SlidingWindow, "500/s")]
#[case(Algorithm::SlidingWindow, "10/s")]
#[case(Algorithm::SlidingWindow, "3000/min")]
#[case(Algorithm::TokenBucket, "500/s")]
#[case(Algorithm::FixedWindow, "500/s")]
#[tokio::test]
async fn nearly_all_of_the_limit(#[case] algorithm: Algorithm, #[case] tier: &str) {
    let (connection, _server) = redis().await;
    let limiter = limiter(algorithm, &[tier]);
    let call = LimitCall { name: "l", limiter: &limiter, key: "", cost: 1 };
    let Tier { limit, window } = limiter.tiers[0];
    let began = 1_700_000_000_000_u64;
    // A window's limit at once, then as they come.
    let windows = 12_000_u64.div_ceil(limit).min(20);
    let ends = began + windows * u64::try_from(window.as_millis()).unwrap();
    let (mut at, mut granted) = (began, 0_u64);
    while at < ends {
        match charge_at(&connection, &[call], Line::None, Some(at)).await.unwrap() {
            Verdict::Charged => granted += 1,
            Verdict::Refused { wait_ms, .. } => at += wait_ms,
        }
    }
    let share = granted as f64 / (limit * windows) as f64;
    assert!(share >= 0.98, "{granted} of {}: {share}", limit * windows);
}

#[tokio::test]
async fn several_limiters_are_charged_all_or_none() {
    let (connection, _server) = redis().await;
    let (wide, narrow) =
        (limiter(Algorithm::SlidingWindow, &["100/s"]), limiter(Algorithm::TokenBucket, &["2/min"]));
    let calls = [
        LimitCall { name: "wide", limiter: &wide, key: "", cost: 1 },
        LimitCall { name: "narrow", limiter: &narrow, key: "", cost: 1 },
    ];
    for _ in 0..2 {
        assert_eq!(charge(&connection, &calls, Line::None).await.unwrap(), Verdict::Charged);
    }
    for _ in 0..5 {
        let refused = charge(&connection, &calls, Line::None).await.unwrap();
        assert!(matches!(refused, Verdict::Refused { call: 1, window_ms: 60_000, .. }), "{refused:?}");
    }
    let view = calls[0].view(&connection).await.unwrap();
    assert_eq!(view.tiers[0].used, 2, "a refusal by the other charges nothing");
    let view = calls[1].view(&connection).await.unwrap();
    let slice = view.slices.last().unwrap();
    assert_eq!((slice.allowed, slice.refused[&60_000]), (2, 5));
    calls[1].reset(&connection).await.unwrap();
    assert_eq!(charge(&connection, &calls, Line::None).await.unwrap(), Verdict::Charged);
}

/// Jobs that are sent away get times one after another, and keep their order against those that come later. A tier that
/// has room slows nobody: eighty jobs take what the tier that is short needs for them.
#[rstest::rstest]
#[case(Algorithm::SlidingWindow, &["10/s"], 7_000..=8_200, 5)]
#[case(Algorithm::SlidingWindow, &["10/s", "1000/h"], 7_000..=8_200, 5)]
#[case(Algorithm::SlidingWindow, &["10/s", "600/min", "100000/day"], 7_000..=8_200, 5)]
#[case(Algorithm::TokenBucket, &["10/s", "1000/h"], 7_000..=8_200, 12)]
#[case(Algorithm::FixedWindow, &["10/s", "1000/h"], 7_000..=8_200, 12)]
#[case(Algorithm::SlidingWindow, &["10/s", "50/min"], 61_000..=98_000, 12)]
#[tokio::test]
async fn first_refused_first_served(
    #[case] algorithm: Algorithm,
    #[case] tiers: &[&str],
    #[case] takes: std::ops::RangeInclusive<u64>,
    #[case] places: u64,
) {
    let (connection, _server) = redis().await;
    let limiter = limiter(algorithm, tiers);
    let call = LimitCall { name: "l", limiter: &limiter, key: "", cost: 1 };
    let began = 1_700_000_000_000_u64;
    let mut waiting = std::collections::BinaryHeap::new();
    let mut order = Vec::new();
    // Forty come at once, then two every 100 ms: twice what the limit allows, for two seconds.
    for number in 0..80_u64 {
        let comes = began + if number < 40 { 0 } else { (number - 40) / 2 * 100 };
        waiting.push(std::cmp::Reverse((comes, number, false)));
    }
    let mut ended = began;
    while let Some(std::cmp::Reverse((at, number, again))) = waiting.pop() {
        let line = if again { Line::Front } else { Line::Back };
        match charge_at(&connection, &[call], line, Some(at)).await.unwrap() {
            Verdict::Charged => {
                order.push(number);
                ended = at;
            }
            Verdict::Refused { wait_ms, .. } => waiting.push(std::cmp::Reverse((at + wait_ms, number, true))),
        }
    }
    let late = order.iter().enumerate().map(|(at, number)| (at as u64).abs_diff(*number)).max();
    assert!(late.is_some_and(|late| late <= places), "{order:?}");
    let took = ended - began;
    assert!(takes.contains(&took), "{took} ms");
}

#[tokio::test]
async fn keys_are_bounded_and_expire() {
    let (connection, _server) = redis().await;
    let limiter = Limiter { max_keys: 50, ..limiter(Algorithm::FixedWindow, &["10/s"]) };
    let mut refused = 0;
    for number in 0..100 {
        let key = format!("k{number}");
        let call = LimitCall { name: "l", limiter: &limiter, key: &key, cost: 1 };
        match charge(&connection, &[call], Line::None).await.unwrap() {
            Verdict::Charged => {}
            Verdict::Refused { window_ms, .. } => {
                assert_eq!(window_ms, 0);
                refused += 1;
            }
        }
    }
    assert!((45..=55).contains(&refused), "{refused}");
    let ask = async |key| {
        let call = LimitCall { name: "l", limiter: &limiter, key, cost: 1 };
        charge(&connection, &[call], Line::None).await.unwrap() == Verdict::Charged
    };
    for _ in 0..3 {
        assert!(ask("k0").await, "one that is in use");
        assert!(!ask("k99").await, "a refused one is refused again");
    }
    let call = LimitCall { name: "l", limiter: &limiter, key: "", cost: 1 };
    let shown = call.view(&connection).await.unwrap().keys;
    assert!((45..=55).contains(&shown), "{shown} keys");
    let keys = connection.call(redis::cmd("KEYS").arg("gristmill:limiter:*:k:*")).await.unwrap();
    let Value::Array(keys) = keys else { panic!("{keys:?}") };
    for key in keys {
        let ttl = connection.call(redis::cmd("PTTL").arg(text(key))).await.unwrap();
        assert!((0..=1_000).contains(&integer(&ttl)), "{ttl:?}");
    }
}

/// Changed limits take up what was counted; a clock that is set back lets nothing more through.
#[tokio::test]
async fn changes_while_it_counts() {
    let (connection, _server) = redis().await;
    let (before, after) = (
        limiter(Algorithm::SlidingWindow, &["100/s"]),
        limiter(Algorithm::SlidingWindow, &["5/s", "50/min"]),
    );
    let began = 1_700_000_000_000_u64;
    let call = |limiter| LimitCall { name: "l", limiter, key: "", cost: 1 };
    for _ in 0..5 {
        assert_eq!(
            charge_at(&connection, &[call(&before)], Line::None, Some(began)).await.unwrap(),
            Verdict::Charged
        );
    }
    let refused = |at| {
        let connection = connection.clone();
        let after = after.clone();
        async move {
            let call = LimitCall { name: "l", limiter: &after, key: "", cost: 1 };
            charge_at(&connection, &[call], Line::None, Some(at)).await.unwrap() != Verdict::Charged
        }
    };
    assert!(refused(began + 500).await);
    assert!(refused(began - 200).await);
    assert!(!refused(began + 1_100).await);
}

/// A server that is started anew with its data goes on where it was; time is the server's own.
#[tokio::test]
async fn lives_through_the_servers_own_time() {
    let (connection, _server) = redis().await;
    let limiter = limiter(Algorithm::TokenBucket, &["5/500ms"]);
    let call = LimitCall { name: "l", limiter: &limiter, key: "", cost: 5 };
    assert_eq!(charge(&connection, &[call], Line::None).await.unwrap(), Verdict::Charged);
    let Verdict::Refused { wait_ms, .. } = charge(&connection, &[call], Line::None).await.unwrap() else {
        panic!("the bucket is empty")
    };
    assert!(wait_ms <= 500, "{wait_ms}");
    let ttl = connection.call(redis::cmd("PTTL").arg("gristmill:limiter:{l}:k:")).await.unwrap();
    assert!(
        integer(&ttl) > 0
            && Duration::from_millis(500) >= Duration::from_millis(integer(&ttl).unsigned_abs())
    );
}
