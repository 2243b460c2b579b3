//! From an outcome to a settlement: the one place that decides whether a job runs again, and when.

use std::time::Duration;

use crate::backoff::{Backoff, MAX_DELAY_MS};
use crate::options::{JobOptions, Keep};
use crate::outcome::{Failure, Interrupt, Outcome, Stop, StopReason};
use crate::settlement::Action;
use crate::units::cut;

/// What a job type's configuration says where the producer said nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPolicy {
    /// Attempts of a job whose producer set none; at least 1.
    pub attempts: u32,
    /// Backoff of a job whose producer set none.
    pub backoff: Option<Backoff>,
    /// What holds for attempts that a timeout, the memory limit or a trap ended, beside the above.
    pub timeout: CausePolicy,
    /// The same for the memory limit.
    pub memory: CausePolicy,
    /// The same for traps; a job over its budget is poison.
    pub trap: CausePolicy,
    /// Starts after which a job fails without running, whoever added it; `None` is no bound.
    pub max_starts: Option<u32>,
    /// A retry runs on the version that the job ran on first, where that is still there.
    pub pin: bool,
    /// What becomes of a completed job whose producer said nothing.
    pub remove_on_complete: Keep,
    /// What becomes of a failed job whose producer said nothing.
    pub remove_on_fail: Keep,
}

/// How attempts that the host ended for one cause are tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CausePolicy {
    /// The backoff is that many times longer.
    pub factor: f64,
    /// Attempts of one job that may end so; `None` is no bound but the job's attempts.
    pub budget: Option<u32>,
}

impl Default for CausePolicy {
    fn default() -> Self {
        Self { factor: 1.0, budget: None }
    }
}

/// Attempts of one job that may trap before it is poison.
const MAX_TRAPS: u32 = 3;
/// What the `failedReason` of a job starts with that trapped too often to be tried again.
pub const POISON: &str = "poison: ";

impl Default for JobPolicy {
    fn default() -> Self {
        Self {
            attempts: 1,
            backoff: None,
            timeout: CausePolicy::default(),
            memory: CausePolicy::default(),
            trap: CausePolicy { budget: Some(MAX_TRAPS), ..CausePolicy::default() },
            max_starts: None,
            pin: false,
            remove_on_complete: Keep::All,
            remove_on_fail: Keep::All,
        }
    }
}

/// What the job's hash said when it was taken.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Attempts that ended before this one (`atm`).
    pub attempts_made: u32,
    /// Times that it was started before this one (`ats`).
    pub started_before: u32,
    /// The producer's options.
    pub options: &'a JobOptions,
    /// `stacktrace` as stored, a JSON array of strings.
    pub stacktrace: Option<&'a str>,
}

