//! `cargo xtask demo`: a private Redis, a worker, the example handlers, and a few hundred jobs, some of them hostile.

mod jobs;
mod outcome;
mod sink;
mod worker;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use gristmill_core::clock::Clock;
use gristmill_queue::{Connection, PrivateRedis, Queue};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use crate::guests;
use crate::rig::{Rig, log_in};
use crate::steps::{build_host, need_redis, need_wasm_target, root, say};
use jobs::Batch;

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// End when every job has ended, instead of leaving the worker running
    #[arg(long)]
    once: bool,
}

/// Longer than all jobs together take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(150);

/// Configuration, log and results.
fn folder() -> PathBuf {
    root().join("target/demo")
}

pub(crate) fn demo(arguments: &DemoArguments) -> Result<()> {
    need_wasm_target()?;
    need_redis()?;
    guests::build()?;
    let binary = build_host(true)?;
    let out = folder().join("out");
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    std::fs::create_dir_all(&out)?;

    tokio::runtime::Runtime::new()?.block_on(async {
        // What was started ends with the future that holds it.
        let mut shown = tokio::select! {
            shown = show(&binary, &out) => shown?,
            signal = interrupted() => {
                signal?;
                bail!("interrupted; all that was started has been ended")
            }
        };
        if !arguments.once {
            invite(&shown);
            interrupted().await?;
        }
        shown.worker.stop().await?;
        if shown.as_expected {
            Ok(())
        } else {
            bail!("some jobs did not end as expected; see `{}`", log_in(&folder()).display())
        }
    })
}

/// What runs on after the jobs. The worker goes first, Redis last.
struct Shown {
    worker: Rig,
    binary: PathBuf,
    _sink: sink::Sink,
    redis: PrivateRedis,
    /// Whether every job ended as it was to end.
    as_expected: bool,
}

/// Starts everything, adds the jobs and shows what becomes of them.
async fn show(binary: &Path, out: &Path) -> Result<Shown> {
    say("starting a private Redis, an e-mail API that only listens, and the worker");
    let redis = PrivateRedis::start().await?;
    let sink = sink::Sink::start().await?;
    let mut worker = worker::start(binary, &redis.url(), sink.port())?;
    worker.wait_until_ready().await?;

    let batches = jobs::batches(sink.port())?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let added = add(&connection, &batches).await?;
    follow(&connection, &batches).await?;
    let as_expected = outcome::report(&connection, &batches, &added, out).await?;
    say(&format!("the e-mail API was called {} times", sink.calls()));
    Ok(Shown { worker, binary: binary.to_owned(), _sink: sink, redis, as_expected })
}

/// Ends when somebody asks us to end.
async fn interrupted() -> Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = term.recv() => {}
    }
    Ok(())
}

/// Adds every batch and answers the ids, batch by batch.
async fn add(connection: &Connection, batches: &[Batch]) -> Result<Vec<Vec<String>>> {
    let mut added = Vec::new();
    for batch in batches {
        let queue = Queue::new(connection.clone(), "bull", batch.queue);
        let ids = queue.add(&batch.jobs, Clock::System.now_ms()).await?;
        let ids: Result<Vec<_>, _> = ids.into_iter().collect();
        let ids = ids.map_err(|refusal| anyhow::anyhow!("a job was not added: {refusal}"))?;
        added.push(ids.into_iter().map(|job| job.id).collect());
    }
    Ok(added)
}

/// Shows how many jobs have ended until all have.
async fn follow(connection: &Connection, batches: &[Batch]) -> Result<()> {
    let total: usize = batches.iter().map(|b| b.jobs.len()).sum();
    say(&format!("{total} jobs are in {} queues", names(batches).len()));
    let live = std::io::stderr().is_terminal();
    let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total as u64), target);
    bar.set_style(ProgressStyle::with_template("    {bar:40} {pos}/{len} jobs ended  {msg}")?);
    let deadline = Instant::now() + PATIENCE;
    let mut told = 0;
    loop {
        let (mut ended, mut running) = (0, 0);
        for name in names(batches) {
            let [_, active, _, _, _, completed, failed, _] =
                Queue::new(connection.clone(), "bull", name).counts().await?;
            ended += completed + failed;
            running += active;
        }
        bar.set_position(ended);
        bar.set_message(format!("{running} running"));
        if !live && ended / 100 > told {
            told = ended / 100;
            say(&format!("{ended} of {total} jobs have ended"));
        }
        if ended >= total as u64 {
            bar.finish_and_clear();
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("only {ended} of {total} jobs ended within {}s", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn names(batches: &[Batch]) -> Vec<&'static str> {
    let mut names: Vec<_> = batches.iter().map(|b| b.queue).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What to do with what still runs.
fn invite(shown: &Shown) {
    let address = shown.worker.address();
    say(&format!("metrics: http://{address}/metrics   health: http://{address}/healthz/ready"));
    say("add a job of your own from another terminal:");
    say(&format!(
        "  {} --redis {} job add hashes try --data '{{\"text\":\"hello\",\"rounds\":1000}}' --wait",
        shown.binary.display(),
        shown.redis.url()
    ));
    say("Ctrl-C ends everything");
}
