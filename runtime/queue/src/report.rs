//! What running jobs report: log lines and progress.

use crate::Queue;
use crate::error::QueueError;
use crate::script::REPORT;

/// Reports of one job, in order; the caller has bounded them.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The job.
    pub id: String,
    /// Log lines that stay, newest; `None` keeps all.
    pub keep_logs: Option<u64>,
    /// JSON texts; the last one stays as the job's progress, each is an event.
    pub progress: Vec<String>,
    /// Log lines.
    pub lines: Vec<String>,
}

impl Queue {
    /// Writes reports of several jobs in one call. Repeating it when its answer was lost may double lines and
    /// progress events.
    pub async fn report(&self, reports: &[Report], now_ms: u64) -> Result<(), QueueError> {
        let mut call = REPORT.call(&self.keys, now_ms);
        for report in reports {
            call.arg(&report.id);
            call.arg(report.keep_logs.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1));
            call.arg(report.progress.len()).arg(report.lines.len());
            for value in report.progress.iter().chain(&report.lines) {
                call.arg(value);
            }
        }
        call.send(&self.connection).await.map(drop)
    }
}
