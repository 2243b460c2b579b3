//! Whether a worker lives and whether it is ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gristmill_core::clock::Clock;

/// How often the host's runtime shows that it still runs its tasks.
const BEAT: Duration = Duration::from_millis(500);
/// Without a beat for so long, the worker counts as hung.
const HUNG_MS: u64 = 15_000;

/// Written by a task of the host's runtime, read by the control thread.
#[derive(Clone)]
pub struct Heartbeat {
    last_ms: Arc<AtomicU64>,
    clock: Clock,
}

impl Heartbeat {
    /// Alive from now on.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { last_ms: Arc::new(AtomicU64::new(clock.now_ms())), clock }
    }

    /// Beats for as long as it is polled.
    pub async fn run(self) {
        loop {
            self.last_ms.store(self.clock.now_ms(), Ordering::Relaxed);
            tokio::time::sleep(BEAT).await;
        }
    }

    /// True while the host's runtime works.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.clock.now_ms().saturating_sub(self.last_ms.load(Ordering::Relaxed)) < HUNG_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_stops_beating_is_hung() {
        let now = Arc::new(AtomicU64::new(1_000));
        let heartbeat = Heartbeat::new(Clock::Manual(Arc::clone(&now)));
        assert!(heartbeat.is_alive());
        now.store(1_000 + HUNG_MS, Ordering::Relaxed);
        assert!(!heartbeat.is_alive());
    }
}
