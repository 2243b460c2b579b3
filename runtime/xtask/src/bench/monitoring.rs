//! What looking costs: throughput while everything is watched, `/metrics` of many queues while every slot computes, and pages of
//! a very long queue.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gristmill_core::clock::Clock;
use gristmill_queue::{Connection, NewJob, PrivateRedis, Queue};
use serde_json::{Value, json};

use super::contender::{Contender, Kind, Programs};
use super::table::median;
use super::{drain, scale};
use crate::hostile::kinds::handler;
use crate::rig::{Rig, get};
use crate::steps::say;

const QUEUES: usize = 200;
/// Job names, each with a series of its own for whatever is counted by job type.
const TYPES: usize = 500;
/// Slots that compute.
const SLOTS: usize = 8;
/// Requests of one measurement.
const ASKED: usize = 60;
/// Requests of each page; all of them stay below what a caller of the API may ask at once.
const OPENED: usize = 30;
const LONG: usize = 1_000_000;
const SHORT: usize = 100;

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Monitoring {
    /// Jobs per second with nothing looked at and with everything; the median of the ratios of runs side by side.
    unwatched: f64,
    watched: f64,
    ratio: f64,
    /// Ms of `/metrics`, median and slowest: idle, and while every slot computes.
    idle: Asked,
    busy: Asked,
    /// Series on that page.
    series: usize,
    /// What is asked for, ms with `SHORT` jobs and with `LONG`.
    pages: Vec<(&'static str, f64, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    median: f64,
    worst: f64,
}

pub(crate) async fn measure(redis: &PrivateRedis, programs: &Programs, rounds: usize) -> Result<Monitoring> {
    let with = |kind| Contender { kind, concurrency: 200, jobs: 100_000, remove: true };
    let run =
        async |kind| Ok::<_, anyhow::Error>(drain::measure(redis, programs, with(kind)).await?.jobs_per_s);
    let (mut unwatched, mut watched, mut ratios) =
        (vec![run(Kind::Unwatched).await?], Vec::new(), Vec::new());
    for round in 0..rounds.max(1) {
        say(&format!("with everything watched and with nothing, round {} of {rounds}", round + 1));
        let seen = run(Kind::Watched).await?;
        let after = run(Kind::Unwatched).await?;
        let before = unwatched.last().copied().unwrap_or(after);
        ratios.push(seen / f64::midpoint(before, after));
        watched.push(seen);
        unwatched.push(after);
    }
    let of = |values: Vec<f64>| median(values.into_iter());
    let (idle, busy, series) = scrapes(&programs.gristmill).await?;
    let pages = pages(&programs.gristmill).await?;
    Ok(Monitoring {
        unwatched: of(unwatched),
        watched: of(watched),
        ratio: of(ratios),
        idle,
        busy,
        series,
        pages,
    })
}

/// `/metrics` with many queues and job types: idle and busy, and how many series it has.
async fn scrapes(binary: &Path) -> Result<(Asked, Asked, usize)> {
    say(&format!("/metrics with {QUEUES} queues and {TYPES} job types"));
    let redis = PrivateRedis::start().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let mut text = format!("[worker]\nmemory_hard_limit = \"8GiB\"\nslots = {SLOTS}\n");
    let handler = handler("scripted");
    let name = |number: usize| format!("queue-{number:03}");
    for queue in (0..QUEUES).map(name) {
        write!(
            text,
            "[queues.{queue}]\nconcurrency = {SLOTS}\n[queues.{queue}.jobs.\"*\"]\nhandler = {handler}\n"
        )?;
        text.push_str("memory = \"16MiB\"\ntimeout = \"10m\"\n");
    }
    let mut worker = Rig::start(binary, &redis.url(), &text)?;
    worker.wait_until_ready().await?;
    let queue = |number: usize| Queue::new(connection.clone(), "bull", &name(number));
    let job = |name: String, data: &str| NewJob { name, data: data.to_owned(), ..NewJob::default() };
    for number in 0..TYPES {
        let done = job(format!("type-{number:03}"), r#"{"steps":[{"op":"return","value":1}]}"#);
        queue(number % QUEUES).add(&[done], Clock::System.now_ms()).await?;
    }
    let count = |page: &str| page.lines().filter(|l| l.starts_with("gristmill_jobs_total{")).count();
    let mut page = String::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while count(&page) < TYPES {
        ensure!(Instant::now() < deadline, "{} of {TYPES} job types have run", count(&page));
        page = worker.page("/metrics")?;
    }
    let series = page.lines().filter(|line| !line.starts_with('#')).count();
    let idle = ask(worker.address())?;
    for number in 0..SLOTS {
        let burn = job("type-000".to_owned(), r#"{"steps":[{"op":"burn","ms":600000}]}"#);
        queue(number).add(&[burn], Clock::System.now_ms()).await?;
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while busy_slots(&worker.page("/metrics")?) < SLOTS as f64 {
        ensure!(Instant::now() < deadline, "the slots do not fill");
    }
    let busy = ask(worker.address())?;
    ensure!(busy_slots(&worker.page("/metrics")?) >= SLOTS as f64, "the slots did not stay busy");
    // Its slots would compute for the whole drain.
    drop(worker);
    Ok((idle, busy, series))
}

fn busy_slots(page: &str) -> f64 {
    let values = page.lines().filter(|line| line.starts_with("gristmill_slots_busy{"));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn ask(worker: SocketAddr) -> Result<Asked> {
    let mut times = Vec::with_capacity(ASKED);
    for _ in 0..ASKED {
        let begun = Instant::now();
        get(worker, "/metrics")?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let worst = times.iter().copied().fold(0.0, f64::max);
    Ok(Asked { median: median(times.into_iter()), worst })
}

/// What the dashboard asks for when a queue is opened, with few jobs and with very many: waiting and delayed ones.
async fn pages(binary: &Path) -> Result<Vec<(&'static str, f64, f64)>> {
    say(&format!("pages of a queue with {SHORT} and with {LONG} jobs"));
    let redis = PrivateRedis::start().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let section = |queue: &str| {
        format!(
            "[queues.{queue}]\n[queues.{queue}.jobs.\"*\"]\nhandler = {}\nmemory = \"16MiB\"\n",
            handler("scripted")
        )
    };
    let mut raw = redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    for (name, jobs) in [("short", SHORT), ("long", LONG)] {
        let queue = Queue::new(connection.clone(), "bull", name);
        redis::cmd("HSET")
            .arg(queue.keys().key("meta"))
            .arg("paused")
            .arg(1)
            .query_async::<()>(&mut raw)
            .await?;
        for options in ["{}", r#"{"delay":86400000}"#] {
            scale::add(&queue, jobs / 2, options).await?;
        }
    }
    let mut worker = Rig::start(binary, &redis.url(), &(section("short") + &section("long")))?;
    worker.wait_until_ready().await?;
    let asked: [(&str, &str); 5] = [
        ("the queue", ""),
        ("waiting jobs, first page", "/jobs?state=waiting&from=0&count=50"),
        ("waiting jobs, last page", "/jobs?state=waiting&from=LAST&count=50"),
        ("delayed jobs, first page", "/jobs?state=delayed&from=0&count=50"),
        ("delayed jobs, last page", "/jobs?state=delayed&from=LAST&count=50"),
    ];
    let mut found = Vec::new();
    for (what, path) in asked {
        let time = |queue: &str, jobs: usize| {
            let path = format!("/api/v1/queues/{queue}{path}").replace("LAST", &(jobs / 2 - 50).to_string());
            let begun = Instant::now();
            worker.page(&path).map(|_| begun.elapsed().as_secs_f64() * 1e3)
        };
        let (mut short, mut long) = (Vec::new(), Vec::new());
        for _ in 0..OPENED {
            short.push(time("short", SHORT)?);
            long.push(time("long", LONG)?);
        }
        found.push((what, median(short.into_iter()), median(long.into_iter())));
    }
    worker.stop().await.context("the worker of the long queue")?;
    Ok(found)
}

impl Monitoring {
    pub(crate) fn rows(&self) -> Vec<[String; 2]> {
        let ms = |asked: Asked| format!("{:.1} ms, at worst {:.1}", asked.median, asked.worst);
        let mut rows = vec![
            ["jobs a second with nothing looked at".to_owned(), format!("{:.0}", self.unwatched)],
            [
                "with all of it, scraped, the dashboard open".to_owned(),
                format!("{:.0}, {:.3} of that", self.watched, self.ratio),
            ],
            [
                format!("`/metrics` of {QUEUES} queues and {TYPES} job types, {} series, idle", self.series),
                ms(self.idle),
            ],
            [
                "while every slot computes".to_owned(),
                format!("{}, {:.2} times that", ms(self.busy), self.busy.median / self.idle.median),
            ],
        ];
        for (what, short, long) in &self.pages {
            rows.push([
                format!("{what}: {LONG} jobs over {SHORT}"),
                format!("{long:.2} over {short:.2} ms, {:.2}", long / short),
            ]);
        }
        rows
    }

    pub(crate) fn json(&self) -> Value {
        let pages: serde_json::Map<_, _> =
            self.pages.iter().map(|(what, short, long)| ((*what).to_owned(), json!(long / short))).collect();
        json!({
            "watched_throughput_ratio": self.ratio,
            "metrics_idle_ms": self.idle.median,
            "metrics_busy_ms": self.busy.median,
            "metrics_busy_worst_ms": self.busy.worst,
            "metrics_busy_over_idle": self.busy.median / self.idle.median,
            "long_queue_page_ratios": pages,
        })
    }
}
