//! What a request must pass before it is sent: the limiters and breakers of the entries that it fits.

use std::sync::Arc;
use std::time::Duration;

use gristmill_core::breaker::Guarded;
use gristmill_core::service::{BreakerError, LimitError};
use http::Response;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::log::LogSink;
use crate::services::circuit_breaker::Permit;
use crate::services::rate_limit::acquire;
use crate::{Host, Level};

/// How long a request waits for its limiters; the attempt's deadline holds beside it.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Passes all breakers, then all limiters: an open breaker charges nothing.
pub(super) async fn pass(
    host: &Arc<dyn Host>,
    log: &LogSink,
    limiters: &[String],
    breakers: Vec<String>,
) -> Result<Vec<Permit>, Error> {
    let mut permits = Vec::new();
    for breaker in breakers {
        match Permit::enter(host, breaker.clone(), String::new()).await {
            Ok(permit) => permits.push(permit),
            // A host without Redis has no breakers.
            Err(BreakerError::Unavailable(_)) => {}
            Err(error) => {
                let wait = match error {
                    BreakerError::Open { wait_ms } => wait_ms,
                    _ => 0,
                };
                let line = format!("http: the breaker `{breaker}` is open; again in {wait} ms");
                log.write(Level::Warn, &line, &[]);
                end(permits, Guarded::Ignore);
                return Err(Error::DestinationUnavailable);
            }
        }
    }
    for limiter in limiters {
        let refused = match acquire(&**host, limiter, "", 1, MAX_WAIT).await {
            Ok(_) => continue,
            Err(LimitError::Limited { wait_ms }) => format!("has no room for {wait_ms} ms more"),
            Err(LimitError::Unavailable(why)) => why,
            Err(error) => format!("{error:?}"),
        };
        log.write(Level::Warn, &format!("http: the limiter `{limiter}`: {refused}"), &[]);
        end(permits, Guarded::Ignore);
        return Err(Error::ConnectionLimitReached);
    }
    Ok(permits)
}

/// What an answer says of the service: errors of the server and of the way to it are its failures.
pub(super) fn judge<T>(answer: &Result<(Response<WasiBody>, T), Error>) -> Guarded {
    match answer {
        Ok((response, _)) if response.status().is_server_error() => Guarded::Failure,
        Ok(_) => Guarded::Success,
        Err(
            Error::HttpRequestDenied
            | Error::HttpRequestUriInvalid
            | Error::HttpResponseBodySize(_)
            | Error::ConnectionLimitReached,
        ) => Guarded::Ignore,
        Err(_) => Guarded::Failure,
    }
}

pub(super) fn end(permits: Vec<Permit>, how: Guarded) {
    for permit in permits {
        permit.complete(how);
    }
}
