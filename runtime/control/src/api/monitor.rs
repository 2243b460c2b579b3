//! How queues and workers do: health, history, statistics, alerts, scaling.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use gristmill_core::alert::{Acknowledgement, Alert};
use gristmill_core::config::Role;
use gristmill_core::sample::{Sample, Series};
use gristmill_core::tally::Tally;
use gristmill_core::units::parse_duration;
use gristmill_queue::{AnomalyRow, Queue, ScalingRow, WorkerBeat};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult};
use super::guard::Caller;
use super::{Api, MAX_PAGE, Params, now_ms, optional};
use crate::beat::HOUR_MS;
use crate::observer::{COARSE_MS, FINE_KEPT_MS};
use crate::server::Pages;

mod report;

pub(super) use report::health_report;

/// Points of a series that are answered.
const MAX_POINTS: u64 = 2_000;
/// Bytes of a note.
const MAX_NOTE: usize = 1_024;

fn step_ms(pages: &Pages) -> u64 {
    u64::try_from(pages.sources.config.monitoring.interval.as_millis()).unwrap_or(60_000).max(1)
}

/// Who calls, and what they may see
#[utoipa::path(get, path = "/api/v1/session", tag = "health", responses((status = 200, body = Object)))]
pub(super) async fn session(State(pages): Api, Extension(caller): Extension<Caller>) -> Json<Value> {
    let refresh = pages.sources.config.monitoring.dashboard_refresh.as_millis();
    Json(json!({
        "who": caller.who,
        "role": caller.role.as_str(),
        "payloads": caller.sees_payloads(),
        "refresh_ms": u64::try_from(refresh).unwrap_or(5_000),
        "version": env!("CARGO_PKG_VERSION"),
        "worker": pages.sources.identity.name,
        "queues": pages.sources.queues,
    }))
}

