//! Reading queues and jobs, for people and metrics.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_core::options::JobOptions;
use redis::Value;
use serde::Serialize;

use crate::Queue;
use crate::connection::Connection;
use crate::error::QueueError;
use crate::turn::{integer, number, text};

/// A queue's states as BullMQ names them, in the order in which they are shown.
pub const STATES: [&str; 8] =
    ["waiting", "active", "prioritized", "delayed", "waiting-children", "completed", "failed", "paused"];

/// The state of [`STATES`] that has this name, or this one in BullMQ's calls: `wait` is `waiting`. [`QueueError::Job`] for
/// any other.
pub fn state_named(name: &str) -> Result<&'static str, QueueError> {
    let known = STATES.into_iter().find(|state| *state == if name == "wait" { "waiting" } else { name });
    known.ok_or_else(|| QueueError::Job(format!("`{name}` is no state; choose one of {}", STATES.join(", "))))
}

/// A job as it stands in Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// One of [`STATES`], or `unknown`.
    pub state: &'static str,
    /// Its hash, field by field, as stored.
    pub fields: BTreeMap<String, String>,
    /// Its newest log lines, oldest first.
    pub logs: Vec<String>,
}

impl JobView {
    /// True when it has ended for good.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.state, "completed" | "failed")
    }
}

/// Log lines that a [`JobView`] carries.
const SHOWN_LOGS: isize = 1_000;
/// Jobs that are looked at for the one that has waited longest; those that were put back stand first.
const HEADS: isize = 16;

impl Queue {
    /// How many jobs are in each of [`STATES`]. A key of the wrong type counts 0.
    pub async fn counts(&self) -> Result<[u64; 8], QueueError> {
        let counts = Self::counts_together(&self.connection, std::slice::from_ref(self)).await?;
        Ok(counts.into_iter().next().unwrap_or_default())
    }

    /// The same of many queues, in their order, with one round trip; `None` where the server did not answer. On a Cluster each
    /// queue is asked for itself, all at once: a server that is away hides its own queues only.
    pub async fn counts_of(connection: &Connection, queues: &[Self]) -> Vec<Option<[u64; 8]>> {
        if connection.is_cluster() {
            let asked = futures_util::future::join_all(queues.iter().map(Self::counts)).await;
            return asked.into_iter().map(Result::ok).collect();
        }
        let counts = Self::counts_together(connection, queues).await.unwrap_or_default();
        let answered = counts.into_iter().map(Some);
        answered.chain(std::iter::repeat(None)).take(queues.len()).collect()
    }

    async fn counts_together(connection: &Connection, queues: &[Self]) -> Result<Vec<[u64; 8]>, QueueError> {
        let mut pipe = redis::pipe();
        let sets = ["prioritized", "delayed", "waiting-children", "completed", "failed"];
        for Self { keys, .. } in queues {
            pipe.cmd("LLEN").arg(keys.key("wait")).cmd("LLEN").arg(keys.key("active"));
            for set in sets {
                pipe.cmd("ZCARD").arg(keys.key(set));
            }
            pipe.cmd("LLEN").arg(keys.key("paused"));
        }
        pipe.ignore_errors();
        let answers = connection.call_all(&pipe).await?;
        let read = |answers: &[Value]| {
            let mut counts = [0; 8];
            for (count, answer) in counts.iter_mut().zip(answers) {
                *count = u64::try_from(integer(answer)).unwrap_or(0);
            }
            counts
        };
        Ok(answers.chunks(STATES.len()).map(read).collect())
    }

    /// Whether anybody has made the queue: most of BullMQ's clients keep facts of it in `meta`, and each job that is added
    /// counts in `id`.
    pub async fn exists(&self) -> Result<bool, QueueError> {
        let (meta, id) = (self.keys.key("meta"), self.keys.key("id"));
        let found = self.connection.call(redis::cmd("EXISTS").arg(meta).arg(id)).await?;
        Ok(integer(&found) > 0)
    }

    /// The name of the job that is most likely taken next: of plain jobs, or, without any, of prioritized ones. `None`
    /// where none waits.
    pub async fn next_name(&self) -> Result<Option<String>, QueueError> {
        let mut pipe = redis::pipe();
        pipe.cmd("LINDEX").arg(self.keys.key("wait")).arg(-1);
        pipe.cmd("ZRANGE").arg(self.keys.key("prioritized")).arg(0).arg(0).ignore_errors();
        let heads = self.connection.call_all(&pipe).await?;
        let id = heads.into_iter().find_map(|head| match head {
            Value::Array(mut ids) if !ids.is_empty() => Some(text(ids.remove(0))),
            Value::BulkString(_) => Some(text(head)),
            _ => None,
        });
        let Some(id) = id else { return Ok(None) };
        let name = self.connection.call(redis::cmd("HGET").arg(self.keys.key(&id)).arg("name")).await?;
        Ok((name != Value::Nil).then(|| text(name)))
    }

