//! Small durable values, private to the job type, shared by all its attempts. Every call waits for Redis.
//!
//! A key has 1 to 256 bytes, a value as JSON at most 64 KiB, a job type at most 1000 keys.
//!
//! ```
//! use std::time::Duration;
//! use gristmill::state;
//!
//! let day = Duration::from_secs(24 * 3600);
//! state::set("cursor", &"page-7", day)?;
//! assert_eq!(state::get::<String>("cursor")?.as_deref(), Some("page-7"));
//! assert_eq!(state::increment("sent", 2, None)?, 2);
//! assert!(!state::compare_and_set("cursor", None, &"page-1", None)?);
//! # Ok::<(), state::StateError>(())
//! ```

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host;

/// Why a call did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// A key, a time or a number is not what it must be, or the value is not what was asked for.
    Invalid(String),
    /// The value has more than 64 KiB as JSON.
    TooLarge,
    /// The job type has as many keys as it may, or the attempt has made as many calls as it may.
    QuotaExceeded,
    /// Redis did not answer: whether the change was made is not known.
    Unavailable(String),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => f.write_str(why),
            Self::TooLarge => f.write_str("the value is too large"),
            Self::QuotaExceeded => {
                f.write_str("the job type has as many keys, or the attempt has made as many calls, as it may")
            }
            Self::Unavailable(why) => write!(f, "Redis did not answer: {why}"),
        }
    }
}

impl std::error::Error for StateError {}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, StateError> {
    serde_json::to_vec(value).map_err(|error| StateError::Invalid(error.to_string()))
}

fn millis(ttl: impl Into<Option<Duration>>) -> Option<u64> {
    ttl.into().map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

/// The value of a key.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, StateError> {
    let Some(value) = host::state_get(key)? else { return Ok(None) };
    let value = serde_json::from_slice(&value);
    value.map(Some).map_err(|error| StateError::Invalid(format!("`{key}` holds something else: {error}")))
}

/// Sets a value, to be forgotten after `ttl`; without one it stays.
pub fn set(key: &str, value: &impl Serialize, ttl: impl Into<Option<Duration>>) -> Result<(), StateError> {
    host::state_set(key, &to_json(value)?, millis(ttl))
}

/// Forgets a value; false if there was none.
pub fn delete(key: &str) -> Result<bool, StateError> {
    host::state_delete(key)
}

/// Adds to a whole number, 0 if there is none, and answers the sum. The `ttl` is that of a number that is made.
pub fn increment(key: &str, delta: i64, ttl: impl Into<Option<Duration>>) -> Result<i64, StateError> {
    host::state_increment(key, delta, millis(ttl))
}

/// Sets a value if the present one is `expected`; `None`: if there is none. False: it was another, and stays.
pub fn compare_and_set<T: Serialize>(
    key: &str,
    expected: Option<&T>,
    value: &T,
    ttl: impl Into<Option<Duration>>,
) -> Result<bool, StateError> {
    let expected = expected.map(to_json).transpose()?;
    host::state_compare_and_set(key, expected.as_deref(), &to_json(value)?, millis(ttl))
}
