//! The three kinds of links to Redis, and what each does when the other end goes away.

use std::sync::{Arc, Mutex, PoisonError};

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult,
    ServerErrorKind, TlsMode, Value,
};

use super::{CONNECTION_TIMEOUT, MAX_RECONNECT_DELAY, RESPONSE_TIMEOUT, Server, refused};

/// Blocking calls set their own time; this one is never reached.
const NO_TIMEOUT: std::time::Duration = std::time::Duration::from_hours(24 * 365);
/// Times that a Cluster's client tries a call again, on another node if need be.
const CLUSTER_RETRIES: u32 = 3;

/// How calls get to Redis. Cheap to clone.
#[derive(Clone)]
pub(super) enum Link {
    /// Reconnects by itself.
    One(Arc<One>),
    /// Asks the Sentinels again when the master is gone or is none any more.
    Sentinel(Arc<Sentinel>),
    /// Follows the slots; reconnects by itself.
    Cluster { nodes: Arc<[ConnectionInfo]>, connection: ClusterConnection },
}

pub(super) struct One {
    client: Client,
    manager: ConnectionManager,
}

pub(super) struct Sentinel {
    client: tokio::sync::Mutex<SentinelClient>,
    current: Mutex<Option<MultiplexedConnection>>,
}

/// A connection of its own.
pub(crate) enum Dedicated {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Dedicated {
    pub(crate) async fn call(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(command).await,
            Self::Cluster(connection) => connection.req_packed_command(command).await,
        }
        .and_then(refused)
    }
}

impl Link {
    pub(super) async fn one(info: ConnectionInfo) -> RedisResult<Self> {
        let client = Client::open(info)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_number_of_retries(2)
            .set_max_delay(MAX_RECONNECT_DELAY);
        let manager = ConnectionManager::new_with_config(client.clone(), config).await?;
        Ok(Self::One(Arc::new(One { client, manager })))
    }

    pub(super) async fn sentinel(server: &Server, master: &str) -> RedisResult<Self> {
        let infos = server.infos()?;
        let [first, ..] = &infos[..] else {
            return Err((ErrorKind::InvalidClientConfig, "no Sentinel is named").into());
        };
        let tls = matches!(first.addr(), redis::ConnectionAddr::TcpTls { .. }).then_some(TlsMode::Secure);
        let mut settings =
            SentinelNodeConnectionInfo::default().set_redis_connection_info(first.redis_settings().clone());
        if let Some(tls) = tls {
            settings = settings.set_tls_mode(tls);
        }
        // Sentinels have no databases, and users of their own.
        let asked: Vec<_> = infos
            .iter()
            .map(|info| info.clone().set_redis_settings(redis::RedisConnectionInfo::default()))
            .collect();
        let client = SentinelClient::build(asked, master, Some(settings), SentinelServerType::Master)?;
        let sentinel = Sentinel { client: tokio::sync::Mutex::new(client), current: Mutex::default() };
        sentinel.connection().await?;
        Ok(Self::Sentinel(Arc::new(sentinel)))
    }

    pub(super) async fn cluster(server: &Server) -> RedisResult<Self> {
        let nodes: Arc<[ConnectionInfo]> = server.infos()?.into();
        let connection = cluster(&nodes, RESPONSE_TIMEOUT).await?;
        Ok(Self::Cluster { nodes, connection })
    }

