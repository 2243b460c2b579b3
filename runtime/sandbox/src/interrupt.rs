//! Ending an attempt from outside.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use gristmill_core::outcome::Interrupt;
use tokio::sync::Notify;

/// Handle that ends one attempt, whether it computes or waits in a host call. Clones act on the same attempt.
#[derive(Clone, Default)]
pub struct Interrupter(Arc<Signal>);

#[derive(Default)]
struct Signal {
    /// 0 while nobody has interrupted, else the reason's number from [`encode`].
    reason: AtomicU8,
    notify: Notify,
}

impl Interrupter {
    /// Ends the attempt for this reason, at once when it runs and before it starts when it does not yet. Only
    /// the first reason counts.
    pub fn interrupt(&self, reason: Interrupt) {
        let first = self.0.reason.compare_exchange(0, encode(reason), Ordering::AcqRel, Ordering::Acquire);
        if first.is_ok() {
            self.0.notify.notify_waiters();
        }
    }

    /// Why the attempt was interrupted, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<Interrupt> {
        match self.0.reason.load(Ordering::Acquire) {
            1 => Some(Interrupt::LockLost),
            2 => Some(Interrupt::Drained),
            3 => Some(Interrupt::Cancelled),
            _ => None,
        }
    }

    /// Waits until somebody interrupts; at once when somebody has.
    pub async fn interrupted(&self) -> Interrupt {
        loop {
            let mut notified = pin!(self.0.notify.notified());
            // Registered before the look at the reason, so that an interrupt between the two is not missed.
            notified.as_mut().enable();
            if let Some(reason) = self.reason() {
                return reason;
            }
            notified.await;
        }
    }
}

fn encode(reason: Interrupt) -> u8 {
    match reason {
        Interrupt::LockLost => 1,
        Interrupt::Drained => 2,
        Interrupt::Cancelled => 3,
    }
}

impl fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interrupter").field(&self.reason()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_wins() {
        let interrupter = Interrupter::default();
        assert_eq!(interrupter.reason(), None);
        interrupter.interrupt(Interrupt::Drained);
        interrupter.clone().interrupt(Interrupt::LockLost);
        assert_eq!(interrupter.reason(), Some(Interrupt::Drained));
    }

    #[tokio::test]
    async fn wakes_who_waits_and_who_comes_late() {
        let interrupter = Interrupter::default();
        let waiting = tokio::spawn({
            let interrupter = interrupter.clone();
            async move { interrupter.interrupted().await }
        });
        tokio::task::yield_now().await;
        interrupter.interrupt(Interrupt::Cancelled);
        assert_eq!(waiting.await.unwrap(), Interrupt::Cancelled);
        assert_eq!(interrupter.interrupted().await, Interrupt::Cancelled);
    }
}
