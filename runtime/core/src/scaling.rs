//! How many workers a queue should have: up quickly and by as much as it is needed, down slowly, and not back and forth.

use serde::{Deserialize, Serialize};

/// From where on a signal asks for more workers, or below which it lets some go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marks {
    /// Jobs that could run now.
    pub depth: u64,
    /// For how long the oldest of them has waited, ms.
    pub latency_ms: u64,
    /// CPU of the workers, percent.
    pub cpu: f64,
    /// Memory of the workers, percent of their limit.
    pub memory: f64,
}

/// What holds for all queues.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingPolicy {
    /// At or above any of these, workers are added.
    pub up: Marks,
    /// Below all of these, one is let go.
    pub down: Marks,
    /// The least time from a change to the next addition, ms.
    pub up_cooldown_ms: u64,
    /// The least time from a change to the next removal, and for how long it must be calm, ms.
    pub down_cooldown_ms: u64,
}

impl Default for ScalingPolicy {
    fn default() -> Self {
        Self {
            up: Marks { depth: 100, latency_ms: 30_000, cpu: 75.0, memory: 80.0 },
            down: Marks { depth: 10, latency_ms: 5_000, cpu: 30.0, memory: 40.0 },
            up_cooldown_ms: 60_000,
            down_cooldown_ms: 300_000,
        }
    }
}

/// How many workers a queue has at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// At least; 0 lets an idle queue have none.
    pub min: u64,
    /// At most.
    pub max: u64,
}

/// What is known of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Signals {
    /// Workers that serve it.
    pub workers: u64,
    /// Slots that it may have on all of them.
    pub slots: u64,
    /// Jobs that could run now; 0 while the queue is paused, as no worker would help.
    pub backlog: u64,
    /// Jobs that run.
    pub active: u64,
    /// For how long the oldest job has waited, ms.
    pub oldest_wait_ms: u64,
    /// CPU of its workers, percent.
    pub cpu_percent: f64,
    /// Memory of its workers, percent.
    pub memory_percent: f64,
    /// Mean wall time of its attempts, ms, where there were some.
    pub mean_ms: Option<f64>,
    /// Attempts that ended per minute.
    pub ended_per_minute: f64,
}

impl Signals {
    /// How long the slots that are there will take for the backlog, ms; `None` where the cost of a job is not known.
    #[must_use]
    pub fn drain_ms(&self) -> Option<f64> {
        let mean = self.mean_ms.filter(|_| self.slots > 0)?;
        Some(self.backlog as f64 * mean / self.slots as f64)
    }

    /// Slots that one worker brings; at least 1.
    fn slots_each(&self) -> f64 {
        if self.workers == 0 { 1.0 } else { (self.slots as f64 / self.workers as f64).max(1.0) }
    }
}

/// What a decision does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// More workers.
    Up,
    /// One less.
    Down,
    /// As many as before.
    Hold,
}

impl Action {
    /// The word in the API, metrics and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Hold => "hold",
        }
    }
}

/// What was decided so far; kept between decisions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Workers that the queue should have; `None` before the first decision.
    pub desired: Option<u64>,
    /// When that changed last, ms since the epoch.
    pub changed_ms: u64,
    /// Whether it changed to less then.
    pub went_down: bool,
    /// Since when all signals are below their marks; `None`: they are not.
    pub calm_since_ms: Option<u64>,
    /// The backlog at the last decision and when that was: what has come since is told from it.
    pub seen: Option<(u64, u64)>,
    /// How many times the cooldown a removal waits: it doubles with each removal that had to be taken back.
    pub patience: u32,
}

/// How many workers there should be, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What it does.
    pub action: Action,
    /// Workers from now on.
    pub desired: u64,
    /// In one sentence.
    pub reason: String,
    /// Every signal with its marks, for people.
    pub explanation: Vec<String>,
    /// For the next decision.
    pub progress: Progress,
}

/// Workers that are added at a time.
const MAX_STEPS: u64 = 3;
/// The longest patience, in cooldowns.
const MAX_PATIENCE: u32 = 4;
/// A backlog that takes so many times less than the wait that is allowed asks for workers already: it grows while they start.
const AHEAD: f64 = 4.0;
/// Slots of the workers that stay may be used to this share by what ended lately.
const BUSY: f64 = 0.8;

