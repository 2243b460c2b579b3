//! Alerts: which rules hold for which queues, and what becomes of an alert as they begin and end to hold.

use serde::{Deserialize, Serialize};

use crate::sample::Sample;

mod builtin;
mod expression;

pub use builtin::{Bounds, Thresholds, built_in};
pub use expression::{Expression, MAX_EXPRESSION};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertSeverity {
    /// Worth a look in working hours.
    Warning,
    /// Worth waking somebody.
    Critical,
}

impl AlertSeverity {
    /// The word in configuration, API and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Its rule holds.
    Raised,
    /// Its rule holds, and somebody has said that they know.
    Acknowledged,
    /// Its rule has ceased to hold.
    Resolved,
}

/// Who has said that they know of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The name of a token, `loopback`, or of a user of the machine.
    pub who: String,
    /// When, ms since the epoch.
    pub at_ms: u64,
    /// What they wrote, at most 1 KiB.
    pub note: String,
    /// From when on it counts as raised again; `None`: for as long as it holds.
    pub until_ms: Option<u64>,
}

/// Something that a rule has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Unique among all alerts: the rule, the queue, and when it was raised.
    pub id: String,
    /// The rule's name.
    pub rule: String,
    /// The queue; `None`: the workers.
    pub queue: Option<String>,
    /// How bad it is; a lesser one counts once it has lasted as long as an end must.
    pub severity: AlertSeverity,
    /// How bad it has been at worst: whoever was told of that is told of the end.
    pub worst: AlertSeverity,
    /// Since when it would be less bad, ms since the epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lesser_since_ms: Option<u64>,
    /// Where it stands.
    pub state: AlertState,
    /// For people: what is the matter.
    pub summary: String,
    /// The value that the rule looked at.
    pub value: f64,
    /// What it is compared with.
    pub threshold: f64,
    /// When it was raised, ms since the epoch.
    pub raised_ms: u64,
    /// When anything of it changed last.
    pub updated_ms: u64,
    /// When it was resolved.
    pub resolved_ms: Option<u64>,
    /// Who knows of it.
    pub acknowledged: Option<Acknowledgement>,
}

impl Alert {
    /// What there is at most one unresolved alert of: a rule and a queue.
    #[must_use]
    pub fn subject(&self) -> String {
        subject(&self.rule, self.queue.as_deref())
    }
}

/// A rule and a queue as one text.
#[must_use]
pub fn subject(rule: &str, queue: Option<&str>) -> String {
    format!("{rule}/{}", queue.unwrap_or_default())
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name; built-in ones are those of [`built_in`].
    pub name: String,
    /// When it warns; `None`: never.
    pub warning: Option<Expression>,
    /// When it is critical; `None`: never.
    pub critical: Option<Expression>,
    /// For how long it must hold before an alert is raised.
    pub for_ms: u64,
    /// Queues that it is for: names, or beginnings of names before a `*`. Empty: all.
    pub queues: Vec<String>,
    /// What is written into the alert in place of the expression; `{value}` and `{threshold}` stand for the numbers.
    pub summary: Option<String>,
}

impl Rule {
    /// Whether it looks at a queue.
    #[must_use]
    pub fn is_for(&self, queue: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => queue.starts_with(start),
            None => pattern == queue,
        };
        self.queues.is_empty() || self.queues.iter().any(fits)
    }

    /// How far back its expressions look, ms; 0: at the newest row alone.
    #[must_use]
    pub fn window_ms(&self) -> u64 {
        let parts = [&self.warning, &self.critical];
        parts.into_iter().flatten().map(Expression::window_ms).max().unwrap_or(0)
    }

    /// What it finds in a queue's rows, the newest last: how bad, the value, and what it was compared with.
    #[must_use]
    pub fn look(&self, rows: &[Sample]) -> Option<Finding> {
        let found = |severity, expression: &Option<Expression>| {
            let expression = expression.as_ref()?;
            let (value, threshold) = expression.holds(rows)?;
            let summary = match &self.summary {
                Some(text) => text
                    .replace("{value}", &show_number(value))
                    .replace("{threshold}", &show_number(threshold)),
                None => format!("{} (is {})", expression.as_str(), show_number(value)),
            };
            Some(Finding { severity, value, threshold, summary })
        };
        found(AlertSeverity::Critical, &self.critical)
            .or_else(|| found(AlertSeverity::Warning, &self.warning))
    }
}

