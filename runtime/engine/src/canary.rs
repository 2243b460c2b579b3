//! Judges canaries: every worker tells what its attempts came to, and whoever sees first that a canary is worse, or good for
//! long enough, ends it. All of it is in Redis, so it goes on with whatever workers there are.

use std::sync::Arc;
use std::time::Duration;

use gristmill_core::deployment::{Change, Verdict, judge};
use gristmill_queue::{ChangeError, Connection, Target};
use gristmill_telemetry::event::{CanaryEnded, QueueEvent};
use tokio::time::MissedTickBehavior;

use crate::handlers::Handlers;
use crate::served::Trial;
use crate::worker::Context;

/// How often counts are shared and looked at. What was counted since is lost with the process.
const LOOK: Duration = Duration::from_secs(1);
/// Who the history names.
const JUDGE: &str = "gristmill";

/// Judges for as long as it is polled.
pub(crate) async fn watch(context: Context, connection: Connection, handlers: Arc<Handlers>) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (queue, job_type) in handlers.deployed() {
            let served = job_type.served.load_full();
            let Some(trial) = &served.trial else { continue };
            let target = Target { queue, job: job_type.entry.to_string() };
            match look(&context, &connection, &target, trial).await {
                Ok(()) | Err(ChangeError::Refused { .. } | ChangeError::Busy(_)) => {}
                // Told and judged with the next look.
                Err(ChangeError::Queue(error)) => {
                    QueueEvent::RedisFailed { error: &error, first: false }
                        .emit(&target.queue, &context.metrics);
                }
            }
        }
    }
}

async fn look(
    context: &Context,
    connection: &Connection,
    target: &Target,
    trial: &Trial,
) -> Result<(), ChangeError> {
    let pending = trial.take();
    if pending.stable.attempts + pending.canary.attempts > 0
        && let Err(error) = connection.add_canary_counts(target, trial.revision, &pending).await
    {
        // Whether they arrived is not known: counted twice they do less harm than not at all.
        trial.put_back(&pending);
        return Err(error.into());
    }
    let Some(deployment) = connection.deployment(target).await? else { return Ok(()) };
    let Some(canary) = deployment.canary.as_ref().filter(|_| deployment.revision == trial.revision) else {
        return Ok(());
    };
    let counts = connection.canary_counts(target, trial.revision).await?;
    let now_ms = context.clock.now_ms();
    let elapsed_ms = now_ms.saturating_sub(canary.since_ms);
    let (change, action, reason) =
        match judge(&counts.stable, &counts.canary, elapsed_ms, canary.promote_after_ms) {
            Verdict::Wait => return Ok(()),
            Verdict::RollBack(reason) => (Change::RollBack { to: None }, "rollback", reason),
            Verdict::Promote => {
                let attempts = counts.canary.attempts;
                (Change::Promote, "promote", format!("{attempts} attempts, no worse than the stable version"))
            }
        };
    let by = (JUDGE, reason.as_str());
    let changed = connection.change_deployment(target, &change, by, Some(trial.revision), now_ms).await?;
    // Another worker may have been first.
    if changed.is_some() {
        let (queue, job, digest) = (&*target.queue, &*target.job, &*canary.digest);
        CanaryEnded { queue, job, digest, action, reason: &reason }.emit(&context.metrics);
    }
    Ok(())
}
