//! The versions that serve a job type now, and which of them an attempt gets.

use std::sync::{Arc, Mutex, PoisonError};

use gristmill_core::deployment::Sample;
use gristmill_core::outcome::{Outcome, StopReason};
use gristmill_queue::CanaryCounts;
use gristmill_sandbox::{Module, Report};

/// Versions that were stable before, for retries that stay on theirs.
const PAST: usize = 4;

/// What serves a job type. Read by every attempt as it starts, replaced as a whole.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// `None` until something is deployed.
    pub stable: Option<Module>,
    pub trial: Option<Trial>,
    /// Newest first.
    past: Vec<Module>,
    /// It comes from the registry and not from a file.
    pub deployed: bool,
}

/// A canary.
#[derive(Debug)]
pub(crate) struct Trial {
    pub module: Module,
    /// Its part of the attempts.
    pub percent: u32,
    /// Of the deployment that it began with.
    pub revision: u64,
    /// What both versions came to and nobody was told yet. Written by attempts, taken by [`crate::canary`].
    pending: Mutex<CanaryCounts>,
}

/// Which version an attempt got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Stable,
    Canary,
    /// One that is neither any more.
    Past,
}

impl Trial {
    pub(crate) fn new(module: Module, percent: u32, revision: u64) -> Self {
        Self { module, percent, revision, pending: Mutex::default() }
    }

    /// What is not told yet.
    pub(crate) fn take(&self) -> CanaryCounts {
        std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Back what could not be told.
    pub(crate) fn put_back(&self, counts: &CanaryCounts) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.stable.merge(&counts.stable);
        pending.canary.merge(&counts.canary);
    }

    fn record(&self, version: Version, sample: Sample) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match version {
            Version::Stable => pending.stable.record(sample),
            Version::Canary => pending.canary.record(sample),
            Version::Past => {}
        }
    }
}

impl Served {
    /// A file's module.
    pub(crate) fn file(module: Module) -> Self {
        Self { stable: Some(module), ..Self::default() }
    }

    /// What a deployment says, after this. `trial` goes on counting if it is the same.
    pub(crate) fn next(self: &Arc<Self>, stable: Module, trial: Option<Trial>, keeps_past: bool) -> Self {
        let mut past = self.past.clone();
        let before = self.stable.iter().chain(self.trial.as_ref().map(|trial| &trial.module));
        for module in before.filter(|module| module.digest() != stable.digest()) {
            past.retain(|known| known.digest() != module.digest());
            past.insert(0, module.clone());
        }
        past.truncate(if keeps_past { PAST } else { 0 });
        Self { stable: Some(stable), trial, past, deployed: true }
    }

    /// The module of the next attempt: that with the `pinned` digest if it is here, else by chance, `random` in [0, 1).
    pub(crate) fn choose(&self, pinned: Option<&str>, random: f64) -> Option<(&Module, Version)> {
        let trial = || self.trial.as_ref();
        if let Some(digest) = pinned {
            let found = self.stable.iter().map(|module| (module, Version::Stable));
            let found = found.chain(trial().map(|trial| (&trial.module, Version::Canary)));
            let mut found = found.chain(self.past.iter().map(|module| (module, Version::Past)));
            if let Some(found) = found.find(|(module, _)| module.digest() == digest) {
                return Some(found);
            }
        }
        match trial() {
            Some(trial) if random * 100.0 < f64::from(trial.percent) => {
                Some((&trial.module, Version::Canary))
            }
            _ => self.stable.as_ref().map(|module| (module, Version::Stable)),
        }
    }

    /// Counts an attempt, if a canary runs and the attempt says something of its version.
    pub(crate) fn record(&self, version: Version, report: &Report) {
        if let (Some(trial), Some(sample)) = (&self.trial, sample(report)) {
            trial.record(version, sample);
        }
    }
}

/// What an attempt says of its version; nothing if it was interrupted, or waits for something.
fn sample(report: &Report) -> Option<Sample> {
    let (failed, trapped) = match &report.outcome {
        Outcome::Returned(_) => (false, false),
        Outcome::Retryable(_) | Outcome::Permanent(_) => (true, false),
        Outcome::Stopped(stop) => (true, !matches!(stop.reason, StopReason::Denied)),
        Outcome::RateLimited { .. }
        | Outcome::Deferred { .. }
        | Outcome::WaitForChildren
        | Outcome::Interrupted(_) => return None,
    };
    Some(Sample {
        failed,
        trapped,
        time: u64::try_from(report.elapsed.as_micros()).unwrap_or(u64::MAX),
        fuel: report.fuel,
        memory: report.peak_memory,
    })
}
