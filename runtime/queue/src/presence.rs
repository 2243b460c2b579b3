//! Being seen: BullMQ's `getWorkers` finds workers by the names of their connections.

use std::time::Duration;

use base64::Engine;
use redis::aio::MultiplexedConnection;

use crate::connection::Connection;
use crate::error::QueueError;
use crate::keys::Keys;

/// `PREFIX:base64(QUEUE)`, with `:w:WORKER` for a named worker.
#[must_use]
pub fn client_name(keys: &Keys, worker: Option<&str>) -> String {
    let queue = base64::engine::general_purpose::STANDARD.encode(keys.queue());
    let suffix = worker.map(|name| format!(":w:{name}")).unwrap_or_default();
    format!("{}:{queue}{suffix}", keys.prefix())
}

/// How often a named connection is looked after.
const INTERVAL: Duration = Duration::from_secs(5);

/// Keeps one idle connection per queue that carries the worker's name, for as long as it is polled.
///
/// One connection can carry one name, so each queue needs its own. A server that forbids `CLIENT SETNAME` costs only
/// the listing.
pub async fn announce(connection: Connection, queues: Vec<Keys>, worker: Option<String>) {
    let mut open: Vec<Option<MultiplexedConnection>> = vec![None; queues.len()];
    loop {
        for (keys, slot) in queues.iter().zip(&mut open) {
            let alive = match slot {
                Some(existing) => redis::cmd("PING").query_async::<()>(existing).await.is_ok(),
                None => false,
            };
            if !alive {
                *slot = named(&connection, &client_name(keys, worker.as_deref())).await.ok();
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn named(connection: &Connection, name: &str) -> Result<MultiplexedConnection, QueueError> {
    let mut dedicated = connection.presence().await?;
    let answer = redis::cmd("CLIENT").arg("SETNAME").arg(name).query_async::<()>(&mut dedicated).await;
    if let Err(error) = answer {
        tracing::debug!(%error, name, "Redis refused the name of a connection; BullMQ will not list this worker");
    }
    Ok(dedicated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bullmqs() {
        let keys = Keys::new("bull", "t9!");
        assert_eq!(client_name(&keys, None), "bull:dDkh");
        assert_eq!(client_name(&keys, Some("w1")), "bull:dDkh:w:w1");
    }
}