    pub(super) async fn call(&self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(one) => one.manager.clone().send_packed_command(command).await.and_then(refused),
            Self::Sentinel(sentinel) => {
                let mut connection = sentinel.connection().await?;
                let answer = connection.send_packed_command(command).await.and_then(refused);
                answer.inspect_err(|error| sentinel.doubt(error))
            }
            Self::Cluster { connection, .. } => {
                connection.clone().req_packed_command(command).await.and_then(refused)
            }
        }
    }

    /// Of a Cluster all commands must be for one slot.
    pub(super) async fn call_all(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let count = commands.len();
        match self {
            Self::One(one) => one.manager.clone().send_packed_commands(commands, 0, count).await,
            Self::Sentinel(sentinel) => {
                let mut connection = sentinel.connection().await?;
                let answers = connection.send_packed_commands(commands, 0, count).await;
                answers.inspect_err(|error| sentinel.doubt(error))
            }
            Self::Cluster { connection, .. } => {
                connection.clone().req_packed_commands(commands, 0, count).await
            }
        }
    }

    /// For calls that block longer than any response timeout. One at a time.
    pub(super) async fn dedicated(&self) -> RedisResult<Dedicated> {
        Ok(match self {
            Self::One(one) => {
                Dedicated::One(one.client.get_multiplexed_async_connection_with_config(&patient()).await?)
            }
            Self::Sentinel(sentinel) => {
                let mut client = sentinel.client.lock().await;
                Dedicated::One(client.get_async_connection_with_config(&patient()).await?)
            }
            Self::Cluster { nodes, .. } => Dedicated::Cluster(cluster(nodes, NO_TIMEOUT).await?),
        })
    }

    /// An idle connection to one server, any of a Cluster, for being seen in its list of clients.
    pub(super) async fn presence(&self) -> RedisResult<MultiplexedConnection> {
        self.server().await?.get_multiplexed_async_connection_with_config(&patient()).await
    }

    pub(super) async fn pub_sub(&self) -> RedisResult<PubSub> {
        let connecting = async { self.server().await?.get_async_pubsub().await };
        let connected = tokio::time::timeout(CONNECTION_TIMEOUT, connecting).await;
        connected.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
    }

    /// A client of one server: the only one, the master, or the first node of a Cluster that answers.
    async fn server(&self) -> RedisResult<Client> {
        match self {
            Self::One(one) => Ok(one.client.clone()),
            Self::Sentinel(sentinel) => sentinel.client.lock().await.async_get_client().await,
            Self::Cluster { nodes, .. } => {
                let mut last = (ErrorKind::InvalidClientConfig, "no node is named").into();
                for node in nodes.iter() {
                    let client = Client::open(node.clone())?;
                    match client.get_multiplexed_async_connection_with_config(&patient()).await {
                        Ok(_) => return Ok(client),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    /// Sends a command to each server that holds data, one after the other; `next` makes it from the last answer of the
    /// same server, at first from none, until it makes none.
    pub(super) async fn walk(&self, mut next: impl FnMut(Option<Value>) -> Option<Cmd>) -> RedisResult<()> {
        let Self::Cluster { connection, .. } = self else {
            let mut answer = None;
            while let Some(command) = next(answer.take()) {
                answer = Some(self.call(&command).await?);
            }
            return Ok(());
        };
        let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let mut connection = connection.clone();
        let Value::Map(answers) = connection.route_command(redis::cmd("PING"), masters).await? else {
            return Err(
                (ErrorKind::UnexpectedReturnType, "the Cluster's masters did not answer one by one").into()
            );
        };
        for (address, _) in answers {
            let address = crate::turn::text(address);
            let place = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
            let Some((host, port)) = place else { continue };
            let mut answer = None;
            while let Some(command) = next(answer.take()) {
                let to = SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port };
                answer = Some(connection.route_command(command, RoutingInfo::SingleNode(to)).await?);
            }
        }
        Ok(())
    }
}

impl Sentinel {
    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = self.known() {
            return Ok(connection);
        }
        let mut client = self.client.lock().await;
        if let Some(connection) = self.known() {
            return Ok(connection);
        }
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECTION_TIMEOUT));
        let connection = client.get_async_connection_with_config(&config).await?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
        Ok(connection)
    }

    fn known(&self) -> Option<MultiplexedConnection> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After an error that a master which is alive and one would not give, the next call asks the Sentinels.
    fn doubt(&self, error: &RedisError) {
        let demoted = matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        );
        if demoted || error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(Some(CONNECTION_TIMEOUT))
}

async fn cluster(
    nodes: &[ConnectionInfo],
    answer_within: std::time::Duration,
) -> RedisResult<ClusterConnection> {
    ClusterClientBuilder::new(nodes.to_vec())
        .connection_timeout(CONNECTION_TIMEOUT)
        .response_timeout(answer_within)
        .overall_response_timeout(None)
        .retries(CLUSTER_RETRIES)
        .build()?
        .get_async_connection()
        .await
}
