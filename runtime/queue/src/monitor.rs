//! What workers know of each other and keep together beside the queues: who is there, whose turn it is to look after all,
//! the history of queues, alerts, and decisions on scaling. Under keys of our own that share a slot.

use redis::Value;
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::error::QueueError;
use crate::script::LEAD;
use crate::turn::{integer, text};
use crate::usage::pairs;

mod alerts;
mod history;
mod scaling;

pub use alerts::{AlertChange, Message};
pub use history::AnomalyRow;
pub use scaling::ScalingRow;

/// A worker that is not heard of for so long is not there.
pub const WORKER_TTL_MS: u64 = 30_000;
/// One that is not heard of for so long is forgotten.
const FORGOTTEN_MS: u64 = 3_600_000;
/// Attempts that a worker tells of.
const MAX_RUNNING: usize = 200;

/// An attempt that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningJob {
    /// Its queue.
    pub queue: String,
    /// The job's id.
    pub id: String,
    /// The job's name.
    pub job: String,
    /// When it was taken, ms since the epoch.
    pub started_ms: u64,
}

/// What a worker says of itself every few seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerBeat {
    /// Unique to the process.
    pub id: String,
    /// `worker.name`, or the host's name and the process.
    pub name: String,
    /// The host's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Version of Gristmill.
    pub version: String,
    /// When it started, ms since the epoch.
    pub started_ms: u64,
    /// When it said this, by its clock.
    pub seen_ms: u64,
    /// `taking`, `quiet` or `draining`.
    pub phase: String,
    /// The queues that it serves, with the slots that each may have.
    pub queues: Vec<(String, u64)>,
    /// Attempts that it may run at a time.
    pub slots: u64,
    /// Slots that hold a job.
    pub busy: u64,
    /// Attempts that ended since its start.
    pub jobs_total: u64,
    /// Resident bytes.
    pub memory_bytes: u64,
    /// Bytes at which it warns.
    pub memory_soft_bytes: u64,
    /// Bytes at which it starts anew.
    pub memory_limit_bytes: u64,
    /// Percent of all cores.
    pub cpu_percent: f64,
    /// Where its pages answer.
    pub listen: String,
    /// What it runs, at most 200 attempts.
    pub running: Vec<RunningJob>,
}

/// The handle on all of this for one prefix. Cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    connection: Connection,
    prefix: String,
}

impl Monitor {
    /// Nothing is sent.
    #[must_use]
    pub fn new(connection: Connection, prefix: &str) -> Self {
        Self { connection, prefix: prefix.to_owned() }
    }

    /// The connection that it uses.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    fn key(&self, what: &str) -> String {
        format!("gristmill:{{monitoring}}:{}:{what}", self.prefix)
    }

    /// Says what a worker is like. Repeating it changes nothing; without it the worker is gone after [`WORKER_TTL_MS`].
    pub async fn beat(&self, beat: &WorkerBeat) -> Result<(), QueueError> {
        let mut beat = beat.clone();
        beat.running.truncate(MAX_RUNNING);
        let row = serde_json::to_string(&beat).unwrap_or_default();
        self.connection
            .call(redis::cmd("HSET").arg(self.key("workers")).arg(&beat.id).arg(row))
            .await
            .map(drop)
    }

    /// Forgets a worker that ends. Repeating it changes nothing.
    pub async fn leave(&self, id: &str) -> Result<(), QueueError> {
        self.connection.call(redis::cmd("HDEL").arg(self.key("workers")).arg(id)).await.map(drop)
    }

    /// The workers that are there, by name; those that have not been heard of for an hour are forgotten on the way. Clocks of
    /// machines are taken to agree to within some seconds.
    pub async fn workers(&self, now_ms: u64) -> Result<Vec<WorkerBeat>, QueueError> {
        let rows = pairs(self.connection.call(redis::cmd("HGETALL").arg(self.key("workers"))).await?);
        let (mut there, mut gone) = (Vec::new(), Vec::new());
        for (id, row) in rows {
            match serde_json::from_str::<WorkerBeat>(&text(row)) {
                Ok(beat) if now_ms.saturating_sub(beat.seen_ms) <= WORKER_TTL_MS => there.push(beat),
                Ok(beat) if now_ms.saturating_sub(beat.seen_ms) <= FORGOTTEN_MS => {}
                _ => gone.push(text(id)),
            }
        }
        if !gone.is_empty() {
            self.connection.call(redis::cmd("HDEL").arg(self.key("workers")).arg(gone)).await?;
        }
        there.sort_by(|a: &WorkerBeat, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
        Ok(there)
    }

    /// Asks for, or keeps, the turn to look after all, for `ttl_ms`. At most one worker has it at a time, but one that stood
    /// still for longer may believe that it has: what it writes then is refused. Repeating it renews the turn.
    pub async fn lead(&self, id: &str, ttl_ms: u64) -> Result<bool, QueueError> {
        let key = self.key("leader");
        let mut call = LEAD.call_on(&key);
        call.arg(id).arg(ttl_ms);
        Ok(integer(&call.send(&self.connection).await?) == 1)
    }

    /// Gives the turn to whoever asks next. Repeating it changes nothing.
    pub async fn step_down(&self, id: &str) -> Result<(), QueueError> {
        let key = self.key("leader");
        let mut call = LEAD.call_on(&key);
        call.arg(id).arg(0);
        call.send(&self.connection).await.map(drop)
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, QueueError> {
        match self.connection.call(redis::cmd("GET").arg(key)).await? {
            Value::Nil => Ok(None),
            found => Ok(serde_json::from_str(&text(found)).ok()),
        }
    }
}

#[cfg(test)]
mod tests;
