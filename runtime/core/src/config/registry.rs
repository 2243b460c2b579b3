//! `[registry]`: which deployed modules are trusted.

use std::path::{Path, PathBuf};

use super::environment::{TEXT_OR_TEXTS, TEXTS};
use super::queue::word;
use super::reader::{Reader, Section};
use crate::deployment::is_digest;

/// Keys at most.
const MAX_KEYS: usize = 64;
/// Revoked modules at most.
const MAX_REVOKED: usize = 10_000;

/// What a module needs to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Require {
    /// Nothing but its digest.
    None,
    /// A signature of a trusted key.
    Signed,
}

/// `[registry]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// What a module needs to be run.
    pub require: Require,
    /// Files of public keys, joined to the configuration file's directory, each with the place that names it.
    pub trusted_keys: Vec<(PathBuf, String)>,
    /// Digests of modules that are not run, whoever signed them.
    pub revoked: Vec<String>,
}

pub(super) fn registry<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>, directory: &Path) -> Registry {
    let mut section = reader.section(root, "registry");
    let words = [("none", Require::None), ("signed", Require::Signed)];
    let require = word(reader, &mut section, "require", "what a module needs", words, words[0]);
    let keys = reader.get(&mut section, "trusted_keys", &TEXT_OR_TEXTS, &[], Vec::new());
    let revoked = reader.get(&mut section, "revoked", &TEXTS, &[], Vec::new());
    if require == Require::Signed && keys.value.is_empty() {
        let hint = "name the files of the public keys: `trusted_keys = [\"build.pub.pem\"]`".to_owned();
        let message = "`registry.require` is `signed`, and no key is trusted";
        let place = reader.place_of(&mut section, "require").unwrap_or_else(|| keys.place.clone());
        reader.error(place, message, Some(hint));
    }
    if keys.value.len() > MAX_KEYS {
        let message = format!("`registry.trusted_keys` has more than {MAX_KEYS} keys");
        reader.error(keys.place.clone(), message, None);
    }
    if revoked.value.len() > MAX_REVOKED {
        let message = format!("`registry.revoked` has more than {MAX_REVOKED} modules");
        reader.error(revoked.place.clone(), message, None);
    }
    if let Some(wrong) = revoked.value.iter().find(|digest| !is_digest(digest)) {
        let hint = "`sha256:` and 64 digits of 0-9 and a-f, as `gristmill handler list --json` prints them"
            .to_owned();
        reader.error(revoked.place.clone(), format!("`{wrong}` is no digest"), Some(hint));
    }
    reader.finish(&section);
    let trusted_keys = keys.value.iter().map(|path| (directory.join(path), keys.place.clone())).collect();
    Registry { require, trusted_keys, revoked: revoked.value }
}
