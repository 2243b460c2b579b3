//! Decisions on how many workers each queue should have, and who carries them out.

use std::collections::BTreeMap;
use std::path::Path;

use gristmill_core::config::ScalingTarget;
use gristmill_core::sample::{Sample, Series};
use gristmill_core::scaling::{Signals, decide as next};
use gristmill_queue::{Monitor, QueueError, ScalingRow};
use gristmill_telemetry::event::{Notified, ScalingDecided};
use serde_json::json;

use super::notify::{client, post};
use super::send;
use crate::server::Pages;

/// How often the number is said again to who carries it out: somebody else may have changed it.
const AGAIN_MS: u64 = 60_000;
/// Where a pod finds what it may do in its cluster.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What is remembered while this worker has the turn.
#[derive(Default)]
pub(super) struct Memory {
    client: Option<reqwest::Client>,
    /// What the target was told last, and when.
    told: Option<(u64, u64)>,
}

pub(super) async fn decide(
    pages: &Pages,
    monitor: &Monitor,
    memory: &mut Memory,
    looks: &BTreeMap<String, Sample>,
    now_ms: u64,
) -> Result<(), QueueError> {
    let config = &pages.sources.config;
    let before = monitor.scaling().await?;
    let mut rows = Vec::new();
    for (queue, look) in looks {
        let signals = signals(look);
        let progress = before.get(queue).map(|row| row.decision.progress.clone()).unwrap_or_default();
        let from = progress.desired.unwrap_or(signals.workers);
        let decision = next(&config.scaling.policy, config.workers_of(queue), &signals, &progress, now_ms);
        ScalingDecided { queue, from, decision: &decision }.emit(&pages.sources.metrics);
        rows.push(ScalingRow { queue: queue.clone(), at_ms: now_ms, from, signals, decision });
    }
    monitor.decided(&rows).await?;
    let gone: Vec<_> = before.into_keys().filter(|queue| !looks.contains_key(queue)).collect();
    monitor.forget_scaling(&gone).await?;
    if let Some(target) = &config.scaling.target {
        tell(pages, memory, target, &rows, now_ms).await;
    }
    Ok(())
}

/// What is known of a queue, from a look at it.
pub(crate) fn signals(look: &Sample) -> Signals {
    let per_minute = |series| look.value(series).unwrap_or(0.0);
    Signals {
        workers: look.staff.workers,
        slots: look.staff.slots,
        // More workers would not take the jobs of a paused queue either.
        backlog: if look.paused { 0 } else { look.depths.backlog() },
        active: look.depths.active,
        oldest_wait_ms: if look.paused { 0 } else { look.oldest_wait_ms },
        cpu_percent: look.staff.cpu_percent,
        memory_percent: look.staff.memory_percent,
        mean_ms: look.mean_ms,
        ended_per_minute: per_minute(Series::CompletedPerMinute) + per_minute(Series::FailedPerMinute),
    }
}

/// Workers serve all queues of their configuration, so there must be as many as the queue that needs most.
async fn tell(pages: &Pages, memory: &mut Memory, target: &ScalingTarget, rows: &[ScalingRow], now_ms: u64) {
    let Some(desired) = rows.iter().map(|row| row.decision.desired).max() else { return };
    let fresh = |(number, at): (u64, u64)| number == desired && now_ms.saturating_sub(at) < AGAIN_MS;
    if memory.told.is_some_and(fresh) {
        return;
    }
    if memory.client.is_none() {
        memory.client = client();
    }
    let Some(client) = memory.client.clone() else { return };
    let told = match target {
        ScalingTarget::Webhook { url, secret } => {
            let queues: Vec<_> = rows
                .iter()
                .map(|row| json!({ "queue": row.queue, "desired": row.decision.desired, "reason": row.decision.reason }))
                .collect();
            let body = json!({ "desired": desired, "at_ms": now_ms, "queues": queues });
            match secret.as_ref().map(send::read_secret).transpose() {
                Ok(secret) => {
                    let id = format!("scaling/{now_ms}");
                    let out = send::signed(url, &id, secret.as_deref(), now_ms, &body);
                    post(&client, out).await
                }
                Err(why) => Err(why),
            }
        }
        ScalingTarget::Kubernetes { namespace, deployment } => {
            patch_scale(Path::new(SERVICE_ACCOUNT), namespace, deployment, desired).await
        }
    };
    let result = match &told {
        Ok(()) => Ok(()),
        Err(why) => Err((why.as_str(), true)),
    };
    Notified { target: "scaling", about: "workers", result }.emit(&pages.sources.metrics);
    memory.told = told.is_ok().then_some((desired, now_ms));
}

/// Sets the replicas of a Deployment, as `kubectl scale` does: a merge patch of its `scale`.
async fn patch_scale(account: &Path, namespace: &str, deployment: &str, desired: u64) -> Result<(), String> {
    let read = |name: &str| {
        std::fs::read(account.join(name))
            .map_err(|error| format!("this worker has no service account of a cluster ({name}: {error})"))
    };
    let (token, authority) = (read("token")?, read("ca.crt")?);
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("`{name}` is not set"));
    let host = variable("KUBERNETES_SERVICE_HOST")?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let port = variable("KUBERNETES_SERVICE_PORT")?;
    let authority = reqwest::Certificate::from_pem(&authority).map_err(|error| error.to_string())?;
    let client = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(8))
        .tls_certs_only([authority])
        .build()
        .map_err(|error| error.to_string())?;
    let url =
        format!("https://{host}:{port}/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}/scale");
    let answer = client
        .patch(url)
        .header("content-type", "application/merge-patch+json")
        .bearer_auth(String::from_utf8_lossy(&token).trim())
        .body(json!({ "spec": { "replicas": desired } }).to_string())
        .send()
        .await
        .map_err(|error| error.to_string())?;
    match answer.status().as_u16() {
        200..=299 => Ok(()),
        403 => Err(format!("the service account may not patch `deployments/scale` in `{namespace}` (403)")),
        404 => Err(format!("there is no Deployment `{deployment}` in `{namespace}` (404)")),
        status => Err(format!("the cluster answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_core::sample::{Depths, Staff};
    use gristmill_core::tally::Tally;

    #[test]
    fn a_paused_queue_asks_for_nobody() {
        let mut tally = Tally::default();
        (0..30).for_each(|_| tally.record(false, false, 2_000_000, None));
        let staff = Staff { workers: 2, slots: 20, ..Staff::default() };
        let depths = Depths { waiting: 400, active: 20, ..Depths::default() };
        let look = |paused| Sample::new((60_000, 60_000), depths, (90_000, paused), &tally, staff);
        let seen = signals(&look(false));
        assert_eq!((seen.backlog, seen.oldest_wait_ms, seen.mean_ms), (400, 90_000, Some(2_000.0)));
        assert!((seen.ended_per_minute - 30.0).abs() < 1e-9);
        let seen = signals(&look(true));
        assert_eq!((seen.backlog, seen.oldest_wait_ms), (0, 0));
    }

    #[tokio::test]
    async fn outside_a_cluster_the_error_says_so() {
        let told = patch_scale(Path::new("/nowhere"), "jobs", "gristmill", 3).await.unwrap_err();
        assert!(told.contains("no service account of a cluster"), "{told}");
    }
}
