//! One channel, heard over a connection of its own.

use futures_util::StreamExt;
use redis::Value;
use redis::aio::PubSub;

use crate::connection::Connection;
use crate::error::QueueError;

/// Bytes of a message that is looked at.
const MAX_MESSAGE: usize = 4 << 10;

pub(crate) struct Subscription {
    connection: Connection,
    channel: &'static str,
    subscribed: Option<PubSub>,
}

impl Subscription {
    /// Connects at the first wait.
    pub(crate) fn new(connection: Connection, channel: &'static str) -> Self {
        Self { connection, channel, subscribed: None }
    }

    /// Waits for the next message; one that is too long is passed over. After an error the next wait subscribes anew. A
    /// wait that is given up loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>, QueueError> {
        loop {
            let subscribed = match &mut self.subscribed {
                Some(subscribed) => subscribed,
                none => none.insert(subscribe(&self.connection, self.channel).await?),
            };
            let Some(message) = subscribed.on_message().next().await else {
                self.subscribed = None;
                return Err(self.connection.unfit("the end of a subscription"));
            };
            let Ok(Value::BulkString(text)) = message.get_payload::<Value>() else { continue };
            if text.len() <= MAX_MESSAGE {
                return Ok(text);
            }
        }
    }
}

async fn subscribe(connection: &Connection, channel: &str) -> Result<PubSub, QueueError> {
    let mut subscribed = connection.pub_sub().await?;
    subscribed.subscribe(channel).await.map_err(|source| connection.error(source))?;
    Ok(subscribed)
}
