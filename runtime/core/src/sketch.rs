//! Quantiles of many values in little room.
//!
//! Values are counted in buckets whose bounds grow by a tenth, so a quantile is off by at most a twentieth of itself,
//! and two sketches are merged by adding their counts: workers can share one through any store of counters.

use std::collections::BTreeMap;

/// How much a bucket's upper bound is above its lower one.
const GROWTH: f64 = 1.1;
/// The last bucket; it ends beyond 10^18.
const LAST_BUCKET: u16 = 440;

/// Counts of values by bucket. Values are whole numbers of some unit; 0 is in bucket 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    counts: BTreeMap<u16, u64>,
    total: u64,
}

/// The bucket that a value is counted in.
#[must_use]
pub fn bucket(value: u64) -> u16 {
    if value == 0 {
        return 0;
    }
    let index = (value as f64).ln() / GROWTH.ln();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to LAST_BUCKET")]
    let index = index.floor().clamp(0.0, f64::from(LAST_BUCKET - 1)) as u16;
    index + 1
}

/// The middle of a bucket.
fn value(bucket: u16) -> f64 {
    if bucket == 0 { 0.0 } else { GROWTH.powi(i32::from(bucket) - 1) * f64::midpoint(1.0, GROWTH) }
}

impl Sketch {
    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        self.add(bucket(value), 1);
    }

    /// Adds a count to a bucket; a bucket beyond the last counts as the last.
    pub fn add(&mut self, bucket: u16, count: u64) {
        let sum = self.counts.entry(bucket.min(LAST_BUCKET)).or_default();
        *sum = sum.saturating_add(count);
        self.total = self.total.saturating_add(count);
    }

    /// Adds all counts of another.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            self.add(*bucket, *count);
        }
    }

    /// The counts by bucket.
    pub fn counts(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.counts.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// Values counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The value that this share of all values is not above; 0 without values. `share` in [0, 1].
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = (share * self.total as f64).ceil().max(1.0);
        let mut seen = 0;
        for (bucket, count) in &self.counts {
            seen += count;
            if seen as f64 >= wanted {
                return value(*bucket);
            }
        }
        0.0
    }

    /// How many values are above this one, as far as the buckets tell them apart.
    #[must_use]
    pub fn above(&self, value: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let last = bucket(value as u64);
        self.counts.range(last + 1..).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_what_is_above_a_quantile() {
        let mut sketch = Sketch::default();
        (1..=1_000).for_each(|value| sketch.record(value));
        let above = sketch.above(sketch.quantile(0.95));
        assert!(above <= 50 && sketch.above(sketch.quantile(0.8)) >= 100, "{above}");
        assert_eq!(sketch.above(2_000.0), 0);
    }

    #[test]
    fn nothing_counted() {
        let sketch = Sketch::default();
        assert_eq!((sketch.total(), sketch.quantile(0.99)), (0, 0.0));
    }

    proptest! {
        #[test]
        fn quantiles_are_near_the_exact_ones(
            mut values in prop::collection::vec(1_000u64..1_000_000_000_000, 1..400),
            share in 0.0f64..=1.0,
        ) {
            let mut sketch = Sketch::default();
            for value in &values {
                sketch.record(*value);
            }
            values.sort_unstable();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            let rank = ((share * values.len() as f64).ceil().max(1.0) as usize) - 1;
            let exact = values[rank] as f64;
            let found = sketch.quantile(share);
            prop_assert!((found / exact - 1.0).abs() <= 0.051, "{found} for {exact}");
        }

        #[test]
        fn merging_is_counting_together(
            left in prop::collection::vec(any::<u64>(), 0..50),
            right in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let counted = |values: &[u64]| {
                let mut sketch = Sketch::default();
                for value in values {
                    sketch.record(*value);
                }
                sketch
            };
            let mut merged = counted(&left);
            merged.merge(&counted(&right));
            let together: Vec<_> = left.iter().chain(&right).copied().collect();
            prop_assert_eq!(merged, counted(&together));
        }
    }
}
