//! The wall clock that Redis's layout needs, handed in so that tests can hold it still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where milliseconds since the Unix epoch come from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that only its owner moves.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is handed")]
            Self::System => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            Self::Manual(now) => now.load(Ordering::Relaxed),
        }
    }
}
