//! Outgoing HTTP of guests: only to allowed hosts, connected to the very address that was checked.

mod address;
pub(crate) mod allow;
mod body;
mod connect;
mod guarded;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::Body;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use self::allow::Reach;
use self::body::BoundedBody;
use crate::log::LogSink;
use crate::{Allow, Denied, Host, Level};

/// Connections that one attempt may have open at a time.
const MAX_CONNECTIONS: u32 = 32;
/// Bytes that one write to a request's body may have.
const MAX_CHUNK: usize = 64 << 10;
/// Bytes that a response's head may have, and that are read ahead of the guest.
const READ_AHEAD: usize = 64 << 10;

type Background = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<(Response<WasiBody>, Background), Error>;

/// Sends the requests of one attempt.
pub(crate) struct Outgoing {
    allow: Arc<Allow>,
    log: Arc<LogSink>,
    host: Arc<dyn Host>,
    open: Arc<AtomicU32>,
}

/// Where a request goes, read from its URI.
struct Target {
    /// Lower-case name, or address without brackets.
    host: String,
    port: u16,
    tls: bool,
    reach: Reach,
    limiters: Vec<String>,
    breakers: Vec<String>,
}

impl Outgoing {
    pub(crate) fn new(allow: Arc<Allow>, log: Arc<LogSink>, host: Arc<dyn Host>) -> Self {
        Self { allow, log, host, open: Arc::default() }
    }

    /// Speaks for another attempt from now on.
    pub(crate) fn begin(&mut self, log: Arc<LogSink>, host: Arc<dyn Host>) {
        (self.log, self.host) = (log, host);
    }

    /// Whether any connection is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Checks the request's host against what the job type allows.
    fn target(&self, method: &Method, uri: &Uri) -> Result<Target, Error> {
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        // Credentials before the host only help to disguise it.
        if authority.as_str().contains('@') {
            return Err(Error::HttpRequestUriInvalid);
        }
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let default_port = if tls { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(default_port);
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if let Some(reach) = self.allow.reach(method, &host, port, default_port) {
            let (limiters, breakers) = self.allow.guards(method, &host, port, default_port);
            Ok(Target { host, port, tls, reach, limiters, breakers })
        } else {
            let entry =
                if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            self.host.denied(Denied::Http);
            self.log.write(
                Level::Warn,
                &format!("http: `{method} {entry}` is not among what `allow.http` lists"),
                &[],
            );
            Err(Error::HttpRequestDenied)
        }
    }

    fn slot(&self) -> Result<Connection, Error> {
        let taken = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
            (open < MAX_CONNECTIONS).then_some(open + 1)
        });
        taken.map(|_| Connection(Arc::clone(&self.open))).map_err(|_| Error::ConnectionLimitReached)
    }
}

/// One of the attempt's connections; dropped when it is closed.
struct Connection(Arc<AtomicU32>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Background,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let target = self.target(request.method(), request.uri());
        let slot = self.slot();
        let (log, host) = (Arc::clone(&self.log), Arc::clone(&self.host));
        let most = self.allow.response_bytes;
        Box::new(async move {
            let (mut target, slot) = (target?, slot?);
            let breakers = std::mem::take(&mut target.breakers);
            let permits = guarded::pass(&host, &log, &target.limiters, breakers).await?;
            let trace = host.request(request.method().as_str(), &target.host, target.port);
            if let Some(trace) = &trace {
                carry(request.headers_mut(), trace.headers());
            }
            let answer = send(request, options.unwrap_or_default(), target, slot, &log, most).await;
            if let Some(trace) = trace {
                match &answer {
                    Ok((response, _)) => trace.responded(Ok(response.status().as_u16())),
                    Err(error) => trace.responded(Err(&error.to_string())),
                }
            }
            guarded::end(permits, guarded::judge(&answer));
            match answer {
                Err(Error::HttpRequestDenied) => host.denied(Denied::Http),
                Err(Error::HttpResponseBodySize(_)) => host.denied(Denied::HttpResponse),
                _ => {}
            }
            answer
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_CHUNK
    }

    // The defaults of these write to our own log, at the guest's will.
    fn p2_error_from_hyper(&mut self, _: &hyper::Error) -> ErrorCode {
        ErrorCode::HttpProtocolError
    }

    fn p2_error_from_connect(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::ConnectionRefused
    }

    fn p2_error_from_tls(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }
}

/// Sets the headers of a trace.
fn carry(headers: &mut HeaderMap, trace: Vec<(String, String)>) {
    for (name, value) in trace {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// Sends one request on a connection of its own. The attempt's end drops this, and everything that it has begun.
async fn send(
    mut request: Request<WasiBody>,
    options: RequestOptions,
    target: Target,
    slot: Connection,
    log: &LogSink,
    most: u64,
) -> Answer {
    let within = options.connect_timeout.unwrap_or(connect::TIMEOUT);
    let stream = tokio::time::timeout(within, connect::connect(&target, log)).await;
    let stream = stream.map_err(|_| Error::ConnectionTimeout)??;
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(READ_AHEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let driver = wasmtime_wasi::runtime::spawn(async move {
        // Its errors reach the guest through the response or its body.
        let _ = connection.await;
        drop(slot);
    });

    // A server, other than a proxy, gets path and query alone.
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    let response = sender.send_request(request);
    let response = match options.first_byte_timeout {
        Some(time) => tokio::time::timeout(time, response).await.map_err(|_| Error::ConnectionReadTimeout)?,
        None => response.await,
    }?;
    // Said beforehand, it need not be read first.
    if let Some(size) = response.body().size_hint().exact().filter(|size| *size > most) {
        return Err(Error::HttpResponseBodySize(Some(size)));
    }
    let response =
        response.map(|body| BoundedBody::new(body, options.between_bytes_timeout, most).boxed_unsync());
    let background: Background = Box::new(async move {
        driver.await;
        Ok(())
    });
    Ok((response, background))
}

/// A connection's bytes, encrypted or not.
trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send> Stream for T {}

type BoxedStream = Pin<Box<dyn Stream>>;
