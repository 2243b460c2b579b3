//! `cargo xtask demo`: a private Redis, a worker, the example handlers, and a few hundred jobs, some of them hostile.

mod jobs;
mod outcome;
mod sink;
mod worker;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use gristmill_core::clock::Clock;
use gristmill_queue::{Connection, PrivateRedis, Queue};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::guests;
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
        say("starting a private Redis, an e-mail API that only listens, and the worker");
        let redis = PrivateRedis::start().await?;
        let sink = sink::Sink::start().await?;
        let mut worker = worker::Worker::start(&binary, &redis.url(), sink.port())?;
        worker.wait_until_ready().await?;

        let batches = jobs::batches(sink.port())?;
        let (connection, _) = Connection::open(&redis.url()).await?;
        let added = add(&connection, &batches).await?;
        follow(&connection, &batches).await?;
        let as_expected = outcome::report(&connection, &batches, &added, &out).await?;
        say(&format!("the e-mail API was called {} times", sink.calls()));
        if !arguments.once {
            stay(&redis, &worker).await?;
        }
        worker.stop().await?;
        if as_expected {
            Ok(())
        } else {
            bail!("some jobs did not end as expected; see `{}`", worker::log().display())
        }
    })
}

/// Adds every batch and answers the ids, batch by batch.
async fn add(connection: &Connection, batches: &[Batch]) -> Result<Vec<Vec<String>>> {
    let mut added = Vec::new();
    for batch in batches {
        let queue = Queue::new(connection.clone(), "bull", batch.queue);
        added.push(queue.add(&batch.jobs, Clock::System.now_ms()).await?);
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

/// Leaves everything running until Ctrl-C.
async fn stay(redis: &PrivateRedis, worker: &worker::Worker) -> Result<()> {
    say(&format!(
        "metrics: http://{}/metrics   health: http://{}/healthz/ready",
        worker.address(),
        worker.address()
    ));
    say("add a job of your own from another terminal:");
    say(&format!(
        "  {} --redis {} job add hashes try --data '{{\"text\":\"hello\",\"rounds\":1000}}' --wait",
        worker.binary().display(),
        redis.url()
    ));
    say("Ctrl-C ends everything");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
