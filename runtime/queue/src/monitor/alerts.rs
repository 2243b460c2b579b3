//! Alerts that hold, alerts that have ended, and the messages about them that are still to be sent.

use std::collections::BTreeMap;

use gristmill_core::alert::{Acknowledgement, Alert, AlertState, Change};
use redis::Value;
use serde::{Deserialize, Serialize};

use super::Monitor;
use crate::error::QueueError;
use crate::events::stream_entry;
use crate::script::ALERT;
use crate::turn::{integer, text};
use crate::usage::pairs;

/// Ended alerts that are kept, about.
const ENDED: usize = 10_000;
/// Messages that wait to be sent.
const MESSAGES: usize = 10_000;
/// How often an acknowledgement is tried again while the alert changes.
const TRIES: usize = 20;

/// A message about an alert to one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Unique to the target, the alert and the change: whoever gets it twice can tell.
    pub id: String,
    /// The name of the target.
    pub target: String,
    /// The alert as it was then.
    pub alert: Alert,
    /// What is told of it.
    pub change: Change,
    /// How often it was sent in vain.
    pub tries: u32,
    /// Not to be sent before, ms since the epoch.
    pub not_before_ms: u64,
}

/// What becomes of a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertChange {
    /// The rule and the queue.
    pub subject: String,
    /// The alert as it was read, as text; `None`: there was none.
    pub seen: Option<String>,
    /// As it is from now on; `None`: there is none.
    pub now: Option<Alert>,
    /// As it ended, if it did.
    pub ended: Option<Alert>,
    /// Who is to be told.
    pub messages: Vec<Message>,
}

impl Monitor {
    /// The alerts that hold by subject, each with the text that it is kept as.
    pub async fn alerts(&self) -> Result<BTreeMap<String, (Alert, String)>, QueueError> {
        let rows = pairs(self.connection.call(redis::cmd("HGETALL").arg(self.key("alerts"))).await?);
        let read = |(subject, row)| {
            let row = text(row);
            Some((text(subject), (serde_json::from_str(&row).ok()?, row)))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// The newest alerts that have ended, the newest first.
    pub async fn ended_alerts(&self, from: usize, count: usize) -> Result<Vec<Alert>, QueueError> {
        let mut command = redis::cmd("XREVRANGE");
        let last = from.saturating_add(count).clamp(1, ENDED * 2);
        command.arg(self.key("ended-alerts")).arg("+").arg("-").arg("COUNT").arg(last);
        let Value::Array(entries) = self.connection.call(&command).await? else {
            return Err(self.connection.unfit("ended alerts"));
        };
        let read = |entry| serde_json::from_str(stream_entry(entry)?.1.get("alert")?).ok();
        Ok(entries.into_iter().filter_map(read).skip(from).take(count).collect())
    }

    /// Makes changes of alerts that nobody has changed meanwhile, with their messages; only while `leader` has the turn.
    /// Answers whether each was made, and how many messages found no room; `None`: somebody else has the turn. A call whose
    /// answer is lost may have made them; repeated it makes none.
    pub async fn change_alerts(
        &self,
        leader: Option<&str>,
        changes: &[AlertChange],
    ) -> Result<Option<(Vec<bool>, u64)>, QueueError> {
        let key = self.key("alerts");
        let turn = leader.map_or_else(String::new, |_| self.key("leader"));
        let mut call = ALERT.call_on(&key);
        call.arg(turn).arg(leader.unwrap_or_default()).arg(self.key("ended-alerts")).arg(ENDED);
        call.arg(self.key("messages")).arg(MESSAGES).arg(changes.len());
        let json = |alert: &Option<Alert>| {
            alert.as_ref().map_or_else(String::new, |alert| serde_json::to_string(alert).unwrap_or_default())
        };
        for change in changes {
            call.arg(&change.subject).arg(change.seen.as_deref().unwrap_or_default());
            call.arg(json(&change.now)).arg(json(&change.ended)).arg(change.messages.len());
            for message in &change.messages {
                call.arg(&message.id).arg(serde_json::to_string(message).unwrap_or_default());
            }
        }
        let Value::Array(answers) = call.send(&self.connection).await? else {
            return Err(self.connection.unfit("changes of alerts"));
        };
        let answers: Vec<i64> = answers.iter().map(integer).collect();
        let Some((lost, made)) = answers.split_last().filter(|(last, _)| **last >= 0) else {
            return Ok(None);
        };
        Ok(Some((made.iter().map(|made| *made == 1).collect(), u64::try_from(*lost).unwrap_or(0))))
    }

    /// Notes that somebody knows of an alert that holds; `false`: there is none of this id. Repeating it notes the same.
    pub async fn acknowledge(&self, id: &str, by: &Acknowledgement) -> Result<bool, QueueError> {
        for _ in 0..TRIES {
            let alerts = self.alerts().await?;
            let found = alerts.into_iter().find(|(_, (alert, _))| alert.id == id);
            let Some((subject, (mut alert, seen))) = found else { return Ok(false) };
            alert.state = AlertState::Acknowledged;
            alert.updated_ms = by.at_ms;
            alert.acknowledged = Some(by.clone());
            let change = AlertChange {
                subject,
                seen: Some(seen),
                now: Some(alert),
                ended: None,
                messages: Vec::new(),
            };
            if self.change_alerts(None, &[change]).await?.is_some_and(|(made, _)| made == [true]) {
                return Ok(true);
            }
        }
        Err(QueueError::Job(format!("alert `{id}` is being changed by others; try again")))
    }

    /// The messages that are still to be sent.
    pub async fn messages(&self) -> Result<Vec<Message>, QueueError> {
        let rows = pairs(self.connection.call(redis::cmd("HGETALL").arg(self.key("messages"))).await?);
        Ok(rows.into_iter().filter_map(|(_, row)| serde_json::from_str(&text(row)).ok()).collect())
    }

    /// Forgets a message: it was sent, or is given up. Repeating it changes nothing.
    pub async fn drop_message(&self, id: &str) -> Result<(), QueueError> {
        self.connection.call(redis::cmd("HDEL").arg(self.key("messages")).arg(id)).await.map(drop)
    }

    /// Puts a message off after it was sent in vain. Repeating it changes nothing.
    pub async fn put_off_message(&self, message: &Message) -> Result<(), QueueError> {
        let row = serde_json::to_string(message).unwrap_or_default();
        let mut command = redis::cmd("HSET");
        command.arg(self.key("messages")).arg(&message.id).arg(row);
        self.connection.call(&command).await.map(drop)
    }
}