/// How everything does: queues with the issues that explain it, workers, memory
#[utoipa::path(get, path = "/api/v1/health", tag = "health", responses((status = 200, body = Object)))]
pub(super) async fn health(State(pages): Api) -> ApiResult<Json<Value>> {
    Ok(Json(health_report(&pages).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct HistoryQuery {
    /// One queue [default: all together]
    queue: Option<String>,
    /// From when on, ms since the epoch [default: an hour ago]
    from_ms: Option<u64>,
    /// Until when [default: now]
    to_ms: Option<u64>,
    /// Points at most [default: 200]
    points: Option<u64>,
}

/// The history of a queue, or of all together, as one list for each series
#[utoipa::path(
    get, path = "/api/v1/history", tag = "health", params(HistoryQuery), responses((status = 200, body = Object))
)]
pub(super) async fn history(
    State(pages): Api,
    Params(query): Params<HistoryQuery>,
) -> ApiResult<Json<Value>> {
    let now = now_ms();
    let to = query.to_ms.unwrap_or(now).min(now);
    let from = query.from_ms.unwrap_or_else(|| to.saturating_sub(HOUR_MS));
    if from >= to {
        return Err(ApiError::bad("`from_ms` must be before `to_ms`, and before now"));
    }
    let points = query.points.unwrap_or(200).clamp(1, MAX_POINTS);
    let step = step_ms(&pages);
    // Single intervals are kept for about a day, and more of them than are asked for would only be thrown away.
    let coarse = now.saturating_sub(from) > FINE_KEPT_MS || (to - from) / step > 10 * points.max(200);
    let monitor = pages.monitoring().await?;
    let queues = match query.queue {
        Some(queue) => vec![queue],
        None => monitor.looks().await?.into_keys().collect(),
    };
    let mut by_time: BTreeMap<u64, Vec<Sample>> = BTreeMap::new();
    for queue in &queues {
        let mut rows = Vec::new();
        let mut rest = from;
        if coarse && step < COARSE_MS {
            rows = monitor.rows(queue, COARSE_MS, (from, to)).await?;
            // What is newer than the last whole quarter of an hour is in single intervals only.
            rest = rows.last().map_or(from, |row| row.at_ms + 1).max(to.saturating_sub(COARSE_MS + step));
        }
        rows.extend(monitor.rows(queue, step, (rest, to)).await?);
        for row in rows {
            by_time.entry(row.at_ms).or_default().push(row);
        }
    }
    let rows: Vec<Sample> = by_time.into_values().filter_map(|rows| Sample::across(&rows)).collect();
    let width = step * ((to - from) / step).div_ceil(points).max(1);
    let mut parts: BTreeMap<u64, Vec<Sample>> = BTreeMap::new();
    for row in rows {
        parts.entry(row.at_ms.div_ceil(width)).or_default().push(row);
    }
    let rows: Vec<Sample> = parts.into_values().filter_map(|rows| Sample::roll_up(&rows)).collect();
    let series: BTreeMap<_, Vec<Option<f64>>> = Series::ALL
        .into_iter()
        .map(|(name, series)| (name, rows.iter().map(|row| row.value(series)).collect()))
        .collect();
    let at: Vec<u64> = rows.iter().map(|row| row.at_ms).collect();
    Ok(Json(json!({ "step_ms": width, "at_ms": at, "series": series })))
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct StatisticsQuery {
    /// The queue
    queue: String,
    /// Up to now, such as `15m`, `24h`; at least a minute [default: 1h]
    window: Option<String>,
}

/// What attempts of one job name took.
#[derive(Debug, Serialize)]
pub(super) struct StatisticsRow {
    queue: String,
    job: String,
    count: u64,
    failed: u64,
    timeouts: u64,
    min_ms: Option<f64>,
    mean_ms: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
    wait_p95_ms: Option<f64>,
    /// Percent by which the mean differs from that of the window before.
    trend: Option<f64>,
}

/// What attempts took by job name, over a window up to now; times are exact to a twentieth
#[utoipa::path(
    get, path = "/api/v1/statistics", tag = "health", params(StatisticsQuery),
    responses((status = 200, body = Vec<Object>))
)]
pub(super) async fn statistics(
    State(pages): Api,
    Params(query): Params<StatisticsQuery>,
) -> ApiResult<Json<Vec<StatisticsRow>>> {
    let window = query.window.as_deref().map_or(Ok(Duration::from_hours(1)), parse_duration);
    let window = window.map_err(ApiError::bad)?;
    let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    let retention = pages.sources.config.monitoring.retention;
    if window < Duration::from_mins(1) || window > retention {
        return Err(ApiError::bad("`window` is at least a minute, and at most as long as history is kept"));
    }
    let queue = pages.queue(&query.queue).await?;
    let step = step_ms(&pages);
    // The short slices are kept for two windows of an hour at the usual interval.
    let size = if window_ms / step <= 60 { step } else { HOUR_MS };
    let now = now_ms();
    let slices = window_ms.div_ceil(size);
    let current = slices_of(&queue, size, now, slices).await?;
    let before = slices_of(&queue, size, now.saturating_sub(slices * size), slices).await?;
    let rows = current.into_iter().map(|(job, tally)| {
        let mean = |tally: &Tally| tally.mean_ms();
        let was = before.get(&job).and_then(mean).filter(|was| *was > 0.0);
        // These are right to a twentieth; the mean is exact, and must lie between them.
        let bound =
            |time: Option<f64>, to: fn(f64, f64) -> f64| time.zip(tally.mean_ms()).map(|(t, m)| to(t, m));
        let trend = was.zip(tally.mean_ms()).map(|(was, is)| 100.0 * (is - was) / was);
        StatisticsRow {
            queue: query.queue.clone(),
            job,
            count: tally.attempts(),
            failed: tally.failed,
            timeouts: tally.timeouts,
            min_ms: bound(tally.time_ms(0.0), f64::min),
            mean_ms: tally.mean_ms(),
            p50_ms: tally.time_ms(0.5),
            p95_ms: tally.time_ms(0.95),
            p99_ms: tally.time_ms(0.99),
            max_ms: bound(tally.time_ms(1.0), f64::max),
            wait_p95_ms: tally.wait_ms(0.95),
            trend,
        }
    });
    Ok(Json(rows.collect()))
}

