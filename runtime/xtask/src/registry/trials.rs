//! Canaries that fail, are slow, take much memory, or trap are back at nothing soon; a good one is promoted; workers that
//! are killed meanwhile change nothing of that.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gristmill_core::deployment::Entry;
use gristmill_queue::{Connection, PrivateRedis, Queue, Target};

use super::load::Load;
use super::versions::{Made, Versions, config};
use crate::bench::table;
use crate::rig::Rig;
use crate::steps::say;

const QUEUE: &str = "tried";
const SLOTS: usize = 8;
const RATE: usize = 150;
/// A bad version's time, and the bad jobs that it may cost.
const SOON: Duration = Duration::from_secs(30);
const BAD_JOBS: usize = 100;
const LOOK: Duration = Duration::from_millis(100);

/// A canary, and how it ends.
const TRIALS: [(&str, &str); 5] = [
    ("fails", "rollback"),
    ("slow", "rollback"),
    ("hungry", "rollback"),
    ("traps", "rollback"),
    ("good", "promote"),
];

pub(super) async fn prove(binary: &Path, whole: bool) -> Result<()> {
    say(&format!("canaries of 10 % under {RATE} jobs a second, while workers are killed"));
    let redis = PrivateRedis::start().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let target = Target { queue: QUEUE.into(), job: "*".into() };
    let mut versions = Versions::new(binary, &redis.url(), QUEUE)?;
    let first = versions.make("good")?;
    versions.push(&first, &[]).await?;
    let worker = || Rig::start(binary, &redis.url(), &config(QUEUE, SLOTS));
    let mut steady = worker()?;
    steady.wait_until_ready().await?;
    let load = Load::start(Queue::new(connection.clone(), "bull", QUEUE), RATE, 20);
    let mut ends = Vec::new();
    for (word, action) in TRIALS.into_iter().filter(|(word, _)| whole || *word != "traps") {
        let version = versions.make(word)?;
        let mut doomed = worker()?;
        doomed.wait_until_ready().await?;
        let begun = Instant::now();
        versions.push(&version, &["--canary", "10%", "--promote-after", "5s"]).await?;
        let mut doomed = Some(doomed);
        let end = loop {
            let newest = connection.deployment_history(&target, 1).await?;
            let newest = newest.into_iter().next().context("no history")?;
            if newest.action != "canary" {
                break newest;
            }
            if begun.elapsed() > SOON {
                bail!("the version that {word} is still on trial after {} s", SOON.as_secs());
            }
            if begun.elapsed() > Duration::from_secs(2) {
                // Dropped, it is killed.
                doomed = None;
            }
            tokio::time::sleep(LOOK).await;
        };
        drop(doomed);
        ensure!(end.action == action && end.digest == version.digest, "the version that {word}: {end:?}");
        ends.push((word, version, end, begun.elapsed()));
    }
    steady.lives()?;
    let client = redis::Client::open(redis.url())?;
    let all = load.finish(&mut client.get_multiplexed_async_connection().await?).await?;
    let mut table = table::new_table(&["version", "end", "after s", "jobs", "failed", "reason"]);
    let mut wrong = Vec::new();
    for (word, Made { digest, .. }, Entry { action, reason, .. }, after) in &ends {
        let own = || all.iter().filter(|job| job.written == *digest);
        let failed = own().filter(|job| job.failed.is_some()).count();
        table.add_row([
            (*word).to_owned(),
            action.clone(),
            format!("{:.1}", after.as_secs_f64()),
            own().count().to_string(),
            failed.to_string(),
            reason.clone(),
        ]);
        let bad = if action == "rollback" {
            own().count().min(if matches!(*word, "fails" | "traps") { failed } else { usize::MAX })
        } else {
            0
        };
        if bad > BAD_JOBS {
            wrong.push(format!("the version that {word} cost {bad} jobs"));
        }
    }
    table::print(&table);
    let others = all
        .iter()
        .filter(|job| ends.iter().all(|(word, made, ..)| *word == "good" || made.digest != job.written));
    let failed: Vec<_> = others.filter_map(|job| job.failed.as_ref()).collect();
    // A worker that is killed twice in a job's life fails it, as in BullMQ.
    ensure!(failed.is_empty(), "{} jobs of good versions failed: {:?}", failed.len(), failed.first());
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    steady.stop().await
}
