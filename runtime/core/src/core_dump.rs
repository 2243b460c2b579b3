//! Core dumps: what an instance held as it broke off, kept for whoever looks for the fault.

use serde::{Deserialize, Serialize};

/// Bytes of a core dump. A handler that has more memory in use leaves none.
pub const MAX_CORE_DUMP_BYTES: u64 = 64 << 20;
/// Core dumps that a job type may keep.
pub const MAX_CORE_DUMPS: u64 = 20;
/// How long one is kept.
pub const KEEP_MS: u64 = 7 * 24 * 3_600_000;
/// Least time between two core dumps of a job type on one worker: a handler that always breaks off must not flood Redis.
pub const PAUSE_MS: u64 = 60_000;

/// What is known of a core dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreDumpInfo {
    /// `sha256:` and 64 hexadecimal digits, of the file.
    pub digest: String,
    /// Bytes of the file.
    pub size: u64,
    /// The job's queue.
    pub queue: String,
    /// The job type, as the configuration names it.
    pub job: String,
    /// The job's id.
    pub id: String,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// Digest of the module that ran.
    pub module: String,
    /// Why the attempt ended.
    pub reason: String,
    /// When, ms since the epoch.
    pub at_ms: u64,
}

/// Whether a job type whose last core dump was made at `last_ms`, 0 for none, may leave one.
#[must_use]
pub fn is_due(last_ms: u64, now_ms: u64) -> bool {
    last_ms == 0 || now_ms.saturating_sub(last_ms) >= PAUSE_MS
}

/// Those to forget once `new` is kept: of its job type all but the newest `keep`, and of all others the ones that are too old.
#[must_use]
pub fn surplus<'a>(all: &'a [CoreDumpInfo], new: &CoreDumpInfo, keep: u64) -> Vec<&'a str> {
    let alike = |info: &CoreDumpInfo| info.queue == new.queue && info.job == new.job;
    let mut own: Vec<_> = all.iter().filter(|info| alike(info)).collect();
    own.sort_by_key(|info| std::cmp::Reverse(info.at_ms));
    let own = own.into_iter().skip(usize::try_from(keep).unwrap_or(usize::MAX));
    let old = all.iter().filter(|info| !alike(info) && new.at_ms.saturating_sub(info.at_ms) > KEEP_MS);
    own.chain(old).map(|info| &*info.digest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(digest: &str, job: &str, at_ms: u64) -> CoreDumpInfo {
        CoreDumpInfo {
            digest: digest.into(),
            size: 1,
            queue: "q".into(),
            job: job.into(),
            id: "1".into(),
            attempt: 1,
            module: String::new(),
            reason: String::new(),
            at_ms,
        }
    }

    #[test]
    fn the_newest_of_a_job_type_are_kept_and_the_old_of_others_forgotten() {
        let now = KEEP_MS * 2;
        let all = [
            info("a", "x", now - 3),
            info("new", "x", now),
            info("b", "x", now - 1),
            info("c", "y", now - KEEP_MS - 1),
            info("d", "y", now - KEEP_MS),
        ];
        assert_eq!(surplus(&all, &all[1], 2), ["a", "c"]);
        assert_eq!(surplus(&all, &all[1], 9), ["c"]);
    }

    #[test]
    fn one_a_minute() {
        assert!(is_due(0, 5) && is_due(1, PAUSE_MS + 1));
        assert!(!is_due(1, PAUSE_MS) && !is_due(9, 5));
    }
}
