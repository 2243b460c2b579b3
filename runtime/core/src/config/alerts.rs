//! `[alerts]`: thresholds of the built-in rules, rules of the user, and who is told.

use std::time::Duration;

use toml::de::DeValue;

use super::SecretSource;
use super::allow::Secrets;
use super::environment::{ADDRESS, DURATION, FLAG, TEXT, TEXTS};
use super::queue::word;
use super::reader::{Got, Kind, Reader, Section, Variable, kind_of};
use crate::alert::{AlertSeverity, Bounds, Expression, Rule, Thresholds, built_in};
use crate::limiter::is_name;
use crate::units::closest;

/// Rules of the user at most, and so many who are told.
const MAX_RULES: usize = 100;
const MAX_TARGETS: usize = 20;

/// `[alerts]`
#[derive(Debug, Clone, PartialEq)]
pub struct Alerts {
    /// The built-in rules with their thresholds, then the user's.
    pub rules: Vec<Rule>,
    /// Whether values that are unlike what they are at such a time raise a warning.
    pub anomalies: bool,
    /// Who is told.
    pub targets: Vec<AlertTarget>,
}

/// `[alerts.targets.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertTarget {
    /// Its name.
    pub name: String,
    /// What it understands.
    pub kind: TargetKind,
    /// Where it is: `http://` or `https://`.
    pub url: String,
    /// Signs a webhook's messages; the routing key of `PagerDuty`; the token that Alertmanager wants.
    pub secret: Option<SecretSource>,
    /// It is told of alerts that are as bad as this, or worse.
    pub severity: AlertSeverity,
}

/// What a target understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// Our own JSON, signed.
    Webhook,
    /// An incoming webhook of Slack.
    Slack,
    /// Events of `PagerDuty`, version 2.
    Pagerduty,
    /// Prometheus' Alertmanager, its API version 2.
    Alertmanager,
}

impl TargetKind {
    /// All of them, with their words.
    pub const ALL: [(&'static str, Self); 4] = [
        ("webhook", Self::Webhook),
        ("slack", Self::Slack),
        ("pagerduty", Self::Pagerduty),
        ("alertmanager", Self::Alertmanager),
    ];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// A number of jobs, percent, or ms.
const NUMBER: Kind<f64> = Kind {
    parse: |value| match value {
        DeValue::Integer(n) => parse_number(n.as_str()),
        DeValue::Float(n) => parse_number(n.as_str()),
        other => Err(format!("{} is not a number above zero", kind_of(other))),
    },
    show: ToString::to_string,
};

pub(super) fn parse_number(text: &str) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("`{text}` is not a number above zero"))
}

pub(super) fn alerts<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>, secrets: &Secrets) -> Alerts {
    let mut section = reader.section(root, "alerts");
    let default = Thresholds::default();
    let mut bounds = |keys: [&'static str; 2], variables: [&str; 2], default: Bounds| {
        let mut read = |key, variable: &str, default| {
            let variable = [Variable { name: variable.to_owned(), parse: parse_number }];
            reader.get(&mut section, key, &NUMBER, &variable, default)
        };
        let warning = read(keys[0], variables[0], default.warning);
        let critical = read(keys[1], variables[1], default.critical);
        if warning.value > critical.value {
            let message = format!(
                "`alerts.{}` is {}, above `alerts.{}`, {}",
                keys[0], warning.value, keys[1], critical.value
            );
            let place = if warning.place == "default" { critical.place } else { warning.place };
            reader.error(place, message, Some("a warning comes first".to_owned()));
        }
        Bounds { warning: warning.value, critical: critical.value }
    };
    let thresholds = Thresholds {
        queue_depth: bounds(
            ["queue_depth_warning", "queue_depth_critical"],
            ["ALERT_QUEUE_DEPTH_WARNING", "ALERT_QUEUE_DEPTH_CRITICAL"],
            default.queue_depth,
        ),
        error_rate: bounds(
            ["error_rate_warning", "error_rate_critical"],
            ["ALERT_ERROR_RATE_WARNING", "ALERT_ERROR_RATE_CRITICAL"],
            default.error_rate,
        ),
        timeout_rate: bounds(
            ["timeout_rate_warning", "timeout_rate_critical"],
            ["ALERT_TIMEOUT_RATE_WARNING", "ALERT_TIMEOUT_RATE_CRITICAL"],
            default.timeout_rate,
        ),
        processing_time: bounds(
            ["processing_time_p95_ms", "processing_time_p99_ms"],
            ["ALERT_PROCESSING_TIME_P95", "ALERT_PROCESSING_TIME_P99"],
            default.processing_time,
        ),
        memory_usage: bounds(
            ["memory_usage_warning", "memory_usage_critical"],
            ["ALERT_MEMORY_USAGE_WARNING", "ALERT_MEMORY_USAGE_CRITICAL"],
            default.memory_usage,
        ),
    };
    let anomalies = reader.get(&mut section, "anomalies", &FLAG, &[], false).value;
    let mut rules = built_in(&thresholds);
    let table = reader.section(&mut section, "rules");
    too_many(reader, &table, MAX_RULES);
    for name in table.keys().iter().take(MAX_RULES) {
        if rules.iter().any(|rule| rule.name == *name) || !is_name(name) || name == ANOMALY_RULE {
            let message = format!("{name:?} cannot name a rule: it is taken, or has odd characters");
            reader.error(reader.at(table.line), message, None);
        } else if let Some(rule) = rule(reader, &table, name) {
            rules.push(rule);
        }
    }
    let table = reader.section(&mut section, "targets");
    too_many(reader, &table, MAX_TARGETS);
    let names = table.keys();
    let targets = names.iter().take(MAX_TARGETS).filter_map(|name| target(reader, &table, name, secrets));
    let targets = targets.collect();
    reader.finish(&section);
    Alerts { rules, anomalies, targets }
}

