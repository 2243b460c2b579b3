//! Values that the operator keeps out of job data, such as keys and passwords: those in `allow.secrets` of the job type.
//!
//! The host masks a secret that was asked for in the attempt's log and failure. It cannot do so in what a handler
//! returns, sends or keeps.
//!
//! ```
//! use gristmill::{secrets, testing};
//!
//! testing::set_secret("API_KEY", "s3cr3t");
//! assert_eq!(secrets::get("API_KEY")?, "s3cr3t");
//! assert_eq!(secrets::get("OTHER"), Err(secrets::SecretError::Denied));
//! # Ok::<(), secrets::SecretError>(())
//! ```

use std::fmt;

use crate::host;

/// Why there is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// The job type may not have it: it is not in `allow.secrets`.
    Denied,
    /// It may, and it cannot be read now.
    Unavailable(String),
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => {
                f.write_str("the job type does not allow this secret: list it in `allow.secrets`")
            }
            Self::Unavailable(why) => write!(f, "the secret cannot be read: {why}"),
        }
    }
}

impl std::error::Error for SecretError {}

/// The secret of this name, read anew by the host.
pub fn get(name: &str) -> Result<String, SecretError> {
    host::secret(name)
}
