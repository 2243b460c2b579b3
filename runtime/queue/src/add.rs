//! Adding jobs: standard, LIFO, prioritized, delayed, deduplicated, children, and whole trees.

use std::fmt;

use gristmill_core::new_job::{Deduplication, NewJobOptions};
use gristmill_core::service::Added;
use redis::Value;
use serde_json::json;

use crate::Queue;
use crate::connection::Connection;
use crate::error::QueueError;
use crate::keys::{Keys, SUFFIXES};
use crate::script::{ADD, Call};
use crate::turn::{integer, text};

/// Jobs per call: one call keeps other clients of Redis waiting for a few ms at most.
const BATCH: usize = 128;
/// Jobs in one tree, which is added in one call.
pub const MAX_FLOW: usize = 1_000;

/// A job to add.
#[derive(Debug, Clone, Default)]
pub struct NewJob {
    /// Its name.
    pub name: String,
    /// JSON text.
    pub data: String,
    /// BullMQ's options, checked.
    pub options: NewJobOptions,
    /// The job that waits for this one.
    pub parent: Option<ParentRef>,
}

/// A job that has children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentRef {
    /// `PREFIX:QUEUE`
    pub queue_key: String,
    /// Its id.
    pub id: String,
}

/// A tree of jobs: each waits for its children.
#[derive(Debug, Clone, Default)]
pub struct Flow {
    /// The queue's name.
    pub queue: String,
    /// The job; its `parent` is set by the tree, but for the root's.
    pub job: NewJob,
    /// Jobs that it waits for.
    pub children: Vec<Flow>,
}

/// Where the jobs of a [`Flow`] are.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AddedFlow {
    /// The queue's name.
    pub queue: String,
    /// The job's id.
    pub id: String,
    /// The same for its children, in their order.
    pub children: Vec<AddedFlow>,
}

/// Why a job was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its parent does not exist.
    NoParent,
    /// It is there already and has another parent, which lives.
    OtherParent,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoParent => "its parent does not exist",
            Self::OtherParent => "a job with this id belongs to another parent",
        })
    }
}

/// Checks an id that a producer chose, by BullMQ's rules and ours: it must not be another key's name.
pub fn check_custom_id(id: &str) -> Result<(), QueueError> {
    let why = if id.is_empty() || id.len() > 512 {
        "must have 1 to 512 bytes"
    } else if id == "0" || id.starts_with("0:") || id.bytes().all(|b| b.is_ascii_digit()) {
        "must not be a number: BullMQ counts its own ids"
    } else if id.contains(':') {
        "must not contain `:`"
    } else if SUFFIXES.contains(&id) {
        "is the name of one of the queue's own keys"
    } else {
        return Ok(());
    };
    Err(QueueError::Job(format!("job id `{id}` {why}")))
}

/// Checks a queue's name by BullMQ's rules.
pub fn check_queue_name(name: &str) -> Result<(), QueueError> {
    if name.is_empty() || name.len() > 256 || name.contains(':') {
        return Err(QueueError::Job(format!("`{name}` is no queue name: 1 to 256 bytes without `:`")));
    }
    Ok(())
}

impl NewJob {
    fn check(&self) -> Result<(), QueueError> {
        if let Some(id) = &self.options.custom_id {
            check_custom_id(id)?;
        }
        let wrong = |why: String| Err(QueueError::Job(format!("job `{}`: {why}", self.name)));
        if let Some(limit) = self.options.size_limit.filter(|limit| (self.data.len() as u64) > *limit) {
            return wrong(format!("its data has {} bytes, more than `sizeLimit` {limit}", self.data.len()));
        }
        if self.parent.is_some() && self.options.deduplication.is_some() {
            return wrong("`deduplication` cannot be used with a parent".to_owned());
        }
        Ok(())
    }

    /// The fifteen values that `add.lua` reads.
    fn write(&self, call: &mut Call<'_>, keys: &Keys, id: Option<&str>, waits: bool, now_ms: u64) {
        let options = &self.options;
        call.arg(keys.base()).arg(id.or(options.custom_id.as_deref()).unwrap_or_default());
        call.arg(&self.name).arg(&self.data);
        match &self.parent {
            Some(parent) => call.arg(with_parent(&options.stored, parent)),
            None if options.stored.is_empty() => call.arg("{}"),
            None => call.arg(&options.stored),
        };
        call.arg(options.timestamp_ms.unwrap_or(now_ms)).arg(options.delay_ms).arg(options.priority);
        call.arg(u8::from(options.lifo)).arg(u8::from(waits));
        match &self.parent {
            Some(parent) => {
                call.arg(format!("{}:{}", parent.queue_key, parent.id)).arg(self.parent_field(parent))
            }
            None => call.arg("").arg(""),
        };
        match &options.deduplication {
            Some(once) => call.arg(&once.id).arg(once.ttl_ms.unwrap_or(0)).arg(flags(once)),
            None => call.arg("").arg(0).arg(""),
        };
    }

