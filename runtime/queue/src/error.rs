//! What can go wrong between us and Redis, and whether trying again helps.

/// Whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The server is away, loading or busy: the same call may work later.
    Unavailable,
    /// The server refuses: address, password, version or rights are wrong.
    Refused,
    /// The data in Redis, or an argument, is not what it must be.
    Invalid,
}

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Redis answered with an error, or did not answer.
    #[error("Redis at {address}: {source}")]
    Redis {
        /// The server, without its password.
        address: String,
        /// What the client saw.
        source: redis::RedisError,
    },
    /// The server is older than the commands we need.
    #[error("Redis at {address} is version {version}, but Gristmill needs 6.2 or newer; upgrade the server")]
    TooOld {
        /// The server, without its password.
        address: String,
        /// What it says of itself.
        version: String,
    },
    /// A Sentinel where a server was expected.
    #[error(
        "Redis at {address} is a Sentinel; name the master that it watches: `[redis] master = \"mymaster\"`"
    )]
    IsSentinel {
        /// The Sentinel, without its password.
        address: String,
    },
    /// The keys of a queue are in several slots of a Cluster.
    #[error(
        "Redis is a Cluster, where all keys of a queue must share a hash tag, and those of `{queue}` have none; set \
         `[redis] prefix = \"{{{prefix}}}\"`, or name the queue `{{{queue}}}`, for producers as well"
    )]
    NoHashTag {
        /// The queue.
        queue: String,
        /// The key prefix in use.
        prefix: String,
    },
    /// An answer that none of our scripts gives.
    #[error("Redis at {address} gave an answer that does not fit: {what}")]
    Answer {
        /// The server, without its password.
        address: String,
        /// Which part of the answer.
        what: &'static str,
    },
    /// A job that cannot be added.
    #[error("{0}")]
    Job(String),
}

impl QueueError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        use redis::{ErrorKind as Kind, ServerErrorKind as Server};
        match self {
            Self::Redis { source, .. } => match source.kind() {
                Kind::AuthenticationFailed | Kind::InvalidClientConfig | Kind::Server(Server::NoPerm) => {
                    ErrorKind::Refused
                }
                Kind::UnexpectedReturnType => ErrorKind::Invalid,
                Kind::Extension | Kind::Server(Server::ResponseError)
                    if source.code().is_some_and(|c| c == "WRONGTYPE" || c == "ERR") =>
                {
                    ErrorKind::Invalid
                }
                _ => ErrorKind::Unavailable,
            },
            Self::TooOld { .. } | Self::IsSentinel { .. } => ErrorKind::Refused,
            Self::Answer { .. } | Self::NoHashTag { .. } | Self::Job(_) => ErrorKind::Invalid,
        }
    }
}
