//! The jobs of one queue that this worker holds: what is renewed, interrupted, and shown.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gristmill_core::outcome::Interrupt;
use gristmill_queue::Lock;
use gristmill_sandbox::Interrupter;

/// A job that a slot runs, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was taken, ms since the epoch.
    pub since_ms: u64,
}

struct Entry {
    token: Arc<str>,
    interrupter: Interrupter,
    name: String,
    since_ms: u64,
    /// The attempt has ended; the lock is kept until the settlement is written.
    ended: bool,
    /// Its lock is known to be lost, and that was told.
    lost: bool,
}

/// Written by the pump (take, settle) and the attempts (end), read by the upkeep.
#[derive(Default)]
pub(crate) struct Held {
    jobs: Mutex<HashMap<String, Entry>>,
}

impl Held {
    fn jobs(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a taken job. Holding an older attempt of the same job means that its lock was lost: it is interrupted.
    pub(crate) fn take(
        &self,
        id: &str,
        name: &str,
        token: &Arc<str>,
        interrupter: &Interrupter,
        since_ms: u64,
    ) {
        let entry = Entry {
            token: Arc::clone(token),
            interrupter: interrupter.clone(),
            name: name.to_owned(),
            since_ms,
            ended: false,
            lost: false,
        };
        if let Some(old) = self.jobs().insert(id.to_owned(), entry) {
            old.interrupter.interrupt(Interrupt::LockLost);
        }
    }

    /// Notes that an attempt has ended.
    pub(crate) fn end(&self, id: &str, token: &str) {
        if let Some(entry) = self.jobs().get_mut(id).filter(|e| *e.token == *token) {
            entry.ended = true;
        }
    }

    /// Forgets a job whose settlement is written, or that is not ours any more.
    pub(crate) fn forget(&self, id: &str, token: &str) {
        if let MapEntry::Occupied(entry) = self.jobs().entry(id.to_owned())
            && *entry.get().token == *token
        {
            entry.remove();
        }
    }

    /// Every lock to renew.
    pub(crate) fn locks(&self) -> Vec<Lock> {
        self.jobs().iter().map(|(id, e)| Lock { id: id.clone(), token: Arc::clone(&e.token) }).collect()
    }

    /// Interrupts a running attempt whose lock is lost. True the first time; false when it has ended or was taken anew
    /// since.
    pub(crate) fn lose(&self, id: &str, token: &str) -> bool {
        let mut jobs = self.jobs();
        let Some(entry) = jobs.get_mut(id).filter(|e| *e.token == *token && !e.ended) else { return false };
        entry.interrupter.interrupt(Interrupt::LockLost);
        !std::mem::replace(&mut entry.lost, true)
    }

    /// True if it was told already that this lock is lost.
    pub(crate) fn is_lost(&self, id: &str, token: &str) -> bool {
        self.jobs().get(id).is_some_and(|e| *e.token == *token && e.lost)
    }

    /// Cancels a running attempt; false when there is none.
    pub(crate) fn cancel(&self, id: &str) -> bool {
        let jobs = self.jobs();
        let running = jobs.get(id).filter(|entry| !entry.ended);
        running.inspect(|entry| entry.interrupter.interrupt(Interrupt::Cancelled)).is_some()
    }

    /// Interrupts every running attempt.
    pub(crate) fn interrupt_all(&self, reason: Interrupt) {
        for entry in self.jobs().values() {
            entry.interrupter.interrupt(reason);
        }
    }

    /// What runs now.
    pub(crate) fn running(&self, queue: &str) -> Vec<Running> {
        let jobs = self.jobs();
        let running = jobs.iter().filter(|(_, e)| !e.ended).map(|(id, e)| Running {
            queue: queue.to_owned(),
            id: id.clone(),
            name: e.name.clone(),
            since_ms: e.since_ms,
        });
        running.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_taken_again_interrupts_the_attempt_that_lost_it() {
        let held = Held::default();
        let (first, second) = (Interrupter::default(), Interrupter::default());
        held.take("1", "n", &"a".into(), &first, 0);
        held.take("1", "n", &"b".into(), &second, 0);
        assert_eq!(first.reason(), Some(Interrupt::LockLost));
        held.forget("1", "a");
        assert_eq!(held.locks().len(), 1);
        held.forget("1", "b");
        assert!(held.locks().is_empty());
    }

    #[test]
    fn an_ended_attempt_keeps_its_lock_and_cannot_lose_it() {
        let held = Held::default();
        let interrupter = Interrupter::default();
        held.take("1", "n", &"a".into(), &interrupter, 0);
        held.end("1", "a");
        assert_eq!((held.locks().len(), held.running("q").len()), (1, 0));
        assert!(!held.lose("1", "a"));
        assert_eq!(interrupter.reason(), None);
    }

    #[test]
    fn a_lock_is_lost_once() {
        let held = Held::default();
        held.take("1", "n", &"a".into(), &Interrupter::default(), 0);
        assert!(held.lose("1", "a"));
        assert!(!held.lose("1", "a"));
        held.end("1", "a");
        assert!(held.is_lost("1", "a"));
    }

    #[test]
    fn only_a_running_attempt_is_cancelled() {
        let held = Held::default();
        let interrupter = Interrupter::default();
        held.take("1", "n", &"a".into(), &interrupter, 0);
        assert!(!held.cancel("2"));
        assert!(held.cancel("1"));
        assert_eq!(interrupter.reason(), Some(Interrupt::Cancelled));
        held.end("1", "a");
        assert!(!held.cancel("1"));
    }
}
