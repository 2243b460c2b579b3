//! Cancelling running jobs: a message to every worker, of which the one that holds the job stops it.
//!
//! Messages are published and not stored: who was not listening has missed them, so whoever cancels looks whether the
//! job has ended and asks again if not.

use futures_util::StreamExt;
use redis::Value;
use redis::aio::PubSub;
use serde::{Deserialize, Serialize};

use crate::Queue;
use crate::connection::Connection;
use crate::error::QueueError;
use crate::turn::integer;

/// One channel for all queues; workers pass over what is not theirs.
const CHANNEL: &str = "gristmill:cancel";
/// Bytes of a message that is looked at.
const MAX_MESSAGE: usize = 4 << 10;

/// A job that somebody wants stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// `PREFIX:QUEUE`
    pub queue: String,
    /// The job's id.
    pub id: String,
}

impl Queue {
    /// Asks the worker that runs a job to stop it; answers how many workers heard it. Repeating it is harmless.
    pub async fn cancel(&self, id: &str) -> Result<u64, QueueError> {
        let message = Cancellation { queue: self.keys.queue_key(), id: id.to_owned() };
        let Ok(text) = serde_json::to_string(&message) else {
            return Err(QueueError::Job(format!("job id `{id}` cannot be sent")));
        };
        let answer = self.connection.call(redis::cmd("PUBLISH").arg(CHANNEL).arg(text)).await?;
        Ok(u64::try_from(integer(&answer)).unwrap_or(0))
    }
}

/// Hears cancellations over a connection of its own.
pub struct Cancellations {
    connection: Connection,
    subscribed: Option<PubSub>,
}

impl Cancellations {
    /// Connects at the first wait.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self { connection, subscribed: None }
    }

    /// Waits for the next cancellation; what is not one is passed over. After an error the next wait subscribes anew.
    pub async fn next(&mut self) -> Result<Cancellation, QueueError> {
        let mut subscribed = match self.subscribed.take() {
            Some(subscribed) => subscribed,
            None => self.subscribe().await?,
        };
        loop {
            let message = subscribed.on_message().next().await;
            let Some(message) = message else {
                return Err(self.connection.unfit("the end of a subscription"));
            };
            let Ok(Value::BulkString(text)) = message.get_payload::<Value>() else { continue };
            if text.len() > MAX_MESSAGE {
                continue;
            }
            if let Ok(cancellation) = serde_json::from_slice(&text) {
                self.subscribed = Some(subscribed);
                return Ok(cancellation);
            }
        }
    }

    async fn subscribe(&self) -> Result<PubSub, QueueError> {
        let mut subscribed = self.connection.pub_sub().await?;
        subscribed.subscribe(CHANNEL).await.map_err(|source| self.connection.error(source))?;
        Ok(subscribed)
    }
}
