//! Whether a job may start now: its job type's limiters and breakers.

use std::sync::atomic::Ordering;

use gristmill_core::backoff::MAX_DELAY_MS;
use gristmill_core::settlement::Action;
use gristmill_queue::Taken;
use gristmill_sandbox::{Attempt, Level};

use super::Executor;
use crate::guards::Passed;
use crate::handlers::JobType;

impl Executor {
    /// Asks the job type's limiters and breakers. `Err`: the job waits; that uses no attempt.
    pub(super) async fn admit(
        &self,
        taken: &Taken,
        attempt: &Attempt,
        job_type: &JobType,
    ) -> Result<Vec<Passed>, Action> {
        let JobType { limiters, breakers, .. } = job_type;
        if limiters.is_empty() && breakers.is_empty() || attempt.interrupter.reason().is_some() {
            return Ok(Vec::new());
        }
        let again = taken.held > 0;
        let answer = self.guards.admit(&self.queue, limiters, breakers, &attempt.job.data, again).await;
        answer.map_err(|held| {
            // A little apart, so that jobs that were given the same time do not come at once.
            let spread = (self.context.random)() * (held.wait_ms as f64 / 10.0).min(100.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
            let delay_ms = held.wait_ms.saturating_add(spread as u64).min(MAX_DELAY_MS);
            if held.shared {
                let until = self.context.clock.now_ms().saturating_add(held.wait_ms);
                self.held_until.fetch_max(until, Ordering::Relaxed);
            }
            if !again {
                attempt.host.log(Level::Info, format!("held back by the {} `{}`", held.noun, held.name));
            }
            Action::Hold { delay_ms }
        })
    }
}
