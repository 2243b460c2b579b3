//! One shared connection that reconnects by itself, and the dedicated ones that block.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Value};

use crate::error::QueueError;

/// No script of ours runs longer; a slower server counts as away.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to reconnect.
const MAX_RECONNECT_DELAY: Duration = Duration::from_millis(500);

/// A connection to one Redis server, shared by all that do not block. Cheap to clone.
///
/// It reconnects by itself with backoff; a call that was under way when the connection broke fails, and only its
/// caller knows whether to repeat it.
#[derive(Clone)]
pub struct Connection {
    client: Client,
    manager: ConnectionManager,
    address: std::sync::Arc<str>,
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `7.0.15`
    pub version: String,
    /// `noeviction` is what a queue needs: any other lets Redis drop jobs.
    pub eviction: Option<String>,
}

impl Connection {
    /// Connects, and checks that the server is recent enough.
    pub async fn open(url: &str) -> Result<(Self, ServerFacts), QueueError> {
        let address = address_of(url);
        let wrap = |source| QueueError::Redis { address: address.clone(), source };
        let info = url.into_connection_info().map_err(wrap)?;
        let client = Client::open(info).map_err(wrap)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_number_of_retries(2)
            .set_max_delay(MAX_RECONNECT_DELAY);
        let manager = ConnectionManager::new_with_config(client.clone(), config).await.map_err(wrap)?;
        let connection = Self { client, manager, address: address.as_str().into() };
        let facts = connection.facts().await?;
        if !recent_enough(&facts.version) {
            return Err(QueueError::TooOld { address, version: facts.version });
        }
        Ok((connection, facts))
    }

    /// The server's address without its password.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends one command.
    pub(crate) async fn call(&self, command: &Cmd) -> Result<Value, QueueError> {
        let answer = self.manager.clone().send_packed_command(command).await;
        answer.and_then(refused).map_err(|source| self.error(source))
    }

    /// Sends commands together; answers in their order.
    pub(crate) async fn call_all(&self, commands: &redis::Pipeline) -> Result<Vec<Value>, QueueError> {
        let count = commands.len();
        self.manager
            .clone()
            .send_packed_commands(commands, 0, count)
            .await
            .map_err(|source| self.error(source))
    }

    /// A connection of its own, for calls that block longer than any response timeout.
    pub(crate) async fn dedicated(&self) -> Result<MultiplexedConnection, QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(Some(CONNECTION_TIMEOUT));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|source| self.error(source))
    }

    /// A connection of its own that receives messages.
    pub(crate) async fn pub_sub(&self) -> Result<redis::aio::PubSub, QueueError> {
        let connecting = self.client.get_async_pubsub();
        let connected = tokio::time::timeout(CONNECTION_TIMEOUT, connecting).await;
        let late = || redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        connected.unwrap_or_else(|_| Err(late())).map_err(|source| self.error(source))
    }

    pub(crate) fn error(&self, source: redis::RedisError) -> QueueError {
        QueueError::Redis { address: self.address.to_string(), source }
    }

    pub(crate) fn unfit(&self, what: &'static str) -> QueueError {
        QueueError::Answer { address: self.address.to_string(), what }
    }

    /// True when the server answers.
    pub async fn ping(&self) -> Result<(), QueueError> {
        self.call(&redis::cmd("PING")).await.map(drop)
    }

    async fn facts(&self) -> Result<ServerFacts, QueueError> {
        let info = self.call(redis::cmd("INFO").arg("everything")).await?;
        let text: String = redis::from_redis_value(info).map_err(|e| self.error(e.into()))?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|v| v.trim().to_owned())
        };
        let version = field("redis_version").unwrap_or_else(|| "unknown".to_owned());
        Ok(ServerFacts { version, eviction: field("maxmemory_policy") })
    }
}

/// An error that the server answers is a value until it is looked at.
pub(crate) fn refused(answer: Value) -> redis::RedisResult<Value> {
    match answer {
        Value::ServerError(error) => Err(error.into()),
        answer => Ok(answer),
    }
}

fn recent_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) >= (6, 2)
}

/// `redis://:secret@host:1/0` as `host:1/0`.
fn address_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.rsplit_once('@').map_or(rest, |(_, host)| host).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("7.0.15", true)]
    #[case("6.2.0", true)]
    #[case("6.0.16", false)]
    #[case("5.0.14", false)]
    #[case("unknown", false)]
    fn versions(#[case] version: &str, #[case] fits: bool) {
        assert_eq!(recent_enough(version), fits);
    }

    #[test]
    fn addresses_hide_passwords() {
        assert_eq!(address_of("redis://user:p@ss@host:1/0"), "host:1/0");
        assert_eq!(address_of("redis://host:1"), "host:1");
    }
}
