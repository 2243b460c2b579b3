//! What deployments cost: throughput while handlers are swapped, how soon `gristmill dev` has swapped one, and how soon a
//! worker with many handlers is ready.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gristmill_queue::{Connection, PrivateRedis, Queue};
use serde_json::{Value, json};

use super::table::median;
use crate::registry::{Load, Versions, config};
use crate::rig::Rig;
use crate::steps::say;

const QUEUE: &str = "swapped";
const SLOTS: usize = 8;
/// A job waits so long in its handler; more of them are added than the slots take.
const JOB_MS: u64 = 20;
const FLOOD: usize = 1_000;
const WINDOW: Duration = Duration::from_secs(5);
/// Swaps of `gristmill dev`.
const SWAPS: usize = 20;
/// Handlers of the worker that is started.
const HANDLERS: usize = 50;
const STARTS: usize = 5;

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deployments {
    calm: f64,
    swapping: f64,
    ratio: f64,
    swaps_per_second: f64,
    dev_ms: f64,
    first_start_ms: f64,
    start_ms: f64,
}

pub(crate) async fn measure(binary: &Path, rounds: usize) -> Result<Deployments> {
    let [calm, swapping, ratio, swaps_per_second] = throughput(binary, rounds).await?;
    let dev_ms = dev(binary)?;
    let [first_start_ms, start_ms] = starts(binary).await?;
    Ok(Deployments { calm, swapping, ratio, swaps_per_second, dev_ms, first_start_ms, start_ms })
}

impl Deployments {
    pub(crate) fn rows(self) -> [[String; 2]; 5] {
        [
            ["jobs a second without swaps".to_owned(), format!("{:.0}", self.calm)],
            [
                format!("during {:.1} swaps a second", self.swaps_per_second),
                format!("{:.0}, {:.3} of that", self.swapping, self.ratio),
            ],
            [
                "`gristmill dev`: from the file's change to the swap".to_owned(),
                format!("{:.0} ms", self.dev_ms),
            ],
            [format!("first start with {HANDLERS} handlers"), format!("{:.0} ms", self.first_start_ms)],
            [format!("another start with {HANDLERS} handlers"), format!("{:.0} ms", self.start_ms)],
        ]
    }

    pub(crate) fn json(self) -> Value {
        json!({
            "swap_throughput_ratio": self.ratio,
            "dev_swap_ms": self.dev_ms,
            "first_start_ms": self.first_start_ms,
            "start_ms": self.start_ms,
        })
    }
}

/// Jobs a second in windows without and with swaps, in turn; medians, the median of the ratios, and swaps a second.
async fn throughput(binary: &Path, rounds: usize) -> Result<[f64; 4]> {
    say("throughput while handlers are swapped");
    let redis = PrivateRedis::start().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let mut versions = Versions::new(binary, &redis.url(), QUEUE)?;
    let first = versions.make("good")?;
    versions.push(&first, &[]).await?;
    let mut worker = Rig::start(binary, &redis.url(), &config(QUEUE, SLOTS))?;
    worker.wait_until_ready().await?;
    let load = Load::start(Queue::new(connection, "bull", QUEUE), FLOOD, JOB_MS);
    // Warm, and with enough jobs that wait.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mut calm, mut swapping, mut swaps) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        calm.push(load.rate(tokio::time::sleep(WINDOW)).await?);
        let mut count = 0;
        let mut failed = Ok(());
        let pushes = async {
            let begun = Instant::now();
            while begun.elapsed() < WINDOW && failed.is_ok() {
                failed = match versions.make("good") {
                    Ok(version) => versions.push(&version, &[]).await,
                    Err(error) => Err(error),
                };
                count += 1;
            }
        };
        swapping.push(load.rate(pushes).await?);
        failed?;
        swaps.push(f64::from(count) / WINDOW.as_secs_f64());
    }
    worker.stop().await?;
    let ratios = calm.iter().zip(&swapping).map(|(calm, swapping)| swapping / calm);
    let ratio = median(ratios);
    let of = |all: Vec<f64>| median(all.into_iter());
    Ok([of(calm), of(swapping), ratio, of(swaps)])
}

/// Median ms from the end of a build to the swap.
fn dev(binary: &Path) -> Result<f64> {
    say("swaps of `gristmill dev`");
    let mut versions = Versions::new(binary, "", QUEUE)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("versioned.wasm");
    std::fs::copy(versions.make("good")?.path, &file)?;
    let mut child = Command::new(binary)
        .arg("dev")
        .arg(folder.path())
        .env_remove("REDIS_URL")
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let lines = child.stderr.take().context("no standard error")?;
    let mut lines = BufReader::new(lines).lines();
    let mut until = |text: &str| -> Result<()> {
        for line in &mut lines {
            if line?.contains(text) {
                return Ok(());
            }
        }
        anyhow::bail!("`gristmill dev` ended without `{text}`")
    };
    let measured = (|| {
        until("job add")?;
        let mut times = Vec::new();
        for _ in 0..SWAPS {
            let next = versions.make("good")?;
            let begun = Instant::now();
            std::fs::copy(&next.path, &file)?;
            until("handler swapped")?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        Ok(median(times.into_iter()))
    })();
    Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status()?;
    child.wait()?;
    measured
}

/// Median ms until a worker is ready: with an empty cache of compiled handlers, and with a full one.
async fn starts(binary: &Path) -> Result<[f64; 2]> {
    use std::fmt::Write;

    say(&format!("starts of a worker with {HANDLERS} handlers"));
    let redis = PrivateRedis::start().await?;
    let mut versions = Versions::new(binary, &redis.url(), QUEUE)?;
    let mut queues = String::new();
    for number in 0..HANDLERS {
        let path = versions.make("good")?.path;
        writeln!(
            queues,
            "[queues.q{number}]\nconcurrency = 1\n[queues.q{number}.jobs.\"*\"]\nhandler = \"{}\"",
            path.display()
        )?;
    }
    let start = async |cache: &Path| {
        let config = format!("[worker]\ncache_dir = \"{}\"\n{queues}", cache.display());
        let begun = Instant::now();
        let mut worker = Rig::start(binary, &redis.url(), &config)?;
        worker.wait_until_ready().await?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        worker.stop().await?;
        anyhow::Ok(took)
    };
    let cache = tempfile::tempdir()?;
    let dir = cache.path().join("cache");
    let first = start(&dir).await?;
    let mut again = Vec::new();
    for _ in 0..STARTS {
        again.push(start(&dir).await?);
    }
    ensure!(dir.exists(), "nothing was kept in the cache");
    Ok([first, median(again.into_iter())])
}
