//! What goes on beside the pumps: lock renewal, finding jobs of workers that are gone, cancellations.

use std::sync::Arc;
use std::time::Duration;

use gristmill_queue::{Cancellations, Connection, Queue};
use gristmill_telemetry::event::QueueEvent;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::held::Held;
use crate::worker::Context;

/// Renews every lock of every queue, four times in a lock's life: one call per queue and tick.
pub(crate) async fn renew(context: Context, queues: Vec<(Queue, Arc<Held>)>, lock: Duration) {
    let period = lock / 4;
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (queue, held) in &queues {
            let locks = held.locks();
            match queue.renew(&locks, lock, context.clock.now_ms()).await {
                Ok(lost) => {
                    for id in lost {
                        let token = locks.iter().find(|l| l.id == id).map(|l| &*l.token);
                        if token.is_some_and(|token| held.lose(&id, token)) {
                            QueueEvent::LockLost { id: &id }.emit(queue.name(), &context.metrics);
                        }
                    }
                }
                // Tried again at the next tick; a lock lives for four of them.
                Err(error) => {
                    QueueEvent::RedisFailed { error: &error, first: false }
                        .emit(queue.name(), &context.metrics);
                }
            }
        }
    }
}

/// Looks for jobs without a worker, in each queue once per interval among all workers; at once at the start.
pub(crate) async fn find_stalled(
    context: Context,
    queues: Vec<Queue>,
    every: Duration,
    max_stalled_count: u32,
) {
    let mut ticks = interval_at(Instant::now(), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for queue in &queues {
            match queue.check_stalled(every, max_stalled_count, context.clock.now_ms()).await {
                Ok(Some(found)) if !found.back.is_empty() || !found.exceeded.is_empty() => {
                    QueueEvent::Stalled { back: found.back.len(), exceeded: found.exceeded.len() }
                        .emit(queue.name(), &context.metrics);
                }
                Ok(_) => {}
                Err(error) => {
                    QueueEvent::RedisFailed { error: &error, first: false }
                        .emit(queue.name(), &context.metrics);
                }
            }
        }
    }
}

/// How long a lost subscription is left alone. Whoever cancels asks again meanwhile.
const RESUBSCRIBE: Duration = Duration::from_millis(500);

/// Stops running jobs that somebody cancels. `queues` holds each queue's key and name with its jobs.
pub(crate) async fn obey_cancellations(
    context: Context,
    connection: Connection,
    queues: Vec<((String, String), Arc<Held>)>,
) {
    let mut cancellations = Cancellations::new(connection);
    loop {
        match cancellations.next().await {
            Ok(cancelled) => {
                for ((_, name), held) in queues.iter().filter(|((key, _), _)| *key == cancelled.queue) {
                    if held.cancel(&cancelled.id) {
                        QueueEvent::Cancelled { id: &cancelled.id }.emit(name, &context.metrics);
                    }
                }
            }
            Err(error) => {
                for ((_, name), _) in queues.iter().take(1) {
                    QueueEvent::RedisFailed { error: &error, first: false }.emit(name, &context.metrics);
                }
                tokio::time::sleep(RESUBSCRIBE).await;
            }
        }
    }
}