impl Facts<'_> {
    /// Starts that used no attempt: deferrals, and stalls.
    fn free_starts(&self) -> u32 {
        self.started_before.saturating_sub(self.attempts_made)
    }

    /// Earlier attempts that ended for this reason, as far as the stored stack traces tell.
    fn ended_for(&self, reason: StopReason) -> u32 {
        let entries: Vec<String> =
            self.stacktrace.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let word = format!("{}: ", reason.as_str());
        let count = entries.iter().filter(|entry| entry.starts_with(&word)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Attempts that this job may have.
    #[must_use]
    pub fn max_attempts(&self, policy: &JobPolicy) -> u32 {
        self.options.attempts.unwrap_or(policy.attempts).max(1)
    }
}

/// Bytes of `failedReason`.
pub const MAX_REASON: usize = 8 << 10;
/// Bytes of one entry of `stacktrace`.
pub const MAX_STACK_ENTRY: usize = 64 << 10;
/// Entries of `stacktrace` kept where the producer set no limit, so that a job retried for ever stays small.
pub const MAX_STACK_ENTRIES: usize = 32;
/// Delay of a rate-limited job that named no time and has no backoff.
const RATE_LIMITED_DELAY_MS: u64 = 1_000;
/// The shortest time that a deferred job waits, so that a handler that always defers cannot spin.
const MIN_DEFERRAL_MS: u64 = 10;
/// A job that was started this often without using an attempt is not handed back without a delay any more.
const MAX_FREE_STARTS: u32 = 100;
/// How long such a job waits each time that it waits for children and has none.
const SPINNING_MS: u64 = 1_000;

/// Where the job goes; `None` writes nothing (the job is not ours any more). `random` in [0, 1).
#[must_use]
pub fn decide(outcome: &Outcome, facts: &Facts<'_>, policy: &JobPolicy, random: f64) -> Option<Action> {
    Some(match outcome {
        Outcome::Returned(output) => Action::Complete {
            returnvalue: output.clone().unwrap_or_else(|| b"null".to_vec()),
            keep: facts.options.remove_on_complete.unwrap_or(policy.remove_on_complete),
        },
        Outcome::Retryable(failure) => {
            failed(&reason(failure), failure.detail.as_deref(), true, facts, policy, random)
        }
        Outcome::Permanent(failure) => {
            failed(&reason(failure), failure.detail.as_deref(), false, facts, policy, random)
        }
        Outcome::Stopped(stop) => stopped(stop, facts, policy, random),
        Outcome::RateLimited { retry_after, .. } => {
            let backoff = || {
                let backoff = facts.options.backoff.as_ref().or(policy.backoff.as_ref());
                backoff.and_then(|b| b.delay_ms(facts.attempts_made.saturating_add(1), random))
            };
            let delay_ms = retry_after.map(millis).or_else(backoff).unwrap_or(RATE_LIMITED_DELAY_MS);
            Action::Delay { delay_ms: delay_ms.max(MIN_DEFERRAL_MS) }
        }
        Outcome::Deferred { delay, .. } if delay.is_zero() && facts.free_starts() < MAX_FREE_STARTS => {
            Action::Release
        }
        Outcome::Deferred { delay, .. } => Action::Delay { delay_ms: millis(*delay).max(MIN_DEFERRAL_MS) },
        Outcome::WaitForChildren => Action::WaitForChildren {
            else_ms: if facts.free_starts() < MAX_FREE_STARTS { MIN_DEFERRAL_MS } else { SPINNING_MS },
        },
        Outcome::Interrupted(Interrupt::LockLost) => return None,
        Outcome::Interrupted(Interrupt::Drained) => Action::Release,
        Outcome::Interrupted(Interrupt::Cancelled) => failed("cancelled", None, false, facts, policy, random),
    })
}

/// An attempt that the host ended: some causes have a budget and a backoff of their own.
fn stopped(stop: &Stop, facts: &Facts<'_>, policy: &JobPolicy, random: f64) -> Action {
    let cause = match stop.reason {
        StopReason::Timeout => policy.timeout,
        StopReason::Memory => policy.memory,
        StopReason::Trap => policy.trap,
        _ => CausePolicy::default(),
    };
    let reason = stop.failed_reason();
    let ended = facts.ended_for(stop.reason).saturating_add(1);
    let spent = cause.budget.is_some_and(|budget| ended >= budget);
    let mut action = failed(&reason, stop.backtrace.as_deref(), !spent, facts, policy, random);
    if let Action::Retry { delay_ms, .. } = &mut action {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let longer = (*delay_ms as f64 * cause.factor) as u64;
        *delay_ms = longer.min(MAX_DELAY_MS);
    }
    if let (Action::Fail { reason, .. }, StopReason::Trap, true) =
        (&mut action, stop.reason, spent && ended > 1)
    {
        *reason = cut(&format!("{POISON}{ended} attempts trapped, the last with {reason}"), MAX_REASON)
            .into_owned();
    }
    action
}

/// The settlement of a job that fails without having run: a deferred failure, no handler.
#[must_use]
pub fn refuse(reason: &str, retry: bool, facts: &Facts<'_>, policy: &JobPolicy, random: f64) -> Action {
    failed(reason, None, retry, facts, policy, random)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(MAX_DELAY_MS)
}

fn reason(failure: &Failure) -> String {
    if failure.message.trim().is_empty() {
        "the handler gave no message".to_owned()
    } else {
        failure.message.clone()
    }
}

fn failed(
    reason: &str,
    detail: Option<&str>,
    may_retry: bool,
    facts: &Facts<'_>,
    policy: &JobPolicy,
    random: f64,
) -> Action {
    let reason = cut(reason, MAX_REASON).into_owned();
    let stacktrace = stacktrace(&reason, detail, facts);
    let attempts = facts.max_attempts(policy);
    let failed_attempt = facts.attempts_made.saturating_add(1);
    let backoff = facts.options.backoff.as_ref().or(policy.backoff.as_ref());
    let fail = |reason, stacktrace| Action::Fail {
        reason,
        stacktrace,
        keep: facts.options.remove_on_fail.unwrap_or(policy.remove_on_fail),
        attempts,
    };
    // Started once more, it would only fail without running.
    let last_start = policy.max_starts.is_some_and(|max| facts.started_before.saturating_add(1) >= max);
    if !may_retry || last_start || failed_attempt >= attempts {
        return fail(reason, stacktrace);
    }
    match backoff.map_or(Ok(0), |b| b.delay_ms(failed_attempt, random).ok_or(b)) {
        Ok(delay_ms) => Action::Retry { reason, stacktrace, delay_ms, lifo: facts.options.lifo },
        Err(unknown) => {
            let Backoff::Unknown(kind) = unknown else { return fail(reason, stacktrace) };
            fail(
                format!("{reason} (not retried: backoff type `{kind}` is unknown to this worker)"),
                stacktrace,
            )
        }
    }
}

/// Appends this failure to the stored array; a stored value that is no array of strings starts anew.
fn stacktrace(reason: &str, detail: Option<&str>, facts: &Facts<'_>) -> String {
    let limit = facts.options.stack_trace_limit.unwrap_or(MAX_STACK_ENTRIES).min(MAX_STACK_ENTRIES);
    if limit == 0 {
        return "[]".to_owned();
    }
    let mut entries: Vec<String> =
        facts.stacktrace.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let entry = match detail {
        Some(detail) if !detail.is_empty() => format!("{reason}\n{detail}"),
        _ => reason.to_owned(),
    };
    entries.push(cut(&entry, MAX_STACK_ENTRY).into_owned());
    let kept = &entries[entries.len().saturating_sub(limit)..];
    serde_json::to_string(kept).unwrap_or_else(|_| "[]".to_owned())
}

#[cfg(test)]
mod tests;
