//! What the sandbox asks of whoever runs attempts.

use gristmill_core::metric::MetricRecord;

/// Importance of a log line, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Follows every step.
    Trace,
    /// For finding faults.
    Debug,
    /// Normal events; lines of stdout.
    Info,
    /// Something odd; lines of stderr.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// The lower-case word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Receives what a guest says while it runs.
///
/// The methods are called on the guests' runtime threads in the middle of host calls: they must not block, and
/// do better to queue than to work. The sandbox has applied the ceilings of the attempt's limits already.
pub trait Host: Send + Sync + 'static {
    /// One line of the job's log: not empty, without line breaks, control characters or escape sequences, at
    /// most `Limits::log_line_bytes` long.
    fn log(&self, level: Level, line: String);

    /// A new progress value: JSON text of at most `Limits::progress_bytes`.
    fn progress(&self, json: String);

    /// A metric record of the guest. Names and labels are bounded in size but not checked:
    /// [`gristmill_core::metric::check`] is for the receiver, which counts refusals.
    fn metric(&self, record: MetricRecord);

    /// Whether lines of this level are wanted; unwanted ones are neither delivered nor counted.
    fn enabled(&self, level: Level) -> bool {
        let _ = level;
        true
    }
}