/// Decides for one queue.
#[must_use]
pub fn decide(
    policy: &ScalingPolicy,
    range: Range,
    signals: &Signals,
    before: &Progress,
    now_ms: u64,
) -> Decision {
    let mut next = before.clone();
    next.patience = before.patience.max(1);
    next.seen = Some((signals.backlog, now_ms));
    let needed = needed(policy, signals, growth_per_minute(signals, before, now_ms));
    let explanation = explain(policy, signals);
    let was = before.desired.unwrap_or(signals.workers);
    let calm = is_calm(policy, signals);
    next.calm_since_ms = calm.then(|| before.calm_since_ms.unwrap_or(now_ms));
    let done = |action, desired: u64, reason: String, mut next: Progress| {
        if before.desired != Some(desired) {
            // The first decision takes over what is there, and starts no cooldown.
            if before.desired.is_some() || action != Action::Hold {
                next.changed_ms = now_ms;
            }
            next.went_down = action == Action::Down;
            if action == Action::Down {
                next.calm_since_ms = Some(now_ms);
            }
        }
        next.desired = Some(desired);
        Decision { action, desired, reason, explanation: explanation.clone(), progress: next }
    };
    let bounded = was.clamp(range.min, range.max.max(range.min));
    if bounded != was {
        let action = if bounded > was { Action::Up } else { Action::Down };
        let reason = format!("a queue of this class has {} to {} workers", range.min, range.max);
        return done(action, bounded, reason, next);
    }
    let since = now_ms.saturating_sub(before.changed_ms);
    if was == 0 && signals.backlog > 0 && range.max > 0 {
        return done(Action::Up, 1, "jobs wait and there is no worker".to_owned(), next);
    }
    if let Some((steps, reason)) = more(policy, signals) {
        let useful = useful(signals).min(needed.map_or(u64::MAX, |needed| needed.max(was + 1)));
        let steps = steps.max(needed.map_or(0, |needed| needed.saturating_sub(was)).min(MAX_STEPS));
        let wanted = was.saturating_add(steps).min(useful.clamp(was, range.max));
        if was >= range.max {
            return done(
                Action::Hold,
                was,
                format!("{reason}, but {} workers are the most", range.max),
                next,
            );
        }
        if wanted == was {
            let reason = format!("{reason}, but the slots that are there suffice for what waits");
            return done(Action::Hold, was, reason, next);
        }
        if since < policy.up_cooldown_ms && before.changed_ms > 0 {
            return done(Action::Hold, was, format!("{reason}; the last change is too fresh"), next);
        }
        if before.went_down && since < 2 * policy.down_cooldown_ms {
            next.patience = (next.patience * 2).min(MAX_PATIENCE);
        }
        return done(Action::Up, wanted, reason, next);
    }
    let cooldown = policy.down_cooldown_ms.saturating_mul(u64::from(next.patience));
    match next.calm_since_ms {
        Some(calm_since) if was > range.min => {
            let lasted = now_ms.saturating_sub(calm_since);
            if lasted < cooldown || (since < cooldown && before.changed_ms > 0) {
                return done(Action::Hold, was, "calm, but not for long enough".to_owned(), next);
            }
            if !spares_one(signals, was) {
                let reason = "calm, but one worker less would be busy".to_owned();
                return done(Action::Hold, was, reason, next);
            }
            if before.went_down {
                next.patience = 1;
            }
            done(Action::Down, was - 1, "calm for long enough".to_owned(), next)
        }
        Some(_) => done(Action::Hold, was, "calm".to_owned(), next),
        None => done(Action::Hold, was, "no signal asks for a change".to_owned(), next),
    }
}

/// How many workers more the signals ask for, and why.
fn more(policy: &ScalingPolicy, signals: &Signals) -> Option<(u64, String)> {
    if signals.backlog == 0 {
        return None;
    }
    let up = policy.up;
    let ratio = |value: f64, mark: f64| if mark > 0.0 { value / mark } else { 0.0 };
    let drain = signals.drain_ms();
    let mut asks = vec![(
        ratio(signals.oldest_wait_ms as f64, up.latency_ms as f64),
        format!("the oldest job has waited for {} s", signals.oldest_wait_ms / 1_000),
    )];
    match drain {
        Some(drain) => {
            let reason = format!("the backlog of {} will take {:.1} s", signals.backlog, drain / 1e3);
            asks.push((ratio(drain * AHEAD, up.latency_ms as f64), reason));
        }
        // Many jobs that take no time are no reason for more workers; what jobs take is not known here.
        None => {
            asks.push((
                ratio(signals.backlog as f64, up.depth as f64),
                format!("{} jobs wait", signals.backlog),
            ));
        }
    }
    // A worker that computes on all cores or is full is not helped by many at once.
    let slow = drain.is_none_or(|drain| drain * 4.0 >= up.latency_ms as f64);
    if slow && signals.cpu_percent >= up.cpu {
        asks.push((1.0, format!("the workers use {:.0} % of their CPU, and jobs wait", signals.cpu_percent)));
    }
    if slow && signals.memory_percent >= up.memory {
        asks.push((
            1.0,
            format!("the workers use {:.0} % of their memory, and jobs wait", signals.memory_percent),
        ));
    }
    let (ratio, reason) = asks.into_iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let steps = match ratio {
        ratio if ratio >= 4.0 => MAX_STEPS,
        ratio if ratio >= 2.0 => 2,
        ratio if ratio >= 1.0 => 1,
        _ => return None,
    };
    Some((steps, reason))
}

