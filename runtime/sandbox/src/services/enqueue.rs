//! `gristmill:job/enqueue`.

use gristmill_core::service::{self, ChildFailures, ChildResults, Submission};

use crate::Denied;
use crate::bindings::gristmill::job::enqueue::{Added, EnqueueError, Host, NewJob};
use crate::guest::Guest;

/// Jobs of one call, which is one script run in Redis.
const MAX_JOBS: usize = 1_000;

impl From<service::EnqueueError> for EnqueueError {
    fn from(error: service::EnqueueError) -> Self {
        match error {
            service::EnqueueError::Denied(why) => Self::Denied(why),
            service::EnqueueError::Invalid(why) => Self::Invalid(why),
            service::EnqueueError::QuotaExceeded => Self::QuotaExceeded,
            service::EnqueueError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

fn submission(job: NewJob) -> Submission {
    let NewJob { name, queue, data, delay, unique_key, child, options } = job;
    Submission { name, queue, data, delay_ms: delay, unique_key, child, options, context: None }
}

impl Guest {
    async fn enqueue(&mut self, jobs: Vec<NewJob>) -> Result<Vec<Added>, EnqueueError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        if jobs.len() > MAX_JOBS {
            return Err(EnqueueError::Invalid(format!("{} jobs at once, more than {MAX_JOBS}", jobs.len())));
        }
        for job in &jobs {
            let queue = job.queue.as_deref().unwrap_or(&self.queue);
            if !self.allow.enqueue.iter().any(|allowed| allowed == queue) {
                self.host.denied(Denied::Enqueue);
                let queue = gristmill_core::units::cut(queue, 256);
                return Err(EnqueueError::Denied(format!(
                    "the job type does not allow adding to the queue `{queue}`: list it in `allow.enqueue`"
                )));
            }
        }
        if !self.calls.take() || !self.enqueued.take_all(jobs.len()) {
            return Err(EnqueueError::QuotaExceeded);
        }
        let added = self.host.enqueue(jobs.into_iter().map(submission).collect()).await?;
        Ok(added.into_iter().map(|service::Added { id, existing }| Added { id, existing }).collect())
    }
}

impl Host for Guest {
    async fn submit(&mut self, job: NewJob) -> wasmtime::Result<Result<Added, EnqueueError>> {
        let added = self.enqueue(vec![job]).await;
        Ok(added.and_then(|mut added| {
            added.pop().ok_or_else(|| EnqueueError::Unavailable("the host answered nothing".to_owned()))
        }))
    }

    async fn submit_many(&mut self, jobs: Vec<NewJob>) -> wasmtime::Result<Result<Vec<Added>, EnqueueError>> {
        Ok(self.enqueue(jobs).await)
    }

    async fn children(&mut self) -> wasmtime::Result<Result<ChildResults, EnqueueError>> {
        if !self.calls.take() {
            return Ok(Err(EnqueueError::QuotaExceeded));
        }
        Ok(self.host.children().await.map_err(EnqueueError::from))
    }

    async fn failed_children(&mut self) -> wasmtime::Result<Result<ChildFailures, EnqueueError>> {
        if !self.calls.take() {
            return Ok(Err(EnqueueError::QuotaExceeded));
        }
        Ok(self.host.failed_children().await.map_err(EnqueueError::from))
    }
}
