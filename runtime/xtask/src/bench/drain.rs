//! Draining a full queue: jobs per second and CPU per job.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use gristmill_core::clock::Clock;
use gristmill_core::new_job::NewJobOptions;
use gristmill_queue::{Connection, NewJob, PrivateRedis, Queue};
use redis::aio::MultiplexedConnection;

use super::contender::{Contender, Kind, Programs, start};
use super::{ceiling, process};

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drained {
    pub jobs_per_s: f64,
    /// CPU microseconds of the worker per job; 0 for the ceiling.
    pub worker_us: f64,
    /// CPU microseconds of Redis per job.
    pub redis_us: f64,
    pub resident_mib: f64,
}

impl Drained {
    /// Of two runs.
    pub(super) fn mean(self, other: Self) -> Self {
        let mean = |figure: fn(&Self) -> f64| f64::midpoint(figure(&self), figure(&other));
        Self {
            jobs_per_s: mean(|run| run.jobs_per_s),
            worker_us: mean(|run| run.worker_us),
            redis_us: mean(|run| run.redis_us),
            resident_mib: mean(|run| run.resident_mib),
        }
    }
}

const QUEUE: &str = "bench";
/// Jobs per call when filling.
const FILL: usize = 500;

pub(crate) async fn measure(
    redis: &PrivateRedis,
    programs: &Programs,
    contender: Contender,
) -> Result<Drained> {
    let (connection, _) = Connection::open(&redis.url()).await?;
    let queue = Queue::new(connection, "bull", QUEUE);
    let mut raw = redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    start_empty(&mut raw).await?;
    redis::cmd("HSET").arg(queue.keys().key("meta")).arg("paused").arg(1).query_async::<()>(&mut raw).await?;
    fill(&queue, contender).await?;
    if contender.kind == Kind::Ceiling {
        resume(&mut raw, &queue).await?;
        let (cpu, begun) = (process::cpu_seconds(redis.pid())?, Instant::now());
        ceiling::drain(&queue, contender.concurrency, contender.remove).await?;
        return finish(&queue, redis, contender, begun.elapsed(), (0.0, cpu), None).await;
    }
    let running = start(programs, contender.kind, redis.port(), QUEUE, contender.concurrency)?;
    let pid = running.pid();
    let cpu = (process::cpu_seconds(pid)?, process::cpu_seconds(redis.pid())?);
    let begun = Instant::now();
    resume(&mut raw, &queue).await?;
    let deadline = begun + Duration::from_secs(120);
    loop {
        let [waiting, active, ..] = queue.counts().await?;
        if waiting == 0 && active == 0 {
            break;
        }
        if Instant::now() > deadline {
            bail!("{} left {waiting} waiting and {active} active jobs after two minutes", contender.name());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    finish(&queue, redis, contender, begun.elapsed(), cpu, Some(pid)).await
}

/// Removes everything of the run before.
pub(crate) async fn start_empty(raw: &mut MultiplexedConnection) -> Result<()> {
    Ok(redis::cmd("FLUSHALL").query_async(raw).await?)
}

/// Lets the worker begin, as BullMQ's `resume` does.
async fn resume(raw: &mut MultiplexedConnection, queue: &Queue) -> Result<()> {
    let mut pipe = redis::pipe();
    pipe.cmd("HDEL").arg(queue.keys().key("meta")).arg("paused");
    pipe.cmd("ZADD").arg(queue.keys().key("marker")).arg(0).arg("0");
    Ok(pipe.query_async(raw).await?)
}

async fn finish(
    queue: &Queue,
    redis: &PrivateRedis,
    contender: Contender,
    took: Duration,
    (worker_before, redis_before): (f64, f64),
    pid: Option<u32>,
) -> Result<Drained> {
    let jobs = contender.jobs as f64;
    let worker = pid.map_or(Ok(0.0), process::cpu_seconds)?;
    let redis_cpu = process::cpu_seconds(redis.pid())? - redis_before;
    let resident_mib = pid.map_or(0.0, process::resident_mib);
    // Every job must have completed; a contender that drops or fails jobs is no contender.
    let [.., completed, failed, _] = queue.counts().await?;
    let expected = if contender.remove { 0 } else { contender.jobs as u64 };
    if (completed, failed) != (expected, 0) {
        bail!("{}: {completed} completed and {failed} failed jobs, not {expected} and 0", contender.name());
    }
    Ok(Drained {
        jobs_per_s: jobs / took.as_secs_f64(),
        worker_us: (worker - worker_before) * 1e6 / jobs,
        redis_us: redis_cpu * 1e6 / jobs,
        resident_mib,
    })
}

/// The scripted handler's `return`, padded to about 100 bytes of JSON.
pub(crate) fn job(remove: bool) -> NewJob {
    let opts = if remove { r#"{"attempts":0,"removeOnComplete":true}"# } else { r#"{"attempts":0}"# };
    let data = r#"{"steps":[{"op":"return","value":{"ok":true}}],"to":"someone@example.com","template":"welcome-42"}"#;
    NewJob {
        name: "bench".into(),
        data: data.into(),
        options: NewJobOptions { stored: opts.into(), ..NewJobOptions::default() },
        parent: None,
    }
}

async fn fill(queue: &Queue, contender: Contender) -> Result<()> {
    let jobs = vec![job(contender.remove); FILL];
    let mut left = contender.jobs;
    while left > 0 {
        let count = left.min(FILL);
        queue.add(&jobs[..count], Clock::System.now_ms()).await?;
        left -= count;
    }
    Ok(())
}
