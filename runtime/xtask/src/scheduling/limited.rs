//! Many jobs against one limiter on several workers: none fails, none loses an attempt, the time is that of the limit, and
//! they keep their order.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
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
    let (mut started, mut lost) = (Vec::with_capacity(JOBS), 0);
    for id in 1..=JOBS {
        let Some(view) = queue.job(&id.to_string()).await? else { continue };
        let number = |field: &str| view.fields.get(field).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        lost += usize::from(number("atm") != 1);
        started.push((number("processedOn"), id));
    }
    ensure!(started.len() == JOBS, "{} of {JOBS} jobs are left", started.len());
    let most = most_in_a_second(&started);
    started.sort_unstable();
    let overtaken = started.iter().enumerate().map(|(at, (_, id))| at.abs_diff(id - 1)).max().unwrap_or(0);
    say(&format!(
        "{took:.1} s (ideal {ideal:.1}), {failed} failed, {lost} lost an attempt, at most {most} starts in a second, at \
         most {overtaken} places out of order"
    ));
    ensure!(failed == 0 && lost == 0, "the limiter cost jobs or attempts");
    ensure!(took <= ideal * OVER, "it took {:.1} % longer than the limit", (took / ideal - 1.0) * 100.0);
    ensure!(took >= ideal * 0.99, "it was faster than the limit allows");
    ensure!(overtaken <= OVERTAKEN, "jobs overtook others by {overtaken} places");
    for worker in &mut workers {
        worker.stop().await?;
    }
    Ok(())
}

/// The most starts within any second, by the workers' clocks, which are one machine's.
fn most_in_a_second(started: &[(u64, usize)]) -> usize {
    let mut times: Vec<u64> = started.iter().map(|(at, _)| *at).collect();
    times.sort_unstable();
    let mut first = 0;
    let mut most = 0;
    for (at, time) in times.iter().enumerate() {
        while times[first] + 1_000 <= *time {
            first += 1;
        }
        most = most.max(at - first + 1);
    }
    most
}
