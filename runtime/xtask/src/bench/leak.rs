//! A handler that leaks: what a million of its jobs leave in the worker.
//!
//! Each job leaks 1 MiB in its own instance. The worker's resident memory is read a hundred times on the way, and a line
//! is fitted to the readings after the first tenth, which warms the worker up.

use std::path::Path;

use anyhow::{Result, ensure};
use gristmill_core::clock::Clock;
use gristmill_core::new_job::NewJobOptions;
use gristmill_queue::{Connection, NewJob, PrivateRedis, Queue};
use serde_json::{Value, json};

use super::process;
use crate::hostile::kinds::handler;
use crate::rig::Rig;
use crate::steps::say;

/// Readings, one after each such share of the jobs.
const READINGS: usize = 100;
/// Jobs added with one call.
const BULK: usize = 1_000;
/// Jobs that wait at least, so that no slot idles while more are added.
const AHEAD: usize = 5_000;

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Leak {
    jobs: usize,
    /// Jobs done and resident MiB.
    readings: Vec<(f64, f64)>,
}

pub(crate) async fn measure(binary: &Path, jobs: usize) -> Result<Leak> {
    let redis = PrivateRedis::start().await?;
    let text = format!(
        "[worker]\nmemory_hard_limit = \"4GiB\"\n[queues.leaks]\nconcurrency = 32\n[queues.leaks.jobs.\"*\"]\n\
         handler = {}\nmemory = \"16MiB\"\n",
        handler("scripted")
    );
    let mut worker = Rig::start(binary, &redis.url(), &text)?;
    worker.wait_until_ready().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let queue = Queue::new(connection, "bull", "leaks");
    let options = NewJobOptions::parse(r#"{"removeOnComplete":true}"#)
        .map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
    let data = r#"{"steps":[{"op":"leak","mib":1}]}"#.to_owned();
    let bulk = vec![NewJob { name: "leak".to_owned(), data, options, ..NewJob::default() }; BULK];

    say(&format!("{jobs} jobs that leak 1 MiB each"));
    let (mut added, mut readings) = (0, Vec::new());
    while readings.len() < READINGS {
        let [waiting, active, _, _, _, _, failed, _] = queue.counts().await?;
        ensure!(failed == 0, "{failed} jobs failed");
        let left = usize::try_from(waiting + active)?;
        let done = added - left;
        if done >= (readings.len() + 1) * jobs / READINGS {
            worker.lives()?;
            readings.push((done as f64, process::resident_mib(worker.pid())));
        }
        if added < jobs && left < AHEAD {
            queue.add(&bulk, Clock::System.now_ms()).await?;
            added += BULK;
        } else {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    worker.stop().await?;
    Ok(Leak { jobs, readings })
}

impl Leak {
    /// MiB that the worker grows in a million jobs, by the least squares of the readings.
    fn slope(&self) -> f64 {
        let steady = &self.readings[self.readings.len() / 10..];
        let count = steady.len() as f64;
        let (x, y) = steady.iter().fold((0.0, 0.0), |(x, y), reading| (x + reading.0, y + reading.1));
        let (x, y) = (x / count, y / count);
        let (over, under) = steady.iter().fold((0.0, 0.0), |(over, under), reading| {
            (over + (reading.0 - x) * (reading.1 - y), under + (reading.0 - x) * (reading.0 - x))
        });
        over / under * 1e6
    }

    pub(crate) fn rows(&self) -> [[String; 2]; 3] {
        let at = |n: usize| self.readings.get(n).map_or(0.0, |reading| reading.1);
        [
            ["jobs that leaked 1 MiB each".to_owned(), self.jobs.to_string()],
            [
                "resident MiB after a tenth, and at the end".to_owned(),
                format!("{:.1}, {:.1}", at(self.readings.len() / 10), at(self.readings.len() - 1)),
            ],
            ["MiB that a million jobs add".to_owned(), format!("{:.2}", self.slope())],
        ]
    }

    pub(crate) fn json(&self) -> Value {
        let resident: Vec<f64> = self.readings.iter().map(|reading| reading.1).collect();
        json!({"jobs": self.jobs, "mib_per_million_jobs": self.slope(), "resident_mib": resident})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_in_the_readings() {
        let readings = (0..100).map(|n| (f64::from(n) * 1e4, 50.0 + f64::from(n) * 0.2)).collect();
        let slope = Leak { jobs: 1_000_000, readings }.slope();
        assert!((slope - 20.0).abs() < 1e-6, "{slope}");
    }
}
