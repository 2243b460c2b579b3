//! Cancelling running jobs: a message to every worker, of which the one that holds the job stops it.
//!
//! Messages are published and not stored: who was not listening has missed them, so whoever cancels looks whether the
//! job has ended and asks again if not.

use serde::{Deserialize, Serialize};

use crate::Queue;
use crate::connection::Connection;
use crate::error::QueueError;
use crate::subscription::Subscription;
use crate::turn::integer;

/// One channel for all queues; workers pass over what is not theirs.
const CHANNEL: &str = "gristmill:cancel";

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
pub struct Cancellations(Subscription);

impl Cancellations {
    /// Connects at the first wait.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self(Subscription::new(connection, CHANNEL))
    }

    /// Waits for the next cancellation; what is not one is passed over. After an error the next wait subscribes anew.
    pub async fn next(&mut self) -> Result<Cancellation, QueueError> {
        loop {
            if let Ok(cancellation) = serde_json::from_slice(&self.0.next().await?) {
                return Ok(cancellation);
            }
        }
    }
}
