//! Instances that serve one attempt after another, for handlers whose start is heavy.
//!
//! Nothing of the host's is carried over but the guest's own memory and its streams: limits, log, budgets and clocks
//! are those of the next attempt. Whatever ended abnormally is never used again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Store;

use crate::Interrupter;
use crate::bindings::Worker;
use crate::guest::Guest;

/// How long an instance serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recycling {
    /// Attempts; at least 1.
    pub after_attempts: u64,
    /// Time since it was made.
    pub after: Duration,
}

impl Recycling {
    fn verdict(self, attempts: u64, age: Duration) -> Option<Recycled> {
        if attempts >= self.after_attempts {
            return Some(Recycled::Attempts);
        }
        (age >= self.after).then_some(Recycled::Age)
    }
}

/// Why an instance that could have been used again was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recycled {
    /// It has served as many attempts as it may.
    Attempts,
    /// It is as old as it may get.
    Age,
    /// Its memory has grown past the soft limit.
    Memory,
    /// Its attempt ended abnormally: a trap, a limit, an interruption.
    Ended,
    /// Its attempt left a connection open.
    Leftovers,
    /// The handler was replaced.
    Swapped,
    /// Its slot, or its memory, was needed elsewhere.
    Evicted,
}

impl Recycled {
    /// The word in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Age => "age",
            Self::Memory => "memory",
            Self::Ended => "ended",
            Self::Leftovers => "leftovers",
            Self::Swapped => "swapped",
            Self::Evicted => "evicted",
        }
    }
}

/// The resting instances of one job type. Hand it to every attempt of that type, and to no other's.
pub struct Warm {
    recycling: Recycling,
    idle: Mutex<VecDeque<Instance>>,
    /// Told of each instance that is let go.
    recycled: Box<dyn Fn(Recycled) + Send + Sync>,
}

/// An instance with the slot that it occupies.
pub(crate) struct Instance {
    // Dropped in this order: a free slot is taken at once, and the pool must have room then.
    pub(crate) store: Store<Guest>,
    pub(crate) slot: Option<OwnedSemaphorePermit>,
    /// `None` when it could not be instantiated.
    pub(crate) worker: Option<Worker>,
    /// Of its module.
    pub(crate) digest: String,
    pub(crate) attempts: u64,
    pub(crate) made: Instant,
}

impl Warm {
    pub(crate) fn new(recycling: Recycling, recycled: Box<dyn Fn(Recycled) + Send + Sync>) -> Self {
        Self { recycling, idle: Mutex::default(), recycled }
    }

    /// The instance that rested last, if one is fit for this module.
    pub(crate) fn take(&self, digest: &str) -> Option<Instance> {
        loop {
            let instance = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_back()?;
            let unfit = if instance.digest != digest {
                Recycled::Swapped
            } else if instance.made.elapsed() >= self.recycling.after {
                Recycled::Age
            } else {
                return Some(instance);
            };
            self.let_go(instance, unfit);
        }
    }

    /// Why it may not serve another attempt.
    pub(crate) fn verdict(&self, instance: &Instance) -> Option<Recycled> {
        self.recycling.verdict(instance.attempts, instance.made.elapsed())
    }

    pub(crate) fn rest(&self, instance: Instance) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(instance);
    }

    pub(crate) fn let_go(&self, instance: Instance, why: Recycled) {
        drop(instance);
        (self.recycled)(why);
    }

    /// Drops the instance that has rested longest; false when none rests.
    fn evict(&self) -> bool {
        let oldest = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        oldest.map(|instance| self.let_go(instance, Recycled::Evicted)).is_some()
    }
}

/// The slots of a sandbox, and the resting instances that occupy some of them.
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    /// Attempts that wait for a slot; while there are any, no instance rests.
    waiting: AtomicUsize,
    warm: Mutex<Vec<Weak<Warm>>>,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), waiting: AtomicUsize::new(0), warm: Mutex::default() }
    }

    pub(crate) fn register(&self, warm: &Arc<Warm>) {
        let mut all = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(warm));
    }

    /// Whether an instance would keep somebody from a slot by resting.
    pub(crate) fn wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// A slot; `None` when the attempt is interrupted first. A pool has no queue of its own: without a free slot
    /// instantiation would fail.
    pub(crate) async fn take(&self, interrupter: &Interrupter) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(slot);
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        // After the count: whoever rests from here on sees it.
        self.evict(1);
        tokio::select! {
            slot = Arc::clone(&self.free).acquire_owned() => slot.ok(),
            _ = interrupter.interrupted() => None,
        }
    }

    /// Drops up to `count` resting instances.
    pub(crate) fn evict(&self, count: usize) {
        let all: Vec<_> = {
            let all = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().filter_map(Weak::upgrade).collect()
        };
        let mut left = count;
        for warm in all {
            while left > 0 && warm.evict() {
                left -= 1;
            }
        }
    }
}

/// Counts one attempt that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(1, 0, None)]
    #[case(3, 0, Some(Recycled::Attempts))]
    #[case(1, 60, Some(Recycled::Age))]
    fn an_instance_serves_so_long(
        #[case] attempts: u64,
        #[case] seconds: u64,
        #[case] why: Option<Recycled>,
    ) {
        let recycling = Recycling { after_attempts: 3, after: Duration::from_secs(60) };
        assert_eq!(recycling.verdict(attempts, Duration::from_secs(seconds)), why);
    }

    #[tokio::test]
    async fn a_slot_is_waited_for_until_interrupted() {
        let slots = Slots::new(1);
        let first = slots.take(&Interrupter::default()).await;
        assert!(first.is_some() && !slots.wanted());
        let interrupter = Interrupter::default();
        let mut second = std::pin::pin!(slots.take(&interrupter));
        std::future::poll_fn(|cx| std::task::Poll::Ready(second.as_mut().poll(cx).is_pending())).await;
        assert!(slots.wanted());
        interrupter.interrupt(gristmill_core::outcome::Interrupt::Drained);
        assert!(second.await.is_none());
        assert!(!slots.wanted());
    }
}
