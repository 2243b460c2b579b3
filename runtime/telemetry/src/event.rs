//! One type per thing worth knowing. `event.emit(&metrics)` writes its log line and moves its metrics.

use std::fmt::Display;
use std::time::Duration;

use gristmill_core::metric::MetricRefusal;
use gristmill_core::retry::POISON;
use gristmill_core::units::show_duration;

use crate::metrics::{Metrics, TypeMetrics};

mod core_dump;
mod deployment;
mod guard;
mod memory;
mod monitor;

pub use core_dump::CoreDumpMade;
pub use deployment::{CanaryEnded, DeploymentFollowed, DeploymentRefused, NothingDeployed};
pub use guard::{BreakerMoved, GuardAsked, SettingChanged};
pub use memory::{JobTypeTooLarge, MemoryPressure, ReservationsCut};
pub use monitor::{AlertMoved, Notified, ScalingDecided, TurnTaken};

/// An attempt ended.
pub struct AttemptEnded<'a> {
    /// Its job type's series.
    pub of: &'a TypeMetrics,
    /// The queue.
    pub queue: &'a str,
    /// The job's id.
    pub id: &'a str,
    /// The word for how it ended, from `Outcome::label`.
    pub outcome: &'static str,
    /// The state that BullMQ counts it under, where it counts it.
    pub state: Option<&'static str>,
    /// `failedReason` where it failed.
    pub reason: Option<&'a str>,
    /// The handler's own word for its failure.
    pub code: Option<&'a str>,
    /// Wall time in the sandbox.
    pub elapsed: Duration,
    /// From when the job could run to its first start; `None` for later starts.
    pub waited: Option<Duration>,
    /// Fuel, where it was metered.
    pub fuel: Option<u64>,
    /// Bytes.
    pub peak_memory: u64,
}

impl AttemptEnded<'_> {
    /// Metrics for all; a log line only where something failed.
    pub fn emit(self) {
        self.of.outcome(self.outcome).inc();
        self.of.attempt_seconds.observe(self.elapsed.as_secs_f64());
        if let Some(state) = self.state {
            self.of.count_state(state, self.elapsed);
        }
        if let Some(waited) = self.waited {
            self.of.wait_seconds.observe(waited.as_secs_f64());
        }
        self.of.peak_memory.observe(self.peak_memory as f64);
        if let Some(fuel) = self.fuel {
            self.of.fuel().observe(fuel as f64);
        }
        if self.reason.is_some() || self.outcome == "completed" {
            self.of.tally((self.reason.is_some(), self.outcome == "timeout"), self.elapsed, self.waited);
        }
        if let Some(reason) = self.reason {
            if reason.starts_with(POISON) {
                self.of.poison().inc();
            }
            let (queue, id, outcome, code) = (self.queue, self.id, self.outcome, self.code);
            tracing::info!(queue, id, outcome, code, elapsed = %show_duration(self.elapsed), reason, "attempt failed");
        }
    }
}

/// An attempt passed a soft limit.
pub struct SoftLimit<'a> {
    /// Its job type's series.
    pub of: &'a TypeMetrics,
    /// The queue.
    pub queue: &'a str,
    /// The job's id.
    pub id: &'a str,
    /// `time` or `memory`.
    pub limit: &'static str,
}

impl SoftLimit<'_> {
    /// Counts and logs it.
    pub fn emit(self) {
        self.of.soft_limit(self.limit).inc();
        tracing::warn!(
            queue = self.queue,
            id = self.id,
            limit = self.limit,
            "an attempt has passed a soft limit"
        );
    }
}

/// A handler asked for something that its job type does not allow.
pub struct AccessDenied<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job type's entry in the configuration.
    pub job: &'a str,
    /// The job's id.
    pub id: &'a str,
    /// What it was: `http`, `enqueue`, `secret` and so on.
    pub what: &'static str,
}

impl AccessDenied<'_> {
    /// Counts it; a guest may do it in a loop, so its log line is for finding faults only.
    pub fn emit(self, metrics: &Metrics) {
        let Self { queue, job, id, what } = self;
        metrics.families.denied.with_label_values(&[queue, job, what]).inc();
        tracing::debug!(queue, job, id, what, "the handler asked for something that is not allowed");
    }
}

/// An instance that served several attempts was let go.
pub struct InstanceRecycled<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job type's entry in the configuration.
    pub job: &'a str,
    /// Why.
    pub reason: &'static str,
}

