//! The server: `/metrics`, `/healthz/live`, `/healthz/ready`, the API and the dashboard.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use gristmill_core::config::Config;
use gristmill_engine::{Control, Handlers, Phase};
use gristmill_queue::{Connection, Monitor, Queue, STATES, Server};
use gristmill_telemetry::Metrics;
use tokio::sync::Mutex;

use crate::connections;
use crate::health::Heartbeat;
use crate::pace::Pace;

/// How long a page waits for Redis before it goes on with what it has.
const REDIS_WAIT: Duration = Duration::from_millis(800);

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; set `server.listen` to a free address")]
    Bind {
        /// What the configuration says.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No thread or no runtime for it.
    #[error("cannot start the thread for metrics and health: {0}")]
    Thread(std::io::Error),
}

/// What the pages are made of.
#[derive(Clone)]
pub struct Sources {
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// The worker's phase.
    pub control: Control,
    /// Limiters and breakers.
    pub handlers: Arc<Handlers>,
    /// Whether the host's runtime lives.
    pub heartbeat: Heartbeat,
    /// For a connection of the server's own.
    pub redis: Server,
    /// What the worker was started with.
    pub config: Arc<Config>,
    /// Who this worker is.
    pub identity: Identity,
    /// The worker's own connection, whose calls are counted.
    pub connection: Connection,
    /// BullMQ's prefix.
    pub prefix: String,
    /// Queues whose counts are shown.
    pub queues: Vec<String>,
}

/// Who a worker is among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Unique to the process.
    pub id: String,
    /// `worker.name`, or the host's name and the process.
    pub name: String,
    /// The host's name.
    pub host: String,
    /// When it started, ms since the epoch.
    pub started_ms: u64,
    /// Where its pages answer.
    pub listen: String,
}

/// An address that is ours, not yet served.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Takes the address.
    pub fn bind(address: SocketAddr) -> Result<Self, ControlError> {
        let wrap = |source| ControlError::Bind { address, source };
        let listener = TcpListener::bind(address).map_err(wrap)?;
        listener.set_nonblocking(true).map_err(wrap)?;
        let address = listener.local_addr().map_err(wrap)?;
        Ok(Self { listener, address })
    }

    /// Where it listens; the real port where port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on a thread of its own until the process ends.
    pub fn serve(self, sources: Sources) -> Result<(), ControlError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ControlError::Thread)?;
        let serve = move || {
            let _: Result<(), std::io::Error> = runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(self.listener)?;
                let pages = Arc::new(Pages { sources, redis: Mutex::new(None), pace: Pace::default() });
                let router = router(&pages);
                tokio::select! {
                    served = connections::serve(listener, router) => served,
                    () = beside(pages) => Ok(()),
                }
            });
        };
        std::thread::Builder::new()
            .name("control".into())
            .spawn(serve)
            .map(drop)
            .map_err(ControlError::Thread)
    }
}

pub(crate) struct Pages {
    pub(crate) sources: Sources,
    /// Opened at the first page that needs it; reconnects by itself from then on.
    redis: Mutex<Option<Connection>>,
    /// How fast callers of the API may be.
    pub(crate) pace: Pace,
}

/// What goes on beside the pages, for as long as it is polled.
async fn beside(pages: Arc<Pages>) {
    tokio::join!(
        crate::beat::run(Arc::clone(&pages)),
        crate::observer::run(Arc::clone(&pages)),
        crate::keda::run(pages),
        std::future::pending::<()>(),
    );
}

fn router(pages: &Arc<Pages>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz/live", get(live))
        .route("/healthz/ready", get(ready))
        .merge(crate::api::routes(pages))
        .merge(crate::dashboard::routes())
        .with_state(Arc::clone(pages))
}

impl Pages {
    pub(crate) async fn redis(&self) -> Option<Connection> {
        let mut slot = self.redis.lock().await;
        if slot.is_none() {
            *slot = Connection::open_at(&self.sources.redis).await.ok().map(|(connection, _)| connection);
        }
        slot.clone()
    }

    /// What workers keep together, on the server's own connection.
    pub(crate) async fn monitor(&self) -> Option<Monitor> {
        Some(Monitor::new(self.redis().await?, &self.sources.prefix))
    }

    /// Counts of the queues; those that do not answer in time keep what they had.
    pub(crate) async fn count(&self) {
        let Some(connection) = self.redis().await else { return };
        let queue = |name: &String| Queue::new(connection.clone(), &self.sources.prefix, name);
        let queues: Vec<_> = self.sources.queues.iter().map(queue).collect();
        let asked = tokio::time::timeout(REDIS_WAIT, Queue::counts_of(&connection, &queues)).await;
        let named = self.sources.queues.iter().zip(asked.unwrap_or_default());
        let counted = named
            .filter_map(|(name, counts)| Some((name.clone(), STATES.into_iter().zip(counts?).collect())));
        self.sources.metrics.set_queue_jobs(&counted.collect::<Vec<_>>());
    }
}

async fn metrics(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    pages.count().await;
    let (calls, time) = pages.sources.connection.take_calls();
    pages.sources.metrics.add_redis_calls(calls, time);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], pages.sources.metrics.render())
}

async fn live(State(pages): State<Arc<Pages>>) -> (StatusCode, &'static str) {
    if pages.sources.heartbeat.is_alive() {
        (StatusCode::OK, "live\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the worker's loops do not run\n")
    }
}

async fn ready(State(pages): State<Arc<Pages>>) -> (StatusCode, &'static str) {
    let refused = |why| (StatusCode::SERVICE_UNAVAILABLE, why);
    match pages.sources.control.phase() {
        Phase::Draining => return refused("draining\n"),
        Phase::Quiet => return refused("told to take no jobs\n"),
        Phase::Taking => {}
    }
    if !pages.sources.queues.iter().any(|queue| pages.sources.handlers.is_served(queue)) {
        return refused("no handler is deployed yet\n");
    }
    let answers = async {
        match pages.redis().await {
            Some(connection) => connection.ping().await.is_ok(),
            None => false,
        }
    };
    match tokio::time::timeout(REDIS_WAIT, answers).await {
        Ok(true) => (StatusCode::OK, "ready\n"),
        _ => refused("Redis does not answer\n"),
    }
}
