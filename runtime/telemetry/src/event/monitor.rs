//! Events of looking after all: alerts, messages about them, decisions on scaling.

use gristmill_core::alert::{Alert, AlertState};
use gristmill_core::scaling::{Action, Decision};

use crate::metrics::Metrics;

/// An alert was raised, got worse or better, or ended.
pub struct AlertMoved<'a> {
    /// As it is now.
    pub alert: &'a Alert,
}

impl AlertMoved<'_> {
    /// Logs it.
    pub fn emit(self) {
        let alert = self.alert;
        let (rule, queue, severity) = (&alert.rule, alert.queue.as_deref(), alert.severity.as_str());
        match alert.state {
            AlertState::Resolved => {
                tracing::info!(rule, queue, severity, summary = alert.summary, "alert resolved");
            }
            _ => tracing::warn!(rule, queue, severity, summary = alert.summary, "alert raised"),
        }
    }
}

/// A message was sent, or could not be.
pub struct Notified<'a> {
    /// The name of the target.
    pub target: &'a str,
    /// What it was about.
    pub about: &'a str,
    /// Why it was not taken, and whether it is tried again.
    pub result: Result<(), (&'a str, bool)>,
}

impl Notified<'_> {
    /// Counts and logs it.
    pub fn emit(self, metrics: &Metrics) {
        let Self { target, about, result } = self;
        let label = match result {
            Ok(()) => "sent",
            Err((_, true)) => "failed",
            Err((_, false)) => "given-up",
        };
        metrics.families.notifications.with_label_values(&[target, label]).inc();
        match result {
            Ok(()) => tracing::debug!(target_name = target, about, "message sent"),
            Err((reason, true)) => {
                tracing::warn!(target_name = target, about, reason, "a message was not taken; trying again");
            }
            Err((reason, false)) => {
                tracing::error!(target_name = target, about, reason, "a message was given up");
            }
        }
    }
}

/// A queue should have more workers, or fewer.
pub struct ScalingDecided<'a> {
    /// The queue.
    pub queue: &'a str,
    /// Workers before.
    pub from: u64,
    /// What was decided.
    pub decision: &'a Decision,
}

impl ScalingDecided<'_> {
    /// Shows it, and logs a change.
    pub fn emit(self, metrics: &Metrics) {
        let Self { queue, from, decision } = self;
        metrics.set_scaling(queue, decision);
        if decision.action != Action::Hold {
            let (to, reason) = (decision.desired, decision.reason.as_str());
            tracing::info!(queue, from, to, reason, "scaling: the number of workers is to change");
        }
    }
}

/// This worker looks after all from now on, or does not any more.
pub struct TurnTaken {
    /// Whether it does.
    pub has: bool,
}

impl TurnTaken {
    /// Logs it.
    pub fn emit(self) {
        if self.has {
            tracing::info!("this worker looks after history, alerts and scaling now");
        } else {
            tracing::info!("another worker looks after history, alerts and scaling now");
        }
    }
}
