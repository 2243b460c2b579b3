//! Waiting for work on many queues with one blocking connection.
//!
//! BullMQ wakes a worker by a member of the queue's `marker` set; taking it wakes exactly one. A marker is a hint: who
//! takes one and cannot use it puts it back, and every queue is looked at now and then without one.

use std::time::Duration;

use redis::{RedisError, Value};

use crate::connection::{Connection, Dedicated};
use crate::error::QueueError;
use crate::keys::Keys;
use crate::turn::{number, text};

/// What woke us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// Something may be runnable now.
    Now,
    /// The earliest delayed job is due at this time, ms since the epoch.
    Due(u64),
}

/// One blocking connection for many queues.
pub struct Waiter {
    connection: Connection,
    blocking: Option<Dedicated>,
}

impl Waiter {
    /// Connects at the first wait.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self { connection, blocking: None }
    }

    /// Waits until a marker appears on one of `keys` (marker keys, in order of preference) or the time is up.
    /// After an error the next wait connects anew. Dropping the future can lose a marker; the caller must then look
    /// at its queues.
    pub async fn wait(
        &mut self,
        keys: &[String],
        at_most: Duration,
    ) -> Result<Option<(String, Marker)>, QueueError> {
        let mut blocking = match self.blocking.take() {
            Some(connection) => connection,
            None => self.connection.dedicated().await?,
        };
        let mut command = redis::cmd("BZPOPMIN");
        command.arg(keys).arg(at_most.as_secs_f64().max(0.01));
        // The server answers within the time asked for; a second more without an answer means a dead connection.
        let answer = tokio::time::timeout(at_most + Duration::from_secs(1), blocking.call(&command))
            .await
            .unwrap_or_else(|_| Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))))
            .map_err(|source| self.connection.error(source))?;
        self.blocking = Some(blocking);
        let Value::Array(parts) = answer else { return Ok(None) };
        let Ok([key, member, score]) = <[Value; 3]>::try_from(parts) else {
            return Err(self.connection.unfit("marker"));
        };
        let due = match score {
            Value::Double(score) if score > 0.0 => Some(score),
            ref score => Some(number(score) as f64).filter(|s| *s > 0.0),
        };
        let is_base = matches!(&member, Value::BulkString(b) if b == b"0");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive time in ms")]
        let marker = due.filter(|_| !is_base).map_or(Marker::Now, |due| Marker::Due(due as u64));
        Ok(Some((text(key), marker)))
    }

    /// Puts a marker back that we could not use. Doing it twice is harmless.
    pub async fn put_back(connection: &Connection, keys: &Keys, marker: Marker) -> Result<(), QueueError> {
        let mut command = redis::cmd("ZADD");
        command.arg(keys.key("marker"));
        match marker {
            Marker::Now => command.arg(0).arg("0"),
            Marker::Due(at) => command.arg(at).arg("1"),
        };
        connection.call(&command).await.map(drop)
    }

    /// Makes a pending [`Waiter::wait`] that includes `key` (a key of our own, never a queue's) return.
    pub async fn knock(connection: &Connection, key: &str) -> Result<(), QueueError> {
        let mut pipe = redis::pipe();
        pipe.cmd("ZADD").arg(key).arg(0).arg("0").cmd("EXPIRE").arg(key).arg(60);
        connection.call_all(&pipe).await.map(drop)
    }
}
