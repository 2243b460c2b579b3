//! Connections to the server: not too many, and none that says nothing for long.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at a time. More would take file descriptors that the worker needs for Redis.
const MAX_CONNECTIONS: usize = 256;
/// From a connection's start, or its last answer, to the end of the next request's headers.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// After a failure to accept, such as no file descriptor being left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves for as long as it is polled. A connection beyond the number is closed at once.
pub(crate) async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted for metrics, health and the API");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&free).try_acquire_owned() else { continue };
        let router = router.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(router.clone(), request, peer));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIME)
                .serve_connection(TokioIo::new(stream), service);
            // Clients go away in the middle of things all the time.
            let _ = connection.await;
            drop(place);
        });
    }
}

async fn answer(
    router: Router,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<axum::response::Response, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    hyper::service::Service::call(&TowerToHyperService::new(router), request).await
}