    fn parent_field(&self, parent: &ParentRef) -> String {
        let mut field = json!({ "id": parent.id, "queueKey": parent.queue_key });
        if let Some(policy) = self.options.policy {
            field[policy.short()] = json!(true);
        }
        field.to_string()
    }
}

/// `opts` as BullMQ keeps them for a child.
fn with_parent(stored: &str, parent: &ParentRef) -> String {
    let mut opts = serde_json::from_str(stored).unwrap_or_else(|_| json!({}));
    opts["parent"] = json!({ "id": parent.id, "queue": parent.queue_key });
    opts.to_string()
}

fn flags(once: &Deduplication) -> String {
    let all =
        [(once.extend, 'e'), (once.replace, 'r'), (once.keep_last_if_active, 'k'), (once.reschedule, 's')];
    all.iter().filter(|(set, _)| *set).map(|(_, letter)| *letter).collect()
}

fn answer(value: Value) -> Result<Added, Refusal> {
    match (integer(&value), value) {
        (-5, _) => Err(Refusal::NoParent),
        (-7, _) => Err(Refusal::OtherParent),
        (_, Value::Array(ids)) => {
            Ok(Added { id: ids.into_iter().next().map(text).unwrap_or_default(), existing: true })
        }
        (_, id) => Ok(Added { id: text(id), existing: false }),
    }
}

impl Queue {
    /// Adds jobs and answers for each its id, or that of the job that stands for it. Nothing is added when one of them
    /// breaks a rule. Repeating it adds those without a custom or deduplication id again.
    pub async fn add(&self, jobs: &[NewJob], now_ms: u64) -> Result<Vec<Result<Added, Refusal>>, QueueError> {
        jobs.iter().try_for_each(NewJob::check)?;
        for job in jobs.iter().filter(|job| job.parent.is_some()) {
            check_slot(&self.connection, self.keys.prefix(), [(self.name(), job)])?;
        }
        let mut ids = Vec::with_capacity(jobs.len());
        for batch in jobs.chunks(BATCH) {
            let mut call = ADD.call(&self.keys, now_ms);
            call.arg("each");
            for job in batch {
                job.write(&mut call, &self.keys, None, false, now_ms);
            }
            ids.extend(answers(call.send(&self.connection).await?, batch.len(), &self.connection)?);
        }
        Ok(ids)
    }

    /// A reference to one of this queue's jobs, for its children.
    #[must_use]
    pub fn parent_ref(&self, id: &str) -> ParentRef {
        ParentRef { queue_key: self.keys.queue_key(), id: id.to_owned() }
    }
}

/// On a Cluster jobs that one call adds, and parents with their children, must be in one slot: keys of another one are
/// out of the script's reach.
fn check_slot<'a>(
    connection: &Connection,
    prefix: &str,
    jobs: impl IntoIterator<Item = (&'a str, &'a NewJob)>,
) -> Result<(), QueueError> {
    if !connection.is_cluster() {
        return Ok(());
    }
    let mut first: Option<Keys> = None;
    for (queue, job) in jobs {
        let parent = job.parent.as_ref().and_then(|parent| parent.queue_key.rsplit_once(':'));
        let parent = parent.map(|(prefix, queue)| Keys::new(prefix, queue));
        for keys in std::iter::once(Keys::new(prefix, queue)).chain(parent) {
            connection.check_keys(&keys)?;
            let first = first.get_or_insert_with(|| keys.clone());
            if first.hash_tag() != keys.hash_tag() {
                return Err(QueueError::Job(format!(
                    "job `{}`: on a Cluster jobs that are added together, and parents with their children, must be in \
                     queues with the same hash tag; `{}` and `{}` are not",
                    job.name,
                    first.queue(),
                    keys.queue()
                )));
            }
        }
    }
    Ok(())
}

fn answers(
    value: Value,
    count: usize,
    connection: &Connection,
) -> Result<Vec<Result<Added, Refusal>>, QueueError> {
    match value {
        Value::Array(ids) if ids.len() == count => Ok(ids.into_iter().map(answer).collect()),
        _ => Err(connection.unfit("ids")),
    }
}

