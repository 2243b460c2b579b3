//! What a job type may touch beside its own memory. The default is nothing.

use std::path::PathBuf;
use std::sync::Arc;

use crate::files::{Directory, Quota};
use crate::http::allow::{HostPattern, PatternError};

/// Bytes of a secret.
pub(crate) const MAX_SECRET: u64 = 64 << 10;
/// Bytes of one HTTP response where nothing else is said.
const RESPONSE_BYTES: u64 = 64 << 20;

/// What a job type may reach. The default allows nothing.
#[derive(Debug, Clone)]
pub struct Allow {
    /// Hosts for outgoing HTTP.
    pub http: Vec<HttpRule>,
    /// Bytes of the body of one response.
    pub response_bytes: u64,
    /// Queues that jobs may be added to.
    pub enqueue: Vec<String>,
    /// Limiters that it may ask.
    pub limiters: Vec<String>,
    /// Breakers that it may ask.
    pub breakers: Vec<String>,
    /// The environment, by name.
    pub env: Vec<(String, String)>,
    /// Secrets that the handler may ask for.
    pub secrets: Vec<Secret>,
    /// Directories that it sees.
    pub directories: Vec<Directory>,
    /// What the writable ones among them may hold together.
    pub quota: Option<Arc<Quota>>,
}

impl Default for Allow {
    fn default() -> Self {
        Self {
            http: Vec::new(),
            response_bytes: RESPONSE_BYTES,
            enqueue: Vec::new(),
            limiters: Vec::new(),
            breakers: Vec::new(),
            env: Vec::new(),
            secrets: Vec::new(),
            directories: Vec::new(),
            quota: None,
        }
    }
}

/// Hosts that it may call, and what each request to them must pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRule {
    /// Which.
    pub host: HostPattern,
    /// The limiter that a request is charged to.
    pub limiter: Option<String>,
    /// The breaker that it passes.
    pub breaker: Option<String>,
}

/// A value that the operator keeps out of job data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// What the handler calls it.
    pub name: String,
    /// Where it is read each time that it is asked for, so that a changed one is seen.
    pub source: SecretSource,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a variable of the worker's environment.
    Variable(String),
    /// In a file, without the line break at its end.
    File(PathBuf),
}

impl SecretSource {
    /// Reads it. The error says what is wrong without showing any of it.
    pub async fn read(&self) -> Result<String, String> {
        match self {
            Self::Variable(name) => {
                std::env::var(name).map_err(|_| format!("the variable `{name}` is not set, or not text"))
            }
            Self::File(path) => {
                read_file(path).await.map_err(|error| format!("`{}`: {error}", path.display()))
            }
        }
    }
}

async fn read_file(path: &std::path::Path) -> Result<String, String> {
    let size = tokio::fs::metadata(path).await.map_err(|error| error.to_string())?.len();
    if size > MAX_SECRET {
        return Err(format!("it has {size} bytes, more than {MAX_SECRET}"));
    }
    let text = tokio::fs::read(path).await.map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |text| text.trim_end_matches('\r')).to_owned())
}

impl Allow {
    /// Parses the entries of `allow.http`; every one that is malformed is an error.
    pub fn http<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<PatternError>> {
        let (mut http, mut errors) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry.parse() {
                Ok(host) => http.push(HttpRule { host, limiter: None, breaker: None }),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self { http, ..Self::default() }) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_a_secret_without_its_line_break() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cr3t\r\n").unwrap();
        let source = SecretSource::File(file.path().to_owned());
        assert_eq!(source.read().await.unwrap(), "s3cr3t");
        std::fs::write(file.path(), "x".repeat(70_000)).unwrap();
        assert!(source.read().await.unwrap_err().contains("more than 65536"));
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let file = SecretSource::File("/nowhere/at-all".into());
        assert!(file.read().await.unwrap_err().contains("/nowhere/at-all"));
        let variable = SecretSource::Variable("GRISTMILL_NO_SUCH_VARIABLE".to_owned());
        assert!(variable.read().await.unwrap_err().contains("GRISTMILL_NO_SUCH_VARIABLE"));
    }
}
