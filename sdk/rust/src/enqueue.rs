//! Adds jobs, and reads what this job's children have come to.
//!
//! The job type's `allow.enqueue` lists the queues that may be added to. An attempt that is tried again adds again:
//! give jobs an id of their own (`.option("jobId", …)`) or a unique key where that matters.
//!
//! ```
//! use gristmill::enqueue::{self, NewJob};
//! use gristmill::{Job, JobError};
//!
//! #[gristmill::handler]
//! fn invoice(job: Job, orders: Vec<u64>) -> Result<u64, JobError> {
//!     let pages: Vec<u64> = enqueue::children()?.into_iter().map(|page| page.value).collect();
//!     if pages.len() < orders.len() {
//!         // All in one call, each with an id of its own: a second try after a crash adds only what is missing.
//!         let page = |order: &u64| {
//!             let id = format!("{}-{order}", job.id);
//!             Ok(NewJob::new("page", order)?.queue("pages").option("jobId", id).child())
//!         };
//!         enqueue::submit_many(orders.iter().map(page).collect::<Result<_, JobError>>()?)?;
//!         return Err(JobError::wait_for_children());
//!     }
//!     Ok(pages.iter().sum())
//! }
//! ```

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::host;

/// A job to add.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub(crate) name: String,
    pub(crate) queue: Option<String>,
    pub(crate) data: Vec<u8>,
    pub(crate) delay_ms: Option<u64>,
    pub(crate) unique_key: Option<String>,
    pub(crate) child: bool,
    pub(crate) options: Map<String, Value>,
}

impl NewJob {
    /// A job for this job's own queue; an error if the data has no JSON form.
    pub fn new(name: impl Into<String>, data: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self {
            name: name.into(),
            queue: None,
            data: serde_json::to_vec(data)?,
            delay_ms: None,
            unique_key: None,
            child: false,
            options: Map::new(),
        })
    }

    /// For another queue.
    #[must_use]
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.queue = Some(name.into());
        self
    }

    /// Not before this has passed.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay_ms = Some(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// While a job with this key (BullMQ's deduplication id) lives, no other is added.
    #[must_use]
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.unique_key = Some(key.into());
        self
    }

    /// A child of this job: this job can wait for it and gets its result.
    #[must_use]
    pub fn child(mut self) -> Self {
        self.child = true;
        self
    }

    /// A BullMQ job option by its long name, `priority` or `attempts`.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }
}

/// A job that was added, or was there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Added {
    /// The job's id.
    pub id: String,
    /// It was there already, with this id or unique key; nothing was added.
    pub existing: bool,
}

impl Added {
    pub(crate) fn new(id: String, existing: bool) -> Self {
        Self { id, existing }
    }
}

/// A child of this job that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Child<T> {
    /// BullMQ's key of the job, `PREFIX:QUEUE:ID`.
    pub key: String,
    /// What it returned, or why it failed.
    pub value: T,
}

/// Why nothing was added or read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnqueueError {
    /// The job type may not add to this queue.
    Denied(String),
    /// A job breaks a rule; nothing was added. Or a child returned something else than was asked for.
    Invalid(String),
    /// The attempt has added as many jobs as it may; nothing was added.
    QuotaExceeded,
    /// Redis did not answer: whether jobs were added is not known.
    Unavailable(String),
}

impl fmt::Display for EnqueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(why) | Self::Invalid(why) => f.write_str(why),
            Self::QuotaExceeded => f.write_str("the attempt has added as many jobs as it may"),
            Self::Unavailable(why) => write!(f, "Redis did not answer: {why}"),
        }
    }
}

impl std::error::Error for EnqueueError {}

/// Adds one job. Waits for Redis.
pub fn submit(job: NewJob) -> Result<Added, EnqueueError> {
    host::submit(job)
}

/// Adds jobs, all or none; at most 1000. Waits for Redis.
pub fn submit_many(jobs: Vec<NewJob>) -> Result<Vec<Added>, EnqueueError> {
    host::submit_many(jobs)
}

/// What this job's children that completed have returned. Waits for Redis.
pub fn children<T: DeserializeOwned>() -> Result<Vec<Child<T>>, EnqueueError> {
    let read = |(key, value): (String, Vec<u8>)| match serde_json::from_slice(&value) {
        Ok(value) => Ok(Child { key, value }),
        Err(error) => Err(EnqueueError::Invalid(format!("child `{key}` returned something else: {error}"))),
    };
    host::children()?.into_iter().map(read).collect()
}

/// Why children have failed whose failure this job survives (`ignoreDependencyOnFailure`,
/// `continueParentOnFailure`). Waits for Redis.
pub fn failed_children() -> Result<Vec<Child<String>>, EnqueueError> {
    Ok(host::failed_children()?.into_iter().map(|(key, value)| Child { key, value }).collect())
}
