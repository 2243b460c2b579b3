//! The one error type at the edge: a text for people and an exit code.

use std::fmt;
use std::process::ExitCode;

use gristmill_core::clean::clean_lines;
use gristmill_core::config::{Loaded, Severity};
use gristmill_queue::{ErrorKind, PrivateRedisError, QueueError};

/// The command was understood and did not succeed.
pub(crate) const FAILED: u8 = 1;
/// Usage or configuration.
pub(crate) const USAGE: u8 = 64;
/// Redis does not answer.
pub(crate) const NO_REDIS: u8 = 69;
/// A drain ran out of time.
pub(crate) const DRAIN: u8 = 70;

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    lines: Vec<String>,
}

impl Failure {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { code: FAILED, lines: vec![message.to_string()] }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { code: USAGE, lines: vec![message.to_string()] }
    }

    /// Every problem of a configuration at once.
    pub(crate) fn problems(lines: Vec<String>) -> Self {
        Self { code: USAGE, lines }
    }

    /// What could not be done, each by itself.
    pub(crate) fn failed(lines: Vec<String>) -> Self {
        Self { code: FAILED, lines }
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        self.code.into()
    }
}

/// The errors of a loaded configuration; its warnings have been shown.
pub(crate) fn config_errors(loaded: &Loaded) -> Vec<String> {
    loaded.problems.iter().filter(|p| p.severity == Severity::Error).map(ToString::to_string).collect()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, line) in self.lines.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "error: {}", clean_lines(line))?;
        }
        Ok(())
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        let (code, hint) = match error.kind() {
            ErrorKind::Unavailable => {
                (NO_REDIS, "\nhint: is the server running, and is `redis.url` or `REDIS_URL` its address?")
            }
            ErrorKind::Refused => (NO_REDIS, ""),
            ErrorKind::Invalid if matches!(error, QueueError::Job(_) | QueueError::NoHashTag { .. }) => {
                (USAGE, "")
            }
            ErrorKind::Invalid => (FAILED, ""),
        };
        Self { code, lines: vec![format!("{error}{hint}")] }
    }
}

impl From<PrivateRedisError> for Failure {
    fn from(error: PrivateRedisError) -> Self {
        Self { code: NO_REDIS, lines: vec![error.to_string()] }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}
