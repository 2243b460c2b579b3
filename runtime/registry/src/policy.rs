//! Which modules may be run.

use std::collections::BTreeSet;
use std::path::Path;

use gristmill_core::config::{Registry, Require};

use crate::signature::{KeyError, PublicKey, Signature};

/// A policy that cannot be put together.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {source}")]
pub struct PolicyError {
    /// Where the configuration names the key.
    pub place: String,
    /// What is wrong with it.
    pub source: KeyError,
}

/// Why a module may not be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// It was taken back.
    #[error("module `{0}` is revoked by `registry.revoked`")]
    Revoked(String),
    /// Nobody has signed it.
    #[error(
        "module `{0}` is not signed, and `registry.require` is `signed`; `gristmill handler sign` signs it"
    )]
    Unsigned(String),
    /// Nobody who is trusted has.
    #[error("module `{digest}` is signed by {keys}, and none of these is among `registry.trusted_keys`")]
    Untrusted {
        /// The module.
        digest: String,
        /// The names of the keys.
        keys: String,
    },
    /// A signature that claims to be of a trusted key is not, or is of another module.
    #[error(
        "module `{digest}`: the signature of {key} does not fit; the module or the signature was changed"
    )]
    Forged {
        /// The module.
        digest: String,
        /// The key.
        key: String,
    },
}

/// What a worker runs.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    signed: bool,
    trusted: Vec<PublicKey>,
    revoked: BTreeSet<String>,
}

impl Policy {
    /// As the configuration says; reads the keys.
    pub fn read(config: &Registry) -> Result<Self, PolicyError> {
        let read = |(path, place): &(std::path::PathBuf, String)| {
            PublicKey::read(Path::new(path)).map_err(|source| PolicyError { place: place.clone(), source })
        };
        let trusted = config.trusted_keys.iter().map(read).collect::<Result<_, _>>()?;
        let revoked = config.revoked.iter().cloned().collect();
        Ok(Self { signed: config.require == Require::Signed, trusted, revoked })
    }

    /// Whether a module with these signatures may be run. Every one that names a trusted key must fit.
    pub fn check(&self, digest: &str, signatures: &[Signature]) -> Result<(), PolicyRefusal> {
        let digest = digest.to_owned();
        if self.revoked.contains(&digest) {
            return Err(PolicyRefusal::Revoked(digest));
        }
        if !self.signed {
            return Ok(());
        }
        if signatures.is_empty() {
            return Err(PolicyRefusal::Unsigned(digest));
        }
        let mut fits = false;
        for signature in signatures {
            let Some(key) = self.trusted.iter().find(|key| key.name() == signature.key()) else { continue };
            if !key.made(signature, &digest) {
                return Err(PolicyRefusal::Forged { digest, key: key.name() });
            }
            fits = true;
        }
        if fits {
            return Ok(());
        }
        let keys: Vec<&str> = signatures.iter().map(Signature::key).collect();
        Err(PolicyRefusal::Untrusted { digest, keys: keys.join(", ") })
    }

    /// The same, with signatures as text; what is no signature counts as none.
    pub fn check_texts(&self, digest: &str, signatures: &[String]) -> Result<(), PolicyRefusal> {
        let read: Vec<Signature> = signatures.iter().filter_map(|text| text.parse().ok()).collect();
        self.check(digest, &read)
    }

    /// Whether there is anything to be checked.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.signed || !self.revoked.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::SigningKey;

    const DIGEST: &str = "sha256:000000000000000000000000000000000000000000000000000000000000000a";

    #[test]
    fn what_may_be_run() {
        let (ours, theirs) = (SigningKey::new(&[1; 32]), SigningKey::new(&[2; 32]));
        let policy = Policy { signed: true, trusted: vec![ours.public()], revoked: BTreeSet::new() };
        let (good, foreign) = (ours.sign(DIGEST), theirs.sign(DIGEST));
        let of_another = ours.sign(&DIGEST.replace('a', "b"));
        assert_eq!(policy.check(DIGEST, &[foreign.clone(), good.clone()]), Ok(()));
        assert!(matches!(policy.check(DIGEST, &[]), Err(PolicyRefusal::Unsigned(_))));
        let untrusted = policy.check(DIGEST, &[foreign]).unwrap_err().to_string();
        assert!(untrusted.contains(&theirs.public().name()), "{untrusted}");
        assert!(matches!(
            policy.check(DIGEST, &[good.clone(), of_another]),
            Err(PolicyRefusal::Forged { .. })
        ));

        let revoked = Policy { revoked: BTreeSet::from([DIGEST.to_owned()]), ..policy };
        assert!(matches!(revoked.check(DIGEST, &[good]), Err(PolicyRefusal::Revoked(_))));
        assert_eq!(Policy::default().check(DIGEST, &[]), Ok(()));
    }
}
