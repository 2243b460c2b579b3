//! Five flooded queues, one of each class, on too few slots: each must get its weight's share of slot time, however long
//! its jobs are, and critical jobs must go on.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gristmill_core::clock::Clock;
use gristmill_core::config::Class;
use gristmill_queue::{Connection, NewJob, PrivateRedis, Queue};
use serde_json::json;

use crate::bench::table;
use crate::hostile::{ended, kinds};
use crate::rig::Rig;
use crate::steps::say;

const SLOTS: usize = 8;
/// What each class's jobs wait for in their handler, in ms, and how many there are: more than the window takes.
const FLOODS: [(Class, u64, usize); 5] = [
    (Class::Critical, 20, 12_000),
    (Class::High, 40, 3_000),
    (Class::Normal, 60, 1_000),
    (Class::Low, 400, 100),
    (Class::Background, 50, 250),
];
/// Jobs that every queue has ended before the window begins: their lengths are known then.
const WARM: usize = 5;
/// Jobs of the lightest queue that make a window. One of them more or less is a sixtieth of its share, and less in the
/// others.
const WINDOW: usize = 80;
/// How far a share may be from what the weights say.
const TOLERANCE: f64 = 0.05;
/// The window takes half of it on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// When an attempt had its slot, ms since the epoch.
pub(super) type Span = (u64, u64);

pub(super) async fn prove(binary: &Path) -> Result<()> {
    say(&format!("five flooded queues, one of each class, on {SLOTS} slots"));
    let redis = PrivateRedis::start().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let queues = FLOODS.map(|(class, ..)| Queue::new(connection.clone(), "bull", class.as_str()));
    for (queue, (_, sleep_ms, jobs)) in queues.iter().zip(FLOODS) {
        flood(queue, sleep_ms, jobs).await?;
    }
    let mut worker = Rig::start(binary, &redis.url(), &config()?)?;
    worker.wait_until_ready().await?;
    for queue in &queues {
        until(queue, WARM).await?;
    }
    let [.., lightest] = &queues;
    let from = Clock::System.now_ms();
    until(lightest, ended(lightest).await? + WINDOW).await?;
    let window = (from, Clock::System.now_ms());
    for queue in &queues {
        let [waiting, ..] = queue.counts().await?;
        ensure!(waiting > 0, "`{}` ran out of jobs: its share says nothing", queue.name());
    }
    // So that no attempt of the window is still under way.
    worker.stop().await?;
    let client = redis::Client::open(redis.url())?;
    let mut reader = client.get_multiplexed_async_connection().await?;
    let mut spans = Vec::new();
    for queue in &queues {
        spans.push(read(&mut reader, queue.name()).await?);
    }
    judge(&spans, window)
}

fn config() -> Result<String> {
    let mut text = format!("[worker]\nslots = {SLOTS}\n");
    for (class, ..) in FLOODS {
        let (name, handler) = (class.as_str(), kinds::handler("scripted"));
        writeln!(
            text,
            "[queues.{name}]\nclass = \"{name}\"\nconcurrency = {SLOTS}\n[queues.{name}.jobs.\"*\"]\n\
             handler = {handler}\nmemory = \"16MiB\""
        )?;
    }
    Ok(text)
}

pub(super) async fn flood(queue: &Queue, sleep_ms: u64, jobs: usize) -> Result<()> {
    let data = json!({ "steps": [{ "op": "sleep", "ms": sleep_ms }] }).to_string();
    let jobs = vec![NewJob { name: "flood".into(), data, ..NewJob::default() }; jobs];
    for some in jobs.chunks(1_000) {
        for added in queue.add(some, Clock::System.now_ms()).await? {
            added.map_err(|refusal| anyhow::anyhow!("a job was not added: {refusal}"))?;
        }
    }
    Ok(())
}

pub(super) async fn until(queue: &Queue, jobs: usize) -> Result<()> {
    let begun = Instant::now();
    while ended(queue).await? < jobs {
        if begun.elapsed() > PATIENCE {
            bail!("`{}` has ended {} of {jobs} jobs", queue.name(), ended(queue).await?);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Every attempt of a queue, by its begin.
pub(super) async fn read(reader: &mut redis::aio::MultiplexedConnection, queue: &str) -> Result<Vec<Span>> {
    let key = |name: &str| format!("bull:{queue}:{name}");
    let ids: Vec<String> =
        redis::cmd("ZRANGE").arg(key("completed")).arg(0).arg(-1).query_async(reader).await?;
    let mut pipe = redis::pipe();
    for id in &ids {
        pipe.cmd("HMGET").arg(key(id)).arg(&["processedOn", "finishedOn"]);
    }
    let mut spans: Vec<Span> = pipe.query_async(reader).await.context("a job says not when it ran")?;
    spans.sort_unstable();
    Ok(spans)
}

/// Prints the table; an error if a share is off, or critical jobs stood still.
fn judge(spans: &[Vec<Span>], (from, to): Span) -> Result<()> {
    let inside = |(begin, end): &Span| end.min(&to).saturating_sub(*begin.max(&from));
    let used: Vec<u64> = spans.iter().map(|spans| spans.iter().map(inside).sum()).collect();
    let all: u64 = used.iter().sum();
    let weights: u32 = FLOODS.iter().map(|(class, ..)| class.default_weight()).sum();
    let head = ["class", "weight", "job ms", "jobs", "share wanted", "share got", "off", "longest gap ms"];
    let mut table = table::new_table(&head);
    let mut wrong = Vec::new();
    for ((class, sleep_ms, _), (spans, used)) in FLOODS.into_iter().zip(spans.iter().zip(used)) {
        let wanted = f64::from(class.default_weight()) / f64::from(weights);
        let got = used as f64 / all as f64;
        let off = got / wanted - 1.0;
        let begins: Vec<u64> =
            spans.iter().map(|(begin, _)| *begin).filter(|b| (from..=to).contains(b)).collect();
        let gap = begins.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(to - from);
        table.add_row([
            class.as_str().to_owned(),
            class.default_weight().to_string(),
            sleep_ms.to_string(),
            begins.len().to_string(),
            format!("{:.2} %", 100.0 * wanted),
            format!("{:.2} %", 100.0 * got),
            format!("{:+.2} %", 100.0 * off),
            gap.to_string(),
        ]);
        if off.abs() > TOLERANCE {
            wrong.push(format!("{} got {:.2} % of its share", class.as_str(), 100.0 * (1.0 + off)));
        }
        // A slot is kept for it, which its own jobs leave at the latest after the longest attempt.
        let bound = FLOODS.iter().map(|(_, ms, _)| *ms).max().unwrap_or_default();
        if class == Class::Critical && gap > bound {
            wrong.push(format!("no critical job began for {gap} ms, the bound is {bound} ms"));
        }
    }
    table::print(&table);
    let busy = all as f64 / ((to - from) as f64 * SLOTS as f64);
    say(&format!(
        "a window of {:.1} s; slots were busy for {:.1} % of it",
        (to - from) as f64 / 1e3,
        100.0 * busy
    ));
    ensure!(wrong.is_empty(), "slots were not shared as they must be:\n{}", wrong.join("\n"));
    Ok(())
}
