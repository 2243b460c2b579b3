//! A worker with memory for few jobs at a time: a critical job must not wait for it behind what was taken before, a large
//! job must come to run, and each queue must get its weight's part of the memory.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gristmill_core::clock::Clock;
use gristmill_queue::{Connection, PrivateRedis, Queue};

use super::flooded::{Span, flood, until};
use crate::bench::table;
use crate::hostile::{ended, kinds};
use crate::rig::Rig;
use crate::steps::say;

const SLOTS: usize = 16;
/// What jobs wait for in their handler. None of them ends sooner.
const SLEEP_MS: u64 = 400;
/// Class, MiB of a job, and its weight.
const FLOODS: [(&str, u64, u32); 2] = [("normal", 64, 4), ("low", 256, 2)];
/// Critical jobs, one after another, each while the memory is full.
const CRITICAL: usize = 200;
/// Half of the others' length: who waits for one of them to end waits longer, as a rule.
const BOUND_MS: u64 = SLEEP_MS / 2;
/// Some forty large jobs make the window: one more or less is a fortieth.
const TOLERANCE: f64 = 0.15;
const LARGE: usize = 40;

pub(super) async fn prove(binary: &Path) -> Result<()> {
    say(&format!("critical, normal and large jobs, {SLOTS} slots and memory for a few of them"));
    let redis = PrivateRedis::start().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let queue = |name: &str| Queue::new(connection.clone(), "bull", name);
    let critical = queue("critical");
    let floods = FLOODS.map(|(class, ..)| queue(class));
    for queue in &floods {
        flood(queue, SLEEP_MS, 2_000).await?;
    }
    let mut worker = Rig::start(binary, &redis.url(), &config()?)?;
    worker.wait_until_ready().await?;
    let [_, large] = &floods;
    until(large, 2).await?;
    let (from, already) = (Clock::System.now_ms(), ended(large).await?);
    let mut added = 0;
    while added < CRITICAL || ended(large).await? < already + LARGE {
        flood(&critical, 0, 1).await?;
        added += 1;
        let begun = Instant::now();
        while ended(&critical).await? < added {
            ensure!(begun.elapsed() < Duration::from_secs(60), "critical job {added} does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let window = (from, Clock::System.now_ms());
    worker.stop().await?;
    let client = redis::Client::open(redis.url())?;
    let mut reader = client.get_multiplexed_async_connection().await?;
    let waits = read_waits(&mut reader).await?;
    let mut spans = Vec::new();
    for queue in &floods {
        spans.push(super::flooded::read(&mut reader, queue.name()).await?);
    }
    judge(waits, &spans, window)
}

fn config() -> Result<String> {
    let mut text = format!("[worker]\nslots = {SLOTS}\nmemory_hard_limit = \"600MiB\"\n");
    for (class, mib) in [("critical", 16)].into_iter().chain(FLOODS.map(|(class, mib, _)| (class, mib))) {
        let handler = kinds::handler("scripted");
        writeln!(
            text,
            "[queues.{class}]\nclass = \"{class}\"\nconcurrency = {SLOTS}\n[queues.{class}.jobs.\"*\"]\n\
             handler = {handler}\nmemory = \"{mib}MiB\""
        )?;
    }
    Ok(text)
}

/// How long each critical job waited for its start, in ms.
async fn read_waits(reader: &mut redis::aio::MultiplexedConnection) -> Result<Vec<u64>> {
    let ids: Vec<String> =
        redis::cmd("ZRANGE").arg("bull:critical:completed").arg(0).arg(-1).query_async(reader).await?;
    let mut pipe = redis::pipe();
    for id in &ids {
        pipe.cmd("HMGET").arg(format!("bull:critical:{id}")).arg(&["timestamp", "processedOn"]);
    }
    let times: Vec<Span> = pipe.query_async(reader).await.context("a job says not when it ran")?;
    Ok(times.into_iter().map(|(added, begun)| begun.saturating_sub(added)).collect())
}

/// Prints the table; an error if critical jobs waited, or the memory was not shared by weight.
fn judge(mut waits: Vec<u64>, spans: &[Vec<Span>], (from, to): Span) -> Result<()> {
    waits.sort_unstable();
    let part = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    say(&format!(
        "{} critical jobs waited {} ms (median), {} ms (99 of 100), {} ms (longest), others took {SLEEP_MS} ms",
        waits.len(),
        part(50),
        part(99),
        part(100)
    ));
    let inside = |(begin, end): &Span| end.min(&to).saturating_sub(*begin.max(&from));
    let used: Vec<u64> = (FLOODS.iter().zip(spans))
        .map(|((_, mib, _), spans)| spans.iter().map(inside).sum::<u64>() * mib)
        .collect();
    let all: u64 = used.iter().sum();
    let weights: u32 = FLOODS.iter().map(|(.., weight)| weight).sum();
    let mut table =
        table::new_table(&["class", "weight", "job MiB", "jobs", "memory-time wanted", "got", "off"]);
    let mut wrong = Vec::new();
    for (((class, mib, weight), spans), used) in FLOODS.into_iter().zip(spans).zip(used) {
        let (wanted, got) = (f64::from(weight) / f64::from(weights), used as f64 / all as f64);
        let off = got / wanted - 1.0;
        let jobs = spans.iter().filter(|span| inside(span) > 0).count();
        table.add_row([
            class.to_owned(),
            weight.to_string(),
            mib.to_string(),
            jobs.to_string(),
            format!("{:.1} %", 100.0 * wanted),
            format!("{:.1} %", 100.0 * got),
            format!("{:+.1} %", 100.0 * off),
        ]);
        if off.abs() > TOLERANCE {
            wrong.push(format!("{class} got {:.1} % of its share", 100.0 * (1.0 + off)));
        }
    }
    table::print(&table);
    if part(99) > BOUND_MS {
        wrong.push(format!("critical jobs waited up to {} ms, the bound is {BOUND_MS} ms", part(99)));
    }
    ensure!(wrong.is_empty(), "memory was not shared as it must be:\n{}", wrong.join("\n"));
    Ok(())
}
