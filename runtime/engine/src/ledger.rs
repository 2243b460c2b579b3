//! The worker's memory: what its jobs may reserve of it, and what the process really uses. Who reserves is decided
//! with the slots, in [`crate::shares`].

use std::time::Duration;

use gristmill_core::pressure::{MemoryBounds, Pressure, may_start, pressure};
use gristmill_sandbox::Sandbox;
use gristmill_telemetry::Metrics;
use gristmill_telemetry::event::MemoryPressure;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::sync::watch;

/// How often the process looks at itself.
const LOOK: Duration = Duration::from_millis(500);

/// Memory of this worker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledger {
    bounds: MemoryBounds,
    /// Bytes that jobs may reserve together.
    capacity: u64,
    state: watch::Sender<(Pressure, u64)>,
}

impl Ledger {
    /// Jobs may reserve what is left of the hard limit beside the `resident` bytes of the idle worker.
    pub(crate) fn new(bounds: MemoryBounds, resident: u64) -> Self {
        let bounds = bounds.within(cgroup_limit());
        let capacity = bounds.hard.saturating_sub(resident);
        Self { bounds, capacity, state: watch::Sender::new((Pressure::None, resident)) }
    }

    /// Bytes that jobs may reserve together.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Waits while the process has so much resident that a job that may use `bytes` is not to start.
    pub(crate) async fn relief(&self, bytes: u64) {
        let mut state = self.state.subscribe();
        // The sender lives in `self`, so the wait ends when there is room and not before.
        let _ = state.wait_for(|(level, resident)| may_start(bytes, *resident, self.bounds, *level)).await;
    }

    /// The level of pressure, and its changes.
    pub(crate) fn pressure(&self) -> watch::Receiver<(Pressure, u64)> {
        self.state.subscribe()
    }

    /// Looks at the process, and at what its cgroup allows, for as long as it is polled. Over a limit, instances that
    /// only rest are dropped first.
    pub(crate) async fn watch(self, metrics: Metrics, sandbox: Sandbox) {
        let Some(mut process) = Process::new() else { return };
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(resident) = process.resident() else { continue };
            let bounds = self.bounds.within(process.cgroup_limit());
            let before = self.state.borrow().0;
            let now = pressure(resident, bounds, before);
            if now != Pressure::None {
                sandbox.drop_resting();
            }
            self.state.send_replace((now, resident));
            if now != before {
                MemoryPressure { level: now, resident, bounds }.emit(&metrics);
            }
        }
    }
}

/// This process, as the system sees it.
struct Process {
    system: System,
    pid: Pid,
}

impl Process {
    fn new() -> Option<Self> {
        Some(Self { system: System::new().ok()?, pid: sysinfo::get_current_pid().ok()? })
    }

    fn resident(&mut self) -> Option<u64> {
        let only = ProcessesToUpdate::Some(std::slice::from_ref(&self.pid));
        self.system.refresh_processes_specifics(only, true, ProcessRefreshKind::nothing().with_memory());
        self.system.process(self.pid).map(sysinfo::Process::memory)
    }

    /// As it is now; the process must have been looked at before.
    fn cgroup_limit(&self) -> Option<u64> {
        let limits = self.system.process(self.pid)?.cgroup_limits()?;
        Some(limits.total_memory).filter(|limit| *limit > 0)
    }
}

/// Bytes that the cgroup of this process may have; `None` without a cgroup that bounds it.
fn cgroup_limit() -> Option<u64> {
    let mut process = Process::new()?;
    process.resident()?;
    process.cgroup_limit()
}

/// Bytes that this process has resident now; 0 where the system does not say.
#[must_use]
pub fn resident_memory() -> u64 {
    Process::new().and_then(|mut process| process.resident()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[tokio::test]
    async fn under_pressure_only_what_fits_below_the_hard_limit_starts() {
        let ledger = Ledger::new(MemoryBounds { soft: 64 * MIB, hard: 128 * MIB }, 8 * MIB);
        ledger.state.send_replace((Pressure::Soft, 100 * MIB));
        ledger.relief(28 * MIB).await;
        let mut hungry = std::pin::pin!(ledger.relief(29 * MIB));
        assert!(futures_util::poll!(&mut hungry).is_pending());
        ledger.state.send_replace((Pressure::None, 50 * MIB));
        hungry.await;
    }

    #[test]
    fn a_process_has_memory() {
        assert!(resident_memory() > MIB);
    }
}
