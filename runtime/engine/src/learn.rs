//! Limits that follow what attempts use: counts them, shares the counts with all workers, and sets the limits anew.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use gristmill_core::adaptive::{AdaptivePolicy, Reason, SLICES, is_change, limit};
use gristmill_core::limits::Limits;
use gristmill_core::units::{show_duration, show_size};
use gristmill_queue::{Queue, QueueError, Usage};
use gristmill_telemetry::event::{LimitChanged, QueueEvent};
use tokio::time::MissedTickBehavior;

use crate::handlers::{Handlers, JobType};
use crate::worker::Context;

/// How often counts are shared and limits set. What was counted since is lost with the process.
const LOOK: Duration = Duration::from_secs(10);
/// A job reserves so many times the memory that nearly all others needed.
const MEMORY_FACTOR: f64 = 1.5;

/// What one job type has learned.
pub(crate) struct Learned {
    /// Whether the time follows, and whether the memory that is reserved does.
    time: Option<AdaptivePolicy>,
    memory: bool,
    /// Counted and not shared yet. Written by attempts, taken by [`run`].
    pending: Mutex<Usage>,
    /// What holds now. Written by [`run`], read by every attempt as it starts.
    current: ArcSwap<Current>,
}

#[derive(Clone, PartialEq, Eq)]
struct Current {
    limits: Arc<Limits>,
    reserve: u64,
}

impl Learned {
    /// Starts with the job type's own limits.
    pub(crate) fn new(time: Option<AdaptivePolicy>, memory: bool, limits: &Arc<Limits>) -> Self {
        let current = Current { limits: Arc::clone(limits), reserve: limits.memory };
        Self { time, memory, pending: Mutex::default(), current: ArcSwap::from_pointee(current) }
    }

    /// The limits of the next attempt.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.current.load().limits)
    }

    /// Bytes that the next attempt reserves.
    pub(crate) fn reserve(&self) -> u64 {
        self.current.load().reserve
    }

    /// Counts an attempt that returned, or that its time limit ended.
    pub(crate) fn record(&self, time: Duration, fuel: Option<u64>, memory: u64) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.time.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        if let Some(fuel) = fuel {
            pending.fuel.record(fuel);
        }
        pending.memory.record(memory);
    }

    fn policy(&self) -> AdaptivePolicy {
        self.time.unwrap_or_default()
    }
}

/// Shares and learns for as long as it is polled, at once at the start.
pub(crate) async fn run(context: Context, handlers: Arc<Handlers>, queues: Vec<Queue>) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for queue in &queues {
            for job_type in handlers.job_types(queue.name()) {
                let Some(learned) = &job_type.learned else { continue };
                if let Err(error) = look(&context, queue, &job_type, learned).await {
                    QueueEvent::RedisFailed { error: &error, first: false }
                        .emit(queue.name(), &context.metrics);
                }
            }
        }
    }
}

async fn look(
    context: &Context,
    queue: &Queue,
    job_type: &JobType,
    learned: &Learned,
) -> Result<(), QueueError> {
    let policy = learned.policy();
    let slice_ms = policy.slice_ms();
    let now = context.clock.now_ms() / slice_ms;
    let pending = std::mem::take(&mut *learned.pending.lock().unwrap_or_else(PoisonError::into_inner));
    if pending.time.total() > 0 {
        let kept = slice_ms.saturating_mul(SLICES + 1);
        if let Err(error) = queue.add_usage(&job_type.entry, now, &pending, kept).await {
            // Whether they arrived is not known: counted twice they do less harm than not at all.
            learned.pending.lock().unwrap_or_else(PoisonError::into_inner).merge(&pending);
            return Err(error);
        }
    }
    let slices = queue.usage(&job_type.entry, (now + 1).saturating_sub(SLICES)..=now).await?;
    let start_memory =
        job_type.served.load().stable.as_ref().map_or(0, gristmill_sandbox::Module::start_memory);
    let next = decide(&slices, learned, &job_type.limits, start_memory);
    tell(context, queue.name(), job_type, &learned.current.load(), &next);
    learned.current.store(Arc::new(next.current));
    Ok(())
}