/// A number with at most one digit behind the point.
fn show_number(number: f64) -> String {
    if (number - number.round()).abs() < 0.05 { format!("{number:.0}") } else { format!("{number:.1}") }
}

/// What a rule has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub severity: AlertSeverity,
    /// The value.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// For people.
    pub summary: String,
}

/// What is told of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new, or worse than it was.
    Raised,
    /// It has ended.
    Resolved,
}

/// What becomes of one subject: the alert from now on, and what is to be told of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing is the matter, or not for long enough.
    Nothing,
    /// The alert as it is now; with a change, those who want to hear of it are told.
    Keep(Alert, Option<Change>),
    /// The alert has ended.
    End(Alert),
}

/// How long a rule that holds for a moment only, off and on, is one alert: it is resolved when its rule has not held for as
/// long.
pub const CALM_MS: u64 = 60_000;

/// Moves one subject on. `since_ms` is from when on the rule holds without a break (or, where `found` is none, does not
/// hold); `calm_ms` for how long it must not hold before the alert ends, and must be less bad before its severity falls.
#[must_use]
pub fn step(
    (rule, queue): (&Rule, Option<&str>),
    before: Option<&Alert>,
    found: Option<&Finding>,
    (since_ms, now_ms): (u64, u64),
    calm_ms: u64,
) -> Step {
    let lasted = now_ms.saturating_sub(since_ms);
    match (before, found) {
        (None, None) => Step::Nothing,
        (None, Some(_)) if lasted < rule.for_ms => Step::Nothing,
        (None, Some(found)) => {
            let alert = Alert {
                id: format!("{}@{now_ms}", subject(&rule.name, queue)),
                rule: rule.name.clone(),
                queue: queue.map(str::to_owned),
                severity: found.severity,
                worst: found.severity,
                lesser_since_ms: None,
                state: AlertState::Raised,
                summary: found.summary.clone(),
                value: found.value,
                threshold: found.threshold,
                raised_ms: now_ms,
                updated_ms: now_ms,
                resolved_ms: None,
                acknowledged: None,
            };
            Step::Keep(alert, Some(Change::Raised))
        }
        (Some(alert), Some(found)) => {
            let worse = found.severity > alert.severity;
            // Around the bound of the worse one it would be told again and again.
            let lesser = (found.severity < alert.severity).then(|| alert.lesser_since_ms.unwrap_or(now_ms));
            let held = lesser.filter(|since| now_ms.saturating_sub(*since) < calm_ms);
            let mut alert = if held.is_some() {
                Alert { lesser_since_ms: held, updated_ms: now_ms, ..alert.clone() }
            } else {
                Alert {
                    severity: found.severity,
                    worst: alert.worst.max(found.severity),
                    lesser_since_ms: None,
                    summary: found.summary.clone(),
                    value: found.value,
                    threshold: found.threshold,
                    updated_ms: now_ms,
                    ..alert.clone()
                }
            };
            // What somebody knew of has become worse, or their time is over.
            let over = |ack: &Acknowledgement| ack.until_ms.is_some_and(|until| until <= now_ms);
            let forgotten = alert.acknowledged.as_ref().is_some_and(over);
            if worse || forgotten {
                alert.acknowledged = None;
                alert.state = AlertState::Raised;
            }
            Step::Keep(alert, (worse || forgotten).then_some(Change::Raised))
        }
        (Some(alert), None) if lasted < calm_ms => Step::Keep(alert.clone(), None),
        (Some(alert), None) => Step::End(Alert {
            state: AlertState::Resolved,
            updated_ms: now_ms,
            resolved_ms: Some(now_ms),
            ..alert.clone()
        }),
    }
}

#[cfg(test)]
mod tests;