impl InstanceRecycled<'_> {
    /// Counts it.
    pub fn emit(self, metrics: &Metrics) {
        let Self { queue, job, reason } = self;
        metrics.families.recycled.with_label_values(&[queue, job, reason]).inc();
        tracing::debug!(queue, job, reason, "a reused instance was let go");
    }
}

/// An attempt ran in an instance that had served before.
pub struct InstanceReused<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job type's entry in the configuration.
    pub job: &'a str,
}

impl InstanceReused<'_> {
    /// Counts it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.families.reused.with_label_values(&[self.queue, self.job]).inc();
    }
}

/// A limit of a job type follows what its attempts use, and has moved.
pub struct LimitChanged<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job type's entry in the configuration.
    pub job: &'a str,
    /// `timeout`, `fuel` or `memory`.
    pub limit: &'static str,
    /// As it was and is, for people.
    pub from: String,
    /// The new one.
    pub to: String,
    /// Why it is so: `warm-up`, `learned`, `floor` or `ceiling`.
    pub reason: &'static str,
    /// Attempts that it was made from.
    pub attempts: u64,
}

impl LimitChanged<'_> {
    /// Counts and logs it.
    pub fn emit(self, metrics: &Metrics) {
        let Self { queue, job, limit, from, to, reason, attempts } = self;
        metrics.families.limit_changes.with_label_values(&[queue, job, reason]).inc();
        tracing::info!(queue, job, limit, from, to, reason, attempts, "an adaptive limit has changed");
    }
}

/// The worker ends by itself, to be started anew.
pub struct WorkerRecycled {
    /// `memory`, `jobs` or `age`.
    pub reason: &'static str,
}

impl WorkerRecycled {
    /// Logs it.
    pub fn emit(self) {
        tracing::info!(reason = self.reason, "draining, then starting anew");
    }
}

/// A worker ended before all that its jobs had said was written.
pub struct ReportsCut;

impl ReportsCut {
    /// Logs it.
    pub fn emit(self) {
        tracing::warn!(
            "log lines and progress of the last jobs may be lost: Redis did not take them in time"
        );
    }
}

/// A job failed without an attempt: a failure decided earlier, no handler, unusable data.
pub struct JobRefused<'a> {
    /// Its job type's series.
    pub of: &'a TypeMetrics,
    /// The queue.
    pub queue: &'a str,
    /// The job's id.
    pub id: &'a str,
    /// `failedReason`.
    pub reason: &'a str,
    /// The state that BullMQ counts it under.
    pub state: Option<&'static str>,
}

impl JobRefused<'_> {
    /// Counts it under the outcome `refused`.
    pub fn emit(self) {
        self.of.outcome("refused").inc();
        if let Some(state) = self.state {
            self.of.count_state(state, Duration::ZERO);
        }
        tracing::warn!(queue = self.queue, id = self.id, reason = self.reason, "job failed without running");
    }
}

/// Something that is counted per queue and logged.
pub enum QueueEvent<'a> {
    /// A lock is gone; the attempt was interrupted or its settlement found somebody else's lock.
    LockLost {
        /// The job.
        id: &'a str,
    },
    /// Somebody cancelled a job that runs here.
    Cancelled {
        /// The job.
        id: &'a str,
    },
    /// The stalled check put jobs back.
    Stalled {
        /// Put back to run.
        back: usize,
        /// Put back to fail.
        exceeded: usize,
    },
    /// Ids without a job were dropped.
    Strangers {
        /// Which.
        ids: &'a [String],
    },
    /// A job's option could not be read.
    OddOption {
        /// The job.
        id: &'a str,
        /// The option.
        option: &'static str,
    },
    /// A scheduler's next job could not be made.
    NotScheduled {
        /// The scheduler.
        scheduler: &'a str,
        /// Why.
        error: &'a dyn Display,
    },
    /// A call failed; `first` in a row.
    RedisFailed {
        /// The error.
        error: &'a dyn Display,
        /// The calls before this one succeeded.
        first: bool,
    },
    /// Calls work again.
    RedisBack,
    /// Taking ended early though the server works.
    TakeFailed {
        /// What the server said.
        trouble: &'a str,
    },
    /// A handler said more than its ceilings allow.
    Dropped {
        /// The job.
        id: &'a str,
        /// `log lines`, `progress updates` or `metric records`.
        what: &'static str,
        /// How many.
        count: u32,
    },
    /// A metric record was refused.
    MetricRefused {
        /// Why.
        why: MetricRefusal,
    },
    /// Our own code panicked in an attempt.
    Panicked {
        /// The job.
        id: &'a str,
        /// The panic's message.
        message: &'a str,
    },
}