/// So many slices up to the one in which `at_ms` lies.
async fn slices_of(queue: &Queue, size: u64, at_ms: u64, slices: u64) -> ApiResult<BTreeMap<String, Tally>> {
    let last = at_ms - at_ms % size;
    let starts = (0..slices).map(|n| last.saturating_sub(n * size));
    Ok(queue.tallies(size, starts).await?)
}

/// Values that are unlike what they are at such a time of day
#[utoipa::path(get, path = "/api/v1/anomalies", tag = "health", responses((status = 200, body = Vec<Object>)))]
pub(super) async fn anomalies(State(pages): Api) -> ApiResult<Json<Vec<AnomalyRow>>> {
    Ok(Json(pages.monitoring().await?.anomalies().await?))
}

/// The workers that are there, with what they run
#[utoipa::path(get, path = "/api/v1/workers", tag = "workers", responses((status = 200, body = Vec<Object>)))]
pub(super) async fn workers(State(pages): Api) -> ApiResult<Json<Value>> {
    Ok(Json(workers_report(pages.monitoring().await?.workers(now_ms()).await?)))
}

/// Queues by name, and for how long each attempt runs is for the reader to tell.
pub(super) fn workers_report(workers: Vec<WorkerBeat>) -> Value {
    let rows = workers.into_iter().map(|worker| {
        let queues: Vec<_> = worker.queues.iter().map(|(queue, _)| queue.clone()).collect();
        let slots: BTreeMap<_, _> = worker.queues.iter().cloned().collect();
        let mut row = serde_json::to_value(&worker).unwrap_or_default();
        row["queues"] = json!(queues);
        row["queue_slots"] = json!(slots);
        row
    });
    rows.collect()
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct AlertsQuery {
    /// active, resolved or all [default: active]
    state: Option<String>,
    /// Alerts to leave out at the beginning
    #[serde(default)]
    from: usize,
    /// Alerts at most [default: 100]
    count: Option<usize>,
}

/// Alerts, the newest first
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "alerts", params(AlertsQuery), responses((status = 200, body = Vec<Object>))
)]
pub(super) async fn alerts(
    State(pages): Api,
    Params(query): Params<AlertsQuery>,
) -> ApiResult<Json<Vec<Alert>>> {
    let (active, resolved) = match query.state.as_deref().unwrap_or("active") {
        "active" => (true, false),
        "resolved" => (false, true),
        "all" => (true, true),
        other => return Err(ApiError::bad(format!("`{other}` is none of active, resolved, all"))),
    };
    let count = query.count.unwrap_or(100).clamp(1, MAX_PAGE);
    let monitor = pages.monitoring().await?;
    let mut found = if active { active_alerts(&monitor).await? } else { Vec::new() };
    if resolved {
        found.extend(monitor.ended_alerts(0, query.from.saturating_add(count)).await?);
    }
    Ok(Json(found.into_iter().skip(query.from).take(count).collect()))
}

/// Those that hold: the worst first, then the newest.
pub(super) async fn active_alerts(monitor: &gristmill_queue::Monitor) -> ApiResult<Vec<Alert>> {
    let mut found: Vec<Alert> = monitor.alerts().await?.into_values().map(|(alert, _)| alert).collect();
    found.sort_by_key(|alert| std::cmp::Reverse((alert.severity, alert.raised_ms)));
    Ok(found)
}

/// That somebody knows.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AcknowledgeBody {
    /// What is done about it; at most 1 KiB
    note: String,
    /// From when on it counts as raised again, ms since the epoch [default: for as long as it holds]
    until_ms: Option<u64>,
}

