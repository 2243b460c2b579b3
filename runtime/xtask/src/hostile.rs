//! `cargo xtask test hostile`: every kind of hostile guest many times beside a healthy queue on the real binary. Each must
//! end for its own reason, every healthy job must complete, and the worker must neither start anew nor keep memory.
//!
//! The worker's memory is compared with what it was after a first round of every kind. A slot keeps some of what its last
//! guest had, and the stack of the deepest that it ever had. So before either look every slot holds the same kind of guest:
//! what is left then is the worker's own. Times are printed and not judged: that is the benchmark's part.

mod healthy;
pub(crate) mod kinds;
pub(crate) mod late;
mod outcome;
mod refused;
mod server;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use gristmill_core::clock::Clock;
use gristmill_queue::{Connection, NewJob, PrivateRedis, Queue};

use crate::bench::process;
use crate::rig::Rig;
use crate::steps::say;
use healthy::Healthy;
use kinds::Kind;
use server::Server;

/// Attempts of hostile guests at a time.
const CONCURRENCY: usize = 32;
/// Attempts of healthy ones.
const HEALTHY: usize = 16;
/// No queue stands still for longer unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// Times that every slot holds a guest with a deep stack before each look at the memory.
const DEEP: usize = 4;
/// What a file says that no guest may reach.
const SECRET: &[u8] = b"keep out";
/// What the worker's resident memory may have grown.
const GROWTH: f64 = 1.05;

/// The proof, with each kind so many times.
pub(crate) fn prove(binary: &Path, times: usize) -> Result<()> {
    refused::prove(binary)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(binary, times))
}

async fn run(binary: &Path, times: usize) -> Result<()> {
    let redis = PrivateRedis::start().await?;
    let server = Server::start().await?;
    let folder = tempfile::tempdir()?;
    let (inside, outside) = (folder.path().join("inside"), folder.path().join("outside"));
    std::fs::create_dir(&inside)?;
    std::fs::create_dir(&outside)?;
    std::fs::write(outside.join("secret"), SECRET)?;
    std::os::unix::fs::symlink(&outside, inside.join("link"))?;
    let kinds = kinds::all(server.port(), &inside).await?;
    let mut worker = Rig::start(binary, &redis.url(), &config(&kinds)?)?;
    worker.wait_until_ready().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let hostile = Queue::new(connection.clone(), "bull", "hostile");
    let healthy = Queue::new(connection, "bull", "healthy");

    let warm = times.min(CONCURRENCY);
    say(&format!(
        "{} kinds of hostile guests, {warm} times each beside a healthy queue, to warm the worker up",
        kinds.len()
    ));
    round(&hostile, &healthy, &kinds, warm).await?;
    deepen(&hostile, &healthy).await?;
    let before = process::resident_mib(worker.pid());

    say(&format!("the same {times} times each"));
    let begun = Instant::now();
    let (added, good) = round(&hostile, &healthy, &kinds, times).await?;
    let took = begun.elapsed();
    deepen(&hostile, &healthy).await?;
    let after = process::resident_mib(worker.pid());
    let total = 2 * DEEP * CONCURRENCY + kinds.len() * (warm + times);

    let late = late::read(&worker.log()?, "hostile")?;
    let wrong = outcome::report(&hostile, &kinds, &added, &late).await?;
    say(&format!(
        "{} hostile and {} healthy jobs in {:.1} s; resident {before:.1} MiB before, {after:.1} MiB after",
        kinds.len() * times,
        good.len(),
        took.as_secs_f64()
    ));
    ensure!(wrong.is_empty(), "some hostile jobs did not end as they must:\n{}", wrong.join("\n"));
    healthy::check(&healthy, &good).await?;
    ensure!(server.secrets() == 0, "guests came to what they must not reach {} times", server.secrets());
    let kept = std::fs::read(outside.join("secret")).is_ok_and(|kept| kept == SECRET);
    ensure!(kept && outside.read_dir()?.count() == 1, "a guest has changed `{}`", outside.display());
    unbroken(&mut worker, total)?;
    ensure!(after <= before * GROWTH, "the worker grew from {before:.1} to {after:.1} MiB");
    worker.stop().await
}

/// Every kind so many times, beside healthy jobs from the first hostile one to the last. Answers the ids of the hostile
/// jobs, kind by kind, and of the healthy ones.
async fn round(
    hostile: &Queue,
    healthy: &Queue,
    kinds: &[Kind],
    times: usize,
) -> Result<(Vec<Vec<String>>, Vec<String>)> {
    let before = (ended(hostile).await?, ended(healthy).await?);
    let good = Healthy::start(healthy.clone());
    let added = add(hostile, kinds, times).await?;
    until_ended(hostile, before.0 + kinds.len() * times).await?;
    let good = good.stop().await?;
    until_ended(healthy, before.1 + good.len()).await?;
    Ok((added, good))
}

