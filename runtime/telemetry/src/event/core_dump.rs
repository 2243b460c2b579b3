//! Core dumps.

use gristmill_core::units::show_size;

use crate::metrics::Metrics;

/// An attempt that broke off left a core dump.
pub struct CoreDumpMade<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job type.
    pub job: &'a str,
    /// The job's id.
    pub id: &'a str,
    /// Bytes.
    pub size: u64,
    /// Its digest, or why it could not be kept.
    pub kept: Result<&'a str, &'a str>,
}

impl CoreDumpMade<'_> {
    /// Counts and logs it.
    pub fn emit(self, metrics: &Metrics) {
        let Self { queue, job, id, size, kept } = self;
        let size = show_size(size);
        match kept {
            Ok(digest) => {
                metrics.families.core_dumps.with_label_values(&[queue, job, "kept"]).inc();
                tracing::info!(queue, job, id, size, digest, "core dump kept");
            }
            Err(reason) => {
                metrics.families.core_dumps.with_label_values(&[queue, job, "lost"]).inc();
                tracing::warn!(queue, job, id, size, reason, "a core dump could not be kept");
            }
        }
    }
}
