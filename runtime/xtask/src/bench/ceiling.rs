//! Redis alone: the same scripts that the worker uses, driven as fast as Redis answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use gristmill_core::clock::Clock;
use gristmill_core::options::Keep;
use gristmill_core::settlement::{Action, Settlement};
use gristmill_queue::{Code, Queue, TurnRequest};

/// Calls under way at a time, so that Redis never waits for us.
const LANES: usize = 3;

pub(crate) async fn drain(queue: &Queue, batch: usize, remove: bool) -> Result<()> {
    let lanes: Vec<_> =
        (0..LANES).map(|lane| tokio::spawn(drive(queue.clone(), lane, batch, remove))).collect();
    for lane in lanes {
        lane.await??;
    }
    Ok(())
}

async fn drive(queue: Queue, lane: usize, batch: usize, remove: bool) -> Result<()> {
    let keep = if remove { Keep::Remove } else { Keep::All };
    let mut settlements: Vec<(Settlement, u64)> = Vec::new();
    for call in 0u64.. {
        let now_ms = Clock::System.now_ms();
        let token: Arc<str> = format!("ceiling-{lane}:{call}").into();
        let request = TurnRequest {
            settlements: &settlements,
            take: batch,
            token,
            lock: Duration::from_secs(30),
            worker: None,
            metrics_minutes: 0,
            rate_limit: None,
            gates: None,
            now_ms,
        };
        let turn = queue.turn(&request).await?;
        if turn.codes.iter().any(|code| *code != Code::Done) {
            bail!("a settlement of the ceiling was refused");
        }
        if turn.jobs.is_empty() {
            return Ok(());
        }
        settlements = turn
            .jobs
            .into_iter()
            .map(|job| {
                let action = Action::Complete { returnvalue: br#"{"ok":true}"#.to_vec(), keep };
                (Settlement { id: job.id, token: job.token, action, module: None, repeated: false }, now_ms)
            })
            .collect();
    }
    Ok(())
}
