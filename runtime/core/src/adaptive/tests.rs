use std::collections::VecDeque;

use super::*;

/// Numbers in [0, 1) from a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.next()).ln()).sqrt() * (std::f64::consts::TAU * self.next()).cos()
    }
}

/// Attempt times, in µs.
enum Times {
    Constant,
    /// Log-normal around 50 ms.
    Spread(f64),
    /// One in ten is thirty times as long.
    TwoKinds,
    /// Pareto from 20 ms on.
    HeavyTail,
    /// What the project's own handlers took, in turn.
    Recorded(Vec<f64>),
}

impl Times {
    fn draw(&self, random: &mut Random) -> f64 {
        match self {
            Self::Constant => 40_000.0 * (1.0 + 0.05 * random.next()),
            Self::Spread(sigma) => 50_000.0 * (sigma * random.normal()).exp(),
            Self::TwoKinds if random.next() < 0.1 => 1_500_000.0 * (0.9 + 0.2 * random.next()),
            Self::TwoKinds => 50_000.0 * (0.9 + 0.2 * random.next()),
            Self::HeavyTail => 20_000.0 / (1.0 - random.next()).powf(1.0 / 2.5),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            Self::Recorded(times) => times[(random.next() * times.len() as f64) as usize],
        }
    }
}

const CEILING: u64 = 600_000_000;
const FLOOR: u64 = 1_000_000;
const HOUR_S: f64 = 3_600.0;

struct Outcome {
    attempts: u64,
    /// Ended though they would have ended by themselves below the ceiling.
    false_timeouts: u64,
    /// The limit before the slow hour, and at the end.
    limits: [u64; 2],
}

/// A day of a job type, in its eighth hour of which everything takes three times as long. The worker looks at the
/// sketches every ten seconds, as it does in production.
fn day(times: &Times, per_second: f64, seed: u64) -> Outcome {
    let policy = AdaptivePolicy::default();
    let mut random = Random(seed);
    let mut slices: VecDeque<(u64, Sketch)> = VecDeque::new();
    let mut outcome = Outcome { attempts: 0, false_timeouts: 0, limits: [0, 0] };
    let (mut now, mut looked, mut current) = (0.0, f64::NEG_INFINITY, CEILING);
    while now < 24.0 * HOUR_S {
        now += -(1.0 - random.next()).ln() / per_second;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a day in ms")]
        let slice = (now * 1_000.0) as u64 / policy.slice_ms();
        if slices.back().is_none_or(|(number, _)| *number != slice) {
            slices.push_back((slice, Sketch::default()));
            slices.retain(|(number, _)| number + SLICES > slice);
        }
        if now - looked >= 10.0 {
            looked = now;
            current = limit(slices.iter().map(|(_, sketch)| sketch), &policy, FLOOR, CEILING).0;
        }
        let slow = (8.0 * HOUR_S..9.0 * HOUR_S).contains(&now);
        let takes = times.draw(&mut random) * if slow { 3.0 } else { 1.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "µs")]
        let takes = takes as u64;
        outcome.attempts += 1;
        outcome.false_timeouts += u64::from(takes > current && takes <= CEILING);
        if let Some((_, sketch)) = slices.back_mut() {
            sketch.record(takes.min(current));
        }
        outcome.limits[usize::from(now > 8.0 * HOUR_S)] = current;
    }
    outcome
}

