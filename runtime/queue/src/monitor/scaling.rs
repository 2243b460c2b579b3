//! Decisions on scaling: what holds now, and what was changed.

use std::collections::BTreeMap;

use gristmill_core::scaling::{Decision, Signals};
use redis::Value;
use serde::{Deserialize, Serialize};

use super::Monitor;
use crate::error::QueueError;
use crate::events::stream_entry;
use crate::turn::text;
use crate::usage::pairs;

/// Changes that are kept, about.
const CHANGES: usize = 10_000;

/// The newest decision on a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScalingRow {
    /// The queue.
    pub queue: String,
    /// When, ms since the epoch.
    pub at_ms: u64,
    /// How many workers there should have been before; those that there were, at the first decision.
    pub from: u64,
    /// What was known.
    pub signals: Signals,
    /// What was decided.
    pub decision: Decision,
}

impl Monitor {
    /// The newest decision on each queue.
    pub async fn scaling(&self) -> Result<BTreeMap<String, ScalingRow>, QueueError> {
        let rows = pairs(self.connection.call(redis::cmd("HGETALL").arg(self.key("scaling"))).await?);
        let read = |(queue, row)| Some((text(queue), serde_json::from_str(&text(row)).ok()?));
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Keeps decisions; those that change something go into the history too. Repeating it adds to the history again.
    pub async fn decided(&self, rows: &[ScalingRow]) -> Result<(), QueueError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (current, changes) = (self.key("scaling"), self.key("scaling-changes"));
        let mut pipe = redis::pipe();
        for row in rows {
            let json = serde_json::to_string(row).unwrap_or_default();
            pipe.cmd("HSET").arg(&current).arg(&row.queue).arg(&json);
            if row.decision.desired != row.from {
                pipe.cmd("XADD").arg(&changes).arg("MAXLEN").arg("~").arg(CHANGES).arg("*");
                pipe.arg("row").arg(&json);
            }
        }
        self.connection.call_all(&pipe).await.map(drop)
    }

    /// Forgets decisions on queues that nobody serves any more. Repeating it changes nothing.
    pub async fn forget_scaling(&self, queues: &[String]) -> Result<(), QueueError> {
        if queues.is_empty() {
            return Ok(());
        }
        self.connection.call(redis::cmd("HDEL").arg(self.key("scaling")).arg(queues)).await.map(drop)
    }

    /// Changes of one queue, or of all, the newest first.
    pub async fn scaling_changes(
        &self,
        queue: Option<&str>,
        from: usize,
        count: usize,
    ) -> Result<Vec<ScalingRow>, QueueError> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(self.key("scaling-changes")).arg("+").arg("-").arg("COUNT").arg(CHANGES * 2);
        let Value::Array(entries) = self.connection.call(&command).await? else {
            return Err(self.connection.unfit("changes of scaling"));
        };
        let read = |entry| serde_json::from_str::<ScalingRow>(stream_entry(entry)?.1.get("row")?).ok();
        let rows = entries.into_iter().filter_map(read);
        let wanted = rows.filter(|row| queue.is_none_or(|queue| row.queue == queue));
        Ok(wanted.skip(from).take(count).collect())
    }
}