/// Workers beyond which there is no job for their slots.
fn useful(signals: &Signals) -> u64 {
    ceiling((signals.backlog + signals.active) as f64 / signals.slots_each())
}

/// Workers that keep up with what comes and have the backlog gone in half the wait that is allowed; `None` where the cost of
/// a job is not known.
fn needed(policy: &ScalingPolicy, signals: &Signals, growth_per_minute: f64) -> Option<u64> {
    let (mean, each) = (signals.mean_ms?, signals.slots_each());
    let comes = (signals.ended_per_minute + growth_per_minute).max(0.0) * mean / 60_000.0 / each / BUSY;
    let drains = signals.backlog as f64 * mean / (each * (policy.up.latency_ms as f64 / 2.0).max(1.0));
    Some(ceiling(comes + drains))
}

/// Jobs per minute by which the backlog has grown since the last decision.
fn growth_per_minute(signals: &Signals, before: &Progress, now_ms: u64) -> f64 {
    match before.seen {
        Some((backlog, at_ms)) if now_ms > at_ms => {
            (signals.backlog as f64 - backlog as f64).max(0.0) * 60_000.0 / (now_ms - at_ms) as f64
        }
        _ => 0.0,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn ceiling(number: f64) -> u64 {
    number.ceil() as u64
}

fn is_calm(policy: &ScalingPolicy, signals: &Signals) -> bool {
    let down = policy.down;
    let cheap = signals.drain_ms().is_some_and(|drain| drain < down.latency_ms as f64);
    (signals.backlog <= down.depth || cheap)
        && signals.oldest_wait_ms < down.latency_ms
        && (signals.workers == 0 || signals.cpu_percent < down.cpu)
        && (signals.workers == 0 || signals.memory_percent < down.memory)
}

/// Whether the workers but one would have slots enough for what runs now and for what ended lately.
fn spares_one(signals: &Signals, was: u64) -> bool {
    let left = (was.saturating_sub(1)) as f64 * signals.slots_each();
    if signals.active as f64 > left {
        return false;
    }
    match signals.mean_ms {
        _ if was == 1 => signals.backlog == 0 && signals.active == 0,
        None => signals.backlog == 0,
        Some(mean) => signals.ended_per_minute * mean / 60_000.0 <= BUSY * left,
    }
}

fn explain(policy: &ScalingPolicy, signals: &Signals) -> Vec<String> {
    let (up, down) = (policy.up, policy.down);
    let mut lines = vec![
        format!("workers: {} with {} slots", signals.workers, signals.slots),
        format!("backlog: {} jobs (up from {}, down to {})", signals.backlog, up.depth, down.depth),
        format!(
            "oldest wait: {:.1} s (up from {:.1} s, down below {:.1} s)",
            signals.oldest_wait_ms as f64 / 1e3,
            up.latency_ms as f64 / 1e3,
            down.latency_ms as f64 / 1e3
        ),
        format!("CPU: {:.0} % (up from {:.0} %, down below {:.0} %)", signals.cpu_percent, up.cpu, down.cpu),
        format!(
            "memory: {:.0} % (up from {:.0} %, down below {:.0} %)",
            signals.memory_percent, up.memory, down.memory
        ),
    ];
    lines.push(match (signals.drain_ms(), signals.mean_ms) {
        (Some(drain), Some(mean)) => {
            format!(
                "time to drain: {:.1} s, at {mean:.1} ms a job (up from {:.1} s)",
                drain / 1e3,
                up.latency_ms as f64 / 1e3 / AHEAD
            )
        }
        _ => "time to drain: not known, as no attempt has ended lately".to_owned(),
    });
    lines
}

#[cfg(test)]
mod tests;
