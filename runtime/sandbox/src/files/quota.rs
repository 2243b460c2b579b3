//! How much the writable directories of a job type may hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that a file or directory counts as beside its content, so that empty ones are bounded too.
pub(super) const ENTRY: u64 = 4 << 10;
/// How often the directories are measured at most.
const MEASURE: Duration = Duration::from_secs(1);

/// A bound on directories, shared by all attempts of a job type in this worker.
///
/// What is written is added up, whether it is new or written over; when that reaches the bound, the directories are
/// measured, so what was removed or written over counts no more.
#[derive(Debug)]
pub struct Quota {
    paths: Vec<PathBuf>,
    limit: u64,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    bytes: u64,
    measured: Option<Instant>,
}

impl Quota {
    /// A bound of `limit` bytes on these directories together. Measures them when they are first written to.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>, limit: u64) -> Self {
        Self { paths, limit, used: Mutex::new(Used { bytes: limit, measured: None }) }
    }

    /// Takes that much room, or none.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |used: &Used| used.bytes.saturating_add(bytes) <= self.limit;
        if !fits(&used) && used.measured.is_none_or(|at| at.elapsed() >= MEASURE) {
            used.bytes = self.paths.iter().map(|path| size(path)).fold(0, u64::saturating_add);
            used.measured = Some(Instant::now());
        }
        if !fits(&used) {
            return false;
        }
        used.bytes += bytes;
        true
    }
}

/// Bytes below a directory; links are not followed, what cannot be read counts nothing.
fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let sizes = entries.filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => ENTRY + size(&entry.path()),
        Ok(meta) => ENTRY + meta.len(),
        Err(_) => ENTRY,
    });
    sizes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_counts() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), vec![0; 6_000]).unwrap();
        let quota = Quota::new(vec![dir.path().to_owned()], 6_000 + ENTRY + 100);
        assert!(quota.take(100));
        assert!(!quota.take(1));
    }

    #[test]
    fn room_comes_back_when_files_go() {
        let dir = tempfile::tempdir().unwrap();
        let quota = Quota::new(vec![dir.path().to_owned()], 10_000);
        assert!(quota.take(10_000));
        assert!(!quota.take(1), "measured a moment ago");
        quota.used.lock().unwrap().measured = None;
        assert!(quota.take(10_000), "nothing was written after all");
    }
}
