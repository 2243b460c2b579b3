//! The server: `/metrics`, `/healthz/live`, `/healthz/ready`, the API and the dashboard.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use gristmill_core::config::Token;
use gristmill_engine::{Control, Handlers, Phase};
use gristmill_queue::{Connection, Queue, STATES, Server};
use gristmill_telemetry::Metrics;
use tokio::sync::Mutex;

use crate::connections;
use crate::health::Heartbeat;

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
    /// Who may use the API.
    pub tokens: Vec<Token>,
    /// BullMQ's prefix.
    pub prefix: String,
    /// Queues whose counts are shown.
    pub queues: Vec<String>,
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
                connections::serve(listener, router(sources)).await
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
}

fn router(sources: Sources) -> Router {
    let pages = Arc::new(Pages { sources, redis: Mutex::new(None) });
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz/live", get(live))
        .route("/healthz/ready", get(ready))
        .merge(crate::api::routes(&pages))
        .merge(crate::dashboard::routes())
        .with_state(pages)
}

impl Pages {
    pub(crate) async fn redis(&self) -> Option<Connection> {
        let mut slot = self.redis.lock().await;
        if slot.is_none() {
            *slot = Connection::open_at(&self.sources.redis).await.ok().map(|(connection, _)| connection);
        }
        slot.clone()
    }

    /// Counts of the queues that answer in time; the others keep what they had.
    async fn count(&self) {
        let Some(connection) = self.redis().await else { return };
        let mut counted = Vec::new();
        for name in &self.sources.queues {
            let queue = Queue::new(connection.clone(), &self.sources.prefix, name);
            if let Ok(counts) = queue.counts().await {
                counted.push((name.clone(), STATES.into_iter().zip(counts).collect()));
            }
        }
        self.sources.metrics.set_queue_jobs(&counted);
    }
}

async fn metrics(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    let _ = tokio::time::timeout(REDIS_WAIT, pages.count()).await;
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
