//! When a worker has run long enough to be started anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Why a worker drained by itself; it is to be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It was over its hard memory limit.
    Memory,
    /// It has run as many jobs as it may.
    Jobs,
    /// It has run as long as it may.
    Age,
}

impl Again {
    /// The word in events.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Jobs => "jobs",
            Self::Age => "age",
        }
    }
}

/// Counts the jobs of one worker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lifetime {
    jobs: Arc<AtomicU64>,
    after_jobs: Option<u64>,
    after: Option<Duration>,
    over: Arc<Notify>,
}

impl Lifetime {
    pub(crate) fn new(after_jobs: Option<u64>, after: Option<Duration>) -> Self {
        Self { jobs: Arc::default(), after_jobs, after, over: Arc::default() }
    }

    /// Counts a job that has ended.
    pub(crate) fn count(&self) {
        let Some(after) = self.after_jobs else { return };
        if self.jobs.fetch_add(1, Ordering::Relaxed) + 1 == after {
            self.over.notify_one();
        }
    }

    /// Waits until it is over; for ever if nothing ends it.
    pub(crate) async fn over(&self) -> Again {
        let age = async {
            match self.after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.over.notified() => Again::Jobs,
            () = age => Again::Age,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ends_by_jobs_or_by_age() {
        let lifetime = Lifetime::new(Some(2), Some(Duration::from_hours(1)));
        lifetime.count();
        let mut over = std::pin::pin!(lifetime.over());
        assert!(futures_util::poll!(&mut over).is_pending());
        lifetime.count();
        assert_eq!(over.await, Again::Jobs);
        assert_eq!(Lifetime::new(Some(2), Some(Duration::from_millis(1))).over().await, Again::Age);
    }
}
