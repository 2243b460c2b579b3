//! Following a queue's events stream, as BullMQ's `QueueEvents` does.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Value;

use crate::Queue;
use crate::connection::Dedicated;
use crate::error::QueueError;
use crate::inspect::pairs;
use crate::turn::{millis, text};

/// Entries read at once.
const BATCH: usize = 1_000;

/// One entry of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEvent {
    /// `completed`, `failed`, `progress`, …
    pub name: String,
    /// The job it is about, empty for events of the queue.
    pub job: String,
    /// Every field as stored.
    pub fields: BTreeMap<String, String>,
}

/// A place in the stream, with a connection of its own.
pub struct EventReader {
    queue: Queue,
    blocking: Dedicated,
    last: String,
}

impl EventReader {
    /// Reads what is written from now on.
    pub async fn from_now(queue: &Queue) -> Result<Self, QueueError> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(queue.keys.key("events")).arg("+").arg("-").arg("COUNT").arg(1);
        let newest = match queue.connection.call(&command).await? {
            Value::Array(entries) => entries.into_iter().next(),
            _ => None,
        };
        let last = match newest {
            Some(Value::Array(parts)) => parts.into_iter().next().map(text),
            _ => None,
        };
        let blocking = queue.connection.dedicated().await?;
        Ok(Self { queue: queue.clone(), blocking, last: last.unwrap_or_else(|| "0-0".to_owned()) })
    }

    /// The next events; none when the time is up.
    pub async fn next(&mut self, at_most: Duration) -> Result<Vec<QueueEvent>, QueueError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(BATCH).arg("BLOCK").arg(millis(at_most).max(1));
        command.arg("STREAMS").arg(self.queue.keys.key("events")).arg(&self.last);
        let connection = &self.queue.connection;
        let answer = self.blocking.call(&command).await;
        let answer = answer.map_err(|source| connection.error(source))?;
        let Value::Array(streams) = answer else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        for stream in streams {
            let Value::Array(parts) = stream else { return Err(connection.unfit("events")) };
            let Some(Value::Array(entries)) = parts.into_iter().nth(1) else {
                return Err(connection.unfit("events"));
            };
            for entry in entries {
                let (id, event) = read(entry).ok_or_else(|| connection.unfit("an event"))?;
                self.last = id;
                events.push(event);
            }
        }
        Ok(events)
    }
}

fn read(entry: Value) -> Option<(String, QueueEvent)> {
    let (id, mut fields) = stream_entry(entry)?;
    let mut taken = |name| fields.remove(name).unwrap_or_default();
    Some((id, QueueEvent { name: taken("event"), job: taken("jobId"), fields }))
}

/// Id and fields of one entry of a stream.
pub(crate) fn stream_entry(entry: Value) -> Option<(String, BTreeMap<String, String>)> {
    let Value::Array(parts) = entry else { return None };
    let [id, fields @ Value::Array(_)] = <[Value; 2]>::try_from(parts).ok()? else { return None };
    Some((text(id), pairs(fields)))
}
