//! Whether a value is unlike what its series is at such a time: by the median of like moments and their spread, which a few
//! odd values among them do not move.

/// A moment of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Ms since the epoch.
    pub at_ms: u64,
    /// The value then.
    pub value: f64,
}

/// A value and what it was compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// What like moments had, in the median.
    pub expected: f64,
    /// How many times the usual spread it is away; below zero where it is less than expected.
    pub score: f64,
}

/// Beyond this a value is an anomaly. Under a normal distribution that is one moment in some billions; of real series,
/// whose tails are longer, one in some thousands.
pub const ANOMALY: f64 = 6.0;

const DAY_MS: u64 = 24 * 3_600_000;
/// Moments of other days count as like within this time of day.
const SEASON_MS: u64 = 45 * 60_000;
/// Like moments without which nothing is judged.
const ENOUGH: usize = 12;
/// Days that must be among them to compare by time of day.
const DAYS: usize = 3;
/// What makes the median absolute deviation comparable with a standard deviation.
const CONSISTENT: f64 = 1.4826;
/// The least spread, as a part of the median: a series that never moves is no reason to cry at its first move.
const LEAST_SHARE: f64 = 0.1;

/// Judges a value against the history before it, whose points may be in any order. Points at the same time of day are
/// compared where there are enough days, else those of the last day. `least` is the least spread in the series' own unit.
/// `None`: there is too little to compare with.
#[must_use]
pub fn judge(now: Point, history: &[Point], least: f64) -> Option<Judged> {
    let seasonal: Vec<_> = history.iter().filter(|point| is_like(now.at_ms, point.at_ms)).collect();
    let mut days: Vec<_> = seasonal.iter().map(|point| day(now.at_ms, point.at_ms)).collect();
    days.sort_unstable();
    days.dedup();
    let like: Vec<f64> = if days.len() >= DAYS && seasonal.len() >= ENOUGH {
        seasonal.into_iter().map(|point| point.value).collect()
    } else {
        let recent = |point: &&Point| point.at_ms < now.at_ms && now.at_ms - point.at_ms <= DAY_MS;
        history.iter().filter(recent).map(|point| point.value).collect()
    };
    if like.len() < ENOUGH {
        return None;
    }
    let expected = median(like.clone());
    let spread = CONSISTENT * median(like.iter().map(|value| (value - expected).abs()).collect());
    let spread = spread.max(LEAST_SHARE * expected.abs()).max(least);
    Some(Judged { expected, score: (now.value - expected) / spread })
}

/// Days between two moments, to the nearest.
fn day(now_ms: u64, at_ms: u64) -> u64 {
    (now_ms.saturating_sub(at_ms) + DAY_MS / 2) / DAY_MS
}

fn is_like(now_ms: u64, at_ms: u64) -> bool {
    let days = day(now_ms, at_ms);
    at_ms < now_ms && days >= 1 && now_ms.saturating_sub(at_ms).abs_diff(days * DAY_MS) <= SEASON_MS
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: u64 = 15 * 60_000;

    /// A week in quarters of hours that is busy by day, with noise that repeats.
    fn week() -> Vec<Point> {
        (0..7 * 96)
            .map(|n| {
                let hour = (n % 96) as f64 / 4.0;
                let busy = if (8.0..18.0).contains(&hour) { 1_000.0 } else { 50.0 };
                Point { at_ms: n * QUARTER, value: busy + ((n * 37) % 11) as f64 * busy / 100.0 }
            })
            .collect()
    }

    #[test]
    fn what_is_usual_by_day_is_odd_at_night() {
        let history = week();
        let noon = 7 * DAY_MS + 12 * 3_600_000;
        let night = 7 * DAY_MS + 3 * 3_600_000;
        let judged = |at_ms, value| judge(Point { at_ms, value }, &history, 1.0).unwrap();
        assert!(judged(noon, 1_050.0).score.abs() < 2.0);
        assert!(judged(night, 1_050.0).score > ANOMALY);
        assert!(judged(noon, 50.0).score < -ANOMALY);
        assert!((judged(night, 60.0).expected - 52.5).abs() < 5.0);
    }

    #[test]
    fn some_odd_days_do_not_move_what_is_expected() {
        let mut history = week();
        let noon = 7 * DAY_MS + 12 * 3_600_000;
        for point in history.iter_mut().filter(|point| point.at_ms >= 6 * DAY_MS) {
            point.value = 1e9;
        }
        assert!(judge(Point { at_ms: noon, value: 1_050.0 }, &history, 1.0).unwrap().score.abs() < 2.0);
    }

    #[test]
    fn a_flat_series_may_move_a_little_and_a_young_one_is_not_judged() {
        let flat: Vec<_> = (0..96).map(|n| Point { at_ms: n * QUARTER, value: 100.0 }).collect();
        let now = 96 * QUARTER;
        assert!(judge(Point { at_ms: now, value: 130.0 }, &flat, 1.0).unwrap().score < ANOMALY);
        assert!(judge(Point { at_ms: now, value: 200.0 }, &flat, 1.0).unwrap().score > ANOMALY);
        assert_eq!(judge(Point { at_ms: now, value: 200.0 }, &flat[..5], 1.0), None);
        let zero: Vec<_> = (0..96).map(|n| Point { at_ms: n * QUARTER, value: 0.0 }).collect();
        assert!(judge(Point { at_ms: now, value: 3.0 }, &zero, 1.0).unwrap().score < ANOMALY);
    }

    #[test]
    fn ordinary_days_raise_next_to_nothing() {
        let history = week();
        let odd = history
            .iter()
            .filter(|point| point.at_ms >= 4 * DAY_MS)
            .filter_map(|point| judge(*point, &history, 1.0))
            .filter(|judged| judged.score.abs() > ANOMALY)
            .count();
        assert_eq!(odd, 0);
    }
}
