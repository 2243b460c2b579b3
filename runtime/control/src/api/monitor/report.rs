//! The report on how everything does.

use std::collections::BTreeMap;

use gristmill_core::health::{Status, judge};
use gristmill_core::sample::{Sample, Series};
use serde_json::{Value, json};

use super::{active_alerts, step_ms};
use crate::api::error::ApiResult;
use crate::api::now_ms;
use crate::observer::look;
use crate::server::Pages;

/// A worker that nears the number of jobs, or the age, at which it starts anew.
const NEARLY: f64 = 0.9;

pub(in crate::api) async fn health_report(pages: &Pages) -> ApiResult<Value> {
    let now = now_ms();
    let monitor = pages.monitoring().await?;
    let config = &pages.sources.config;
    let workers = monitor.workers(now).await?;
    let mut looks = monitor.looks().await?;
    if looks.is_empty() {
        // Nobody looks after queues: monitoring is off, or this is the first moment.
        looks = look::all(pages, &monitor, now).await?;
    }
    let alerts = active_alerts(&monitor).await?;
    let longest = config.alerts.rules.iter().map(gristmill_core::alert::Rule::window_ms).max().unwrap_or(0);
    let mut rows = Vec::new();
    let mut by_status: BTreeMap<Status, u64> = BTreeMap::new();
    for (queue, look) in &looks {
        let mut seen = if longest == 0 {
            Vec::new()
        } else {
            monitor.rows(queue, step_ms(pages), (now.saturating_sub(longest), now)).await?
        };
        seen.push(look.clone());
        let (status, issues) = judge(queue, &config.alerts.rules, &seen);
        *by_status.entry(status).or_default() += 1;
        rows.push(queue_row(pages, queue, look, status, &issues));
    }
    let all: Vec<Sample> = looks.into_values().collect();
    let across = Sample::across(&all).unwrap_or_default();
    let count = |status| by_status.get(&status).copied().unwrap_or(0);
    let per_minute = |series| across.value(series).unwrap_or(0.0);
    let recycled = |worker: &gristmill_queue::WorkerBeat| {
        let jobs =
            config.worker.recycle_after_jobs.map_or(0.0, |most| worker.jobs_total as f64 / most as f64);
        let age = now.saturating_sub(worker.started_ms) as f64 / 1e3;
        let age = config.worker.recycle_after.map_or(0.0, |most| age / most.as_secs_f64());
        jobs >= NEARLY || age >= NEARLY || worker.memory_bytes >= worker.memory_soft_bytes.max(1)
    };
    let memory: u64 = workers.iter().map(|worker| worker.memory_bytes).sum();
    let share = |part: u64| if workers.is_empty() { 0 } else { part / workers.len() as u64 };
    let bounds = config.worker.memory;
    let own = workers.iter().find(|worker| worker.id == pages.sources.identity.id);
    Ok(json!({
        "timestamp": jiff::Timestamp::from_millisecond(i64::try_from(now).unwrap_or(0)).map(|t| t.to_string()).unwrap_or_default(),
        "healthy": count(Status::Critical) == 0,
        "queues": {
            "totalQueues": all.len(),
            "healthyQueues": count(Status::Healthy),
            "warningQueues": count(Status::Warning),
            "criticalQueues": count(Status::Critical),
            "totalWaiting": across.depths.backlog(),
            "totalActive": across.depths.active,
            "totalFailed": across.depths.failed,
            "activeAlerts": alerts.len(),
            "avgJobsPerMinute": per_minute(Series::CompletedPerMinute) + per_minute(Series::FailedPerMinute),
            "avgErrorRate": across.value(Series::ErrorRate).unwrap_or(0.0),
        },
        "workers": {
            "totalWorkers": workers.len(),
            "totalJobsProcessed": workers.iter().map(|worker| worker.jobs_total).sum::<u64>(),
            "averageMemoryUsage": share(memory),
            "workersNeedingRecycle": workers.iter().filter(|worker| recycled(worker)).count(),
        },
        "memory": {
            "usedBytes": own.map_or(0, |worker| worker.memory_bytes),
            "softLimitBytes": bounds.soft,
            "hardLimitBytes": bounds.hard,
        },
        "queueHealth": rows,
    }))
}

fn queue_row(pages: &Pages, queue: &str, look: &Sample, status: Status, issues: &[String]) -> Value {
    let class = pages.sources.config.queues.get(queue).map(|section| section.class).unwrap_or_default();
    let depths = look.depths;
    let value = |series| look.value(series);
    let per_minute = |series| value(series).unwrap_or(0.0);
    json!({
        "queue": queue,
        "class": class.as_str(),
        "status": status,
        "issues": issues,
        "paused": look.paused,
        "counts": {
            "waiting": depths.waiting,
            "active": depths.active,
            "prioritized": depths.prioritized,
            "delayed": depths.delayed,
            "waiting-children": depths.waiting_children,
            "completed": depths.completed,
            "failed": depths.failed,
        },
        "workers": look.staff.workers,
        "oldestWaitMs": look.oldest_wait_ms,
        "jobsPerMinute": per_minute(Series::CompletedPerMinute) + per_minute(Series::FailedPerMinute),
        "errorRate": value(Series::ErrorRate).unwrap_or(0.0),
        "timeoutRate": value(Series::TimeoutRate).unwrap_or(0.0),
        "p50Ms": value(Series::P50Ms),
        "p95Ms": value(Series::P95Ms),
        "p99Ms": value(Series::P99Ms),
        "waitP95Ms": value(Series::WaitP95Ms),
    })
}
