//! Which entries go so that the rest have room.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The end of an entry's file name.
pub(super) const ENTRY: &str = ".cwasm";
/// The end of the name of a file that is being written.
pub(super) const TEMPORARY: &str = ".tmp";
/// When a file that is being written was left by a process that died: writing one takes seconds.
const LEFT: Duration = Duration::from_hours(1);

/// A file of the directory.
#[derive(Debug, Clone)]
struct Found {
    path: PathBuf,
    size: u64,
    /// When it was last used: the time of its last change, renewed at each use.
    used: SystemTime,
}

/// Removes the least recently used entries until the rest have at most `size` bytes together; `kept` stays whatever its
/// size. What others left half-written goes too. Other processes may do the same at the same time.
pub(super) fn make(dir: &Path, size: u64, kept: &Path) -> io::Result<()> {
    let (mut entries, mut temporary) = (Vec::new(), Vec::new());
    for file in fs::read_dir(dir)? {
        let file = file?;
        let name = file.file_name();
        let Some(name) = name.to_str() else { continue };
        let found = match name {
            name if name.ends_with(ENTRY) => &mut entries,
            name if name.ends_with(TEMPORARY) => &mut temporary,
            _ => continue,
        };
        let meta = match file.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            meta => meta?,
        };
        found.push(Found { path: file.path(), size: meta.len(), used: meta.modified()? });
    }
    // The entry was used just now, so its time is the present by the clock of its file system.
    let now = entries.iter().find(|entry| entry.path == kept).map(|entry| entry.used);
    let left = temporary.into_iter().filter(|file| now.is_some_and(|now| is_left(file, now)));
    let mut gone = left.map(|file| file.path).chain(surplus(entries, size, kept));
    gone.try_for_each(|path| remove(&path))
}

fn is_left(file: &Found, now: SystemTime) -> bool {
    now.duration_since(file.used).is_ok_and(|age| age > LEFT)
}

/// What goes, the least recently used first.
fn surplus(mut entries: Vec<Found>, size: u64, kept: &Path) -> Vec<PathBuf> {
    let mut total = entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
    entries.retain(|entry| entry.path != kept);
    // The name decides between equals, so that workers which clear up at the same time remove the same.
    entries.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
    let mut gone = Vec::new();
    for entry in entries {
        if total <= size {
            break;
        }
        total = total.saturating_sub(entry.size);
        gone.push(entry.path);
    }
    gone
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, size: u64, used: u64) -> Found {
        Found { path: name.into(), size, used: SystemTime::UNIX_EPOCH + Duration::from_secs(used) }
    }

    fn gone(size: u64, kept: &str) -> Vec<String> {
        let entries = vec![found("b", 10, 3), found("a", 20, 1), found("d", 5, 9), found("c", 30, 2)];
        let gone = surplus(entries, size, Path::new(kept));
        gone.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn the_least_recently_used_go_until_the_rest_fit() {
        assert_eq!(gone(65, "d"), [""; 0]);
        assert_eq!(gone(64, "d"), ["a"]);
        assert_eq!(gone(45, "d"), ["a"]);
        assert_eq!(gone(44, "d"), ["a", "c"]);
        assert_eq!(gone(5, "d"), ["a", "c", "b"]);
    }

    #[test]
    fn the_kept_one_stays_and_counts() {
        assert_eq!(gone(40, "a"), ["c"]);
        assert_eq!(gone(0, "a"), ["c", "b", "d"]);
    }

    #[test]
    fn equals_go_by_name() {
        let entries = vec![found("b", 10, 1), found("a", 10, 1)];
        assert_eq!(surplus(entries, 10, Path::new("c")), [Path::new("a")]);
    }

    #[test]
    fn what_was_left_half_written_goes_after_an_hour() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000);
        assert!(is_left(&found("a", 1, 6_399), now));
        assert!(!is_left(&found("a", 1, 6_400), now));
        assert!(!is_left(&found("a", 1, 20_000), now));
    }
}
