//! Settings that are changed while workers run, in one hash of our own.

use std::collections::BTreeMap;

use gristmill_core::setting::Setting;
use redis::Value;
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::error::QueueError;
use crate::turn::text;
use crate::usage::pairs;

const KEY: &str = "gristmill:settings";
/// Settings at most.
const MAX_SETTINGS: u64 = 10_000;

/// A setting, and who set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingRow {
    /// The value as text.
    pub value: String,
    /// Who.
    pub by: String,
    /// When, ms since the epoch.
    pub at_ms: u64,
}

/// What rows say; those that a newer worker may understand are left out.
#[must_use]
pub fn read_settings(rows: &BTreeMap<String, SettingRow>) -> Vec<Setting> {
    rows.iter().filter_map(|(key, row)| Setting::parse(key, &row.value).ok()).collect()
}

impl Connection {
    /// All settings by key; what is none of ours is passed over.
    pub async fn settings(&self) -> Result<BTreeMap<String, SettingRow>, QueueError> {
        let fields = pairs(self.call(redis::cmd("HGETALL").arg(KEY)).await?);
        let row = |(key, row)| Some((text(key), serde_json::from_str(&text(row)).ok()?));
        Ok(fields.into_iter().filter_map(row).collect())
    }

    /// Sets one, checked already. Repeating it changes nothing.
    pub async fn set_setting(&self, key: &str, row: &SettingRow) -> Result<(), QueueError> {
        let count = match self.call(redis::cmd("HLEN").arg(KEY)).await? {
            Value::Int(count) => u64::try_from(count).unwrap_or(0),
            _ => 0,
        };
        if count >= MAX_SETTINGS {
            return Err(QueueError::Job(format!("there are {count} settings; unset some first")));
        }
        let row = serde_json::to_string(row).unwrap_or_default();
        self.call(redis::cmd("HSET").arg(KEY).arg(key).arg(row)).await.map(drop)
    }

    /// Lets the configuration hold again; false if it did.
    pub async fn unset_setting(&self, key: &str) -> Result<bool, QueueError> {
        Ok(self.call(redis::cmd("HDEL").arg(KEY).arg(key)).await? == Value::Int(1))
    }
}