    /// When the job that waits longest could first have run, ms since the epoch: the oldest of those that are next among
    /// the plain and the prioritized jobs. `None` where none waits. Since when a job waits that was started before is not
    /// known; those behind it tell.
    pub async fn oldest_due_ms(&self) -> Result<Option<u64>, QueueError> {
        let mut pipe = redis::pipe();
        pipe.cmd("LRANGE").arg(self.keys.key("wait")).arg(-HEADS).arg(-1);
        pipe.cmd("ZRANGE").arg(self.keys.key("prioritized")).arg(0).arg(HEADS - 1).ignore_errors();
        let heads = self.connection.call_all(&pipe).await?;
        let mut pipe = redis::pipe();
        let ids = heads.into_iter().flat_map(|head| match head {
            Value::Array(ids) => ids,
            _ => Vec::new(),
        });
        let mut found = false;
        for id in ids {
            pipe.cmd("HMGET").arg(self.keys.key(&text(id))).arg(&["timestamp", "opts", "ats"]);
            found = true;
        }
        if !found {
            return Ok(None);
        }
        let jobs = self.connection.call_all(pipe.ignore_errors()).await?;
        Ok(jobs.into_iter().filter_map(first_due_ms).min())
    }

    /// True while somebody has paused the queue.
    pub async fn is_paused(&self) -> Result<bool, QueueError> {
        let answer =
            self.connection.call(redis::cmd("HEXISTS").arg(self.keys.key("meta")).arg("paused")).await?;
        Ok(integer(&answer) == 1)
    }

    /// One job with its state and logs; `None` where there is none.
    pub async fn job(&self, id: &str) -> Result<Option<JobView>, QueueError> {
        let key = self.keys.key(id);
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(&key).cmd("LRANGE").arg(format!("{key}:logs")).arg(-SHOWN_LOGS).arg(-1);
        let sets = ["completed", "failed", "delayed", "prioritized", "waiting-children"];
        for set in sets {
            pipe.cmd("ZSCORE").arg(self.keys.key(set)).arg(id);
        }
        for list in ["active", "wait", "paused"] {
            pipe.cmd("LPOS").arg(self.keys.key(list)).arg(id);
        }
        let mut answers = self.connection.call_all(&pipe).await?.into_iter();
        let mut next = || answers.next().unwrap_or(Value::Nil);
        let fields = pairs(next());
        if !fields.contains_key("name") {
            // Nothing, or a hash of the queue's own.
            return Ok(None);
        }
        let logs = match next() {
            Value::Array(lines) => lines.into_iter().map(text).collect(),
            _ => Vec::new(),
        };
        let names = sets.into_iter().chain(["active", "waiting", "waiting"]);
        let state =
            names.zip(answers).find(|(_, found)| *found != Value::Nil).map_or("unknown", |(name, _)| name);
        Ok(Some(JobView { id: id.to_owned(), state, fields, logs }))
    }
}

/// From `timestamp`, `opts` and `ats` of a job.
fn first_due_ms(fields: Value) -> Option<u64> {
    let Value::Array(fields) = fields else { return None };
    let [added, options, starts] = <[Value; 3]>::try_from(fields).ok()?;
    if added == Value::Nil || number(&starts) > 0 {
        return None;
    }
    Some(number(&added).saturating_add(JobOptions::parse(&text(options)).delay_ms))
}

pub(crate) fn pairs(value: Value) -> BTreeMap<String, String> {
    match value {
        Value::Map(pairs) => pairs.into_iter().map(|(k, v)| (text(k), text(v))).collect(),
        Value::Array(flat) => {
            let mut flat = flat.into_iter();
            let mut fields = BTreeMap::new();
            while let (Some(key), Some(value)) = (flat.next(), flat.next()) {
                fields.insert(text(key), text(value));
            }
            fields
        }
        _ => BTreeMap::new(),
    }
}

/// The queues that exist under a prefix, by their `meta` keys. Walks the whole keyspace in small steps.
pub async fn queue_names(connection: &Connection, prefix: &str) -> Result<Vec<String>, QueueError> {
    let name = |key: String| {
        let rest = key.strip_prefix(prefix)?.strip_prefix(':')?.strip_suffix(":meta")?;
        (!rest.contains(':')).then(|| rest.to_owned())
    };
    let pattern = format!("{}:*:meta", escape_pattern(prefix));
    Ok(scan(connection, &pattern).await?.into_iter().filter_map(name).collect())
}

/// Every key that fits a pattern, each once, sorted. Walks the whole keyspace in small steps.
pub(crate) async fn scan(connection: &Connection, pattern: &str) -> Result<BTreeSet<String>, QueueError> {
    let mut found = BTreeSet::new();
    let step = |answer: Option<Value>| {
        let mut cursor = "0".to_owned();
        if let Some(Value::Array(answer)) = answer {
            let mut answer = answer.into_iter();
            cursor = answer.next().map(text).unwrap_or_default();
            if let Some(Value::Array(keys)) = answer.next() {
                found.extend(keys.into_iter().map(text));
            }
            if cursor == "0" || cursor.is_empty() {
                return None;
            }
        }
        let mut command = redis::cmd("SCAN");
        command.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
        Some(command)
    };
    connection.walk(step).await?;
    Ok(found)
}

pub(crate) fn escape_pattern(text: &str) -> String {
    text.chars().flat_map(|c| if "*?[]\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}
