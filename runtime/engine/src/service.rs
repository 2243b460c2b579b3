//! What a running job asks of Redis for itself: jobs to add, its children, state, checkpoints, its data.
//!
//! Nothing is tried twice here: the guest is told that Redis did not answer, and its attempt may be tried again.

use std::sync::Arc;

use gristmill_core::clock::Clock;
use gristmill_core::service::{
    Added, ChildFailures, ChildResults, EnqueueError, StateAnswer, StateError, StateStep, Submission,
};
use gristmill_queue::{ErrorKind, Lock, NewJob, Queue, QueueError, add_all};

use crate::guards::Guards;

/// Bytes of children's results, or reasons, that one call hands to a guest.
const MAX_CHILDREN_BYTES: usize = 16 << 20;

/// The services of one running job.
pub(crate) struct Service {
    pub queue: Queue,
    pub job: Lock,
    /// The job type's name in the configuration, to which its state belongs.
    pub job_type: Arc<str>,
    pub guards: Guards,
    pub clock: Clock,
}

fn enqueue_error(error: &QueueError) -> EnqueueError {
    match error.kind() {
        ErrorKind::Invalid => EnqueueError::Invalid(error.to_string()),
        ErrorKind::Unavailable | ErrorKind::Refused => EnqueueError::Unavailable(error.to_string()),
    }
}

impl Service {
    pub(crate) async fn enqueue(&self, jobs: Vec<Submission>) -> Result<Vec<Added>, EnqueueError> {
        let new = jobs.into_iter().map(|job| self.new_job(job)).collect::<Result<Vec<_>, _>>()?;
        let prefix = self.queue.keys().prefix();
        add_all(self.queue.connection(), prefix, &new, self.clock.now_ms())
            .await
            .map_err(|error| enqueue_error(&error))
    }

    fn new_job(&self, job: Submission) -> Result<(String, NewJob), EnqueueError> {
        let options = job.options().map_err(EnqueueError::Invalid)?;
        let Submission { name, queue, data, child, .. } = job;
        let data = String::from_utf8(data)
            .map_err(|_| EnqueueError::Invalid(format!("job `{name}`: its data is not UTF-8")))?;
        let parent = child.then(|| self.queue.parent_ref(&self.job.id));
        let queue = queue.unwrap_or_else(|| self.queue.name().to_owned());
        Ok((queue, NewJob { name, data, options, parent }))
    }

    pub(crate) async fn children(&self) -> Result<ChildResults, EnqueueError> {
        let found = self.queue.child_results(&self.job.id, MAX_CHILDREN_BYTES).await;
        let results = found.map_err(|error| enqueue_error(&error))?.ok_or_else(too_many)?;
        Ok(results.into_iter().map(|(key, value)| (key, value.into_bytes())).collect())
    }

    pub(crate) async fn failed_children(&self) -> Result<ChildFailures, EnqueueError> {
        let found = self.queue.child_failures(&self.job.id, MAX_CHILDREN_BYTES).await;
        found.map_err(|error| enqueue_error(&error))?.ok_or_else(too_many)
    }

    pub(crate) async fn state(&self, key: &str, step: &StateStep) -> Result<StateAnswer, StateError> {
        match self.queue.state(&self.job_type, key, step, self.clock.now_ms()).await {
            Ok(answer) => answer,
            Err(error) => Err(StateError::Unavailable(error.to_string())),
        }
    }

    pub(crate) async fn save_checkpoint(&self, data: &[u8]) -> Result<(), String> {
        kept(self.queue.save_checkpoint(&self.job, data, self.clock.now_ms()).await)
    }

    pub(crate) async fn load_checkpoint(&self) -> Result<Option<Vec<u8>>, String> {
        self.queue.load_checkpoint(&self.job.id).await.map_err(|error| error.to_string())
    }

    pub(crate) async fn update_data(&self, json: &str) -> Result<(), String> {
        kept(self.queue.update_data(&self.job, json, self.clock.now_ms()).await)
    }
}

fn too_many() -> EnqueueError {
    EnqueueError::Invalid(format!(
        "the children's results have more than {MAX_CHILDREN_BYTES} bytes together"
    ))
}

fn kept(result: Result<bool, QueueError>) -> Result<(), String> {
    match result {
        Ok(true) => Ok(()),
        Ok(false) => Err("the job's lock is lost: another worker may have it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
