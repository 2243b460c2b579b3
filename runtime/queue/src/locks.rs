//! Keeping locks, and finding jobs whose worker lost them.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use crate::Queue;
use crate::error::QueueError;
use crate::script::{RENEW, STALLED};
use crate::turn::{millis, text};

/// A lock that we hold.
#[derive(Debug, Clone)]
pub struct Lock {
    /// The job.
    pub id: String,
    /// What we locked it with.
    pub token: Arc<str>,
}

/// What a stalled check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stalled {
    /// Put back to run again.
    pub back: Vec<String>,
    /// Stalled too often: put back to be failed without running.
    pub exceeded: Vec<String>,
}

impl Queue {
    /// Renews every lock in one call; answers the ids whose lock is lost. Safe to repeat.
    pub async fn renew(
        &self,
        locks: &[Lock],
        lock: Duration,
        now_ms: u64,
    ) -> Result<Vec<String>, QueueError> {
        if locks.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = RENEW.call(&self.keys, now_ms);
        call.arg(millis(lock));
        for lock in locks {
            call.arg(&lock.id).arg(&*lock.token);
        }
        match call.send(&self.connection).await? {
            Value::Array(lost) => Ok(lost.into_iter().map(text).collect()),
            _ => Err(self.connection.unfit("lost locks")),
        }
    }

    /// Looks for jobs whose worker is gone; `None` when some worker has looked within the interval. Safe to repeat.
    pub async fn check_stalled(
        &self,
        interval: Duration,
        max_stalled_count: u32,
        now_ms: u64,
    ) -> Result<Option<Stalled>, QueueError> {
        let mut call = STALLED.call(&self.keys, now_ms);
        call.arg(millis(interval)).arg(max_stalled_count);
        let list = |value| match value {
            Value::Array(ids) => ids.into_iter().map(text).collect(),
            _ => Vec::new(),
        };
        match call.send(&self.connection).await? {
            Value::Nil => Ok(None),
            Value::Array(lists) => {
                let mut lists = lists.into_iter().map(list);
                let (back, exceeded) = (lists.next().unwrap_or_default(), lists.next().unwrap_or_default());
                Ok(Some(Stalled { back, exceeded }))
            }
            _ => Err(self.connection.unfit("stalled jobs")),
        }
    }
}
