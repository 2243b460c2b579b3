//! Pages of jobs, a job's children, and per-minute counts, for people and handlers.

use std::collections::BTreeMap;

use redis::Value;
use serde::Serialize;

use crate::Queue;
use crate::error::QueueError;
use crate::inspect::{JobView, pairs};
use crate::turn::{integer, number, text};

/// What a job's children have come to; each list is bounded by the caller's `limit`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Children {
    /// Job key and return value as JSON text, of those that completed.
    pub processed: Vec<(String, String)>,
    /// Job key and reason, of those whose failure the parent ignores.
    pub ignored: Vec<(String, String)>,
    /// Job keys of those whose failure fails the parent.
    pub failed: Vec<String>,
    /// Job keys of those that have not ended.
    pub pending: Vec<String>,
}

/// BullMQ's per-minute counts of jobs that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MinuteCounts {
    /// In all, since they are counted.
    pub count: u64,
    /// Since when the jobs that are in no minute yet are counted, ms.
    pub since_ms: u64,
    /// Jobs of each minute, newest first.
    pub minutes: Vec<u64>,
}

/// Jobs read at once.
const PART: usize = 10;
/// A page of jobs ends soon after as many bytes.
const MAX_PAGE_BYTES: usize = 4 << 20;

impl Queue {
    /// Ids of jobs in a state, as BullMQ's getters order them: waiting and active ones from the next, ordered sets from
    /// the first, finished ones from the newest. At most `count` from the `from`-th. The state is one of
    /// [`crate::STATES`].
    pub async fn page(&self, state: &str, from: usize, count: usize) -> Result<Vec<String>, QueueError> {
        // Redis counts with 64 bits and a sign.
        let from = from.min(usize::MAX >> 2);
        let last = from.saturating_add(count.clamp(1, usize::MAX >> 2) - 1);
        let (key, is_list) = match state {
            "waiting" => ("wait", true),
            "active" | "paused" => (state, true),
            other => (other, false),
        };
        let signed = |n: usize| i64::try_from(n).unwrap_or(i64::MAX - 1);
        let mut command = match (is_list, state) {
            (true, _) => redis::cmd("LRANGE"),
            (false, "completed" | "failed") => redis::cmd("ZREVRANGE"),
            (false, _) => redis::cmd("ZRANGE"),
        };
        command.arg(self.keys.key(key));
        if is_list {
            command.arg(-signed(last) - 1).arg(-signed(from) - 1);
        } else {
            command.arg(from).arg(last);
        }
        match self.connection.call(&command).await? {
            Value::Array(ids) if is_list => Ok(ids.into_iter().rev().map(text).collect()),
            Value::Array(ids) => Ok(ids.into_iter().map(text).collect()),
            _ => Err(self.connection.unfit("a page of ids")),
        }
    }

    /// The jobs of a page, and how many of its ids were read: fewer when they are large, so go on from there. Ids without
    /// a job are left out. Logs are not read.
    pub async fn jobs(
        &self,
        state: &'static str,
        from: usize,
        count: usize,
    ) -> Result<(Vec<JobView>, usize), QueueError> {
        let ids = self.page(state, from, count).await?;
        let (mut views, mut read, mut bytes) = (Vec::new(), 0, 0);
        for part in ids.chunks(PART) {
            let mut pipe = redis::pipe();
            for id in part {
                pipe.cmd("HGETALL").arg(self.keys.key(id));
            }
            pipe.ignore_errors();
            for (id, fields) in part.iter().zip(self.connection.call_all(&pipe).await?) {
                let view = JobView { id: id.clone(), state, fields: pairs(fields), logs: Vec::new() };
                bytes += view.fields.values().map(String::len).sum::<usize>();
                if !view.fields.is_empty() {
                    views.push(view);
                }
            }
            read += part.len();
            if bytes > MAX_PAGE_BYTES {
                break;
            }
        }
        Ok((views, read))
    }

