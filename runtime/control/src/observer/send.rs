//! What a target is sent, in its own form. Pure but for reading secrets.

use std::fmt::Write;

use gristmill_core::alert::{Alert, AlertSeverity, Change};
use gristmill_core::config::{AlertTarget, SecretSource, TargetKind};
use gristmill_queue::Message;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// Bytes of a secret's file.
const MAX_SECRET: u64 = 64 << 10;

/// A request that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// The secret's text without the line's end; the error says which cannot be read, and nothing of what is in it.
pub(crate) fn read_secret(source: &SecretSource) -> Result<String, String> {
    match source {
        SecretSource::Variable(name) => {
            std::env::var(name).map_err(|_| format!("the variable `{name}` is not set"))
        }
        SecretSource::File(path) => {
            let wrong = |why: String| format!("the secret's file {} cannot be read: {why}", path.display());
            let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
            if size > MAX_SECRET {
                return Err(wrong(format!("it has more than {MAX_SECRET} bytes")));
            }
            std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
        }
    }
    .map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
}

/// `sha256=HEX` over the time and the body, as receivers of webhooks check it: `HMAC(secret, "TIME.BODY")`.
pub(super) fn signature(secret: &str, at_ms: u64, body: &str) -> String {
    // Keys of any length fit.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{at_ms}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A signed message of ours.
pub(super) fn signed(url: &str, id: &str, secret: Option<&str>, at_ms: u64, body: &Value) -> Outgoing {
    let body = body.to_string();
    let mut headers = vec![("x-gristmill-id", id.to_owned()), ("x-gristmill-timestamp", at_ms.to_string())];
    if let Some(secret) = secret {
        headers.push(("x-gristmill-signature", signature(secret, at_ms, &body)));
    }
    Outgoing { url: url.to_owned(), headers, body }
}

/// What a target is told of an alert.
pub(super) fn message(
    target: &AlertTarget,
    message: &Message,
    secret: Option<&str>,
    now_ms: u64,
) -> Outgoing {
    let (alert, url) = (&message.alert, target.url.clone());
    let plain = |body: Value| Outgoing { url: url.clone(), headers: Vec::new(), body: body.to_string() };
    match target.kind {
        TargetKind::Webhook => {
            let body = json!({ "id": message.id, "event": message.change, "alert": alert });
            signed(&url, &message.id, secret, now_ms, &body)
        }
        TargetKind::Slack => plain(json!({ "text": slack(alert, message.change) })),
        TargetKind::Pagerduty => plain(json!({
            "routing_key": secret.unwrap_or_default(),
            "event_action": if message.change == Change::Raised { "trigger" } else { "resolve" },
            "dedup_key": alert.id,
            "payload": {
                "summary": line(alert),
                "source": alert.queue.as_deref().unwrap_or("gristmill"),
                "severity": alert.severity.as_str(),
                "class": alert.rule,
                "timestamp": show_time(alert.raised_ms),
                "custom_details": { "value": alert.value, "threshold": alert.threshold },
            },
        })),
        TargetKind::Alertmanager => {
            let mut one = json!({
                "labels": {
                    "alertname": format!("Gristmill_{}", alert.rule),
                    "rule": alert.rule,
                    "queue": alert.queue.as_deref().unwrap_or_default(),
                    "severity": alert.severity.as_str(),
                },
                "annotations": { "summary": line(alert) },
                "startsAt": show_time(alert.raised_ms),
            });
            // Without an end Alertmanager would resolve it by itself soon after.
            let end = alert.resolved_ms.unwrap_or(now_ms + 365 * 24 * 3_600_000);
            one["endsAt"] = json!(show_time(end));
            let mut out = plain(json!([one]));
            out.url =
                format!("{}/api/v2/alerts", url.trim_end_matches('/').trim_end_matches("/api/v2/alerts"));
            out.headers.extend(secret.map(|secret| ("authorization", format!("Bearer {secret}"))));
            out
        }
    }
}

fn line(alert: &Alert) -> String {
    let queue = alert.queue.as_deref().map(|queue| format!("queue {queue}: ")).unwrap_or_default();
    format!("{queue}{}", alert.summary)
}

/// Slack reads `<`, `>` and `&` as its own; names of queues and summaries are text.
fn slack(alert: &Alert, change: Change) -> String {
    let plain = line(alert).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    match (change, alert.severity) {
        (Change::Resolved, _) => format!("*resolved* ({}) {plain}", alert.rule),
        (Change::Raised, AlertSeverity::Critical) => format!("*critical* ({}) {plain}", alert.rule),
        (Change::Raised, AlertSeverity::Warning) => format!("*warning* ({}) {plain}", alert.rule),
    }
}

/// As RFC 3339 writes it.
fn show_time(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_core::alert::AlertState;

    fn told(kind: TargetKind, change: Change) -> (Outgoing, Value) {
        let alert = Alert {
            id: "queue-depth/<q>@1000".into(),
            rule: "queue-depth".into(),
            queue: Some("<q>".into()),
            severity: AlertSeverity::Critical,
            worst: AlertSeverity::Critical,
            lesser_since_ms: None,
            state: AlertState::Raised,
            summary: "900 jobs wait".into(),
            value: 900.0,
            threshold: 500.0,
            raised_ms: 1_000,
            updated_ms: 1_000,
            resolved_ms: (change == Change::Resolved).then_some(61_000),
            acknowledged: None,
        };
        let target = AlertTarget {
            name: "t".into(),
            kind,
            url: "http://127.0.0.1:9/".into(),
            secret: None,
            severity: AlertSeverity::Warning,
        };
        let kept = Message { id: "m".into(), target: "t".into(), alert, change, tries: 0, not_before_ms: 0 };
        let out = message(&target, &kept, Some("secret"), 5_000);
        let body = serde_json::from_str(&out.body).unwrap();
        (out, body)
    }

    #[test]
    fn a_webhook_is_signed_over_time_and_body() {
        let (out, body) = told(TargetKind::Webhook, Change::Raised);
        let header = |name: &str| out.headers.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        assert_eq!(
            (header("x-gristmill-id").as_str(), header("x-gristmill-timestamp").as_str()),
            ("m", "5000")
        );
        assert_eq!(header("x-gristmill-signature"), signature("secret", 5_000, &out.body));
        assert_eq!((body["event"].as_str(), body["alert"]["value"].as_f64()), (Some("raised"), Some(900.0)));
        // By `printf '1.{}' | openssl dgst -sha256 -hmac key`.
        let known = "sha256=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224";
        assert_eq!(signature("key", 1, "{}"), known);
        assert_ne!(signature("key", 2, "{}"), known);
    }

    #[test]
    fn others_get_their_own_forms() {
        let (_, slack) = told(TargetKind::Slack, Change::Raised);
        assert_eq!(slack["text"], "*critical* (queue-depth) queue &lt;q&gt;: 900 jobs wait");
        let (_, duty) = told(TargetKind::Pagerduty, Change::Resolved);
        assert_eq!(
            (duty["event_action"].as_str(), duty["routing_key"].as_str()),
            (Some("resolve"), Some("secret"))
        );
        assert_eq!(duty["dedup_key"], "queue-depth/<q>@1000");
        let (out, alerts) = told(TargetKind::Alertmanager, Change::Resolved);
        assert_eq!(out.url, "http://127.0.0.1:9/api/v2/alerts");
        assert_eq!(alerts[0]["endsAt"], "1970-01-01T00:01:01Z");
        assert_eq!(alerts[0]["labels"]["alertname"], "Gristmill_queue-depth");
    }
}
