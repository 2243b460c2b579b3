//! The history of queues. What attempts came to is counted by all workers in slices of time; rows are written once each, as
//! their id in the stream is their time.

use std::collections::BTreeMap;

use gristmill_core::sample::Sample;
use gristmill_core::tally::Tally;
use redis::Value;
use serde::{Deserialize, Serialize};

use super::Monitor;
use crate::Queue;
use crate::error::QueueError;
use crate::events::stream_entry;
use crate::turn::text;
use crate::usage::pairs;

/// What parts a job's name from the name of a count; no name of a count has it.
const PART: char = '\u{1}';
/// Rows that are read at once.
const MAX_ROWS: usize = 20_000;

/// A value that is unlike what it is at such a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnomalyRow {
    /// The queue.
    pub queue: String,
    /// The name of the series.
    pub series: String,
    /// When, ms since the epoch.
    pub at_ms: u64,
    /// The value.
    pub value: f64,
    /// What like moments had, in the median.
    pub expected: f64,
    /// How many times the usual spread it is away.
    pub score: f64,
}

impl Queue {
    fn tally_key(&self, size_ms: u64, slice_ms: u64) -> String {
        format!("gristmill:{}tally:{size_ms}:{slice_ms}", self.keys.base())
    }

    /// Adds what attempts came to, by job name, to the slices of `sizes` (length in ms, ms that it is kept) in which `at_ms`
    /// lies. Repeating it counts them again.
    pub async fn add_tallies(
        &self,
        tallies: &[(String, Tally)],
        sizes: &[(u64, u64)],
        at_ms: u64,
    ) -> Result<(), QueueError> {
        let mut pipe = redis::pipe();
        for (size, keep) in sizes {
            let key = self.tally_key(*size, at_ms - at_ms % size);
            for (job, tally) in tallies {
                for (field, count) in tally.fields() {
                    pipe.cmd("HINCRBY").arg(&key).arg(format!("{job}{PART}{field}")).arg(count);
                }
            }
            pipe.cmd("PEXPIRE").arg(&key).arg(*keep);
        }
        self.connection.call_all(&pipe).await.map(drop)
    }

    /// What attempts came to by job name, in the slices of one size that begin at these times, together.
    pub async fn tallies(
        &self,
        size_ms: u64,
        slices: impl IntoIterator<Item = u64>,
    ) -> Result<BTreeMap<String, Tally>, QueueError> {
        let mut pipe = redis::pipe();
        let mut asked = false;
        for slice in slices {
            pipe.cmd("HGETALL").arg(self.tally_key(size_ms, slice));
            asked = true;
        }
        let mut found: BTreeMap<String, Tally> = BTreeMap::new();
        if !asked {
            return Ok(found);
        }
        for slice in self.connection.call_all(&pipe).await? {
            for (field, count) in pairs(slice) {
                let (field, count) = (text(field), text(count).parse().unwrap_or(0));
                let Some((job, field)) = field.rsplit_once(PART) else { continue };
                match found.get_mut(job) {
                    Some(tally) => tally.add(field, count),
                    None => found.entry(job.to_owned()).or_default().add(field, count),
                }
            }
        }
        Ok(found)
    }
}

impl Monitor {
    fn history_key(&self, step_ms: u64, queue: &str) -> String {
        self.key(&format!("history:{step_ms}:{queue}"))
    }

    /// Writes a row of a queue's history in steps of `step_ms`, and removes those older than `keep_ms`. The row's time is its
    /// id, so whoever writes it second changes nothing: `false`.
    pub async fn add_row(
        &self,
        queue: &str,
        step_ms: u64,
        row: &Sample,
        keep_ms: u64,
    ) -> Result<bool, QueueError> {
        let key = self.history_key(step_ms, queue);
        let mut pipe = redis::pipe();
        pipe.cmd("XADD").arg(&key).arg("MINID").arg("~").arg(row.at_ms.saturating_sub(keep_ms));
        pipe.arg(format!("{}-1", row.at_ms)).arg("row").arg(serde_json::to_string(row).unwrap_or_default());
        pipe.cmd("PEXPIRE").arg(&key).arg(keep_ms);
        pipe.ignore_errors();
        let answers = self.connection.call_all(&pipe).await?;
        Ok(matches!(answers.first(), Some(Value::BulkString(_))))
    }

    /// Rows of a queue's history in steps of `step_ms`, the oldest first.
    pub async fn rows(
        &self,
        queue: &str,
        step_ms: u64,
        (from_ms, to_ms): (u64, u64),
    ) -> Result<Vec<Sample>, QueueError> {
        let mut command = redis::cmd("XRANGE");
        command.arg(self.history_key(step_ms, queue)).arg(from_ms).arg(to_ms).arg("COUNT").arg(MAX_ROWS);
        let Value::Array(entries) = self.connection.call(&command).await? else {
            return Err(self.connection.unfit("rows of the history"));
        };
        let read = |entry| serde_json::from_str(stream_entry(entry)?.1.get("row")?).ok();
        Ok(entries.into_iter().filter_map(read).collect())
    }

    /// Keeps what was seen of every queue at the last look, for whoever asks: `None` of none, or after `keep_ms`. Repeating it
    /// changes nothing.
    pub async fn put_looks(&self, looks: &BTreeMap<String, Sample>, keep_ms: u64) -> Result<(), QueueError> {
        let json = serde_json::to_string(looks).unwrap_or_default();
        let mut command = redis::cmd("SET");
        command.arg(self.key("looks")).arg(json).arg("PX").arg(keep_ms);
        self.connection.call(&command).await.map(drop)
    }

    /// What was seen of every queue at the last look.
    pub async fn looks(&self) -> Result<BTreeMap<String, Sample>, QueueError> {
        Ok(self.json(&self.key("looks")).await?.unwrap_or_default())
    }

    /// Keeps what is odd now, for whoever asks; after `keep_ms` nothing is. Repeating it changes nothing.
    pub async fn put_anomalies(&self, rows: &[AnomalyRow], keep_ms: u64) -> Result<(), QueueError> {
        let json = serde_json::to_string(rows).unwrap_or_default();
        let mut command = redis::cmd("SET");
        command.arg(self.key("anomalies")).arg(json).arg("PX").arg(keep_ms);
        self.connection.call(&command).await.map(drop)
    }

    /// What is odd now.
    pub async fn anomalies(&self) -> Result<Vec<AnomalyRow>, QueueError> {
        Ok(self.json(&self.key("anomalies")).await?.unwrap_or_default())
    }
}
