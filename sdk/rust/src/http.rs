//! Outgoing HTTP, to the hosts that the job type allows.
//!
//! ```
//! use gristmill::http::{Request, Response};
//! # use gristmill::{JobError, testing};
//! # testing::answer(Ok(Response::new(200, br#"{"id": 7}"#)));
//! # fn run() -> Result<(), JobError> {
//! let response = Request::post("https://api.example.com/mails")
//!     .header("authorization", "Bearer …")
//!     .json(&serde_json::json!({ "to": "ada@example.com" }))?
//!     .send()?;
//! if response.is_success() {
//!     let mail: serde_json::Value = response.json()?;
//!     assert_eq!(mail["id"], 7);
//! }
//! # Ok(()) }
//! # run().unwrap();
//! ```
//!
//! A call waits for the whole response; meanwhile the host runs other jobs. Redirects are not followed.

mod url;

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host;
pub(crate) use url::Url;

/// Bytes of a response's body that are accepted unless a request says otherwise.
pub const MAX_BODY: usize = 16 << 20;

/// A request that is being built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// As it was given.
    pub uri: String,
    /// In the order they were added.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
    /// Longest time to connect, until the response begins, and between its parts; each by itself.
    pub timeout: Option<Duration>,
    /// Bytes of the response's body that are accepted.
    pub max_body: usize,
}

/// A response, read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// Names in lower case, in the server's order.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

/// A request that got no response. `?` makes a permanent error of what would fail again (`Url`, `Header`, `Denied`,
/// `TooLarge`), a retryable one of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// The URL cannot be requested.
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A header that cannot be sent.
    Header {
        /// What is wrong.
        reason: String,
    },
    /// The job type does not allow the host.
    Denied {
        /// Host and port.
        host: String,
    },
    /// The host took longer than the request's timeout.
    Timeout {
        /// Host and port.
        host: String,
    },
    /// The body is larger than the request accepts.
    TooLarge {
        /// Bytes that are accepted.
        max: usize,
    },
    /// Anything else: no such name, connection refused, not HTTP.
    Failed {
        /// Host and port.
        host: String,
        /// What the host says.
        reason: String,
    },
}

impl Request {
    /// A request with this method.
    #[must_use]
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self {
            method: method.to_ascii_uppercase(),
            uri: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            max_body: MAX_BODY,
        }
    }

    /// A GET request.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST request.
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A PUT request.
    #[must_use]
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// A DELETE request.
    #[must_use]
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a header. `content-length` and `host` are set without it.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to a value's JSON, and the header that says so.
    pub fn json(self, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(self.header("content-type", "application/json").body(serde_json::to_vec(value)?))
    }

    /// Longest time to connect, until the response begins, and between its parts; each by itself. Without it, only
    /// the attempt's own limit counts.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Bytes of the response's body that are accepted, [`MAX_BODY`] by default. They must fit the job's memory.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sends the request and reads the response. A status of 400 and more is a response, not an error.
    pub fn send(self) -> Result<Response, HttpError> {
        host::send(&self)
    }

    /// Sends the request and hands over the response's body piece by piece, as it comes, so that it need not fit into memory.
    /// The response has an empty body then. `max_body` bounds all pieces together.
    ///
    /// ```
    /// # use gristmill::{http::{Request, Response}, testing};
    /// # testing::answer(Ok(Response::new(200, "a long text")));
    /// let mut length = 0;
    /// let response = Request::get("https://example.com/export").stream(|piece| length += piece.len())?;
    /// assert_eq!((response.status, length), (200, 11));
    /// # Ok::<_, gristmill::http::HttpError>(())
    /// ```
    pub fn stream(self, mut piece: impl FnMut(&[u8])) -> Result<Response, HttpError> {
        host::stream(&self, &mut piece)
    }

    pub(crate) fn url(&self) -> Result<Url, HttpError> {
        Url::parse(&self.uri).map_err(|reason| HttpError::Url { url: self.uri.clone(), reason })
    }
}

impl Response {
    /// A response for tests.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// Whether the status is from 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, compared without regard to case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// What the header `retry-after` says in seconds, for [`JobError::rate_limited`](crate::JobError::rate_limited);
    /// `None` without one, or with a date.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
    }

    /// The body as text; what is not UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body's JSON as a value.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, reason } => write!(f, "cannot request `{url}`: {reason}"),
            Self::Header { reason } => write!(f, "a header cannot be sent: {reason}"),
            Self::Denied { host } => {
                write!(
                    f,
                    "the job type does not allow requests to `{host}`; see `allow.http` and the job's log"
                )
            }
            Self::Timeout { host } => write!(f, "`{host}` took too long to answer"),
            Self::TooLarge { max } => {
                write!(f, "the response has more than the {max} bytes that the request accepts")
            }
            Self::Failed { host, reason } => write!(f, "the request to `{host}` failed: {reason}"),
        }
    }
}

impl std::error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn tests_see_requests_and_give_answers() {
        testing::answer(Ok(Response::new(404, "no")));
        let response = Request::put("http://example.com/x").body("data").send().unwrap();
        assert_eq!((response.status, response.text().as_str()), (404, "no"));
        let requests = testing::take().requests;
        assert_eq!((requests[0].method.as_str(), requests[0].body.as_slice()), ("PUT", b"data".as_slice()));
        assert!(Request::get("http://example.com").send().is_err());
    }

    #[test]
    fn a_malformed_url_is_not_sent() {
        let error = Request::get("example.com").send().unwrap_err();
        assert!(error.to_string().contains("`example.com`"), "{error}");
        assert!(testing::take().requests.is_empty());
    }
}
