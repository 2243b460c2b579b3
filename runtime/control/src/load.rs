//! What this process takes of the machine.

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// This process, looked at now and then.
pub(crate) struct Load {
    system: System,
    pid: Pid,
    cores: f64,
}

impl Load {
    /// `None` where the system does not tell.
    pub(crate) fn new() -> Option<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Some(Self { system: System::new().ok()?, pid: sysinfo::get_current_pid().ok()?, cores: cores as f64 })
    }

    /// Resident bytes, and percent of all cores since the last call.
    pub(crate) fn look(&mut self) -> Option<(u64, f64)> {
        let what = ProcessRefreshKind::nothing().with_memory().with_cpu();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), false, what);
        let process = self.system.process(self.pid)?;
        Some((process.memory(), f64::from(process.cpu_usage()) / self.cores))
    }
}
