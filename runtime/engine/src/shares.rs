//! Slots and memory of the worker, shared by the pumps of its queues; the rule is [`gristmill_core::scheduler`].
//!
//! A pump claims slots for each call, each with the memory that a job of its queue may need. What it is not granted stays
//! wanted: it is woken when a slot is put aside for it. A slot is held from the claim until the settlement of its attempt
//! is written; only its own queue may have it before, in the call that settles, and only if the slot would be that queue's
//! anyway.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gristmill_core::clock::Clock;
use gristmill_core::config::{self, Config};
use gristmill_core::scheduler::{ClassShare, QueueShare, Scheduler, ageing};
use gristmill_core::setting::Setting;
use gristmill_queue::Queue;
use gristmill_telemetry::Metrics;
use gristmill_telemetry::event::QueueEvent;
use kept::{Keep, need};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

/// How often the oldest jobs are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The slots of one worker.
pub(crate) struct Shares {
    /// `None` where every queue may always have all of its slots, and memory for them.
    inner: Option<Mutex<Inner>>,
    /// In the order of the configuration.
    queues: Vec<Part>,
}

/// What is known of one queue without the scheduler; settings change it while the worker runs.
struct Part {
    name: String,
    /// As the configuration says.
    configured: (u32, usize),
    weight: AtomicU32,
    max: AtomicUsize,
    /// Slots were put aside for it, or it may have another number of them.
    wake: Notify,
}

struct Inner {
    scheduler: Scheduler,
    /// Slots that each queue was granted and has not picked up.
    aside: Vec<usize>,
}

/// One pump's part of them.
pub(crate) struct Share {
    shares: Arc<Shares>,
    queue: usize,
}

/// What one call may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Slots of the attempts that the call itself settles.
    again: usize,
    /// Slots that were free.
    fresh: usize,
}

/// What an attempt had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used {
    /// Its slot, for so long.
    pub slot: Duration,
    /// Bytes that were reserved for it.
    pub memory: u64,
}

impl Claim {
    /// Jobs that the call may ask for.
    pub(crate) fn take(self) -> usize {
        self.again + self.fresh
    }
}

impl Shares {
    /// For the queues of the configuration, in its order, and so many bytes for their jobs together.
    pub(crate) fn new(config: &Config, memory: u64) -> Arc<Self> {
        let shares = config.shares();
        let largest = config.queues.values().map(|queue| need(queue, memory)).max().unwrap_or(0);
        // Any job type may come to need as much as the largest one when the configuration is read again.
        let fits = largest.saturating_mul(shares.slots as u64) <= memory;
        let inner = (shares.contended || !fits).then(|| {
            let keep = Keep::new(config, &shares, memory);
            let classes = shares.classes.map(|c| ClassShare { reserved: keep.of(c.reserved), ..c });
            let mut scheduler = Scheduler::new(shares.slots, memory, |class| classes[class.index()]);
            for (number, queue) in config.queues.values().enumerate() {
                scheduler.add(QueueShare {
                    class: queue.class,
                    weight: f64::from(queue.weight),
                    max: queue.concurrency,
                    reserved: keep.of(queue.reserved),
                });
                scheduler.set_need(number, need(queue, memory));
            }
            Mutex::new(Inner { scheduler, aside: vec![0; config.queues.len()] })
        });
        let part = |(name, queue): (&String, &config::Queue)| Part {
            name: name.clone(),
            configured: (queue.weight, queue.concurrency),
            weight: AtomicU32::new(queue.weight),
            max: AtomicUsize::new(queue.concurrency),
            wake: Notify::new(),
        };
        Arc::new(Self { inner, queues: config.queues.iter().map(part).collect() })
    }

    /// Takes weights and concurrency from settings, and those of the configuration where there is none.
    pub(crate) fn set(&self, settings: &[Setting], metrics: &Metrics) {
        for (number, part) in self.queues.iter().enumerate() {
            let (mut weight, mut max) = part.configured;
            for setting in settings {
                match setting {
                    Setting::Weight { queue, weight: set } if *queue == part.name => weight = *set,
                    Setting::Concurrency { queue, slots } if *queue == part.name => max = *slots,
                    _ => {}
                }
            }
            let before = (part.weight.swap(weight, Ordering::Relaxed), part.max.swap(max, Ordering::Relaxed));
            if before == (weight, max) {
                continue;
            }
            metrics.set_weight(&part.name, f64::from(weight));
            if let Some(mut inner) = self.lock() {
                // A queue with a target wait gets heavier again with the next look at it.
                inner.scheduler.set_weight(number, f64::from(weight));
                inner.scheduler.set_max(number, max);
                self.hand_out(&mut inner);
            }
            part.wake.notify_one();
        }
    }

