//! Core dumps of attempts that broke off, where their job type keeps some.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gristmill_core::core_dump::{CoreDumpInfo, is_due};
use gristmill_core::deployment::digest_of;
use gristmill_queue::Connection;
use gristmill_telemetry::Metrics;
use gristmill_telemetry::event::CoreDumpMade;
use tokio::task::spawn_blocking;

/// How long the job waits for its core dump to be in Redis before it ends without.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a job type keeps.
#[derive(Debug)]
pub(crate) struct CoreDumps {
    keep: u64,
    /// When the last one was made here, ms since the epoch; 0 for never.
    last_ms: AtomicU64,
}

impl CoreDumps {
    /// `None` where none are kept.
    pub(crate) fn new(keep: u64) -> Option<Self> {
        (keep > 0).then(|| Self { keep, last_ms: AtomicU64::new(0) })
    }

    /// Whether one is to be made now; then none other is for a while.
    pub(crate) fn claim(&self, now_ms: u64) -> bool {
        let claim = |last_ms| is_due(last_ms, now_ms).then_some(now_ms.max(1));
        self.last_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
    }

    /// Keeps one, and says so in a line for the job's stack trace. `info` lacks the digest.
    pub(crate) async fn keep(
        &self,
        file: Vec<u8>,
        mut info: CoreDumpInfo,
        connection: &Connection,
        metrics: &Metrics,
    ) -> String {
        let put = async {
            let hashed = spawn_blocking(move || (digest_of(&file), file)).await;
            let (digest, file) = hashed.map_err(|error| error.to_string())?;
            info.digest = digest;
            connection.put_core_dump(&info, file, self.keep).await.map_err(|error| error.to_string())
        };
        let late = |_| Err(format!("it was not in Redis within {} s", PATIENCE.as_secs()));
        let put = tokio::time::timeout(PATIENCE, put).await.unwrap_or_else(late);
        let CoreDumpInfo { digest, size, queue, job, id, .. } = &info;
        let kept = put.as_ref().map(|()| &**digest).map_err(|error| &**error);
        CoreDumpMade { queue, job, id, size: *size, kept }.emit(metrics);
        match put {
            Ok(()) => format!("core dump {digest}"),
            Err(error) => format!("its core dump could not be kept: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use gristmill_core::core_dump::PAUSE_MS;

    use super::*;

    #[test]
    fn one_at_a_time() {
        assert!(CoreDumps::new(0).is_none());
        let dumps = CoreDumps::new(3).unwrap();
        assert!(dumps.claim(5));
        assert!(!dumps.claim(6));
        assert!(dumps.claim(5 + PAUSE_MS));
        assert!(!dumps.claim(6 + PAUSE_MS));
    }
}
