//! What this worker says of itself every few seconds, and what its attempts came to, for all workers together.

use std::sync::Arc;
use std::time::Duration;

use gristmill_core::clock::Clock;
use gristmill_engine::Phase;
use gristmill_queue::{Monitor, Queue, QueueError, RunningJob, WorkerBeat};
use tokio::time::MissedTickBehavior;

use crate::load::Load;
use crate::server::Pages;

/// How often, unless history has shorter steps.
const BEAT: Duration = Duration::from_secs(5);
/// The longer steps of what attempts came to, ms.
pub(crate) const HOUR_MS: u64 = 3_600_000;
/// For how many steps the short ones are kept.
const KEPT_STEPS: u64 = 130;

/// How often a worker tells: often enough for rows to be whole soon after their interval ends.
pub(crate) fn period(interval: Duration) -> Duration {
    BEAT.min(interval / 4)
}

/// Tells for as long as it is polled. What was counted and not told when the process ends is lost.
pub(crate) async fn run(pages: Arc<Pages>) {
    let (monitoring, telemetry) = (&pages.sources.config.monitoring, &pages.sources.config.telemetry);
    let mut ticks = tokio::time::interval(period(monitoring.interval));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut load = Load::new();
    loop {
        ticks.tick().await;
        // Whoever scrapes asks anew; what is sent over OTLP is of the last beat.
        if telemetry.otlp.is_some() && telemetry.metrics {
            pages.count().await;
        }
        // A server that is away gets what was counted meanwhile with the next beat but one.
        if let Err(error) = tell(&pages, load.as_mut()).await {
            tracing::debug!(%error, "Redis does not take what this worker says of itself");
        }
    }
}

async fn tell(pages: &Pages, load: Option<&mut Load>) -> Result<(), QueueError> {
    let Some(connection) = pages.redis().await else { return Ok(()) };
    let sources = &pages.sources;
    let now_ms = Clock::System.now_ms();
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let step = millis(sources.config.monitoring.interval);
    let kept = millis(sources.config.monitoring.retention);
    let sizes = [(step, step * KEPT_STEPS), (HOUR_MS, kept.max(2 * HOUR_MS))];
    for (queue, tallies) in sources.metrics.take_tallies() {
        let queue = Queue::new(connection.clone(), &sources.prefix, &queue);
        queue.add_tallies(&tallies, &sizes, now_ms).await?;
    }
    let (memory_bytes, cpu_percent) = load.and_then(Load::look).unwrap_or_default();
    Monitor::new(connection, &sources.prefix).beat(&beat(pages, now_ms, memory_bytes, cpu_percent)).await
}

fn beat(pages: &Pages, now_ms: u64, memory_bytes: u64, cpu_percent: f64) -> WorkerBeat {
    let sources = &pages.sources;
    let (config, identity) = (&sources.config, &sources.identity);
    let running = sources.control.running();
    let bounds = config.worker.memory;
    let slots = |queue: &String| (queue.clone(), sources.metrics.slots(queue).1);
    WorkerBeat {
        id: identity.id.clone(),
        name: identity.name.clone(),
        host: identity.host.clone(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_ms: identity.started_ms,
        seen_ms: now_ms,
        phase: match sources.control.phase() {
            Phase::Taking => "taking",
            Phase::Quiet => "quiet",
            Phase::Draining => "draining",
        }
        .to_owned(),
        queues: sources.queues.iter().map(slots).collect(),
        slots: u64::try_from(config.shares().slots).unwrap_or(u64::MAX),
        busy: u64::try_from(running.len()).unwrap_or(u64::MAX),
        jobs_total: sources.metrics.attempts_ended(),
        memory_bytes,
        memory_soft_bytes: bounds.soft,
        memory_limit_bytes: bounds.hard,
        cpu_percent,
        listen: identity.listen.clone(),
        running: running
            .into_iter()
            .map(|job| RunningJob { queue: job.queue, id: job.id, job: job.name, started_ms: job.since_ms })
            .collect(),
    }
}
