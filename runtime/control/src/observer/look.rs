//! One look at every queue: its jobs by state, the oldest of them, what attempts came to lately, and who serves it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gristmill_core::sample::{Depths, Sample, Staff};
use gristmill_core::tally::Tally;
use gristmill_queue::{Monitor, Queue, QueueError, WorkerBeat};

use crate::server::Pages;

/// Queues that are looked at, so that a look is bounded.
const MAX_QUEUES: usize = 2_000;

/// Every queue that a worker serves, and those that were served before and are still there.
pub(crate) async fn all(
    pages: &Pages,
    monitor: &Monitor,
    now_ms: u64,
) -> Result<BTreeMap<String, Sample>, QueueError> {
    let workers = monitor.workers(now_ms).await?;
    let mut queues: BTreeSet<String> = pages.sources.queues.iter().cloned().collect();
    queues.extend(workers.iter().flat_map(|worker| worker.queues.iter().map(|(queue, _)| queue.clone())));
    // Nobody serves these now; jobs may come all the same.
    let left: BTreeSet<String> = monitor.looks().await?.into_keys().filter(|q| !queues.contains(q)).collect();
    let mut looks = BTreeMap::new();
    for queue in queues.iter().chain(&left).take(MAX_QUEUES) {
        let handle = Queue::new(monitor.connection().clone(), &pages.sources.prefix, queue);
        if left.contains(queue) && !handle.exists().await? {
            continue;
        }
        let look = one(&handle, &workers, pages.sources.config.monitoring.interval, now_ms).await?;
        looks.insert(queue.clone(), look);
    }
    Ok(looks)
}

/// One queue, with what attempts came to in the last whole interval and in the one that runs.
pub(crate) async fn one(
    queue: &Queue,
    workers: &[WorkerBeat],
    interval: Duration,
    now_ms: u64,
) -> Result<Sample, QueueError> {
    let step = u64::try_from(interval.as_millis()).unwrap_or(60_000).max(1);
    let begun = now_ms - now_ms % step;
    let from = begun.saturating_sub(step);
    let tallies = queue.tallies(step, [from, begun]).await?;
    let mut tally = Tally::default();
    for of in tallies.values() {
        tally.merge(of);
    }
    let depths = depths(queue).await?;
    let paused = queue.is_paused().await?;
    let oldest = queue.oldest_due_ms().await?.map_or(0, |due| now_ms.saturating_sub(due));
    let span = (now_ms, now_ms.saturating_sub(from).max(1));
    Ok(Sample::new(span, depths, (oldest, paused), &tally, staff(queue.name(), workers)))
}

pub(crate) async fn depths(queue: &Queue) -> Result<Depths, QueueError> {
    let [waiting, active, prioritized, delayed, waiting_children, completed, failed, parked] =
        queue.counts().await?;
    Ok(Depths {
        waiting: waiting + parked,
        prioritized,
        active,
        delayed,
        waiting_children,
        completed,
        failed,
    })
}

/// Who serves a queue. Whoever drains takes no job any more.
pub(crate) fn staff(queue: &str, workers: &[WorkerBeat]) -> Staff {
    let mut staff = Staff::default();
    for worker in workers.iter().filter(|worker| worker.phase != "draining") {
        let Some((_, slots)) = worker.queues.iter().find(|(name, _)| name == queue) else { continue };
        staff.workers += 1;
        staff.slots += slots;
        staff.cpu_percent += worker.cpu_percent;
        staff.memory_percent += 100.0 * worker.memory_bytes as f64 / worker.memory_limit_bytes.max(1) as f64;
        staff.memory_bytes += worker.memory_bytes;
    }
    if staff.workers > 0 {
        staff.cpu_percent /= staff.workers as f64;
        staff.memory_percent /= staff.workers as f64;
    }
    staff
}
