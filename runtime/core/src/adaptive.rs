//! Limits that follow what a job type's attempts really use.
//!
//! Attempts are counted in slices of a window, one sketch for each. The limit is the largest P99 of any slice, and of
//! all slices together, times a factor: a slice in which everything takes longer raises it at once, and it comes down
//! only when the window has moved past. It never leaves the floor and the type's own limit, the ceiling; and until
//! enough attempts are known it is the ceiling.

use std::time::Duration;

use crate::sketch::Sketch;

/// Slices of a window.
pub const SLICES: u64 = 12;
/// The share of attempts that a limit is made from.
const SHARE: f64 = 0.99;
/// A slice with fewer attempts says nothing by itself.
const MIN_SLICE: u64 = 10;

/// How a job type's limits follow its attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptivePolicy {
    /// Attempts that must be known.
    pub warm_up: u64,
    /// The limit is so many times the P99; from 1.
    pub factor: f64,
    /// The shortest timeout.
    pub floor: Duration,
    /// How far back attempts count.
    pub window: Duration,
}

impl Default for AdaptivePolicy {
    fn default() -> Self {
        Self { warm_up: 200, factor: 8.0, floor: Duration::from_secs(1), window: Duration::from_hours(24) }
    }
}

impl AdaptivePolicy {
    /// How long a slice is, in ms; at least 1.
    #[must_use]
    pub fn slice_ms(&self) -> u64 {
        (u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX) / SLICES).max(1)
    }
}

/// Why a limit is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Too few attempts are known: the ceiling holds.
    WarmUp,
    /// The P99 times the factor.
    Learned,
    /// That would be shorter than the floor.
    Floor,
    /// That would be longer than the ceiling.
    Ceiling,
}

impl Reason {
    /// The word in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up",
            Self::Learned => "learned",
            Self::Floor => "floor",
            Self::Ceiling => "ceiling",
        }
    }
}

/// The limit from the slices of a window, in the unit of the sketches; `floor` and `ceiling` in the same. An attempt
/// that was ended by the limit is to be counted at that limit, so that too many of them raise it.
#[must_use]
pub fn limit<'a>(
    slices: impl IntoIterator<Item = &'a Sketch>,
    policy: &AdaptivePolicy,
    floor: u64,
    ceiling: u64,
) -> (u64, Reason) {
    let mut all = Sketch::default();
    let mut highest: f64 = 0.0;
    for slice in slices {
        if slice.total() >= MIN_SLICE {
            highest = highest.max(slice.quantile(SHARE));
        }
        all.merge(slice);
    }
    if all.total() < policy.warm_up.max(1) {
        return (ceiling, Reason::WarmUp);
    }
    let learned = highest.max(all.quantile(SHARE)) * policy.factor;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let learned = learned as u64;
    if learned >= ceiling {
        (ceiling, Reason::Ceiling)
    } else if learned < floor.min(ceiling) {
        (floor.min(ceiling), Reason::Floor)
    } else {
        (learned, Reason::Learned)
    }
}

/// Whether a new limit differs enough from the old one to be told: a sketch's own error is no change.
#[must_use]
pub fn is_change(old: u64, new: u64) -> bool {
    let (low, high) = (old.min(new), old.max(new));
    high as f64 > low as f64 * 1.1
}

#[cfg(test)]
mod tests;
