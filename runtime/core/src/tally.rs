//! What attempts came to, counted so that the counts of several workers can be added.

use crate::sketch::Sketch;

/// Attempts that ended with a result or a failure. One that was put off, interrupted or handed back counts as none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts that returned.
    pub completed: u64,
    /// Attempts that failed, whether the job is tried again or not; those that timed out are among them.
    pub failed: u64,
    /// Attempts that were ended at their timeout.
    pub timeouts: u64,
    /// Wall time of all of them together, in µs.
    pub busy_us: u64,
    /// Wall time of each, in µs.
    pub time: Sketch,
    /// From when a job could run to its first start, in ms.
    pub wait: Sketch,
}

impl Tally {
    /// Counts one attempt. `failed` is true where it ended with a failure, `timeout` where its time was up.
    pub fn record(&mut self, failed: bool, timeout: bool, elapsed_us: u64, waited_ms: Option<u64>) {
        *(if failed { &mut self.failed } else { &mut self.completed }) += 1;
        self.timeouts += u64::from(timeout);
        self.busy_us = self.busy_us.saturating_add(elapsed_us);
        self.time.record(elapsed_us);
        if let Some(waited_ms) = waited_ms {
            self.wait.record(waited_ms);
        }
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        for (field, count) in other.fields() {
            self.add(&field, count);
        }
    }

    /// Attempts in all.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.completed.saturating_add(self.failed)
    }

    /// Mean wall time in ms; `None` without attempts.
    #[must_use]
    pub fn mean_ms(&self) -> Option<f64> {
        (self.attempts() > 0).then(|| self.busy_us as f64 / 1e3 / self.attempts() as f64)
    }

    /// The wall time that this share of the attempts is not above, in ms; `None` without attempts.
    #[must_use]
    pub fn time_ms(&self, share: f64) -> Option<f64> {
        (self.time.total() > 0).then(|| self.time.quantile(share) / 1e3)
    }

    /// The wait that this share of the jobs is not above, in ms; `None` where none started for the first time.
    #[must_use]
    pub fn wait_ms(&self, share: f64) -> Option<f64> {
        (self.wait.total() > 0).then(|| self.wait.quantile(share))
    }

    /// Percent of the attempts that failed; 0 without attempts.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        percent(self.failed, self.attempts())
    }

    /// Percent of the attempts that timed out; 0 without attempts.
    #[must_use]
    pub fn timeout_rate(&self) -> f64 {
        percent(self.timeouts, self.attempts())
    }

    /// The counts that are not zero, each with a short name: a store of counters adds what workers send under them.
    pub fn fields(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let plain = [("c", self.completed), ("f", self.failed), ("o", self.timeouts), ("b", self.busy_us)];
        let plain = plain.into_iter().map(|(name, count)| (name.to_owned(), count));
        let sketch = |letter: char, sketch: &'_ Sketch| {
            sketch
                .counts()
                .map(move |(bucket, count)| (format!("{letter}{bucket}"), count))
                .collect::<Vec<_>>()
        };
        plain.chain(sketch('t', &self.time)).chain(sketch('w', &self.wait)).filter(|(_, count)| *count > 0)
    }

    /// Adds what [`Tally::fields`] names; an unknown name changes nothing.
    pub fn add(&mut self, field: &str, count: u64) {
        let sum = match field {
            "c" => &mut self.completed,
            "f" => &mut self.failed,
            "o" => &mut self.timeouts,
            "b" => &mut self.busy_us,
            _ => {
                let mut letters = field.chars();
                let sketch = match letters.next() {
                    Some('t') => &mut self.time,
                    Some('w') => &mut self.wait,
                    _ => return,
                };
                if let Ok(bucket) = letters.as_str().parse() {
                    sketch.add(bucket, count);
                }
                return;
            }
        };
        *sum = sum.saturating_add(count);
    }
}

/// `part` of `all` in percent; 0 of nothing.
fn percent(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { 100.0 * part as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_went_through_a_store_are_the_same() {
        let mut tally = Tally::default();
        tally.record(false, false, 1_500, Some(20));
        tally.record(true, false, 900, None);
        tally.record(true, true, 2_000_000, Some(0));
        let mut read = Tally::default();
        for (field, count) in tally.fields() {
            read.add(&field, count);
        }
        read.add("x7", 9);
        read.add("t", 9);
        assert_eq!(read, tally);
        let mut twice = tally.clone();
        twice.merge(&tally);
        assert_eq!((twice.attempts(), twice.timeouts, twice.time.total()), (6, 2, 6));
        assert!((tally.error_rate() - 66.666).abs() < 0.01 && (tally.timeout_rate() - 33.333).abs() < 0.01);
        assert!((tally.mean_ms().unwrap() - 667.466).abs() < 0.01);
    }

    #[test]
    fn nothing_counted_has_no_times() {
        let tally = Tally::default();
        assert_eq!((tally.mean_ms(), tally.time_ms(0.5), tally.wait_ms(0.5)), (None, None, None));
        assert_eq!((tally.error_rate(), tally.fields().count()), (0.0, 0));
    }
}