/// Adds jobs, each with its queue's name, all or none of them; at most [`MAX_FLOW`]. On a cluster their queues must
/// share a hash tag. Repeating it adds those without a custom or deduplication id again.
pub async fn add_all(
    connection: &Connection,
    prefix: &str,
    jobs: &[(String, NewJob)],
    now_ms: u64,
) -> Result<Vec<Added>, QueueError> {
    let Some((first, _)) = jobs.first() else { return Ok(Vec::new()) };
    if jobs.len() > MAX_FLOW {
        return Err(QueueError::Job(format!("at most {MAX_FLOW} jobs are added together")));
    }
    check_slot(connection, prefix, jobs.iter().map(|(queue, job)| (queue.as_str(), job)))?;
    let keys = Keys::new(prefix, first);
    let mut call = ADD.call(&keys, now_ms);
    call.arg("all");
    for (queue, job) in jobs {
        check_queue_name(queue)?;
        job.check()?;
        job.write(&mut call, &Keys::new(prefix, queue), None, false, now_ms);
    }
    let answers = answers(call.send(connection).await?, jobs.len(), connection)?;
    let all = answers.into_iter().zip(jobs).map(|(answer, (_, job))| {
        answer.map_err(|refusal| QueueError::Job(format!("job `{}`: {refusal}", job.name)))
    });
    all.collect()
}

/// Adds a whole tree, or, when the root's parent is missing, nothing. `new_id` answers a new unique id at each call.
/// On a cluster all its queues must share a hash tag. Repeating it adds the tree again.
pub async fn add_flow(
    connection: &Connection,
    prefix: &str,
    flow: &Flow,
    mut new_id: impl FnMut() -> String,
    now_ms: u64,
) -> Result<AddedFlow, QueueError> {
    let mut nodes = Vec::new();
    let added = lay_out(flow, flow.job.parent.clone(), prefix, &mut new_id, &mut nodes)?;
    check_slot(connection, prefix, nodes.iter().map(|node| (node.keys.queue(), &node.job)))?;
    let keys = Keys::new(prefix, &flow.queue);
    let mut call = ADD.call(&keys, now_ms);
    call.arg("flow");
    for node in &nodes {
        node.job.write(&mut call, &node.keys, Some(&node.id), node.waits, now_ms);
    }
    let answers = answers(call.send(connection).await?, nodes.len(), connection)?;
    match answers.into_iter().next() {
        Some(Err(refusal)) => Err(QueueError::Job(format!("job `{}`: {refusal}", flow.job.name))),
        _ => Ok(added),
    }
}

struct Node {
    keys: Keys,
    id: String,
    job: NewJob,
    waits: bool,
}

/// Parents before their children, each with its id.
fn lay_out(
    flow: &Flow,
    parent: Option<ParentRef>,
    prefix: &str,
    new_id: &mut impl FnMut() -> String,
    nodes: &mut Vec<Node>,
) -> Result<AddedFlow, QueueError> {
    check_queue_name(&flow.queue)?;
    let job = NewJob { parent, ..flow.job.clone() };
    job.check()?;
    if !flow.children.is_empty() && job.options.deduplication.is_some() {
        let why = "`deduplication` cannot be used for a job with children";
        return Err(QueueError::Job(format!("job `{}`: {why}", job.name)));
    }
    if nodes.len() >= MAX_FLOW {
        return Err(QueueError::Job(format!("a flow has at most {MAX_FLOW} jobs")));
    }
    let keys = Keys::new(prefix, &flow.queue);
    let id = job.options.custom_id.clone().unwrap_or_else(&mut *new_id);
    let as_parent = ParentRef { queue_key: keys.queue_key(), id: id.clone() };
    nodes.push(Node { keys, id: id.clone(), job, waits: !flow.children.is_empty() });
    let children = flow
        .children
        .iter()
        .map(|child| lay_out(child, Some(as_parent.clone()), prefix, new_id, nodes))
        .collect::<Result<_, _>>()?;
    Ok(AddedFlow { queue: flow.queue.clone(), id, children })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("order-17", true)]
    #[case("17", false)]
    #[case("wait", false)]
    #[case("a:b", false)]
    #[case("", false)]
    fn custom_ids(#[case] id: &str, #[case] fits: bool) {
        assert_eq!(check_custom_id(id).is_ok(), fits);
    }
}