    /// The part of the queue at this place in the configuration.
    pub(crate) fn of(self: &Arc<Self>, queue: usize) -> Share {
        Share { shares: Arc::clone(self), queue }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Inner>> {
        Some(self.inner.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts free slots aside for whom they are.
    fn hand_out(&self, inner: &mut Inner) {
        while let Some(queue) = inner.scheduler.grant() {
            inner.aside[queue] += 1;
            self.queues[queue].wake.notify_one();
        }
    }
}

impl Share {
    /// Claims up to `want` slots for a call that settles `settle` attempts. `need` is how many bytes one of its jobs may
    /// reserve. `used` is drained: what the attempts that ended since the last claim had. With `keep`, what is missing
    /// stays wanted.
    pub(crate) fn claim(
        &self,
        used: &mut Vec<Used>,
        settle: usize,
        want: usize,
        need: impl FnOnce() -> u64,
        keep: bool,
    ) -> Claim {
        let Some(mut inner) = self.shares.lock() else {
            used.clear();
            let again = want.min(settle);
            return Claim { again, fresh: want - again };
        };
        let Inner { scheduler, aside } = &mut *inner;
        for Used { slot, memory } in used.drain(..) {
            scheduler.end(self.queue, slot, memory);
        }
        scheduler.set_need(self.queue, need());
        let mut claim = Claim { again: 0, fresh: aside[self.queue].min(want) };
        for _ in claim.fresh..std::mem::take(&mut aside[self.queue]) {
            scheduler.give_back(self.queue);
        }
        scheduler.set_demand(self.queue, want - claim.fresh);
        while claim.again < settle && claim.take() < want && scheduler.retake(self.queue) {
            claim.again += 1;
        }
        self.shares.hand_out(&mut inner);
        claim.fresh += std::mem::take(&mut inner.aside[self.queue]);
        if !keep {
            inner.scheduler.set_demand(self.queue, 0);
        }
        claim
    }

    /// A call has ended: of `settle` settlements `settled` are written, and jobs came that reserve so many bytes each.
    /// Answers which of them find no memory and are to be put back.
    pub(crate) fn finish(&self, claim: Claim, settle: usize, settled: usize, memory: &[u64]) -> Vec<usize> {
        let Some(mut inner) = self.shares.lock() else { return Vec::new() };
        let taken = memory.len();
        let scheduler = &mut inner.scheduler;
        let (left, unwritten) = (settle - claim.again, settle - settled);
        // Their jobs are still ours, so their slots are not for others.
        let undone = unwritten.saturating_sub(left);
        for _ in 0..undone {
            scheduler.undo_retake(self.queue);
        }
        for _ in unwritten..left + undone {
            scheduler.free(self.queue);
        }
        for _ in taken + undone..claim.take() {
            scheduler.give_back(self.queue);
        }
        let mut refused = Vec::new();
        for (number, bytes) in memory.iter().enumerate() {
            if !scheduler.start(self.queue, *bytes) {
                refused.push(number);
            }
        }
        self.shares.hand_out(&mut inner);
        refused
    }

    /// A held job is not ours any more, without a settlement.
    pub(crate) fn abandon(&self, used: Used) {
        let Some(mut inner) = self.shares.lock() else { return };
        inner.scheduler.end(self.queue, used.slot, used.memory);
        inner.scheduler.free(self.queue);
        self.shares.hand_out(&mut inner);
    }

    /// Nothing is wanted any more; what was put aside goes to others.
    pub(crate) fn withdraw(&self) {
        let Some(mut inner) = self.shares.lock() else { return };
        inner.scheduler.set_demand(self.queue, 0);
        for _ in 0..std::mem::take(&mut inner.aside[self.queue]) {
            inner.scheduler.give_back(self.queue);
        }
        self.shares.hand_out(&mut inner);
    }

    /// Whether slots and memory are counted at all.
    pub(crate) fn counts(&self) -> bool {
        self.shares.inner.is_some()
    }

    /// Whether only memory keeps the queue from another slot.
    pub(crate) fn lacks_memory(&self) -> bool {
        self.shares.lock().is_some_and(|inner| inner.scheduler.lacks_memory(self.queue))
    }

    /// Whether there is a slot that this queue could have now.
    pub(crate) fn has_chance(&self) -> bool {
        self.shares.lock().is_none_or(|inner| inner.scheduler.has_chance(self.queue))
    }

    /// Slots that the queue may hold now.
    pub(crate) fn max(&self) -> usize {
        self.shares.queues[self.queue].max.load(Ordering::Relaxed)
    }

    /// Waits until slots are put aside, or their number is another.
    pub(crate) async fn granted(&self) {
        self.shares.queues[self.queue].wake.notified().await;
    }
}

/// Makes queues heavier as their oldest jobs near their target wait, for as long as it is polled.
pub(crate) async fn age(
    metrics: Metrics,
    clock: Clock,
    shares: Arc<Shares>,
    config: Arc<Config>,
    queues: Vec<Queue>,
) {
    for (queue, section) in &config.queues {
        metrics.set_weight(queue, f64::from(section.weight));
    }
    let aged: Vec<_> = queues
        .iter()
        .enumerate()
        .filter_map(|(n, queue)| {
            let section = &config.queues[queue.name()];
            Some((n, queue, section.sla?))
        })
        .collect();
    if shares.inner.is_none() || aged.is_empty() {
        return;
    }
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (n, queue, target) in &aged {
            let due_ms = match queue.oldest_due_ms().await {
                Ok(due_ms) => due_ms,
                // The weight stays; the next look is a second away.
                Err(error) => {
                    QueueEvent::RedisFailed { error: &error, first: false }.emit(queue.name(), &metrics);
                    continue;
                }
            };
            let waited = due_ms.map_or(0, |due| clock.now_ms().saturating_sub(due));
            let weight = f64::from(shares.queues[*n].weight.load(Ordering::Relaxed));
            let weight = weight * ageing(Duration::from_millis(waited), *target);
            if let Some(mut inner) = shares.lock() {
                inner.scheduler.set_weight(*n, weight);
            }
            metrics.set_weight(queue.name(), weight);
        }
    }
}

mod kept;
#[cfg(test)]
mod tests;
