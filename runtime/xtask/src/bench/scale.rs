//! What must not grow with a queue: taking from a long one, renewing many locks; and adding in bulk beside BullMQ's.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gristmill_core::clock::Clock;
use gristmill_core::new_job::NewJobOptions;
use gristmill_core::options::Keep;
use gristmill_core::settlement::{Action, Settlement};
use gristmill_queue::{Connection, Lock, NewJob, PrivateRedis, Queue, TurnRequest};
use serde_json::Value;

use super::drain::{job, start_empty};
use super::process;
use super::table::median;
use crate::steps::{command, root, say};

/// Waiting, and delayed, jobs of the long queue.
const LONG: usize = 1_000_000;
const SHORT: usize = 1_000;
/// Jobs taken for one measurement.
const TAKEN: usize = 20_000;
/// Jobs per take, as a busy worker asks for.
const BATCH: usize = 64;
/// Jobs that are active at once.
const ACTIVE: usize = 10_000;
/// The worker's defaults: locks are renewed four times in 30 s, stalled jobs are looked for every 30 s.
const LOCK: Duration = Duration::from_secs(30);
/// Ticks of the CPU clock are 10 ms, so each call is repeated until that is small.
const TIMES: u32 = 40;
/// Jobs added by each side, and per call.
const ADDED: usize = 50_000;
const BULK: usize = 1_000;

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Jobs per second from a queue of `SHORT`, and of `LONG` waiting and as many delayed ones.
    pub short: f64,
    pub long: f64,
    /// Share of Redis' time that renewal and the stalled check of `ACTIVE` jobs take.
    pub upkeep: f64,
    /// Jobs per second added in bulk: ours and Node's.
    pub added: f64,
    pub node_added: f64,
}

pub(crate) async fn measure(rounds: usize) -> Result<Scale> {
    // A server of its own: the long queue fills a gigabyte.
    let redis = PrivateRedis::start().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let mut raw = redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    let queue = Queue::new(connection, "bull", "scale");

    let (mut ours, mut node) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        say(&format!("adding {ADDED} jobs in bulk, round {} of {rounds}", round + 1));
        start_empty(&mut raw).await?;
        ours.push(add(&queue, ADDED, "{}").await?);
        start_empty(&mut raw).await?;
        node.push(node_adds(redis.port())?);
    }

    start_empty(&mut raw).await?;
    say(&format!("filling a queue with {LONG} waiting and {LONG} delayed jobs"));
    add(&queue, LONG, "{}").await?;
    add(&queue, LONG, r#"{"delay":86400000}"#).await?;
    // In turn, on the same server: the machine's speed changes from one minute to the next.
    let small = Queue::new(queue.connection().clone(), "bull", "scale-short");
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..TAKEN / SHORT {
        add(&small, SHORT, "{}").await?;
        short.push(take(&small, SHORT).await?);
        long.push(take(&queue, SHORT).await?);
    }

    say(&format!("{ACTIVE} jobs active at once"));
    let upkeep = upkeep(&queue, &redis).await?;
    Ok(Scale {
        short: median(short.into_iter()),
        long: median(long.into_iter()),
        upkeep,
        added: median(ours.into_iter()),
        node_added: median(node.into_iter()),
    })
}