/// Lets every slot of both queues hold a guest with a deep stack and some memory, all at the same time, a few times.
async fn deepen(hostile: &Queue, healthy: &Queue) -> Result<()> {
    let deep = NewJob { name: kinds::DEEP.into(), data: "0".into(), ..NewJob::default() };
    let mut expected = Vec::new();
    for (queue, slots) in [(hostile, CONCURRENCY), (healthy, HEALTHY)] {
        expected.push((queue, ended(queue).await? + DEEP * slots));
        for added in queue.add(&vec![deep.clone(); DEEP * slots], Clock::System.now_ms()).await? {
            added.map_err(|refusal| anyhow::anyhow!("a job was not added: {refusal}"))?;
        }
    }
    for (queue, jobs) in expected {
        until_ended(queue, jobs).await?;
    }
    Ok(())
}

fn config(kinds: &[Kind]) -> Result<String> {
    use std::fmt::Write;
    let mut text = format!(
        "[worker]\nmemory_hard_limit = \"2GiB\"\n[queues.healthy]\nconcurrency = {HEALTHY}\n[queues.healthy.jobs.\"*\"]\n\
         handler = {}\nmemory = \"16MiB\"\n[queues.hostile]\nconcurrency = {CONCURRENCY}\n",
        kinds::handler("scripted")
    );
    for (queue, kind) in kinds.iter().flat_map(|kind| [("hostile", kind), ("healthy", kind)]) {
        let Kind { name, handler, timeout_ms, allow, .. } = kind;
        if queue == "healthy" && *name != kinds::DEEP {
            continue;
        }
        writeln!(
            text,
            "[queues.{queue}.jobs.{name}]\nhandler = {handler}\nmemory = \"16MiB\"\ntimeout = \"{timeout_ms}ms\"\n\
             allow = {allow}"
        )?;
    }
    Ok(text)
}

/// Adds every kind so many times, all kinds mixed; their ids, kind by kind.
async fn add(queue: &Queue, kinds: &[Kind], times: usize) -> Result<Vec<Vec<String>>> {
    let job =
        |kind: &Kind| NewJob { name: kind.name.into(), data: kind.data.to_string(), ..NewJob::default() };
    let jobs: Vec<NewJob> = kinds.iter().map(job).collect();
    let mut ids = vec![Vec::with_capacity(times); kinds.len()];
    for _ in 0..times {
        let added = queue.add(&jobs, Clock::System.now_ms()).await?;
        for (ids, added) in ids.iter_mut().zip(added) {
            let added = added.map_err(|refusal| anyhow::anyhow!("a job was not added: {refusal}"))?;
            ids.push(added.id);
        }
    }
    Ok(ids)
}

/// Jobs that have ended.
pub(crate) async fn ended(queue: &Queue) -> Result<usize> {
    let [.., completed, failed, _] = queue.counts().await?;
    Ok(usize::try_from(completed + failed)?)
}

/// Waits until so many jobs have ended.
pub(crate) async fn until_ended(queue: &Queue, jobs: usize) -> Result<()> {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let ended = ended(queue).await?;
        if ended >= jobs {
            return Ok(());
        }
        if ended > last {
            (last, moved) = (ended, Instant::now());
        }
        if moved.elapsed() > PATIENCE {
            let [waiting, active, ..] = queue.counts().await?;
            bail!(
                "`{}` stands still: {waiting} jobs wait, {active} are active, {ended} have ended",
                queue.name()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The worker is the process that was started: it lives, has counted every attempt, and has never panicked. A worker that
/// starts anew keeps its process id, but neither its counts nor its silence.
fn unbroken(worker: &mut Rig, attempts: usize) -> Result<()> {
    worker.lives()?;
    let page = worker.page("/metrics")?;
    let sum = |name: &str, label: &str| -> u64 {
        let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    };
    let counted = sum("gristmill_jobs_total{", "queue=\"hostile\"");
    ensure!(counted == attempts as u64, "the worker counted {counted} hostile attempts, not {attempts}");
    ensure!(page.contains("\ngristmill_panics_total 0"), "the worker has panicked");
    ensure!(sum("gristmill_memory_pressure_total", "") == 0, "the worker ran short of memory");
    ensure!(!worker.log()?.contains("starting anew"), "the worker started anew");
    ensure!(worker.page("/healthz/live")?.contains("live"), "the worker does not say that it lives");
    Ok(())
}
