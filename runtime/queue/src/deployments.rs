//! Deployments in Redis, under keys of our own that share a slot: which versions serve which job type, their history, and
//! what the versions of a canary came to.

use std::collections::BTreeMap;

use gristmill_core::deployment::{Change, Counts, Deployment, Entry, ModuleInfo, Refusal, short};
use redis::Value;

use crate::connection::Connection;
use crate::error::QueueError;
use crate::modules::ModuleStoreError;
use crate::script::DEPLOY;
use crate::subscription::Subscription;
use crate::turn::text;
use crate::usage::{count_into, pairs};

const DEPLOYMENTS: &str = "gristmill:{registry}:deployments";
const CHANNEL: &str = "gristmill:deployments";
/// Entries of a history that are kept.
const HISTORY: usize = 500;
/// Ms after the last sample for which the counts of a canary are kept.
const COUNTS_TTL_MS: u64 = 30 * 24 * 3_600_000;
/// How often a change is tried again when others change the same deployment.
const TRIES: usize = 20;

/// A queue, and the name that its job type has in the configuration: a job's name, or `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The queue; without `:`.
    pub queue: String,
    /// The job type.
    pub job: String,
}

impl Target {
    /// A queue has no `:` in its name, so this says all.
    fn field(&self) -> String {
        format!("{}:{}", self.queue, self.job)
    }

    fn parse(field: &str) -> Option<Self> {
        let (queue, job) = field.split_once(':')?;
        Some(Self { queue: queue.to_owned(), job: job.to_owned() })
    }

    fn history_key(&self) -> String {
        format!("gristmill:{{registry}}:history:{}", self.field())
    }

    fn counts_key(&self, revision: u64) -> String {
        format!("gristmill:{{registry}}:canary:{revision}:{}", self.field())
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "job type `{}` of queue `{}`", self.job, self.queue)
    }
}

/// Why a deployment was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The change does not fit it.
    #[error("{target}: {refusal}")]
    Refused {
        /// Which deployment.
        target: Target,
        /// Why.
        refusal: Refusal,
    },
    /// Others changed it all the time.
    #[error("{0} is being changed by others; try again")]
    Busy(Target),
    /// Redis.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// What the versions of a canary came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CanaryCounts {
    /// The stable version, since the canary began.
    pub stable: Counts,
    /// The canary.
    pub canary: Counts,
}

impl CanaryCounts {
    fn parts(&self) -> [(char, &Counts); 2] {
        [('s', &self.stable), ('c', &self.canary)]
    }
}

impl Connection {
    /// All deployments; what is none is passed over.
    pub async fn deployments(&self) -> Result<BTreeMap<Target, Deployment>, QueueError> {
        let found = self.call(redis::cmd("HGETALL").arg(DEPLOYMENTS)).await?;
        let row = |(field, row)| {
            Some((Target::parse(&text(field))?, serde_json::from_str::<Deployment>(&text(row)).ok()?))
        };
        Ok(pairs(found).into_iter().filter_map(row).collect())
    }

    /// The JSON Schema of the data that jobs of this name must have, by the stable version of what is deployed for it; `None`
    /// where nothing is, or it has none.
    pub async fn schema_for(&self, queue: &str, name: &str) -> Result<Option<serde_json::Value>, QueueError> {
        for job in [name, "*"] {
            let target = Target { queue: queue.to_owned(), job: job.to_owned() };
            let Some(deployment) = self.deployment(&target).await? else { continue };
            return match self.module_info(&deployment.stable).await {
                Ok(info) => Ok(info.schema),
                Err(ModuleStoreError::Queue(error)) => Err(error),
                Err(_) => Ok(None),
            };
        }
        Ok(None)
    }

    /// One deployment.
    pub async fn deployment(&self, target: &Target) -> Result<Option<Deployment>, QueueError> {
        match self.call(redis::cmd("HGET").arg(DEPLOYMENTS).arg(target.field())).await? {
            Value::Nil => Ok(None),
            found => serde_json::from_str(&text(found)).map(Some).map_err(|_| {
                QueueError::Job(format!(
                    "what is deployed for {target} cannot be read; remove it, and push again: \
                     `redis-cli HDEL {DEPLOYMENTS} '{}'`",
                    target.field()
                ))
            }),
        }
    }

