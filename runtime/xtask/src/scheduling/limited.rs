//! Many jobs against one limiter on several workers: none fails, none loses an attempt, the time is that of the limit, and
//! they keep their order.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use gristmill_core::clock::Clock;
use gristmill_queue::{Connection, NewJob, PrivateRedis, Queue};

use crate::hostile::kinds::handler;
use crate::hostile::until_ended;
use crate::rig::Rig;
use crate::steps::say;

const JOBS: usize = 20_000;
const PER_SECOND: usize = 500;
const WORKERS: usize = 4;
/// How far over the ideal time they may take, and how many jobs one may overtake: two turns of each worker.
const OVER: f64 = 1.05;
const OVERTAKEN: usize = 2 * WORKERS * 64;
/// Jobs that are charged in one call start over so many ms.
const SPREAD: u64 = 20;

pub(super) async fn prove(binary: &Path) -> Result<()> {
    say(&format!("{JOBS} jobs against a limiter of {PER_SECOND}/s on {WORKERS} workers"));
    let redis = PrivateRedis::start().await?;
    let config = format!(
        "[limiters.service]\ntiers = [\"{PER_SECOND}/s\"]\n[queues.limited]\nconcurrency = 50\n\
         [queues.limited.jobs.\"*\"]\nhandler = {}\nmemory = \"4MiB\"\nlimiters = [\"service\"]\n",
        handler("scripted")
    );
    let (connection, _) = Connection::open(&redis.url()).await?;
    let queue = Queue::new(connection.clone(), "bull", "limited");
    let mut raw = redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    // Every start is an event, on the server's clock, as the limiter is; all of them are kept.
    let kept = ["opts.maxLenEvents", "1000000"];
    redis::cmd("HSET").arg(queue.keys().key("meta")).arg(&kept).query_async::<()>(&mut raw).await?;
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let mut worker = Rig::start(binary, &redis.url(), &config)?;
        worker.wait_until_ready().await?;
        workers.push(worker);
    }
    let begun = Instant::now();
    let job = NewJob { name: "job".into(), data: "{\"steps\":[]}".into(), ..NewJob::default() };
    for _ in 0..JOBS / 1_000 {
        for added in queue.add(&vec![job.clone(); 1_000], Clock::System.now_ms()).await? {
            added.map_err(|refusal| anyhow::anyhow!("a job was not added: {refusal}"))?;
        }
    }
    until_ended(&queue, JOBS).await?;
    let took = begun.elapsed().as_secs_f64();
    // The first second's limit is there at once.
    let ideal = (JOBS - PER_SECOND) as f64 / PER_SECOND as f64;

    let [.., failed, _] = queue.counts().await?;
    let mut lost = 0;
    for id in 1..=JOBS {
        let view = queue.job(&id.to_string()).await?.with_context(|| format!("job {id} is gone"))?;
        lost += usize::from(view.fields.get("atm").map(String::as_str) != Some("1"));
    }
    let started = starts(&mut raw, &queue.keys().key("events")).await?;
    ensure!(started.len() == JOBS, "{} starts of {JOBS} jobs", started.len());
    let most = most_in_a_second(&started);
    let overtaken = started.iter().enumerate().map(|(at, (_, id))| at.abs_diff(id - 1)).max().unwrap_or(0);
    say(&format!(
        "{took:.1} s (ideal {ideal:.1}), {failed} failed, {lost} lost an attempt, at most {most} starts in a second, at \
         most {overtaken} places out of order"
    ));
    ensure!(failed == 0 && lost == 0, "the limiter cost jobs or attempts");
    ensure!(took <= ideal * OVER, "it took {:.1} % longer than the limit", (took / ideal - 1.0) * 100.0);
    ensure!(most <= PER_SECOND, "{most} jobs started within a second");
    ensure!(overtaken <= OVERTAKEN, "jobs overtook others by {overtaken} places");
    for worker in &mut workers {
        worker.stop().await?;
    }
    Ok(())
}

/// When each job started, ms, and its id, in order.
async fn starts(raw: &mut redis::aio::MultiplexedConnection, stream: &str) -> Result<Vec<(u64, usize)>> {
    let entries: Vec<(String, HashMap<String, String>)> =
        redis::cmd("XRANGE").arg(stream).arg("-").arg("+").query_async(raw).await?;
    let is_start =
        |fields: &HashMap<String, String>| fields.get("event").is_some_and(|name| name == "active");
    let started = entries.into_iter().filter(|(_, fields)| is_start(fields));
    started
        .map(|(entry, fields)| {
            let at = entry.split('-').next().unwrap_or_default().parse()?;
            Ok((at, fields.get("jobId").map_or("", String::as_str).parse()?))
        })
        .collect()
}

/// The most starts within any second, less [`SPREAD`].
fn most_in_a_second(started: &[(u64, usize)]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (at, (time, _)) in started.iter().enumerate() {
        while started[first].0 + 1_000 - SPREAD <= *time {
            first += 1;
        }
        most = most.max(at - first + 1);
    }
    most
}
