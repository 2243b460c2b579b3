//! Whether a canary is worse than the stable version.
//!
//! Each question is about events: attempts that failed, that trapped, or that took more time, fuel or memory than nearly
//! all of the stable version's. Were both versions alike, each event would be the canary's with the probability of its part
//! of the attempts. How much better "the canary's part is greater" explains the events is a likelihood ratio, mixed over
//! all greater parts. Its expectation is 1 while both are alike, whenever and however often one looks, so it exceeds
//! [`CONVINCED`] in at most one of so many canaries that are no worse: looking every second costs nothing.

use crate::sketch::Sketch;

/// How many times better the events must be explained by a worse canary.
const CONVINCED: f64 = 1_000.0;
/// A canary is worse when its rate of events is so many times the stable version's, at least.
const MUCH: f64 = 1.25;
/// Events of the canary below which nothing is concluded, whatever the odds: that much may be one bad minute.
const FEWEST: u64 = 5;
/// Attempts of the canary without which it is not promoted, and of the stable version for its P95.
const ENOUGH: u64 = 50;
/// The part of the stable version's attempts that exceeds what both are measured by.
const USUAL: f64 = 0.95;
/// Differences below these are nobody's concern: µs of time, units of fuel, bytes of memory.
const SMALLEST: [f64; 3] = [5_000.0, 1_000_000.0, 1_048_576.0];
/// Points at which the mixture is summed.
const POINTS: u32 = 400;

/// What attempts of one version came to since the canary began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Attempts that ended: by the handler, or by a limit.
    pub attempts: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those that trapped, or that a limit ended.
    pub trapped: u64,
    /// Wall time of those that returned, in µs.
    pub time: Sketch,
    /// Fuel of those that returned, where it was metered.
    pub fuel: Sketch,
    /// Most bytes of memory of those that returned.
    pub memory: Sketch,
}

/// One attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// It failed, whoever is to blame.
    pub failed: bool,
    /// It trapped, or a limit ended it.
    pub trapped: bool,
    /// Wall time in µs.
    pub time: u64,
    /// Fuel, where it was metered.
    pub fuel: Option<u64>,
    /// Most bytes of memory.
    pub memory: u64,
}

/// What is to be done with a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is tried on.
    Wait,
    /// It becomes stable.
    Promote,
    /// It is worse: in what, and by how much.
    RollBack(String),
}

impl Counts {
    /// Counts an attempt.
    pub fn record(&mut self, sample: Sample) {
        self.attempts += 1;
        self.failed += u64::from(sample.failed);
        self.trapped += u64::from(sample.trapped);
        if sample.failed {
            return;
        }
        self.time.record(sample.time);
        self.memory.record(sample.memory);
        if let Some(fuel) = sample.fuel {
            self.fuel.record(fuel);
        }
    }

    /// Adds all counts of another.
    pub fn merge(&mut self, other: &Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.failed = self.failed.saturating_add(other.failed);
        self.trapped = self.trapped.saturating_add(other.trapped);
        self.time.merge(&other.time);
        self.fuel.merge(&other.fuel);
        self.memory.merge(&other.memory);
    }
}

/// Judges a canary that began `elapsed_ms` ago and is to be promoted after `promote_after_ms`.
#[must_use]
pub fn judge(stable: &Counts, canary: &Counts, elapsed_ms: u64, promote_after_ms: Option<u64>) -> Verdict {
    if let Some(reason) = fault(stable, canary) {
        return Verdict::RollBack(reason);
    }
    match promote_after_ms {
        Some(after_ms) if elapsed_ms >= after_ms && canary.attempts >= ENOUGH => Verdict::Promote,
        _ => Verdict::Wait,
    }
}

fn fault(stable: &Counts, canary: &Counts) -> Option<String> {
    let events = [("failed", stable.failed, canary.failed), ("trapped", stable.trapped, canary.trapped)];
    for (what, of_stable, of_canary) in events {
        if is_worse((of_stable, stable.attempts), (of_canary, canary.attempts)) {
            return Some(format!(
                "{of_canary} of {} attempts {what}, of the stable version {of_stable} of {}",
                canary.attempts, stable.attempts
            ));
        }
    }
    let uses = [
        ("time", "µs", &stable.time, &canary.time),
        ("fuel", "units", &stable.fuel, &canary.fuel),
        ("peak memory", "bytes", &stable.memory, &canary.memory),
    ];
    for ((what, unit, of_stable, of_canary), smallest) in uses.into_iter().zip(SMALLEST) {
        let (usual, found) = (of_stable.quantile(USUAL), of_canary.quantile(USUAL));
        // From a few attempts of the stable version nobody knows its P95.
        if of_stable.total() < ENOUGH || found < usual * MUCH || found - usual < smallest {
            continue;
        }
        let above = |sketch: &Sketch| (sketch.above(usual), sketch.total());
        if is_worse(above(of_stable), above(of_canary)) {
            return Some(format!(
                "P95 of {what} is {found:.0} {unit}, of the stable version {usual:.0} {unit}"
            ));
        }
    }
    None
}

/// Whether the canary's share of events is greater, beyond what chance explains. Each: events, and attempts.
fn is_worse((of_stable, stable): (u64, u64), (of_canary, canary): (u64, u64)) -> bool {
    if of_canary < FEWEST || stable == 0 {
        return false;
    }
    let rate = |events: u64, attempts: u64| events as f64 / attempts as f64;
    rate(of_canary, canary) >= rate(of_stable, stable) * MUCH
        && evidence(of_canary, of_stable, rate(canary, canary + stable)) > CONVINCED.ln()
}

/// Logarithm of how many times better the events are explained by parts above `part`, all of them equally likely before,
/// than by `part` itself.
fn evidence(of_canary: u64, of_stable: u64, part: f64) -> f64 {
    let (of_canary, of_stable) = (of_canary as f64, of_stable as f64);
    let log = |p: f64| of_canary * p.ln() + of_stable * (1.0 - p).ln();
    let alike = log(part);
    // The middle of each of so many equal steps from `part` to 1.
    let step = |n: u32| log(part + (1.0 - part) * (f64::from(n) + 0.5) / f64::from(POINTS)) - alike;
    let greatest = (0..POINTS).map(step).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = (0..POINTS).map(|n| (step(n) - greatest).exp()).sum();
    greatest + (sum / f64::from(POINTS)).ln()
}

#[cfg(test)]
mod tests;