/// The rule of values that are unlike what they are at such a time.
pub const ANOMALY_RULE: &str = "anomaly";

fn too_many(reader: &mut Reader<'_>, table: &Section<'_>, most: usize) {
    if table.keys().len() > most {
        reader.error(reader.at(table.line), format!("`{}` has more than {most} entries", table.path), None);
    }
}

fn severity<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> AlertSeverity {
    let words = [("warning", AlertSeverity::Warning), ("critical", AlertSeverity::Critical)];
    word(reader, section, "severity", "a severity", words, words[0])
}

fn rule<'a>(reader: &mut Reader<'a>, table: &Section<'a>, name: &str) -> Option<Rule> {
    let mut section = reader.named_section(table, name);
    let severity = severity(reader, &mut section);
    let when = reader.find(&mut section, "when", &TEXT, &[]);
    let lasting = reader.get(&mut section, "for", &DURATION, &[], Duration::ZERO).value;
    let queues = reader.get(&mut section, "queues", &TEXTS, &[], Vec::new()).value;
    let summary = reader.find(&mut section, "summary", &TEXT, &[]).map(|got| got.value);
    reader.finish(&section);
    let Some(when) = when else {
        let hint = "write a condition: `when = \"backlog > 200\"`".to_owned();
        reader.error(reader.at(section.line), format!("rule `{name}` has no `when`"), Some(hint));
        return None;
    };
    let expression = parse(reader, &section.path, &when)?;
    let (warning, critical) = match severity {
        AlertSeverity::Warning => (Some(expression), None),
        AlertSeverity::Critical => (None, Some(expression)),
    };
    let for_ms = u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX);
    Some(Rule { name: name.to_owned(), warning, critical, for_ms, queues, summary })
}

fn parse(reader: &mut Reader<'_>, path: &str, when: &Got<String>) -> Option<Expression> {
    match Expression::parse(&when.value) {
        Ok(expression) => Some(expression),
        Err(wrong) => {
            reader.error(when.place.clone(), format!("`{path}.when`: {wrong}"), None);
            None
        }
    }
}

fn target<'a>(
    reader: &mut Reader<'a>,
    table: &Section<'a>,
    name: &str,
    secrets: &Secrets,
) -> Option<AlertTarget> {
    let mut section = reader.named_section(table, name);
    let kind = word(reader, &mut section, "kind", "a kind of target", TargetKind::ALL, TargetKind::ALL[0]);
    let default = if kind == TargetKind::Pagerduty { "https://events.pagerduty.com/v2/enqueue" } else { "" };
    let url = reader.get(&mut section, "url", &ADDRESS, &[], default.to_owned());
    let secret = reader.find(&mut section, "secret", &TEXT, &[]);
    let severity = severity(reader, &mut section);
    reader.finish(&section);
    let url = http_url(reader, &section, url)?;
    let secret = secret.and_then(|got| known_secret(reader, &got, secrets));
    if kind == TargetKind::Pagerduty && secret.is_none() {
        let hint = "name the routing key: `secret = \"PAGERDUTY_KEY\"`".to_owned();
        reader.error(reader.at(section.line), format!("`{}` needs `secret`", section.path), Some(hint));
    }
    Some(AlertTarget { name: name.to_owned(), kind, url, secret, severity })
}

/// An address that is spoken to over HTTP.
pub(super) fn is_http_url(text: &str) -> bool {
    let fits =
        |start| text.strip_prefix(start).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    text.len() <= 2_048 && ["http://", "https://"].into_iter().any(fits)
}

pub(super) fn http_url(reader: &mut Reader<'_>, section: &Section<'_>, got: Got<String>) -> Option<String> {
    if !is_http_url(&got.value) {
        let place = if got.place == "default" { reader.at(section.line) } else { got.place };
        let hint = "write it as `https://HOST/PATH`".to_owned();
        reader.error(place, format!("`{}.url` is no address: {:?}", section.path, got.value), Some(hint));
        return None;
    }
    Some(got.value)
}

/// A secret of `[secrets]`, or a variable of the environment.
pub(super) fn known_secret(
    reader: &mut Reader<'_>,
    got: &Got<String>,
    secrets: &Secrets,
) -> Option<SecretSource> {
    if let Some(known) = secrets.get(&got.value) {
        return Some(known.clone());
    }
    if reader.env.contains_key(&got.value) {
        return Some(SecretSource::Variable(got.value.clone()));
    }
    let hint = closest(&got.value, secrets.keys().map(String::as_str)).map_or_else(
        || format!("set it in the environment, or add `[secrets.{}]` with `file`", got.value),
        |near| format!("did you mean `{near}`?"),
    );
    reader.error(got.place.clone(), format!("there is no secret `{}`", got.value), Some(hint));
    None
}
