//! One shared connection that reconnects by itself, and the dedicated ones that block.

mod link;
mod server;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{Cmd, Value};
use tokio::time::Instant;

pub(crate) use link::Dedicated;
use link::Link;
pub use server::Server;

use crate::error::QueueError;
use crate::keys::Keys;

/// No script of ours runs longer; a slower server counts as away.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to reconnect.
const MAX_RECONNECT_DELAY: Duration = Duration::from_millis(500);

/// A connection to Redis, shared by all that do not block. Cheap to clone.
///
/// It reconnects by itself with backoff and follows a failover; a call that was under way when the connection broke
/// fails, and only its caller knows whether to repeat it. A Cluster's client may send a call again by itself.
#[derive(Clone)]
pub struct Connection {
    link: Link,
    address: std::sync::Arc<str>,
    calls: std::sync::Arc<Calls>,
}

/// Calls that were answered, and the time that their answers took.
#[derive(Default)]
struct Calls {
    count: AtomicU64,
    micros: AtomicU64,
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `7.0.15`
    pub version: String,
    /// `noeviction` is what a queue needs: any other lets Redis drop jobs.
    pub eviction: Option<String>,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
}

/// What [`Connection::report`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// The fields of `INFO`.
    pub fields: std::collections::BTreeMap<String, String>,
    /// A round trip in the median, µs.
    pub median_us: u64,
    /// The server's clock, ms since the epoch.
    pub time_ms: u64,
}

impl Connection {
    /// [`Connection::open_at`] one server, or a Cluster that it is part of.
    pub async fn open(url: &str) -> Result<(Self, ServerFacts), QueueError> {
        Self::open_at(&Server::at(url)).await
    }

    /// Connects, and checks that the server is recent enough. A server that is part of a Cluster is served as one.
    pub async fn open_at(server: &Server) -> Result<(Self, ServerFacts), QueueError> {
        let address: std::sync::Arc<str> = server.to_string().into();
        let wrap = |source| QueueError::Redis { address: address.to_string(), source };
        let link = match &server.master {
            Some(master) => Link::sentinel(server, master).await.map_err(wrap)?,
            None => first_that_answers(server).await.map_err(wrap)?,
        };
        let calls = std::sync::Arc::default();
        let connection = Self { link, address: std::sync::Arc::clone(&address), calls };
        let facts = connection.facts().await?;
        if facts.mode == "sentinel" {
            return Err(QueueError::IsSentinel { address: address.to_string() });
        }
        if !recent_enough(&facts.version) {
            return Err(QueueError::TooOld { address: address.to_string(), version: facts.version });
        }
        if facts.mode != "cluster" {
            return Ok((connection, facts));
        }
        let link = Link::cluster(server).await.map_err(wrap)?;
        let calls = std::sync::Arc::default();
        Ok((Self { link, address: std::sync::Arc::clone(&address), calls }, facts))
    }

    /// The server's address without its password.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// True for a Cluster: then all keys of a queue must share a hash tag.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        matches!(self.link, Link::Cluster { .. })
    }

    /// On a Cluster the keys of a queue must share a slot.
    pub fn check_keys(&self, keys: &Keys) -> Result<(), QueueError> {
        if !self.is_cluster() || keys.hash_tag().is_some() {
            return Ok(());
        }
        Err(QueueError::NoHashTag { queue: keys.queue().to_owned(), prefix: keys.prefix().to_owned() })
    }

    /// Sends one command.
    pub(crate) async fn call(&self, command: &Cmd) -> Result<Value, QueueError> {
        let began = Instant::now();
        let answer = self.link.call(command).await;
        self.count(began);
        answer.map_err(|source| self.error(source))
    }

    fn count(&self, began: Instant) {
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.calls.count.fetch_add(1, Ordering::Relaxed);
        self.calls.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Calls since the last call of this, and the time that their answers took together. Those that block on a connection
    /// of their own are not among them.
    #[must_use]
    pub fn take_calls(&self) -> (u64, Duration) {
        let count = self.calls.count.swap(0, Ordering::Relaxed);
        (count, Duration::from_micros(self.calls.micros.swap(0, Ordering::Relaxed)))
    }

    /// Sends commands together; answers in their order.
    pub(crate) async fn call_all(&self, commands: &redis::Pipeline) -> Result<Vec<Value>, QueueError> {
        let began = Instant::now();
        let answers = self.link.call_all(commands).await;
        self.count(began);
        answers.map_err(|source| self.error(source))
    }

    /// A connection of its own, for calls that block longer than any response timeout.
    pub(crate) async fn dedicated(&self) -> Result<Dedicated, QueueError> {
        self.link.dedicated().await.map_err(|source| self.error(source))
    }

    /// An idle connection that can carry a name.
    pub(crate) async fn presence(&self) -> Result<MultiplexedConnection, QueueError> {
        self.link.presence().await.map_err(|source| self.error(source))
    }

    /// A connection of its own that receives messages.
    pub(crate) async fn pub_sub(&self) -> Result<PubSub, QueueError> {
        self.link.pub_sub().await.map_err(|source| self.error(source))
    }

    /// Sends commands to each server that holds data; see [`Link::walk`].
    pub(crate) async fn walk(
        &self,
        next: impl FnMut(Option<Value>) -> Option<Cmd>,
    ) -> Result<(), QueueError> {
        self.link.walk(next).await.map_err(|source| self.error(source))
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

    /// What the server says of itself, by the clock here and there, with the median of so many round trips.
    pub async fn report(&self, pings: usize) -> Result<ServerReport, QueueError> {
        let info = self.call(redis::cmd("INFO").arg("everything")).await?;
        let text: String = redis::from_redis_value(info).map_err(|e| self.error(e.into()))?;
        let field = |line: &str| line.split_once(':').map(|(k, v)| (k.to_owned(), v.trim().to_owned()));
        let fields = text.lines().filter_map(field).collect();
        let mut times = Vec::new();
        for _ in 0..pings.max(1) {
            let began = Instant::now();
            self.ping().await?;
            times.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        times.sort_unstable();
        let time = self.call(&redis::cmd("TIME")).await?;
        let Value::Array(parts) = time else { return Err(self.unfit("the time")) };
        let part = |n: usize| parts.get(n).map_or(0, crate::turn::number);
        let time_ms = part(0) * 1_000 + part(1) / 1_000;
        Ok(ServerReport { fields, median_us: times[times.len() / 2], time_ms })
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
        let mode = field("redis_mode").unwrap_or_else(|| "standalone".to_owned());
        Ok(ServerFacts { version, eviction: field("maxmemory_policy"), mode })
    }
}

/// A link to the server of the url, or when that is away to the first further node that is not.
async fn first_that_answers(server: &Server) -> redis::RedisResult<Link> {
    let mut last = None;
    for info in server.infos()? {
        match Link::one(info).await {
            Ok(link) => return Ok(link),
            Err(error) => last = last.or(Some(error)),
        }
    }
    Err(last.unwrap_or_else(|| (redis::ErrorKind::InvalidClientConfig, "no server is named").into()))
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
}
