//! How long an idle worker needs to pick up a job: from adding it to its `active` event.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use gristmill_core::clock::Clock;
use gristmill_queue::{Connection, EventReader, PrivateRedis, Queue};

use super::contender::{Kind, Programs, start};
use super::drain::{job, start_empty};

/// Milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub p50: f64,
    pub p99: f64,
}

const JOBS: usize = 750;
const EVERY: Duration = Duration::from_millis(20);
const CONCURRENCY: usize = 20;

pub(crate) async fn measure(redis: &PrivateRedis, programs: &Programs, kind: Kind) -> Result<Latency> {
    let (connection, _) = Connection::open(&redis.url()).await?;
    start_empty(&mut redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?).await?;
    let queue = Queue::new(connection, "bull", "idle");
    let running = start(programs, kind, redis.port(), "idle", CONCURRENCY)?;
    let mut events = EventReader::from_now(&queue).await?;
    let seen = tokio::spawn(async move {
        let mut active: HashMap<String, Instant> = HashMap::new();
        let mut completed = 0;
        while completed < JOBS {
            let batch = events.next(Duration::from_secs(10)).await?;
            let now = Instant::now();
            if batch.is_empty() {
                bail!("no event for ten seconds after {completed} jobs");
            }
            for event in batch {
                match event.name.as_str() {
                    "active" => drop(active.insert(event.job, now)),
                    "completed" => completed += 1,
                    _ => {}
                }
            }
        }
        Ok(active)
    });
    let mut added: Vec<(String, Instant)> = Vec::with_capacity(JOBS);
    let mut ticks = tokio::time::interval(EVERY);
    for _ in 0..JOBS {
        ticks.tick().await;
        let at = Instant::now();
        let ids = queue.add(&[job(false)], Clock::System.now_ms()).await?;
        added.extend(ids.into_iter().filter_map(Result::ok).map(|added| (added.id, at)));
    }
    let active = seen.await??;
    drop(running);
    let mut millis: Vec<f64> = added
        .iter()
        .filter_map(|(id, at)| Some(active.get(id)?.duration_since(*at).as_secs_f64() * 1e3))
        .collect();
    if millis.len() != JOBS {
        bail!("{} of {JOBS} jobs were seen", millis.len());
    }
    millis.sort_by(f64::total_cmp);
    Ok(Latency { p50: millis[JOBS / 2], p99: millis[JOBS * 99 / 100] })
}