impl QueueEvent<'_> {
    /// Counts and logs it.
    pub fn emit(self, queue: &str, metrics: &Metrics) {
        let families = &metrics.families;
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        match self {
            Self::LockLost { id } => {
                families.locks_lost.with_label_values(&[queue]).inc();
                tracing::warn!(queue, id, "the job's lock is lost; another worker may have it");
            }
            // The attempt's own event counts it.
            Self::Cancelled { id } => tracing::info!(queue, id, "job cancelled"),
            Self::Stalled { back, exceeded } => {
                families.stalled.with_label_values(&[queue]).inc_by(count(back + exceeded));
                tracing::warn!(queue, back, exceeded, "jobs had lost their worker and were put back");
            }
            Self::Strangers { ids } => {
                families.strangers.with_label_values(&[queue]).inc_by(count(ids.len()));
                tracing::warn!(queue, ?ids, "ids without a job stood in the queue and were dropped");
            }
            Self::OddOption { id, option } => {
                families.odd_options.with_label_values(&[queue, option]).inc();
                tracing::debug!(queue, id, option, "the job's option cannot be read; its default holds");
            }
            Self::NotScheduled { scheduler, error } => {
                families.not_scheduled.with_label_values(&[queue]).inc();
                tracing::error!(queue, scheduler, %error, "the scheduler's next job cannot be made; its series ends");
            }
            Self::RedisFailed { error, first } => {
                families.redis_errors.with_label_values(&[queue]).inc();
                if first {
                    tracing::warn!(queue, %error, "Redis does not take our calls; trying again until it does");
                }
            }
            Self::RedisBack => tracing::info!(queue, "Redis takes our calls again"),
            Self::TakeFailed { trouble } => {
                families.redis_errors.with_label_values(&[queue]).inc();
                tracing::error!(queue, trouble, "no job can be taken from this queue; other queues go on");
            }
            Self::Dropped { id, what, count } => {
                families.dropped.with_label_values(&[queue, what]).inc_by(u64::from(count));
                tracing::debug!(queue, id, what, count, "the handler said more than its ceiling allows");
            }
            Self::MetricRefused { why } => {
                families.refused.with_label_values(&[queue, &why.to_string()]).inc();
            }
            Self::Panicked { id, message } => {
                families.panics.inc();
                tracing::error!(
                    queue,
                    id,
                    message,
                    "the host panicked in this attempt, which ends it and nothing else"
                );
            }
        }
    }
}

/// A batch was sent over OTLP, or was not.
pub struct Exported<'a, E> {
    /// `spans` or `metrics`.
    pub what: &'static str,
    /// Spans, or 1.
    pub count: usize,
    /// Why not.
    pub result: Result<(), &'a E>,
    /// The one before ended the other way.
    pub changed: bool,
}

impl<E: Display> Exported<'_, E> {
    /// Counts it; logs the first of a kind.
    pub fn emit(self, metrics: &Metrics) {
        let Self { what, count, result, changed } = self;
        let label = if result.is_ok() { "sent" } else { "failed" };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        metrics.families.exported.with_label_values(&[what, label]).inc_by(count);
        match result {
            Ok(()) if changed => tracing::info!(what, "the collector takes OTLP again"),
            Err(error) if changed => {
                tracing::warn!(what, %error, "the collector takes no OTLP; what it does not take is lost");
            }
            _ => {}
        }
    }
}

/// A handler was replaced while running, or could not be.
pub struct HandlerSwapped<'a> {
    /// The file.
    pub path: &'a str,
    /// The new digest, or why the old one stays.
    pub result: Result<&'a str, &'a dyn Display>,
}

impl HandlerSwapped<'_> {
    /// Counts and logs it.
    pub fn emit(self, metrics: &Metrics) {
        let label = if self.result.is_ok() { "swapped" } else { "refused" };
        metrics.families.swaps.with_label_values(&[label]).inc();
        match self.result {
            Ok(digest) => tracing::info!(handler = self.path, digest, "handler swapped"),
            Err(error) => tracing::error!(handler = self.path, %error, "the old handler stays"),
        }
    }
}
