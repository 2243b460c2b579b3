//! A scheduler's next job is made as its present one starts.

use gristmill_core::settlement::Action;
use gristmill_queue::{ErrorKind, Iteration, Queue, ScheduleFailure, Taken};
use gristmill_telemetry::event::QueueEvent;

use crate::attempt::Finished;
use crate::worker::Context;

/// Makes the next job of the scheduler that made this one, before this one runs: a run that fails or takes long must
/// end no series. Answers the job's end when it cannot run now: with Redis away it goes back, or no job would follow it.
pub(crate) async fn schedule_next(queue: &Queue, context: &Context, taken: &Taken) -> Option<Finished> {
    let scheduler = taken.scheduler.as_deref()?;
    let iteration = Iteration { scheduler, job: &taken.id, opts: &taken.opts };
    let at_ms = context.clock.now_ms();
    match queue.schedule_next(&iteration, at_ms).await {
        Ok(_) => None,
        Err(ScheduleFailure::Queue(error)) if error.kind() == ErrorKind::Unavailable => {
            let id = taken.id.clone();
            Some(Finished {
                id,
                token: taken.token.clone(),
                action: Some(Action::Release),
                module: None,
                at_ms,
            })
        }
        Err(error) => {
            QueueEvent::NotScheduled { scheduler, error: &error }.emit(queue.name(), &context.metrics);
            None
        }
    }
}