    /// Log lines of a job from the `from`-th, oldest first, and how many there are.
    pub async fn logs(&self, id: &str, from: usize, count: usize) -> Result<(Vec<String>, u64), QueueError> {
        let (from, count) = (from.min(usize::MAX >> 2), count.clamp(1, usize::MAX >> 2));
        let key = self.keys.key(&format!("{id}:logs"));
        let mut pipe = redis::pipe();
        pipe.cmd("LRANGE").arg(&key).arg(from).arg(from + count - 1).cmd("LLEN").arg(&key);
        pipe.ignore_errors();
        let answers = self.connection.call_all(&pipe).await?;
        let lines = match answers.first() {
            Some(Value::Array(lines)) => lines.iter().cloned().map(text).collect(),
            _ => Vec::new(),
        };
        Ok((lines, answers.get(1).map_or(0, |n| u64::try_from(integer(n)).unwrap_or(0))))
    }

    /// What a job's children have come to, at most `limit` of each kind.
    pub async fn children(&self, id: &str, limit: usize) -> Result<Children, QueueError> {
        let part = |part: &str| self.keys.key(&format!("{id}:{part}"));
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(part("processed")).cmd("HGETALL").arg(part("failed"));
        pipe.cmd("ZRANGE").arg(part("unsuccessful")).arg(0).arg(limit.max(1) - 1);
        pipe.cmd("SRANDMEMBER").arg(part("dependencies")).arg(limit);
        pipe.ignore_errors();
        let mut answers = self.connection.call_all(&pipe).await?.into_iter();
        let mut map = || -> Vec<(String, String)> {
            answers.next().map(pairs).unwrap_or_default().into_iter().take(limit).collect()
        };
        let (processed, ignored) = (map(), map());
        let mut list = || match answers.next() {
            Some(Value::Array(keys) | Value::Set(keys)) => keys.into_iter().map(text).collect(),
            _ => Vec::new(),
        };
        Ok(Children { processed, ignored, failed: list(), pending: list() })
    }

    /// Key and return value (JSON text) of a job's children that completed; `None` when they are larger than
    /// `max_bytes` together.
    pub async fn child_results(
        &self,
        id: &str,
        max_bytes: usize,
    ) -> Result<Option<Vec<(String, String)>>, QueueError> {
        self.scan(&format!("{id}:processed"), max_bytes).await
    }

    /// Key and reason of a job's children whose failure it survives; `None` when they are larger than `max_bytes`
    /// together.
    pub async fn child_failures(
        &self,
        id: &str,
        max_bytes: usize,
    ) -> Result<Option<Vec<(String, String)>>, QueueError> {
        self.scan(&format!("{id}:failed"), max_bytes).await
    }

    /// A hash, read in parts so that a large one is never in memory as a whole; sorted by field.
    async fn scan(
        &self,
        suffix: &str,
        max_bytes: usize,
    ) -> Result<Option<Vec<(String, String)>>, QueueError> {
        let (mut all, mut bytes, mut cursor) = (BTreeMap::new(), 0, "0".to_owned());
        loop {
            let mut command = redis::cmd("HSCAN");
            command.arg(self.keys.key(suffix)).arg(&cursor).arg("COUNT").arg(100);
            let Value::Array(parts) = self.connection.call(&command).await? else {
                return Err(self.connection.unfit("a part of a hash"));
            };
            let mut parts = parts.into_iter();
            cursor = parts.next().map(text).unwrap_or_default();
            for (field, value) in parts.next().map(pairs).unwrap_or_default() {
                bytes += field.len() + value.len();
                all.insert(field, value);
            }
            if bytes > max_bytes {
                return Ok(None);
            }
            if cursor == "0" || cursor.is_empty() {
                return Ok(Some(all.into_iter().collect()));
            }
        }
    }

    /// BullMQ's per-minute counts; `which` is `completed` or `failed`.
    pub async fn minute_counts(&self, which: &str, limit: usize) -> Result<MinuteCounts, QueueError> {
        let key = self.keys.key(&format!("metrics:{which}"));
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(&key).arg("count").arg("prevTS");
        pipe.cmd("LRANGE").arg(format!("{key}:data")).arg(0).arg(limit.max(1) - 1);
        pipe.ignore_errors();
        let answers = self.connection.call_all(&pipe).await?;
        let mut counts = MinuteCounts::default();
        if let Some(Value::Array(fields)) = answers.first() {
            counts.count = fields.first().map_or(0, number);
            counts.since_ms = fields.get(1).map_or(0, number);
        }
        if let Some(Value::Array(minutes)) = answers.get(1) {
            counts.minutes = minutes.iter().map(number).collect();
        }
        Ok(counts)
    }
}