/// What the slices say.
struct Decision {
    current: Current,
    time: Reason,
    memory: Reason,
    attempts: u64,
}

fn decide(slices: &[Usage], learned: &Learned, own: &Arc<Limits>, start_memory: u64) -> Decision {
    let policy = learned.policy();
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let attempts = slices.iter().map(|slice| slice.time.total()).sum();
    let (limits, time) = match learned.time {
        None => (Arc::clone(own), Reason::Ceiling),
        Some(_) => {
            let times = slices.iter().map(|slice| &slice.time);
            let (time, reason) = limit(times, &policy, micros(policy.floor), micros(own.timeout));
            let fuel = own.fuel.map(|own| limit(slices.iter().map(|slice| &slice.fuel), &policy, 0, own).0);
            (Arc::new(own.adapted(Duration::from_micros(time), fuel)), reason)
        }
    };
    let (reserve, memory) = if learned.memory {
        let policy = AdaptivePolicy { factor: MEMORY_FACTOR, ..policy };
        limit(slices.iter().map(|slice| &slice.memory), &policy, start_memory, own.memory)
    } else {
        (own.memory, Reason::Ceiling)
    };
    Decision { current: Current { limits, reserve }, time, memory, attempts }
}

fn tell(context: &Context, queue: &str, job_type: &JobType, old: &Current, next: &Decision) {
    let (job, attempts) = (&*job_type.entry, next.attempts);
    let micros = |limits: &Limits| u64::try_from(limits.timeout.as_micros()).unwrap_or(u64::MAX);
    let (before, after) = (&old.limits, &next.current.limits);
    let event = |limit, from, to, reason: Reason| {
        LimitChanged { queue, job, limit, from, to, reason: reason.as_str(), attempts }
            .emit(&context.metrics);
    };
    if is_change(micros(before), micros(after)) {
        event("timeout", show_duration(before.timeout), show_duration(after.timeout), next.time);
    }
    if let (Some(from), Some(to)) = (before.fuel, after.fuel)
        && is_change(from, to)
    {
        event("fuel", from.to_string(), to.to_string(), next.time);
    }
    if is_change(old.reserve, next.current.reserve) {
        event("memory", show_size(old.reserve), show_size(next.current.reserve), next.memory);
    }
    if job_type.learned.as_ref().is_some_and(|learned| learned.time.is_some()) {
        context.metrics.set_timeout(queue, job, after.timeout);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(count: u64, micros: u64, memory: u64) -> Usage {
        let mut usage = Usage::default();
        for _ in 0..count {
            usage.time.record(micros);
            usage.memory.record(memory);
        }
        usage
    }

    #[test]
    fn follows_what_it_was_asked_to() {
        let own = Arc::new(Limits::default());
        let slices = [usage(300, 500_000, 4 << 20)];
        let both = Learned::new(Some(AdaptivePolicy::default()), true, &own);
        let next = decide(&slices, &both, &own, 1 << 20).current;
        assert!((3_500..4_500).contains(&next.limits.timeout.as_millis()), "{:?}", next.limits.timeout);
        assert!((5 << 20..7 << 20).contains(&next.reserve), "{}", next.reserve);
        assert!(next.limits.adapted && next.limits.soft_timeout < next.limits.timeout);

        let neither = Learned::new(None, false, &own);
        let next = decide(&slices, &neither, &own, 1 << 20).current;
        assert!(next == Current { limits: Arc::clone(&own), reserve: own.memory });
    }

    #[test]
    fn what_is_not_known_yet_changes_nothing() {
        let own = Arc::new(Limits::default());
        let learned = Learned::new(Some(AdaptivePolicy::default()), true, &own);
        let next = decide(&[usage(10, 1, 1)], &learned, &own, 1 << 20);
        assert!(next.current == Current { limits: Arc::clone(&own), reserve: own.memory });
        assert_eq!((next.time, next.memory), (Reason::WarmUp, Reason::WarmUp));
    }
}
