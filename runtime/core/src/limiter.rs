//! Limiters: named rate limits that all workers share, and what a job type charges them with.

use std::borrow::Cow;
use std::time::Duration;

use crate::units::{cut, show_rate};

/// Tiers of one limiter.
pub const MAX_TIERS: usize = 4;
/// Bytes of the key that a call is counted under.
pub const MAX_KEY: usize = 256;
/// Units that one call may take.
pub const MAX_COST: u64 = 1_000_000;
/// Bytes of a limiter's or breaker's name.
pub const MAX_NAME: usize = 64;

/// How a limiter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Never above the limit in any window. Limits above 64 are counted in 64 slices of the window, which refuses up to
    /// a slice too long and never too short.
    SlidingWindow,
    /// Refills steadily and holds up to one window's limit, so a burst may follow a rest.
    TokenBucket,
    /// Counts from one multiple of the window to the next: cheapest, and up to twice the limit around its edges.
    FixedWindow,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SlidingWindow, Self::TokenBucket, Self::FixedWindow];

    /// The word in configuration, scripts and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlidingWindow => "sliding-window",
            Self::TokenBucket => "token-bucket",
            Self::FixedWindow => "fixed-window",
        }
    }
}

/// So many units in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// Units; at least 1.
    pub limit: u64,
    /// The time, whole ms.
    pub window: Duration,
}

impl Tier {
    /// The window in ms.
    #[must_use]
    pub fn window_ms(self) -> u64 {
        u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX)
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&show_rate(self.limit, self.window))
    }
}

/// What a limiter answers while Redis does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unreachable {
    /// No.
    #[default]
    Refuse,
    /// Yes, uncounted.
    Allow,
}

/// `[limiters.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limiter {
    /// How it counts.
    pub algorithm: Algorithm,
    /// Every one must allow a call; the shortest window first.
    pub tiers: Vec<Tier>,
    /// What holds without Redis.
    pub unreachable: Unreachable,
    /// Keys that it counts apart at a time; a call with a further one is refused.
    pub max_keys: u64,
}

/// What a job type charges before a job starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The limiter's name.
    pub limiter: String,
    /// A JSON pointer to the part of the job's data that it is counted under; `None` counts all jobs together.
    pub key: Option<String>,
    /// Units of one job.
    pub cost: u64,
}

/// Sorts tiers and says what is wrong with them, or, in `Ok`, what is odd.
pub fn check_tiers(tiers: &mut [Tier]) -> Result<Vec<String>, String> {
    tiers.sort_by_key(|tier| tier.window);
    if tiers.is_empty() || tiers.len() > MAX_TIERS {
        return Err(format!("a limiter has 1 to {MAX_TIERS} tiers, this one {}", tiers.len()));
    }
    let (shortest, longest) = (Duration::from_millis(100), Duration::from_hours(24 * 31));
    if let Some(tier) = tiers.iter().find(|tier| !(shortest..=longest).contains(&tier.window)) {
        return Err(format!("`{tier}`: a tier's time is 100ms to 31 days"));
    }
    if let Some(tier) = tiers.iter().find(|tier| tier.limit > 1_000_000_000) {
        return Err(format!("`{tier}`: a tier has at most 1000000000 units"));
    }
    if let Some((one, other)) = tiers.iter().zip(tiers.iter().skip(1)).find(|(a, b)| a.window == b.window) {
        return Err(format!("`{one}` and `{other}` are for the same time; keep one of them"));
    }
    let mut odd = Vec::new();
    for (at, short) in tiers.iter().enumerate() {
        for long in &tiers[at + 1..] {
            if long.limit <= short.limit {
                odd.push(format!("`{short}` never comes to bear: `{long}` allows no more in a longer time"));
            } else if u128::from(short.limit) * long.window.as_millis()
                <= u128::from(long.limit) * short.window.as_millis()
            {
                odd.push(format!("`{long}` never comes to bear: `{short}` allows no more in the same time"));
            }
        }
    }
    Ok(odd)
}

/// The key that a job is counted under: what its data has at `pointer`, as text, cut to [`MAX_KEY`] bytes. Data without
/// it are counted together.
#[must_use]
pub fn key_of(data: &[u8], pointer: &str) -> String {
    let Ok(data) = serde_json::from_slice::<serde_json::Value>(data) else { return String::new() };
    let key = match data.pointer(pointer) {
        None | Some(serde_json::Value::Null) => return String::new(),
        Some(serde_json::Value::String(text)) => Cow::Borrowed(text.as_str()),
        Some(other) => Cow::Owned(other.to_string()),
    };
    cut(&key, MAX_KEY).into_owned()
}

/// Whether a text can name a limiter or a breaker: it stands in keys, labels and addresses.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::parse_rate;

    fn tiers(rates: &[&str]) -> Vec<Tier> {
        let tier = |rate: &&str| parse_rate(rate).map(|(limit, window)| Tier { limit, window }).unwrap();
        rates.iter().map(tier).collect()
    }

    #[rstest::rstest]
    #[case(&["10/s"], Ok(0))]
    #[case(&["300/min", "10000/h", "100000/day"], Ok(0))]
    #[case(&["5/min", "10/s"], Ok(1))]
    #[case(&["10/s", "1000/min"], Ok(1))]
    #[case(&["10/s", "600/min"], Ok(1))]
    #[case(&["10/s", "20/s"], Err("same time"))]
    #[case(&["10/50ms"], Err("100ms"))]
    #[case(&[], Err("1 to 4"))]
    fn tiers_that_contradict(#[case] rates: &[&str], #[case] expected: Result<usize, &str>) {
        let found = check_tiers(&mut tiers(rates));
        match (found, expected) {
            (Ok(odd), Ok(count)) => assert_eq!(odd.len(), count, "{odd:?}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn the_second_rules_is_said_of_the_first() {
        let mut tiers = tiers(&["10/s", "5/min"]);
        assert!(check_tiers(&mut tiers).unwrap()[0].starts_with("`10/1s` never"), "{tiers:?}");
    }

    #[rstest::rstest]
    #[case(r#"{"customer":{"id":"a-7"}}"#, "a-7")]
    #[case(r#"{"customer":{"id":7}}"#, "7")]
    #[case(r#"{"customer":{"id":null}}"#, "")]
    #[case(r#"{"customer":7}"#, "")]
    #[case("no JSON", "")]
    fn keys(#[case] data: &str, #[case] key: &str) {
        assert_eq!(key_of(data.as_bytes(), "/customer/id"), key);
    }

    #[test]
    fn a_key_of_a_megabyte_is_cut() {
        let data = serde_json::json!({ "k": "x".repeat(1 << 20) }).to_string();
        assert_eq!(key_of(data.as_bytes(), "/k").len(), MAX_KEY);
    }
}
