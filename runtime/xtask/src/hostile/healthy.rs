//! The healthy queue: short jobs at a fixed rate, which must all complete.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gristmill_core::clock::Clock;
use gristmill_queue::{NewJob, Queue};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One job each.
const EVERY: Duration = Duration::from_millis(10);

/// Adds jobs until it is stopped.
pub(super) struct Healthy {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<Vec<String>>>,
}

impl Healthy {
    pub(super) fn start(queue: Queue) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut ids = Vec::new();
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = stopped.wait_for(|stop| *stop) => return Ok(ids),
                }
                let data = json!({ "steps": [{ "op": "return", "value": ids.len() }] }).to_string();
                let job = NewJob { name: "good".into(), data, ..NewJob::default() };
                for added in queue.add(&[job], Clock::System.now_ms()).await? {
                    ids.push(added.map_err(|refusal| anyhow::anyhow!("a job was not added: {refusal}"))?.id);
                }
            }
        });
        Self { stop, task }
    }

    /// The ids of its jobs; the n-th must have returned n.
    pub(super) async fn stop(self) -> Result<Vec<String>> {
        self.stop.send_replace(true);
        self.task.await?
    }
}

pub(super) async fn check(queue: &Queue, ids: &[String]) -> Result<()> {
    ensure!(!ids.is_empty(), "there was no healthy job");
    for (n, id) in ids.iter().enumerate() {
        let view = queue.job(id).await?.with_context(|| format!("the healthy job {id} is gone"))?;
        let returned = view.fields.get("returnvalue").map_or("", String::as_str);
        let reason = view.fields.get("failedReason").map_or("", String::as_str);
        ensure!(
            view.state == "completed" && returned == n.to_string(),
            "the healthy job {id} is {} with `{returned}{reason}`, not completed with `{n}`",
            view.state
        );
    }
    Ok(())
}