/// Say that you know of an alert
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/acknowledge", tag = "alerts", params(("id" = String, Path)),
    request_body = Option<AcknowledgeBody>, responses((status = 204), (status = 404, description = "it does not hold"))
)]
pub(super) async fn acknowledge(
    State(pages): Api,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> ApiResult<StatusCode> {
    let body: AcknowledgeBody = optional(&body)?;
    if body.note.len() > MAX_NOTE {
        return Err(ApiError::bad(format!("a note has at most {MAX_NOTE} bytes")));
    }
    let now = now_ms();
    if body.until_ms.is_some_and(|until| until <= now) {
        return Err(ApiError::bad("`until_ms` is over already"));
    }
    let by = Acknowledgement { who: caller.who, at_ms: now, note: body.note, until_ms: body.until_ms };
    if pages.monitoring().await?.acknowledge(&id, &by).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::missing(format!("no alert `{id}` holds")))
    }
}

/// How many workers each queue should have, and why
#[utoipa::path(get, path = "/api/v1/scaling", tag = "scaling", responses((status = 200, body = Object)))]
pub(super) async fn scaling(State(pages): Api) -> ApiResult<Json<Value>> {
    let rows = pages.monitoring().await?.scaling().await?;
    let config = &pages.sources.config;
    let queues: Vec<Value> = rows
        .into_values()
        .map(|row| {
            let range = config.workers_of(&row.queue);
            let class = config.queues.get(&row.queue).map(|queue| queue.class).unwrap_or_default();
            json!({
                "queue": row.queue,
                "class": class.as_str(),
                "workers": row.signals.workers,
                "desired": row.decision.desired,
                "min": range.min,
                "max": range.max,
                "action": row.decision.action,
                "reason": row.decision.reason,
                "explanation": row.decision.explanation,
                "signals": {
                    "backlog": row.signals.backlog,
                    "active": row.signals.active,
                    "slots": row.signals.slots,
                    "oldest_wait_ms": row.signals.oldest_wait_ms,
                    "cpu_percent": row.signals.cpu_percent,
                    "memory_percent": row.signals.memory_percent,
                    "mean_ms": row.signals.mean_ms,
                    "drain_ms": row.signals.drain_ms(),
                },
                "decided_ms": row.at_ms,
            })
        })
        .collect();
    Ok(Json(json!({ "enabled": config.scaling.enabled, "queues": queues })))
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct ScalingQuery {
    /// One queue [default: all]
    queue: Option<String>,
    /// Changes to leave out at the beginning
    #[serde(default)]
    from: usize,
    /// Changes at most [default: 100]
    count: Option<usize>,
}

/// Changes of how many workers there should be, the newest first
#[utoipa::path(
    get, path = "/api/v1/scaling/history", tag = "scaling", params(ScalingQuery),
    responses((status = 200, body = Vec<Object>))
)]
pub(super) async fn scaling_history(
    State(pages): Api,
    Params(query): Params<ScalingQuery>,
) -> ApiResult<Json<Vec<Value>>> {
    let count = query.count.unwrap_or(100).clamp(1, MAX_PAGE);
    let monitor = pages.monitoring().await?;
    let rows = monitor.scaling_changes(query.queue.as_deref(), query.from, count).await?;
    let row = |row: ScalingRow| {
        json!({
            "at_ms": row.at_ms,
            "queue": row.queue,
            "from": row.from,
            "to": row.decision.desired,
            "reason": row.decision.reason,
            "explanation": row.decision.explanation,
        })
    };
    Ok(Json(rows.into_iter().map(row).collect()))
}

impl Caller {
    /// Data, results and log lines of jobs are for those who work with them.
    pub(super) fn sees_payloads(&self) -> bool {
        self.role >= Role::Operator
    }
}

impl Pages {
    pub(super) async fn monitoring(&self) -> ApiResult<gristmill_queue::Monitor> {
        self.monitor().await.ok_or_else(|| ApiError::unavailable("Redis does not answer"))
    }
}
