//! The secret that entries are sealed with.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Its file, in the cache directory.
const FILE: &str = "key";
/// Bytes of it: as many as the MAC has.
const BYTES: usize = 32;

/// 32 random bytes that belong to one cache directory.
pub(super) struct Key(pub(super) [u8; BYTES]);

/// Why the key's file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFault {
    #[error("`{path}` cannot be made or read: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("`{path}` is not a file; remove it, and a key is made")]
    NotFile { path: PathBuf },
    #[error("`{path}` belongs to user {owner}, not to user {us} who runs this; remove it, and a key is made")]
    Owner { path: PathBuf, owner: u32, us: u32 },
    #[error(
        "others may read or write `{path}` (mode {mode:o}), who could then forge compiled handlers; remove it, and a new key is made"
    )]
    Open { path: PathBuf, mode: u32 },
    #[error("`{path}` has not {BYTES} bytes; remove it, and a new key is made")]
    Length { path: PathBuf },
}

impl Key {
    /// The key of this directory, which is made if there is none. Of several processes that make it at once one wins, and
    /// all have that one's. It is read at each use: a directory that was emptied while a worker runs gets a new key.
    pub(super) fn of(dir: &Path) -> Result<Self, KeyFault> {
        let path = dir.join(FILE);
        match Self::read(&path) {
            Err(KeyFault::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make(dir, &path).map_err(|source| KeyFault::Io { path: path.clone(), source })?;
                Self::read(&path)
            }
            read => read,
        }
    }

    fn read(path: &Path) -> Result<Self, KeyFault> {
        let failed = |source| KeyFault::Io { path: path.to_owned(), source };
        // A link could lead anywhere, and a pipe would wait for ever.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
        // Asked of the open file, so that what is checked is what is read.
        let meta = file.metadata().map_err(failed)?;
        let path = path.to_owned();
        if !meta.is_file() {
            return Err(KeyFault::NotFile { path });
        }
        let (owner, us) = (meta.uid(), rustix::process::geteuid().as_raw());
        if owner != us {
            return Err(KeyFault::Owner { path, owner, us });
        }
        if meta.mode() & 0o077 != 0 {
            return Err(KeyFault::Open { path, mode: meta.mode() & 0o777 });
        }
        let mut bytes = Vec::with_capacity(BYTES + 1);
        file.take(BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| KeyFault::Io { path: path.clone(), source })?;
        bytes.try_into().map(Self).map_err(|_| KeyFault::Length { path })
    }
}

/// Writes a whole key beside its place and links it there, which fails for all but the first.
fn make(dir: &Path, path: &Path) -> io::Result<()> {
    let temporary = super::temporary(dir);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(&rand::random::<[u8; BYTES]>())?;
        // Without this, an outage could leave an empty file, which would be refused from then on.
        file.sync_all()?;
        match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    };
    let written = write();
    let _ = fs::remove_file(&temporary);
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::thread;

    use super::*;

    fn refusal(prepare: impl FnOnce(&Path)) -> String {
        let dir = tempfile::tempdir().unwrap();
        prepare(&dir.path().join(FILE));
        Key::of(dir.path()).err().expect("it is refused").to_string()
    }

    fn write(path: &Path, bytes: &[u8], mode: u32) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn makers_at_the_same_time_agree() {
        let dir = tempfile::tempdir().unwrap();
        let keys = thread::scope(|scope| {
            let makers: Vec<_> = (0..16).map(|_| scope.spawn(|| Key::of(dir.path()).unwrap().0)).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(Key::of(dir.path()).unwrap().0, keys[0]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn refuses_a_key_that_is_no_secret() {
        let said = refusal(|path| write(path, &[7; BYTES], 0o640));
        assert!(said.contains("mode 640") && said.contains("remove it"), "{said}");
    }

    #[test]
    fn refuses_another_length() {
        for length in [0, BYTES - 1, BYTES + 1] {
            let said = refusal(|path| write(path, &vec![7; length], 0o600));
            assert!(said.contains("has not 32 bytes"), "{said}");
        }
    }

    #[test]
    fn refuses_a_link_and_a_directory() {
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        let said = refusal(|path| symlink(elsewhere.path(), path).unwrap());
        assert!(said.contains("cannot be made or read"), "{said}");
        let said = refusal(|path| fs::create_dir(path).unwrap());
        assert!(said.contains("is not a file"), "{said}");
    }
}
