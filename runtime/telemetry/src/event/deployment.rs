//! Deployments.

use crate::metrics::Metrics;

/// A worker serves what a deployment says.
pub struct DeploymentFollowed<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job type.
    pub job: &'a str,
    /// The deployment's revision.
    pub revision: u64,
    /// Digest of the stable version.
    pub stable: &'a str,
    /// Digest of the canary, and its percent of the attempts.
    pub canary: Option<(&'a str, u32)>,
}

impl DeploymentFollowed<'_> {
    /// Counts and logs it.
    pub fn emit(self, metrics: &Metrics) {
        let Self { queue, job, revision, stable, canary } = self;
        metrics.families.deployments.with_label_values(&[queue, job, "followed"]).inc();
        let part = canary.map_or(0, |(_, percent)| percent);
        metrics.families.canary_percent.with_label_values(&[queue, job]).set(i64::from(part));
        match canary {
            None => tracing::info!(queue, job, revision, digest = stable, "deployment served"),
            Some((canary, percent)) => {
                tracing::info!(queue, job, revision, digest = stable, canary, percent, "canary served");
            }
        }
    }
}

/// Jobs of a queue wait, as nothing is deployed for one of its job types.
pub struct NothingDeployed<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job type.
    pub job: &'a str,
}

impl NothingDeployed<'_> {
    /// Logs it.
    pub fn emit(self) {
        let Self { queue, job } = self;
        tracing::warn!(queue, job, "nothing is deployed for this job type: all jobs of its queue wait");
    }
}

/// A worker cannot serve what a deployment says, and goes on with what it has.
pub struct DeploymentRefused<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job type.
    pub job: &'a str,
    /// Digest of the version.
    pub digest: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Whether another version is served.
    pub serves: bool,
}

impl DeploymentRefused<'_> {
    /// Counts and logs it.
    pub fn emit(self, metrics: &Metrics) {
        let Self { queue, job, digest, reason, serves } = self;
        metrics.families.deployments.with_label_values(&[queue, job, "refused"]).inc();
        if serves {
            tracing::error!(
                queue,
                job,
                digest,
                reason,
                "a deployed version cannot be served here; what is served stays"
            );
        } else {
            tracing::error!(
                queue,
                job,
                digest,
                reason,
                "a deployed version cannot be served here: the queue's jobs wait"
            );
        }
    }
}

/// A canary was judged by what its attempts came to.
pub struct CanaryEnded<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job type.
    pub job: &'a str,
    /// Its digest.
    pub digest: &'a str,
    /// `promote` or `rollback`.
    pub action: &'static str,
    /// What it came to.
    pub reason: &'a str,
}

impl CanaryEnded<'_> {
    /// Counts and logs it.
    pub fn emit(self, metrics: &Metrics) {
        let Self { queue, job, digest, action, reason } = self;
        metrics.families.canaries.with_label_values(&[queue, job, action]).inc();
        if action == "promote" {
            tracing::info!(queue, job, digest, reason, "canary promoted");
        } else {
            tracing::error!(queue, job, digest, reason, "canary rolled back: it is worse");
        }
    }
}