    /// Changes a deployment, whatever others do meanwhile; with `revision` only if it is that one, else `None` is
    /// answered. A call whose answer is lost may have changed it: then a second one is refused, or finds it done.
    pub async fn change_deployment(
        &self,
        target: &Target,
        change: &Change,
        (by, reason): (&str, &str),
        revision: Option<u64>,
        now_ms: u64,
    ) -> Result<Option<Deployment>, ChangeError> {
        for _ in 0..TRIES {
            let before = self.deployment(target).await?;
            let seen = before.as_ref().map_or(0, |d| d.revision);
            if revision.is_some_and(|revision| revision != seen) {
                return Ok(None);
            }
            let refused = |refusal| ChangeError::Refused { target: target.clone(), refusal };
            let (after, action, digest) = Deployment::change(before.as_ref(), change).map_err(refused)?;
            let entry = Entry {
                revision: after.revision,
                at_ms: now_ms,
                by: short(by),
                action: action.to_owned(),
                digest,
                reason: short(reason),
            };
            let mut call = DEPLOY.call_on(DEPLOYMENTS);
            call.arg(target.field()).arg(seen).arg(json(&after)).arg(target.history_key());
            call.arg(json(&entry)).arg(HISTORY).arg(CHANNEL);
            if call.send(self).await? == Value::Int(1) {
                return Ok(Some(after));
            }
        }
        Err(ChangeError::Busy(target.clone()))
    }

    /// Refuses a module that is of another handler than what is deployed.
    pub async fn check_handler(&self, target: &Target, module: &ModuleInfo) -> Result<(), QueueError> {
        let Some(deployment) = self.deployment(target).await? else { return Ok(()) };
        for digest in deployment.digests() {
            // One that is gone or damaged says nothing; the next may.
            let Ok(known) = self.module_info(digest).await else { continue };
            if known.name == module.name {
                return Ok(());
            }
            let (own, other, digest) = (&known.name, &module.name, &module.digest);
            return Err(QueueError::Job(format!(
                "{target} is served by the handler `{own}`, and `{digest}` is of `{other}`"
            )));
        }
        Ok(())
    }

    /// What changed a deployment, newest first.
    pub async fn deployment_history(&self, target: &Target, count: usize) -> Result<Vec<Entry>, QueueError> {
        let last = count.clamp(1, HISTORY) - 1;
        let Value::Array(rows) =
            self.call(redis::cmd("LRANGE").arg(target.history_key()).arg(0).arg(last)).await?
        else {
            return Err(self.unfit("a history"));
        };
        Ok(rows.into_iter().filter_map(|row| serde_json::from_str(&text(row)).ok()).collect())
    }

    /// Adds to what the versions of a canary came to, which began with this revision. Repeating it adds again.
    pub async fn add_canary_counts(
        &self,
        target: &Target,
        revision: u64,
        counts: &CanaryCounts,
    ) -> Result<(), QueueError> {
        let key = target.counts_key(revision);
        let mut pipeline = redis::pipe();
        let mut add = |field: String, count: u64| {
            if count > 0 {
                pipeline.cmd("HINCRBY").arg(&key).arg(field).arg(count);
            }
        };
        for (version, counts) in counts.parts() {
            add(format!("{version}a"), counts.attempts);
            add(format!("{version}e"), counts.failed);
            add(format!("{version}x"), counts.trapped);
            for (letter, sketch) in [('t', &counts.time), ('f', &counts.fuel), ('m', &counts.memory)] {
                sketch.counts().for_each(|(bucket, count)| add(format!("{version}{letter}{bucket}"), count));
            }
        }
        pipeline.cmd("PEXPIRE").arg(&key).arg(COUNTS_TTL_MS);
        self.call_all(&pipeline).await.map(drop)
    }

    /// What the versions of a canary came to, which began with this revision.
    pub async fn canary_counts(&self, target: &Target, revision: u64) -> Result<CanaryCounts, QueueError> {
        let found = self.call(redis::cmd("HGETALL").arg(target.counts_key(revision))).await?;
        let mut counts = CanaryCounts::default();
        for (field, count) in pairs(found) {
            let (field, count) = (text(field), text(count).parse().unwrap_or(0));
            let part = match field.as_bytes().first() {
                Some(b's') => &mut counts.stable,
                Some(b'c') => &mut counts.canary,
                _ => continue,
            };
            match field.get(1..) {
                Some("a") => part.attempts = count,
                Some("e") => part.failed = count,
                Some("x") => part.trapped = count,
                Some(rest) => count_into(rest, count, [&mut part.time, &mut part.fuel, &mut part.memory]),
                None => {}
            }
        }
        Ok(counts)
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Hears that deployments have changed, over a connection of its own.
pub struct DeploymentChanges(Subscription);

impl DeploymentChanges {
    /// Connects at the first wait.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self(Subscription::new(connection, CHANNEL))
    }

    /// Waits for the next change. After an error the next wait subscribes anew; what was said between is lost.
    pub async fn next(&mut self) -> Result<(), QueueError> {
        self.0.next().await.map(drop)
    }
}

#[cfg(test)]
mod tests;
