//! Which versions of a handler serve a job type, and how that changes.
//!
//! A deployment has one stable version, and at most one canary that gets a part of the attempts. It is kept in Redis and
//! changed by comparing its revision; every change is one of [`Change`] and leaves an [`Entry`] in the history.

use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod canary;

pub use canary::{Counts, Sample, Verdict, judge};

/// Stable versions before the present one that can be gone back to without naming them.
pub const MAX_PREVIOUS: usize = 8;
/// Bytes of a handler's file.
pub const MAX_MODULE_BYTES: u64 = 64 << 20;
/// Bytes of a digest: `sha256:` and 64 hexadecimal digits.
const DIGEST: usize = 71;
/// Bytes of a handler's name, and of its version.
pub const MAX_NAME: usize = 128;
/// Characters of a reason or of who did something.
const MAX_TEXT: usize = 500;

/// What is known of a module in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// `sha256:` and 64 hexadecimal digits, of the WebAssembly file.
    pub digest: String,
    /// The handler's name.
    pub name: String,
    /// What whoever pushed it calls this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Bytes of the file.
    pub size: u64,
    /// The version of `gristmill:job` that it was built for.
    pub wit: String,
    /// Interfaces that it imports, with their versions.
    pub imports: Vec<String>,
    /// Who pushed it.
    pub by: String,
    /// When, ms since the epoch.
    pub at_ms: u64,
    /// The JSON Schema of the job's data, where the handler has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
    /// Signatures, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
}

/// The versions that serve a job type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Grows with every change.
    pub revision: u64,
    /// Digest of the version that serves all attempts but the canary's.
    pub stable: String,
    /// Stable versions before it, newest first.
    #[serde(default)]
    pub previous: Vec<String>,
    /// A version that is tried on a part of the attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
}

/// A version on trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Its digest.
    pub digest: String,
    /// Its part of the attempts, 1 to 99.
    pub percent: u32,
    /// Since when, ms since the epoch.
    pub since_ms: u64,
    /// After how many ms without a fault it becomes stable; `None`: when somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote_after_ms: Option<u64>,
}

/// A change of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A version takes all attempts.
    Deploy {
        /// Its digest.
        digest: String,
    },
    /// A version is tried on a part of them.
    Try(Canary),
    /// The canary becomes stable.
    Promote,
    /// Away with the canary, or, without one, back to the stable version before, or to the named one.
    RollBack {
        /// A digest.
        to: Option<String>,
    },
}

/// One line of a deployment's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The revision that it made.
    pub revision: u64,
    /// When, ms since the epoch.
    pub at_ms: u64,
    /// Who.
    pub by: String,
    /// `deploy`, `canary`, `promote` or `rollback`.
    pub action: String,
    /// The version that the change is about.
    pub digest: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Why a change does not fit the deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing serves the job type.
    #[error("nothing is deployed there yet; push a handler without `--canary` first")]
    Nothing,
    /// There is no canary to promote.
    #[error("there is no canary to promote")]
    NoCanary,
    /// There is nothing to go back to.
    #[error("there is no version before the present one; name one with `--to`")]
    NoPrevious,
    /// It serves the job type already.
    #[error("`{0}` is the stable version already")]
    Already(String),
    /// It is on trial already.
    #[error("`{0}` is on trial; promote it, or roll back first")]
    OnTrial(String),
}

impl Deployment {
    /// The deployment after a change; `None`: there was none. Answers also what the history says of it: the action and
    /// the digest that it is about.
    pub fn change(before: Option<&Self>, change: &Change) -> Result<(Self, &'static str, String), Refusal> {
        let revision = before.map_or(0, |d| d.revision) + 1;
        let replaced = |deployment: &Self, stable: &str| {
            let mut previous = deployment.previous.clone();
            previous.retain(|digest| digest != stable);
            if deployment.stable != stable {
                previous.insert(0, deployment.stable.clone());
            }
            previous.truncate(MAX_PREVIOUS);
            Self { revision, stable: stable.to_owned(), previous, canary: None }
        };
        match (before, change) {
            (None, Change::Deploy { digest }) => {
                let new = Self { revision, stable: digest.clone(), ..Self::default() };
                Ok((new, "deploy", digest.clone()))
            }
            (None, _) => Err(Refusal::Nothing),
            (Some(now), Change::Deploy { digest }) => {
                if now.stable == *digest && now.canary.is_none() {
                    return Err(Refusal::Already(digest.clone()));
                }
                Ok((replaced(now, digest), "deploy", digest.clone()))
            }
            (Some(now), Change::Try(canary)) => {
                if now.stable == canary.digest {
                    return Err(Refusal::Already(canary.digest.clone()));
                }
                if let Some(other) = now.canary.as_ref().filter(|other| other.digest != canary.digest) {
                    return Err(Refusal::OnTrial(other.digest.clone()));
                }
                let new = Self { revision, canary: Some(canary.clone()), ..now.clone() };
                Ok((new, "canary", canary.digest.clone()))
            }
            (Some(now), Change::Promote) => {
                let canary = now.canary.as_ref().ok_or(Refusal::NoCanary)?;
                Ok((replaced(now, &canary.digest), "promote", canary.digest.clone()))
            }
            (Some(now), Change::RollBack { to: None }) => {
                if let Some(canary) = &now.canary {
                    let new = Self { revision, canary: None, ..now.clone() };
                    return Ok((new, "rollback", canary.digest.clone()));
                }
                let to = now.previous.first().ok_or(Refusal::NoPrevious)?;
                let previous = now.previous[1..].to_vec();
                let new = Self { revision, stable: to.clone(), previous, canary: None };
                Ok((new, "rollback", to.clone()))
            }
            (Some(now), Change::RollBack { to: Some(to) }) => {
                if now.stable == *to && now.canary.is_none() {
                    return Err(Refusal::Already(to.clone()));
                }
                Ok((replaced(now, to), "rollback", to.clone()))
            }
        }
    }

    /// Every digest that it may come to need.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        let canary = self.canary.iter().map(|canary| canary.digest.as_str());
        canary.chain([self.stable.as_str()]).chain(self.previous.iter().map(String::as_str))
    }
}

/// The digest of a file: `sha256:` and 64 hexadecimal digits.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether this is a digest as the registry writes it.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == DIGEST && text.strip_prefix("sha256:").is_some_and(|hex| hex.bytes().all(hexadecimal))
}

/// Whether a handler in the registry may have this name: 1 to [`MAX_NAME`] of `a-z A-Z 0-9 - _ .`, and not one that ends
/// like a file.
#[must_use]
pub fn is_handler_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(fits)
        && !Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("wasm"))
}

/// A text that people wrote, on one line and within bounds.
#[must_use]
pub fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests;
