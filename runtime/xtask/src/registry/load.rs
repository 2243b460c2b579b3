//! A load of jobs that never stops, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gristmill_core::clock::Clock;
use gristmill_queue::{NewJob, Queue};
use tokio::task::JoinHandle;

const STEP: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

/// Adds jobs until it is stopped.
pub(crate) struct Load {
    queue: Queue,
    stop: Arc<AtomicBool>,
    added: Arc<AtomicU64>,
    task: JoinHandle<Result<()>>,
}

/// A job that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub begun_ms: u64,
    pub finished_ms: u64,
    /// What the handler said its digest was; nothing of a failed one.
    pub said: Option<String>,
    /// What the worker wrote.
    pub written: String,
    pub failed: Option<String>,
}

impl Load {
    /// So many jobs a second, each of which takes `ms`.
    pub(crate) fn start(queue: Queue, per_second: usize, ms: u64) -> Self {
        let (stop, added) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stops, counts, to) = (Arc::clone(&stop), Arc::clone(&added), queue.clone());
        let task = tokio::spawn(async move {
            let job = NewJob { name: "job".into(), data: format!("{{\"ms\":{ms}}}"), ..NewJob::default() };
            let jobs = vec![job; per_second / 10];
            let mut ticks = tokio::time::interval(STEP);
            while !stops.load(Ordering::Relaxed) {
                ticks.tick().await;
                for added in to.add(&jobs, Clock::System.now_ms()).await? {
                    added.map_err(|refusal| anyhow::anyhow!("a job was not added: {refusal}"))?;
                }
                counts.fetch_add(jobs.len() as u64, Ordering::Relaxed);
            }
            Ok(())
        });
        Self { queue, stop, added, task }
    }

    /// Completed and failed jobs so far.
    pub(crate) async fn ended(&self) -> Result<(u64, u64)> {
        let [.., completed, failed, _] = self.queue.counts().await?;
        Ok((completed, failed))
    }

    /// Jobs that complete in a second while something goes on.
    pub(crate) async fn rate(&self, meanwhile: impl Future<Output = ()>) -> Result<f64> {
        let (begun, before) = (Instant::now(), self.ended().await?.0);
        meanwhile.await;
        Ok((self.ended().await?.0 - before) as f64 / begun.elapsed().as_secs_f64())
    }

    /// Stops adding, waits for the last job to end, and reads all of them.
    pub(crate) async fn finish(
        self,
        connection: &mut redis::aio::MultiplexedConnection,
    ) -> Result<Vec<Ended>> {
        self.stop.store(true, Ordering::Relaxed);
        let Self { queue, added, task, .. } = self;
        task.await??;
        let (added, begun) = (added.load(Ordering::Relaxed), Instant::now());
        loop {
            let [.., completed, failed, _] = queue.counts().await?;
            if completed + failed == added {
                break;
            }
            ensure!(
                begun.elapsed() < PATIENCE,
                "{completed} completed, {failed} failed of {added}: lost or stuck"
            );
            tokio::time::sleep(STEP).await;
        }
        let mut all = Vec::new();
        for set in ["completed", "failed"] {
            let ids: Vec<String> = redis::cmd("ZRANGE")
                .arg(queue.keys().key(set))
                .arg(0)
                .arg(-1)
                .query_async(connection)
                .await?;
            for ids in ids.chunks(1_000) {
                let mut pipe = redis::pipe();
                for id in ids {
                    pipe.cmd("HGETALL").arg(queue.keys().key(id));
                }
                let jobs: Vec<BTreeMap<String, String>> = pipe.query_async(connection).await?;
                for job in &jobs {
                    all.push(Ended::read(job)?);
                }
            }
        }
        Ok(all)
    }
}

impl Ended {
    fn read(job: &BTreeMap<String, String>) -> Result<Self> {
        let time =
            |field: &str| job.get(field).and_then(|ms| ms.parse().ok()).context("a job without its times");
        let returned =
            job.get("returnvalue").and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        Ok(Self {
            begun_ms: time("processedOn")?,
            finished_ms: time("finishedOn")?,
            said: returned.and_then(|value| Some(value.get("digest")?.as_str()?.to_owned())),
            written: job.get("gmd").cloned().unwrap_or_default(),
            failed: job.get("failedReason").cloned(),
        })
    }
}
