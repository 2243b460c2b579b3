//! The ceilings of one attempt. Configuration sets them per job type; the sandbox enforces them.

use std::time::Duration;

/// What one attempt may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all linear memories together.
    pub memory: u64,
    /// When the attempt is told, and others, that its memory is nearly used up; at most `memory`.
    pub soft_memory: u64,
    /// Hard limit of wall time, from instantiation on.
    pub timeout: Duration,
    /// When the handler is told that its time is nearly up; at most `timeout`.
    pub soft_timeout: Duration,
    /// The same limit for an attempt that computes and whose fuel bounds it already: a slow machine must not end it.
    /// At least `timeout`; `None` is `timeout`.
    pub computing_timeout: Option<Duration>,
    /// Whether the limits follow what attempts use, and are below those that the job type sets.
    pub adapted: bool,
    /// Units of fuel; `None` runs without metering.
    pub fuel: Option<u64>,
    /// Bytes of the return value.
    pub output: usize,
    /// Log lines kept per attempt, those from stdout and stderr included; more are counted and dropped.
    pub log_lines: u32,
    /// Bytes of one log line; the rest is cut.
    pub log_line_bytes: usize,
    /// Progress updates per attempt; more are dropped.
    pub progress_updates: u32,
    /// Bytes of one progress value.
    pub progress_bytes: usize,
    /// Metric records per attempt; more are dropped.
    pub metric_records: u32,
    /// Jobs that one attempt may add.
    pub enqueued_jobs: u32,
    /// Calls of one attempt that wait for Redis: jobs added, children read, state, checkpoints.
    pub service_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let timeout = Duration::from_secs(60);
        Self {
            memory: 64 << 20,
            soft_memory: 48 << 20,
            timeout,
            soft_timeout: timeout * 8 / 10,
            computing_timeout: None,
            adapted: false,
            fuel: None,
            output: 1 << 20,
            log_lines: 1_000,
            log_line_bytes: 8 << 10,
            progress_updates: 10_000,
            progress_bytes: 64 << 10,
            metric_records: 10_000,
            enqueued_jobs: 1_000,
            service_calls: 10_000,
        }
    }
}

impl Limits {
    /// These limits with a shorter time: what a job asks for, the soft timeout in proportion. A longer one changes
    /// nothing.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Self {
        if timeout >= self.timeout {
            return self.clone();
        }
        let share = timeout.as_secs_f64() / self.timeout.as_secs_f64();
        Self { timeout, soft_timeout: self.soft_timeout.mul_f64(share).min(timeout), ..self.clone() }
    }

    /// These limits as learned: a shorter time, and less fuel where it is metered. A metered attempt that computes may
    /// take all the time of its type as long as its fuel lasts.
    #[must_use]
    pub fn adapted(&self, timeout: Duration, fuel: Option<u64>) -> Self {
        let fuel = self.fuel.zip(fuel).map(|(limit, learned)| limit.min(learned));
        Self {
            computing_timeout: fuel.map(|_| self.timeout),
            fuel: fuel.or(self.fuel),
            adapted: timeout < self.timeout,
            ..self.within(timeout)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_shortens_its_time_and_never_lengthens_it() {
        let limits = Limits::default();
        let shorter = limits.within(Duration::from_secs(30));
        assert_eq!(
            (shorter.timeout, shorter.soft_timeout),
            (Duration::from_secs(30), Duration::from_secs(24))
        );
        assert_eq!(limits.within(Duration::from_secs(600)), limits);
    }

    #[test]
    fn only_what_is_metered_may_compute_on() {
        let minute = Duration::from_secs(60);
        let plain = Limits::default().adapted(Duration::from_secs(3), None);
        assert_eq!((plain.timeout, plain.computing_timeout), (Duration::from_secs(3), None));
        let metered = Limits { fuel: Some(1_000), ..Limits::default() };
        let metered = metered.adapted(Duration::from_secs(3), Some(10));
        assert_eq!((metered.fuel, metered.computing_timeout), (Some(10), Some(minute)));
    }
}