/// Adds jobs in bulk; jobs per second.
pub(super) async fn add(queue: &Queue, count: usize, options: &str) -> Result<f64> {
    let options = NewJobOptions::parse(options).map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
    let jobs = vec![NewJob { options, ..job(false) }; BULK];
    let begun = Instant::now();
    let mut left = count;
    while left > 0 {
        let now = left.min(BULK);
        queue.add(&jobs[..now], Clock::System.now_ms()).await?;
        left -= now;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

fn node_adds(port: u16) -> Result<f64> {
    let mut node = command("node");
    node.arg(root().join("tests/bench/peers/node-adder.mjs"));
    node.args(["--port", &port.to_string(), "--queue", "scale", "--jobs", &ADDED.to_string()]);
    let output = node.args(["--bulk", &BULK.to_string(), "--data", &job(false).data]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let ms: f64 = text.trim().parse().with_context(|| format!("the Node adder printed `{text}`"))?;
    Ok(ADDED as f64 * 1e3 / ms)
}

/// Takes and completes jobs in turns; jobs per second.
async fn take(queue: &Queue, count: usize) -> Result<f64> {
    let begun = Instant::now();
    let mut settlements: Vec<(Settlement, u64)> = Vec::new();
    let mut taken = 0;
    while taken < count || !settlements.is_empty() {
        let now_ms = Clock::System.now_ms();
        let turn = turn(queue, &settlements, BATCH.min(count - taken), now_ms).await?;
        taken += turn.jobs.len();
        let action = Action::Complete { returnvalue: b"null".to_vec(), keep: Keep::Remove };
        let settlement = |job: gristmill_queue::Taken| {
            (
                Settlement {
                    id: job.id,
                    token: job.token,
                    action: action.clone(),
                    module: None,
                    repeated: false,
                },
                now_ms,
            )
        };
        let got = turn.jobs.len();
        settlements = turn.jobs.into_iter().map(settlement).collect();
        if got == 0 && taken < count {
            bail!("the queue gave {taken} of {count} jobs");
        }
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

async fn turn(
    queue: &Queue,
    settlements: &[(Settlement, u64)],
    take: usize,
    now_ms: u64,
) -> Result<gristmill_queue::Turn> {
    let token = uuid::Uuid::now_v7().to_string().into();
    let request = TurnRequest {
        settlements,
        take,
        token,
        lock: LOCK,
        worker: None,
        metrics_minutes: 0,
        rate_limit: None,
        gates: None,
        now_ms,
    };
    Ok(queue.turn(&request).await?)
}

/// The share of Redis' time for what a worker does with `ACTIVE` jobs beside running them.
async fn upkeep(queue: &Queue, redis: &PrivateRedis) -> Result<f64> {
    let mut locks = Vec::new();
    while locks.len() < ACTIVE {
        let turn = turn(queue, &[], BATCH, Clock::System.now_ms()).await?;
        if turn.jobs.is_empty() {
            bail!("only {} jobs became active", locks.len());
        }
        locks.extend(turn.jobs.into_iter().map(|job| Lock { id: job.id, token: job.token }));
    }
    let cpu = process::cpu_seconds(redis.pid())?;
    for _ in 0..TIMES {
        let lost = queue.renew(&locks, LOCK, Clock::System.now_ms()).await?;
        if !lost.is_empty() {
            bail!("{} locks were lost", lost.len());
        }
    }
    let renewal = (process::cpu_seconds(redis.pid())? - cpu) / f64::from(TIMES);
    let cpu = process::cpu_seconds(redis.pid())?;
    for n in 0..TIMES {
        // An interval of 0 ms lets every check through; the locks stay, so no job is found.
        let now_ms = Clock::System.now_ms() + u64::from(n);
        let found = queue.check_stalled(Duration::from_millis(1), 1, now_ms).await?;
        if found.is_some_and(|found| !found.back.is_empty()) {
            bail!("a job with a lock was found stalled");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let check = (process::cpu_seconds(redis.pid())? - cpu) / f64::from(TIMES);
    Ok(renewal / (LOCK.as_secs_f64() / 4.0) + check / 30.0)
}

impl Scale {
    pub(crate) fn json(self) -> Value {
        serde_json::json!({
            "jobs_per_s_short": self.short, "jobs_per_s_long": self.long, "long_over_short": self.long / self.short,
            "upkeep_share": self.upkeep, "added_per_s": self.added, "node_added_per_s": self.node_added,
            "added_over_node": self.added / self.node_added,
        })
    }

    pub(crate) fn rows(self) -> [[String; 2]; 3] {
        [
            [
                format!("jobs/s from {LONG} waiting and {LONG} delayed jobs, over {SHORT}"),
                format!("{:.0} over {:.0}: {:.2}", self.long, self.short, self.long / self.short),
            ],
            [
                format!("share of Redis for the upkeep of {ACTIVE} active jobs"),
                format!("{:.1} %", self.upkeep * 100.0),
            ],
            [
                format!("jobs/s added in bulks of {BULK}, over BullMQ's `addBulk`"),
                format!("{:.0} over {:.0}: {:.2}", self.added, self.node_added, self.added / self.node_added),
            ],
        ]
    }
}
