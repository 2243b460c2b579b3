//! Swaps, canaries and rollbacks under a load that never stops: no job fails or is lost because of them, and every result
//! is of a version that was deployed when its job ran.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use gristmill_core::deployment::Entry;
use gristmill_queue::{Connection, PrivateRedis, Queue, Target};

use super::load::{Ended, Load};
use super::versions::{Versions, config};
use crate::rig::Rig;
use crate::steps::say;

const QUEUE: &str = "swapped";
const SLOTS: usize = 8;
/// Jobs a second, each of 20 ms: two thirds of what two workers do.
const RATE: usize = 500;
/// Swaps between two canaries.
const SWAPS: usize = 10;
/// In what time all workers follow.
const FOLLOWED_MS: u64 = 1_000;
/// How long the load runs without a swap, for comparison.
const CALM: Duration = Duration::from_secs(5);

pub(super) async fn prove(binary: &Path, rounds: usize) -> Result<()> {
    say(&format!(
        "{} swaps, {rounds} canaries and {rounds} rollbacks under {RATE} jobs a second",
        rounds * SWAPS
    ));
    let redis = PrivateRedis::start().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let mut versions = Versions::new(binary, &redis.url(), QUEUE)?;
    let first = versions.make("good")?;
    versions.push(&first, &[]).await?;
    let mut workers = Vec::new();
    for _ in 0..2 {
        let mut worker = Rig::start(binary, &redis.url(), &config(QUEUE, SLOTS))?;
        worker.wait_until_ready().await?;
        workers.push(worker);
    }
    let load = Load::start(Queue::new(connection.clone(), "bull", QUEUE), RATE, 20);
    let calm = load.rate(tokio::time::sleep(CALM)).await?;
    let begun = Instant::now();
    let swapping = async {
        for _ in 0..rounds {
            for _ in 0..SWAPS {
                let version = versions.make("good")?;
                versions.push(&version, &[]).await?;
            }
            let canary = versions.make("good")?;
            versions.push(&canary, &["--canary", "10%"]).await?;
            versions.change("promote").await?;
            versions.change("rollback").await?;
        }
        anyhow::Ok(())
    };
    let mut swapped = Ok(());
    let busy = load.rate(async { swapped = swapping.await }).await?;
    swapped?;
    let took = begun.elapsed();
    for worker in &mut workers {
        worker.lives()?;
    }
    let client = redis::Client::open(redis.url())?;
    let all = load.finish(&mut client.get_multiplexed_async_connection().await?).await?;
    let target = Target { queue: QUEUE.into(), job: "*".into() };
    let mut history = connection.deployment_history(&target, 500).await?;
    history.reverse();
    let versions = judge(&all, &history)?;
    say(&format!(
        "{} jobs, none failed or lost, of {versions} versions; {:.0} a second without swaps, {:.0} during {} changes in {:.1} s ({:.2})",
        all.len(),
        calm,
        busy,
        history.len() - 1,
        took.as_secs_f64(),
        busy / calm
    ));
    for worker in &mut workers {
        worker.stop().await?;
    }
    Ok(())
}

/// When which versions were deployed: each with the time of the change that began and of the one that ended it.
fn spans(history: &[Entry]) -> Result<Vec<(String, u64, u64)>> {
    let mut spans: Vec<(String, u64, u64)> = Vec::new();
    let mut stable: Vec<String> = Vec::new();
    let mut canary: Option<String> = None;
    for entry in history {
        let before: Vec<String> = stable.last().cloned().into_iter().chain(canary.clone()).collect();
        match entry.action.as_str() {
            "deploy" | "promote" => {
                stable.push(entry.digest.clone());
                canary = None;
            }
            "canary" => canary = Some(entry.digest.clone()),
            "rollback" if canary.is_some() => canary = None,
            "rollback" => {
                stable.pop();
            }
            other => bail!("the history has a `{other}`"),
        }
        let now: Vec<String> = stable.last().cloned().into_iter().chain(canary.clone()).collect();
        for digest in &before {
            if !now.contains(digest)
                && let Some(span) = spans.iter_mut().rfind(|span| span.0 == *digest)
            {
                span.2 = entry.at_ms;
            }
        }
        for digest in now.iter().filter(|digest| !before.contains(digest)) {
            spans.push((digest.clone(), entry.at_ms, u64::MAX));
        }
    }
    Ok(spans)
}

/// How many versions made results.
fn judge(all: &[Ended], history: &[Entry]) -> Result<usize> {
    let spans = spans(history)?;
    let mut seen = std::collections::BTreeSet::new();
    for job in all {
        ensure!(job.failed.is_none(), "a job failed: {:?}", job.failed);
        let said = job.said.as_deref().unwrap_or_default();
        ensure!(said == job.written, "a job of `{said}` is said to be of `{}`", job.written);
        // A worker may be as late as it is allowed to be, and a job keeps the version that it began with.
        let deployed = spans.iter().any(|(digest, from, to)| {
            digest == said && *from <= job.finished_ms && job.begun_ms <= to.saturating_add(FOLLOWED_MS)
        });
        ensure!(deployed, "`{said}` made a result at {} and was not deployed: {spans:?}", job.begun_ms);
        seen.insert(said);
    }
    Ok(seen.len())
}
