//! What goes into an attempt and what comes out.

use std::sync::Arc;
use std::time::Duration;

use gristmill_core::job::Job;
use gristmill_core::limits::Limits;
use gristmill_core::outcome::Outcome;
use gristmill_core::units::{show_duration, show_size};

use crate::warm::Warm;
use crate::{Allow, Host, Interrupter};

/// One attempt to run.
pub struct Attempt {
    /// The job as the producer wrote it.
    pub job: Job,
    /// The ceilings of its job type. `fuel` needs a module that was loaded metered.
    pub limits: Arc<Limits>,
    /// What its job type may reach.
    pub allow: Arc<Allow>,
    /// Receives log lines, progress and metrics while the attempt runs.
    pub host: Arc<dyn Host>,
    /// Ends the attempt from outside.
    pub interrupter: Interrupter,
    /// Instances of its job type that may serve it; `None` makes a fresh one.
    pub warm: Option<Arc<Warm>>,
}

/// How an attempt ended and what it used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Wall time from instantiation until the instance was gone.
    pub elapsed: Duration,
    /// Of that time, how long it waited: in host calls, and for a thread.
    pub waited: Duration,
    /// Units of fuel consumed; `None` for a module without metering.
    pub fuel: Option<u64>,
    /// Most bytes that its linear memories and tables had at one time.
    pub peak_memory: u64,
    /// An instance that had served before ran it.
    pub reused: bool,
    /// The last log lines of an attempt that failed, each with its level, cut.
    pub last_lines: Vec<String>,
    /// A core dump, as a WebAssembly file, of an attempt that broke off, where the host wanted one.
    pub core_dump: Option<Vec<u8>>,
    /// Log lines dropped because the attempt had used up `Limits::log_lines`.
    pub dropped_lines: u32,
    /// Progress updates dropped because of `Limits::progress_updates` or `Limits::progress_bytes`.
    pub dropped_updates: u32,
    /// Metric records dropped because of `Limits::metric_records`.
    pub dropped_records: u32,
}

impl Report {
    /// What an attempt used, and its last log lines: for whoever has to find out why it failed.
    #[must_use]
    pub fn explanation(&self) -> String {
        let fuel = self.fuel.map_or_else(String::new, |fuel| format!(", {fuel} units of fuel"));
        let used = format!(
            "used {} of which {} waiting, {} of memory at its peak{fuel}",
            show_duration(self.elapsed),
            show_duration(self.waited),
            show_size(self.peak_memory),
        );
        let lines = self.last_lines.iter().map(|line| format!("\nlog {line}"));
        lines.fold(used, |text, line| text + &line)
    }
}
