//! Hostile guests and time: how late they are gone, and what a healthy queue keeps beside them.
//!
//! Lateness is the worker's own measure, from an attempt's begin until its instance is gone, beyond its `timeout`. The
//! healthy queue is measured in two ways, alone and beside the hostile queue in turn: with jobs that arrive at a fixed rate,
//! and as fast as it can be drained. In the second the healthy queue would have every core by itself; what it loses there is
//! what the hostile guests are given.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gristmill_core::clock::Clock;
use gristmill_queue::{Connection, NewJob, PrivateRedis, Queue};
use serde_json::{Map, Value, json};

use super::drain::job;
use super::table::median;
use crate::hostile::kinds::handler;
use crate::hostile::late::{self, Late};
use crate::hostile::{ended, until_ended};
use crate::rig::Rig;
use crate::steps::say;

/// Attempts of each queue at a time.
const CONCURRENCY: usize = 32;
/// Of hostile attempts.
const TIMEOUT: Duration = Duration::from_millis(150);
/// Attempts whose lateness is measured.
const ATTEMPTS: usize = 1_000;
/// Healthy jobs that arrive a second, and how many in one measurement.
const RATE: u32 = 200;
const ARRIVING: usize = 800;
/// Healthy jobs that are drained in one measurement.
const DRAINED: usize = 8_000;
/// Hostile jobs that are added for one measurement; those that are left are removed.
const SUPPLY: usize = 4_000;

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Hostile {
    pub late: Vec<(&'static str, Late)>,
    /// Alone and beside, a pair a round.
    fixed: Vec<(Fixed, Fixed)>,
    /// Jobs per second.
    drained: Vec<(f64, f64)>,
}

/// Jobs that arrived at a fixed rate.
#[derive(Debug, Clone, Copy)]
struct Fixed {
    /// Completed, from the first arrival to the last completion.
    jobs_per_s: f64,
    /// From when a job was added to when its outcome was there.
    p50_ms: f64,
    p99_ms: f64,
}

/// The worker and its three queues.
struct Bench {
    worker: Rig,
    computes: Queue,
    waits: Queue,
    healthy: Queue,
    _redis: PrivateRedis,
}

pub(crate) async fn measure(binary: &Path, rounds: usize) -> Result<Hostile> {
    let mut bench = start(binary).await?;
    let mut found = Hostile { late: Vec::new(), fixed: Vec::new(), drained: Vec::new() };

    // Once to warm it up, and once to measure.
    for _ in 0..2 {
        say(&format!("{ATTEMPTS} attempts that compute for ever"));
        found.late = vec![("computes, 32 at a time", late_of(&bench, &[&bench.computes]).await?.remove(0))];
    }
    say(&format!("{ATTEMPTS} attempts that wait in the host, beside {CONCURRENCY} that compute"));
    let mut both = late_of(&bench, &[&bench.waits, &bench.computes]).await?;
    found.late.push(("waits in the host, 32 at a time, beside 32 that compute", both.remove(0)));
    found.late.push(("computes, 32 at a time, beside 32 that wait", both.remove(0)));

    for round in 0..rounds {
        say(&format!("a healthy queue alone and beside hostile guests, round {} of {rounds}", round + 1));
        let alone = (fixed(&bench).await?, drained(&bench).await?);
        add(&bench.computes, &hostile(r#"{"op":"loop"}"#), SUPPLY).await?;
        until_busy(&bench.computes).await?;
        let beside = (fixed(&bench).await?, drained(&bench).await?);
        let [waiting, ..] = bench.computes.counts().await?;
        ensure!(waiting > 0, "the hostile queue was empty before the healthy one was done");
        bench.computes.drain(false, |_| {}, Clock::System.now_ms()).await?;
        until_idle(&bench.computes).await?;
        found.fixed.push((alone.0, beside.0));
        found.drained.push((alone.1, beside.1));
    }
    bench.worker.stop().await?;
    Ok(found)
}

async fn start(binary: &Path) -> Result<Bench> {
    let redis = PrivateRedis::start().await?;
    let scripted = handler("scripted");
    let queue = |name: &str, timeout: &str| {
        format!(
            "[queues.{name}]\nconcurrency = {CONCURRENCY}\n[queues.{name}.jobs.\"*\"]\nhandler = {scripted}\n\
             memory = \"16MiB\"\ntimeout = \"{timeout}\"\n"
        )
    };
    let short = format!("{}ms", TIMEOUT.as_millis());
    let text = ["[worker]\nmemory_hard_limit = \"8GiB\"\n".to_owned(), queue("healthy", "30s")].concat()
        + &queue("computes", &short)
        + &queue("waits", &short);
    let mut worker = Rig::start(binary, &redis.url(), &text)?;
    worker.wait_until_ready().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let queue = |name| Queue::new(connection.clone(), "bull", name);
    Ok(Bench {
        worker,
        computes: queue("computes"),
        waits: queue("waits"),
        healthy: queue("healthy"),
        _redis: redis,
    })
}

fn hostile(step: &str) -> NewJob {
    NewJob { data: format!(r#"{{"steps":[{step}]}}"#), name: "hostile".into(), ..NewJob::default() }
}

async fn add(queue: &Queue, job: &NewJob, count: usize) -> Result<()> {
    for added in queue.add(&vec![job.clone(); count], Clock::System.now_ms()).await? {
        added.map_err(|refusal| anyhow::anyhow!("a job was not added: {refusal}"))?;
    }
    Ok(())
}

/// Fills the queues, waits until all has ended, and answers how late the attempts of each were gone.
async fn late_of(bench: &Bench, queues: &[&Queue]) -> Result<Vec<Late>> {
    let seen = bench.worker.log()?.len();
    let mut expected = Vec::new();
    for queue in queues {
        expected.push(ended(queue).await? + ATTEMPTS);
    }
    for queue in queues {
        let step = if queue.name() == "waits" { r#"{"op":"sleep","ms":600000}"# } else { r#"{"op":"loop"}"# };
        add(queue, &hostile(step), ATTEMPTS).await?;
    }
    for (queue, expected) in queues.iter().zip(expected) {
        until_ended(queue, expected).await?;
    }
    let log = bench.worker.log()?;
    let limit = TIMEOUT.as_secs_f64() * 1e3;
    let late = |queue: &&Queue| {
        let took = late::read(&log[seen..], queue.name())?;
        ensure!(took.len() == ATTEMPTS, "{} of {ATTEMPTS} attempts are in the worker's log", took.len());
        Late::of(took.into_values().map(|took| took - limit).collect()).context("no attempt")
    };
    queues.iter().map(late).collect()
}

/// Waits until every slot of the queue has a job.
async fn until_busy(queue: &Queue) -> Result<()> {
    wait_for(queue, |active| active >= CONCURRENCY as u64).await
}

async fn until_idle(queue: &Queue) -> Result<()> {
    wait_for(queue, |active| active == 0).await
}

async fn wait_for(queue: &Queue, is_so: impl Fn(u64) -> bool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let [_, active, ..] = queue.counts().await?;
        if is_so(active) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("`{}` has {active} active jobs after 30 s", queue.name());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Jobs that arrive at a fixed rate, whatever becomes of them.
async fn fixed(bench: &Bench) -> Result<Fixed> {
    let queue = &bench.healthy;
    let before = ended(queue).await?;
    let mut ids = Vec::with_capacity(ARRIVING);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    for _ in 0..ARRIVING {
        ticks.tick().await;
        let added = queue.add(&[job(false)], Clock::System.now_ms()).await?;
        ids.extend(added.into_iter().filter_map(Result::ok).map(|added| added.id));
    }
    until_ended(queue, before + ARRIVING).await?;
    let (mut millis, mut first, mut last) = (Vec::with_capacity(ARRIVING), f64::INFINITY, 0.0_f64);
    for id in &ids {
        let view = queue.job(id).await?.with_context(|| format!("the healthy job {id} is gone"))?;
        let at = |name: &str| view.fields.get(name).and_then(|at| at.parse::<f64>().ok());
        let times = at("timestamp").zip(at("finishedOn")).filter(|_| view.state == "completed");
        let (added, done) = times.with_context(|| format!("the healthy job {id} is {}", view.state))?;
        millis.push(done - added);
        (first, last) = (first.min(added), last.max(done));
    }
    let late = Late::of(millis).context("no healthy job was added")?;
    Ok(Fixed { jobs_per_s: ARRIVING as f64 * 1e3 / (last - first), p50_ms: late.median, p99_ms: late.p99 })
}

/// Jobs per second while a full queue is drained.
async fn drained(bench: &Bench) -> Result<f64> {
    let queue = &bench.healthy;
    let [.., before, _, _] = queue.counts().await?;
    queue.pause(Clock::System.now_ms()).await?;
    add(queue, &job(false), DRAINED).await?;
    let begun = Instant::now();
    queue.resume(Clock::System.now_ms()).await?;
    let deadline = begun + Duration::from_secs(120);
    loop {
        let [.., completed, failed, _] = queue.counts().await?;
        ensure!(failed == 0, "{failed} healthy jobs failed");
        if completed - before >= DRAINED as u64 {
            return Ok(DRAINED as f64 / begun.elapsed().as_secs_f64());
        }
        if Instant::now() > deadline {
            bail!("{} of {DRAINED} healthy jobs are done after two minutes", completed - before);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Hostile {
    /// The median of the rounds' alone, of their beside, and of their ratios.
    fn medians(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> [f64; 3] {
        [
            median(pairs.clone().map(|(alone, _)| alone)),
            median(pairs.clone().map(|(_, beside)| beside)),
            median(pairs.map(|(alone, beside)| beside / alone)),
        ]
    }

    fn figures(&self) -> [(&'static str, [f64; 3]); 4] {
        let of = |figure: fn(&Fixed) -> f64| {
            Self::medians(self.fixed.iter().map(move |(alone, beside)| (figure(alone), figure(beside))))
        };
        [
            ("fixed_jobs_per_s", of(|fixed| fixed.jobs_per_s)),
            ("fixed_p50_ms", of(|fixed| fixed.p50_ms)),
            ("fixed_p99_ms", of(|fixed| fixed.p99_ms)),
            ("drained_jobs_per_s", Self::medians(self.drained.iter().copied())),
        ]
    }

    pub(crate) fn json(&self) -> Value {
        let late = |(name, late): &(&'static str, Late)| {
            let Late { count, median, p99, worst } = late;
            (
                (*name).to_owned(),
                json!({ "attempts": count, "median_ms": median, "p99_ms": p99, "worst_ms": worst }),
            )
        };
        let healthy = |(name, [alone, beside, ratio]): (&str, [f64; 3])| {
            (name.to_owned(), json!({ "alone": alone, "beside": beside, "ratio": ratio }))
        };
        json!({
            "late": self.late.iter().map(late).collect::<Map<_, _>>(),
            "healthy": self.figures().into_iter().map(healthy).collect::<Map<_, _>>(),
        })
    }

    pub(crate) fn rows(&self) -> Vec<[String; 4]> {
        let names = [
            format!("jobs/s, {RATE} a second arriving"),
            "ms from added to completed, median".to_owned(),
            "ms from added to completed, p99".to_owned(),
            "jobs/s, draining a full queue".to_owned(),
        ];
        let row = |(name, (_, [alone, beside, ratio])): (String, (&str, [f64; 3]))| {
            [name, format!("{alone:.1}"), format!("{beside:.1}"), format!("{ratio:.2}")]
        };
        names.into_iter().zip(self.figures()).map(row).collect()
    }
}
