//! Compiled handlers on disk.
//!
//! An entry is machine code that the process will run, so the directory must be ours alone. Beside that, each entry is
//! sealed with a secret of the directory: one that is torn, damaged, changed or renamed is told from a whole one and
//! compiled again. Several processes may use one directory: files are renamed into place and never changed, and any may
//! be gone at any time.

use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use key::{Key, KeyFault};

mod key;
mod room;
mod seal;

/// A directory that only this user can write to.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// Bytes that the entries may have together.
    size: u64,
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
    #[error("its key is not used: {0}")]
    Key(#[from] KeyFault),
}

/// Why an entry is not used.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Key(#[from] KeyFault),
    #[error("it is torn, was changed or renamed, or was written with another key")]
    Seal,
    #[error("its code does not load: {0}")]
    Code(String),
}

impl Cache {
    /// Makes the directory and its key if they are missing, and refuses one that others could have put code into. The
    /// entries may have `size` bytes together.
    pub(crate) fn open(dir: &Path, size: u64) -> Result<Self, CacheRefusal> {
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
        let dir = dir.canonicalize()?;
        Key::of(&dir)?;
        Ok(Self { dir, size })
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The compiled form of the component with this digest for this engine, if a whole one is there.
    pub(crate) fn load(&self, engine: &Engine, wasm: &str) -> Option<Component> {
        let path = self.path(engine, wasm);
        self.read(engine, &path).unwrap_or_else(|fault| {
            tracing::warn!(file = %path.display(), %fault, "a compiled handler is not used, and is compiled again");
            None
        })
    }

    /// `None` if there is no such file.
    fn read(&self, engine: &Engine, path: &Path) -> Result<Option<Component>, Fault> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let key = Key::of(&self.dir)?;
        if !seal::holds(&key, name_of(path), file.metadata()?.len(), &file)? {
            return Err(Fault::Seal);
        }
        // SAFETY: the file is what `store` wrote: nobody but this user can write into the directory, which was checked
        // at the start, and the seal has just held. Entries are renamed into place and never changed, so what another
        // process of this user puts here meanwhile is a whole entry as well.
        #[expect(unsafe_code, reason = "the only way to load compiled code; see SAFETY")]
        let component = unsafe { Component::deserialize_file(engine, path) };
        match component {
            Ok(component) => {
                // One that cannot be marked as used is removed early, no more.
                let _ = touch(&file);
                Ok(Some(component))
            }
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(Fault::Code(format!("{error:#}"))),
        }
    }

    /// Keeps a compiled component. Failing to is no fault: the next start compiles again.
    pub(crate) fn store(&self, engine: &Engine, wasm: &str, component: &Component) {
        if let Err(error) = self.write(&self.path(engine, wasm), component) {
            tracing::warn!(directory = %self.dir.display(), error, "cannot keep a compiled handler");
        }
    }

    fn write(&self, path: &Path, component: &Component) -> Result<(), String> {
        let mut bytes = component.serialize().map_err(|error| format!("{error:#}"))?;
        let key = Key::of(&self.dir).map_err(|error| error.to_string())?;
        bytes.extend(seal::seal(&key, name_of(path), &bytes));
        // Written beside its place and renamed, so that readers see all or nothing.
        let temporary = temporary(&self.dir);
        let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(|error| error.to_string())
    }

    /// Removes the least recently used entries until the rest fit. The one of this component, which was just written,
    /// stays. Failing to is no fault: the next one that is written tries again.
    pub(crate) fn make_room(&self, engine: &Engine, wasm: &str) {
        if let Err(error) = room::make(&self.dir, self.size, &self.path(engine, wasm)) {
            tracing::warn!(directory = %self.dir.display(), %error, "cannot remove old compiled handlers");
        }
    }

    fn path(&self, engine: &Engine, wasm: &str) -> PathBuf {
        let mut name = Name(Sha256::new());
        name.write(wasm.as_bytes());
        // Covers wasmtime's exact version and every setting of compilation, metering among them.
        engine.precompile_compatibility_hash().hash(&mut name);
        self.dir.join(hex(name.0.finalize()) + room::ENTRY)
    }
}

/// Another process has made room.
fn is_gone(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The name that an entry is sealed with.
fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// A name for a file that is being written.
fn temporary(dir: &Path) -> PathBuf {
    dir.join(format!(".{}.{:x}{}", std::process::id(), rand::random::<u64>(), room::TEMPORARY))
}

/// Marks an entry as used now.
fn touch(file: &File) -> io::Result<()> {
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
        text
    })
}

/// Digests what is hashed into it: the standard hasher is not made to tell files apart.
struct Name(Sha256);

impl Hasher for Name {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests;
