//! Limiters and breakers.

use crate::metrics::Metrics;

/// A limiter or a breaker was asked.
pub struct GuardAsked<'a> {
    /// `limiter` or `breaker`.
    pub noun: &'static str,
    /// Its name, from the configuration.
    pub name: &'a str,
    /// What it answered.
    pub passed: bool,
}

impl GuardAsked<'_> {
    /// Counts it.
    pub fn emit(self, metrics: &Metrics) {
        self.emit_many(1, metrics);
    }

    /// Counts it `count` times.
    pub fn emit_many(self, count: usize, metrics: &Metrics) {
        let families = &metrics.families;
        let (calls, passed) = match self.noun {
            "limiter" => (&families.limiter_calls, "allowed"),
            _ => (&families.breaker_calls, "passed"),
        };
        let result = if self.passed { passed } else { "refused" };
        calls.with_label_values(&[self.name, result]).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

/// A breaker answered where it stands.
pub struct BreakerMoved<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it stands now: `closed`, `half-open` or `open`.
    pub state: &'static str,
    /// Where it stood before.
    pub before: &'static str,
}

impl BreakerMoved<'_> {
    /// Shows it, and logs a change.
    pub fn emit(self, metrics: &Metrics) {
        let Self { name, state, before } = self;
        let value = match state {
            "open" => 2,
            "half-open" => 1,
            _ => 0,
        };
        metrics.families.breaker_state.with_label_values(&[name]).set(value);
        match (before, state) {
            (before, state) if before == state => {}
            (_, "open") => {
                tracing::warn!(breaker = name, "breaker opened: calls fail; none is made for a while");
            }
            (_, state) => tracing::info!(breaker = name, state, "breaker moved"),
        }
    }
}

/// A setting of all workers was changed.
pub struct SettingChanged<'a> {
    /// Its key.
    pub key: &'a str,
    /// What it is now; `None`: what the configuration says.
    pub value: Option<&'a str>,
    /// Who changed it; empty when it was unset.
    pub by: &'a str,
    /// Why it cannot be obeyed.
    pub refused: Option<&'a str>,
}

impl SettingChanged<'_> {
    /// Logs it.
    pub fn emit(self) {
        let Self { key, value, by, refused } = self;
        match (value, refused) {
            (Some(value), None) => tracing::info!(key, value, by, "setting changed"),
            (Some(value), Some(why)) => tracing::warn!(key, value, by, why, "setting cannot be obeyed"),
            (None, _) => tracing::info!(key, "setting taken back; the configuration holds"),
        }
    }
}
