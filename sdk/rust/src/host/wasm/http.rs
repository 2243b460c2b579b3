//! `wasi:http` as a blocking call. Only this guest waits: its host goes on with other jobs.

use std::time::Duration;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use crate::http::{HttpError, Request, Response, Url};

// Few different host functions, each at its simplest: every function that a handler imports costs each of its
// instances some time, whether it is called or not.

/// Bytes that one blocking write takes at most.
const WRITE: usize = 4 << 10;
/// Bytes to ask for in one read.
const READ: u64 = 64 << 10;

pub(crate) fn send(request: &Request) -> Result<Response, HttpError> {
    let mut body = Vec::new();
    let response = stream(request, &mut |piece| body.extend_from_slice(piece))?;
    Ok(Response { body, ..response })
}

pub(crate) fn stream(request: &Request, piece: &mut dyn FnMut(&[u8])) -> Result<Response, HttpError> {
    let url = request.url()?;
    let (outgoing, body) = outgoing(request, &url)?;
    let options = request.timeout.map(options).transpose()?;
    let pending = outgoing_handler::handle(outgoing, options).map_err(|code| failed(&url, &code))?;
    if !request.body.is_empty() {
        let stream = body.write().map_err(|()| broken("the request has no body"))?;
        write(&stream, &request.body);
    }
    // A body that the other side did not take to its end fails here; the answer below says why.
    let _ = OutgoingBody::finish(body, None);

    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(response))) => read(&response, request.max_body, &url, piece),
        Some(Ok(Err(code))) => Err(failed(&url, &code)),
        _ => Err(broken("the response was taken already")),
    }
}

fn outgoing(request: &Request, url: &Url) -> Result<(OutgoingRequest, OutgoingBody), HttpError> {
    let given = request.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    let mut headers: Vec<_> = given.map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    if !request.body.is_empty() {
        headers.push(("content-length".to_owned(), request.body.len().to_string().into_bytes()));
    }
    let headers =
        Fields::from_list(&headers).map_err(|error| HttpError::Header { reason: error.to_string() })?;
    let outgoing = OutgoingRequest::new(headers);
    let refused = |()| HttpError::Url { url: url.text.clone(), reason: "the host does not take it" };
    outgoing.set_method(&method(&request.method)).map_err(refused)?;
    outgoing.set_scheme(Some(if url.tls { &Scheme::Https } else { &Scheme::Http })).map_err(refused)?;
    outgoing.set_authority(Some(&url.authority)).map_err(refused)?;
    outgoing.set_path_with_query(Some(&url.path)).map_err(refused)?;
    let body = outgoing.body().map_err(|()| broken("the request has no body"))?;
    Ok((outgoing, body))
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn options(timeout: Duration) -> Result<RequestOptions, HttpError> {
    let options = RequestOptions::new();
    let nanos = Some(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    let refused = |()| broken("the host takes no timeouts");
    options.set_connect_timeout(nanos).map_err(refused)?;
    options.set_first_byte_timeout(nanos).map_err(refused)?;
    options.set_between_bytes_timeout(nanos).map_err(refused)?;
    Ok(options)
}

/// Writes as much as the other side takes.
fn write(stream: &OutputStream, bytes: &[u8]) {
    for chunk in bytes.chunks(WRITE) {
        if stream.blocking_write_and_flush(chunk).is_err() {
            return;
        }
    }
}

fn read(
    response: &IncomingResponse,
    max: usize,
    url: &Url,
    piece: &mut dyn FnMut(&[u8]),
) -> Result<Response, HttpError> {
    let status = response.status();
    let headers = response.headers().entries();
    let headers = headers.into_iter().map(|(n, v)| (n, String::from_utf8_lossy(&v).into_owned())).collect();
    let body: IncomingBody = response.consume().map_err(|()| broken("the response was read already"))?;
    let stream = body.stream().map_err(|()| broken("the response was read already"))?;
    read_body(&stream, max, url, piece)?;
    Ok(Response { status, headers, body: Vec::new() })
}

fn read_body(
    stream: &InputStream,
    max: usize,
    url: &Url,
    piece: &mut dyn FnMut(&[u8]),
) -> Result<(), HttpError> {
    let mut length = 0;
    loop {
        match stream.blocking_read(READ) {
            Ok(bytes) => {
                length += bytes.len();
                if length > max {
                    return Err(HttpError::TooLarge { max });
                }
                piece(&bytes);
            }
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(HttpError::Failed {
                    host: url.authority.clone(),
                    reason: error.to_debug_string(),
                });
            }
        }
    }
}

fn broken(reason: &str) -> HttpError {
    HttpError::Failed { host: String::new(), reason: reason.to_owned() }
}

fn failed(url: &Url, code: &ErrorCode) -> HttpError {
    let host = url.authority.clone();
    match code {
        ErrorCode::HttpRequestDenied => HttpError::Denied { host },
        ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout
        | ErrorCode::DnsTimeout => HttpError::Timeout { host },
        code => HttpError::Failed { host, reason: words(code) },
    }
}

/// An error code in words; those that no user can act on keep their name.
fn words(code: &ErrorCode) -> String {
    let text = match code {
        ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => "there is no such name",
        ErrorCode::ConnectionRefused => "the connection was refused",
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => "it cannot be reached",
        ErrorCode::ConnectionTerminated => "the connection was cut",
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
            "TLS failed; is its certificate valid?"
        }
        ErrorCode::HttpProtocolError => "it does not speak HTTP",
        code => return code.to_string().replace("ErrorCode::", ""),
    };
    text.to_owned()
}