#[rstest::rstest]
#[case::constant(Times::Constant, 5.0)]
#[case::narrow(Times::Spread(0.5), 5.0)]
#[case::wide(Times::Spread(1.0), 5.0)]
#[case::two_kinds(Times::TwoKinds, 5.0)]
#[case::heavy_tail(Times::HeavyTail, 5.0)]
#[case::rare(Times::Spread(1.0), 0.02)]
#[case::often(Times::Spread(0.7), 50.0)]
#[case::recorded(Times::Recorded(recorded("tax-document")), 5.0)]
#[case::recorded_images(Times::Recorded(recorded("thumbnail")), 5.0)]
fn all_times_triple_for_an_hour(#[case] times: Times, #[case] per_second: f64) {
    let seeds = if per_second > 10.0 { 2 } else { 10 };
    let days: Vec<_> = (1..=seeds).map(|seed| day(&times, per_second, seed)).collect();
    let attempts: u64 = days.iter().map(|day| day.attempts).sum();
    let wrong: u64 = days.iter().map(|day| day.false_timeouts).sum();
    assert!(attempts > 10_000, "{attempts}");
    assert!((wrong as f64) < attempts as f64 * 0.001, "{wrong} of {attempts} attempts were ended wrongly");
    for day in &days {
        assert!(day.limits[0] < CEILING / 4, "a limit that does not follow: {:?}", day.limits);
    }
}

/// Attempt times in µs, as `tests/data/attempt-times.json` has them.
fn recorded(handler: &str) -> Vec<f64> {
    let text = include_str!("../../../../tests/data/attempt-times.json");
    let all: serde_json::Value = serde_json::from_str(text).unwrap();
    all[handler].as_array().unwrap().iter().map(|time| time.as_f64().unwrap()).collect()
}

#[test]
fn a_hung_job_is_ended_at_the_ceiling_even_if_many_hang() {
    let policy = AdaptivePolicy::default();
    let mut sketch = Sketch::default();
    for _ in 0..1_000 {
        sketch.record(50_000);
    }
    let (before, reason) = limit([&sketch], &policy, FLOOR, CEILING);
    assert_eq!((before, reason), (FLOOR, Reason::Floor));
    // A tenth of the attempts hang, each counted at the limit that ended it.
    let mut current = before;
    for _ in 0..20 {
        for _ in 0..100 {
            sketch.record(current);
        }
        current = limit([&sketch], &policy, FLOOR, CEILING).0;
    }
    assert_eq!(current, CEILING);
}

#[test]
fn few_that_hang_do_not_move_it() {
    let policy = AdaptivePolicy::default();
    let mut sketch = Sketch::default();
    for _ in 0..995 {
        sketch.record(500_000);
    }
    let before = limit([&sketch], &policy, FLOOR, CEILING).0;
    for _ in 0..5 {
        sketch.record(before);
    }
    assert_eq!(limit([&sketch], &policy, FLOOR, CEILING).0, before);
}

#[rstest::rstest]
#[case::nothing_known(0, 50_000, CEILING, Reason::WarmUp)]
#[case::one_short(199, 50_000, CEILING, Reason::WarmUp)]
#[case::short_ones(200, 1_000, FLOOR, Reason::Floor)]
#[case::long_ones(200, 100_000_000, CEILING, Reason::Ceiling)]
fn bounds(#[case] count: u64, #[case] takes: u64, #[case] wanted: u64, #[case] reason: Reason) {
    let mut sketch = Sketch::default();
    sketch.add(crate::sketch::bucket(takes), count);
    assert_eq!(limit([&sketch], &AdaptivePolicy::default(), FLOOR, CEILING), (wanted, reason));
}

#[test]
fn one_slow_slice_is_enough() {
    let policy = AdaptivePolicy::default();
    let slice = |takes: u64, count: u64| {
        let mut sketch = Sketch::default();
        sketch.add(crate::sketch::bucket(takes), count);
        sketch
    };
    let calm = [slice(1_000_000, 5_000), slice(1_000_000, 5_000)];
    let before = limit(&calm, &policy, FLOOR, CEILING).0;
    let after = limit(calm.iter().chain([&slice(3_000_000, 20)]), &policy, FLOOR, CEILING).0;
    assert!(after > before * 5 / 2, "{before} to {after}");
}

#[test]
fn a_sketchs_error_is_no_change() {
    assert!(!is_change(1_000, 1_099));
    assert!(is_change(1_000, 1_200) && is_change(1_200, 1_000));
}
