//! Events of the worker's memory.

use gristmill_core::pressure::{MemoryBounds, Pressure};
use gristmill_core::units::show_size;

use crate::metrics::Metrics;

/// The worker's own memory passed a limit, or came back.
pub struct MemoryPressure {
    /// The level now.
    pub level: Pressure,
    /// Resident bytes.
    pub resident: u64,
    /// The limits.
    pub bounds: MemoryBounds,
}

impl MemoryPressure {
    /// Counts and logs it.
    pub fn emit(self, metrics: &Metrics) {
        let (resident, soft, hard) =
            (show_size(self.resident), show_size(self.bounds.soft), show_size(self.bounds.hard));
        let word = match self.level {
            Pressure::None => {
                return tracing::info!(resident, "below the soft memory limit again");
            }
            Pressure::Soft => {
                tracing::warn!(
                    resident,
                    soft,
                    "over the soft memory limit: only jobs that fit below the hard one start"
                );
                "soft"
            }
            Pressure::Hard => {
                tracing::error!(resident, hard, "over the hard memory limit: draining, then starting anew");
                "hard"
            }
        };
        metrics.families.memory_pressure.with_label_values(&[word]).inc();
    }
}

/// Not all reserved slots have memory kept for them: the largest job would find none beside it.
pub struct ReservationsCut {
    /// Bytes that the reserved slots need.
    pub wanted: u64,
    /// Bytes that the largest job needs.
    pub largest: u64,
    /// Bytes that jobs may reserve together.
    pub memory: u64,
}

impl ReservationsCut {
    /// Logs it.
    pub fn emit(self) {
        let (reserved, largest, memory) =
            (show_size(self.wanted), show_size(self.largest), show_size(self.memory));
        tracing::warn!(
            reserved,
            largest,
            memory,
            "reserved slots and the largest job do not fit into the memory for jobs together: fewer are reserved; \
             raise `worker.memory_hard_limit`, or reserve less"
        );
    }
}

/// A job type may use more memory than this worker has for jobs: its jobs fail.
pub struct JobTypeTooLarge<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job type.
    pub job: &'a str,
    /// Bytes that it may use.
    pub limit: u64,
    /// Bytes that jobs may reserve together.
    pub capacity: u64,
}

impl JobTypeTooLarge<'_> {
    /// Logs it.
    pub fn emit(self) {
        let (memory, capacity) = (show_size(self.limit), show_size(self.capacity));
        tracing::warn!(
            queue = self.queue,
            job = self.job,
            memory,
            capacity,
            "jobs of this type fail: what `worker.memory_hard_limit` leaves to jobs is less than their `memory`"
        );
    }
}
