//! Compiled handlers on disk.
//!
//! An entry is machine code that the process will run, so the directory must be ours alone. Each entry is two
//! files: the code, and its digest, which tells a whole entry from a torn or damaged one.

use std::fs::{self, DirBuilder};
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A directory that only this user can write to.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
}

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheRefusal {
    #[error("it cannot be made or read: {0}")]
    Io(#[from] io::Error),
    #[error("it is not a directory")]
    NotDirectory,
    #[error("it belongs to user {owner}, not to user {us} who runs this; code in it would be run")]
    Owner { owner: u32, us: u32 },
    #[error("others may write to it (mode {mode:o}), and code in it would be run; `chmod 700` it")]
    Writable { mode: u32 },
}

impl Cache {
    /// Makes the directory if it is missing, and refuses one that others could have put code into.
    pub(crate) fn open(dir: &Path) -> Result<Self, CacheRefusal> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let meta = fs::metadata(dir)?;
        if !meta.is_dir() {
            return Err(CacheRefusal::NotDirectory);
        }
        let us = rustix::process::geteuid().as_raw();
        if meta.uid() != us {
            return Err(CacheRefusal::Owner { owner: meta.uid(), us });
        }
        if meta.mode() & 0o022 != 0 {
            return Err(CacheRefusal::Writable { mode: meta.mode() & 0o777 });
        }
        // Resolved once: a link on the way that changes later does not lead elsewhere.
        Ok(Self { dir: dir.canonicalize()? })
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The compiled form of the component with this digest for this engine, if a whole one is there.
    pub(crate) fn load(&self, engine: &Engine, wasm: &str) -> Option<Component> {
        let (code, sum) = self.paths(engine, wasm);
        let expected = fs::read_to_string(sum).ok()?;
        if expected != hex(Sha256::digest(fs::read(&code).ok()?)) {
            return None;
        }
        // SAFETY: the file is what `store` wrote: nobody but this user can write into the directory, which was
        // checked at the start, entries are renamed into place and never changed, and the digest has just matched.
        #[expect(unsafe_code, reason = "the only way to load compiled code; see SAFETY")]
        let component = unsafe { Component::deserialize_file(engine, &code) };
        component.ok()
    }

    /// Keeps a compiled component. Failing to is no fault: the next start compiles again.
    pub(crate) fn store(&self, engine: &Engine, wasm: &str, component: &Component) {
        let (code, sum) = self.paths(engine, wasm);
        let kept = component.serialize().map_err(|error| format!("{error:#}")).and_then(|bytes| {
            let digest = hex(Sha256::digest(&bytes));
            write(&code, &bytes)
                .and_then(|()| write(&sum, digest.as_bytes()))
                .map_err(|error| error.to_string())
        });
        if let Err(error) = kept {
            tracing::warn!(directory = %self.dir.display(), error, "cannot keep a compiled handler");
        }
    }

    fn paths(&self, engine: &Engine, wasm: &str) -> (PathBuf, PathBuf) {
        let mut key = Key(Sha256::new());
        key.write(wasm.as_bytes());
        // Covers wasmtime's exact version and every setting of compilation, metering among them.
        engine.precompile_compatibility_hash().hash(&mut key);
        let name = hex(key.0.finalize());
        (self.dir.join(format!("{name}.cwasm")), self.dir.join(format!("{name}.sha256")))
    }
}

/// Writes beside the target and renames, so that readers see all or nothing.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let temporary = dir.join(format!(".{}.{:x}.tmp", std::process::id(), rand::random::<u64>()));
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
        text
    })
}

/// Digests what is hashed into it: the standard hasher is not made to tell files apart.
struct Key(Sha256);

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn refuses_a_directory_that_others_write_to() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let refusal = Cache::open(dir.path()).unwrap_err();
        assert!(refusal.to_string().contains("chmod 700"), "{refusal}");
    }

    #[test]
    fn makes_a_directory_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let cache = Cache::open(&path).unwrap();
        assert_eq!(fs::metadata(&cache.dir).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn refuses_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Cache::open(file.path()).is_err());
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(hex([0, 0x1f, 0xff]), "001fff");
    }
}
