//! Whole queues.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use gristmill_core::config::Role;
use gristmill_core::units::parse_rate;
use gristmill_queue::{Finished, MinuteCounts, Queue, QueueLimits, STATES, Spared, queue_names, state_named};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult};
use super::{Api, Params, guard, now_ms, optional, required};

#[derive(Serialize)]
pub(super) struct Row {
    queue: String,
    paused: bool,
    counts: BTreeMap<&'static str, u64>,
}

async fn row(queue: &Queue) -> ApiResult<Row> {
    let counts = STATES.into_iter().zip(queue.counts().await?).collect();
    Ok(Row { queue: queue.name().to_owned(), paused: queue.is_paused().await?, counts })
}

/// Every queue under the prefix, and those that this worker serves, with counts
#[utoipa::path(
    get, path = "/api/v1/queues", tag = "queues", responses((status = 200, body = serde_json::Value))
)]
pub(super) async fn list(State(pages): Api) -> ApiResult<Json<Vec<Row>>> {
    let connection = pages.connected().await?;
    let mut names = queue_names(&connection, &pages.sources.prefix).await?;
    names.extend(pages.sources.queues.iter().cloned());
    names.sort();
    names.dedup();
    let mut rows = Vec::new();
    for name in names {
        rows.push(row(&Queue::new(connection.clone(), &pages.sources.prefix, &name)).await?);
    }
    Ok(Json(rows))
}

#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    row: Row,
    limits: QueueLimits,
    completed: MinuteCounts,
    failed: MinuteCounts,
}

/// Counts, limits and the last hour's per-minute counts
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = Object))
)]
pub(super) async fn show(State(pages): Api, Path(name): Path<String>) -> ApiResult<Json<Shown>> {
    let queue = pages.queue(&name).await?;
    Ok(Json(Shown {
        row: row(&queue).await?,
        limits: queue.limits().await?,
        completed: queue.minute_counts("completed", 60).await?,
        failed: queue.minute_counts("failed", 60).await?,
    }))
}

/// Pause a queue for every worker; running jobs end
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/pause", tag = "queues", params(("queue" = String, Path)),
    responses((status = 204))
)]
pub(super) async fn pause(State(pages): Api, Path(name): Path<String>) -> ApiResult<StatusCode> {
    pages.known(&name).await?.pause(now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Resume a paused queue
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/resume", tag = "queues", params(("queue" = String, Path)),
    responses((status = 204))
)]
pub(super) async fn resume(State(pages): Api, Path(name): Path<String>) -> ApiResult<StatusCode> {
    pages.known(&name).await?.resume(now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which jobs a drain removes.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DrainBody {
    /// Delayed jobs too
    delayed: bool,
}

/// Remove the jobs that wait; a scheduler's next job stays
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/drain", tag = "queues", params(("queue" = String, Path)),
    request_body = Option<DrainBody>, responses((status = 200, body = Object))
)]
pub(super) async fn drain(
    State(pages): Api,
    Path(name): Path<String>,
    body: Bytes,
) -> ApiResult<Json<Value>> {
    let body: DrainBody = optional(&body)?;
    let removed = pages.queue(&name).await?.drain(body.delayed, |_| {}, now_ms()).await?;
    Ok(Json(json!({ "removed": removed })))
}

/// Which jobs are removed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CleanBody {
    /// completed, failed, waiting, paused, active, delayed, prioritized or waiting-children
    state: String,
    /// Only jobs older than this
    #[serde(default)]
    grace_ms: u64,
    /// Jobs at most [default: 10000]
    limit: Option<u64>,
}

/// Remove old jobs of one state
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/clean", tag = "queues", params(("queue" = String, Path)),
    request_body = CleanBody, responses((status = 200, body = Object))
)]
pub(super) async fn clean(
    State(pages): Api,
    Path(name): Path<String>,
    body: Bytes,
) -> ApiResult<Json<Value>> {
    let body: CleanBody = required(&body)?;
    let state = state_named(&body.state)?;
    let queue = pages.queue(&name).await?;
    let limit = body.limit.unwrap_or(10_000);
    let removed = queue.clean(state, body.grace_ms, limit, |_| {}, now_ms()).await?;
    Ok(Json(json!({ "removed": removed.len() })))
}

/// Which finished jobs run again.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetryAllBody {
    /// Completed jobs in place of failed ones
    completed: bool,
}

/// Let every failed job run again
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/retry", tag = "queues", params(("queue" = String, Path)),
    request_body = Option<RetryAllBody>, responses((status = 200, body = Object))
)]
pub(super) async fn retry_all(
    State(pages): Api,
    Path(name): Path<String>,
    body: Bytes,
) -> ApiResult<Json<Value>> {
    let body: RetryAllBody = optional(&body)?;
    let from = if body.completed { Finished::Completed } else { Finished::Failed };
    let now = now_ms();
    let moved = pages.queue(&name).await?.retry_all(from, now, |_| {}, now).await?;
    Ok(Json(json!({ "retried": moved })))
}

/// Let every delayed job run now
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/promote", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, body = Object))
)]
pub(super) async fn promote_all(State(pages): Api, Path(name): Path<String>) -> ApiResult<Json<Value>> {
    let moved = pages.queue(&name).await?.promote_all(|_| {}, now_ms()).await?;
    Ok(Json(json!({ "promoted": moved })))
}

/// What holds on all workers; what is left out stays, `null` lifts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitBody {
    /// Jobs that run at the same time
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    concurrency: Option<Option<u64>>,
    /// Jobs that start per time, such as `100/s`
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    rate: Option<Option<String>>,
    /// Start no job for this long; 0 ends it
    hold_ms: Option<u64>,
}

/// Tells `null` from a field that is left out.
fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(value).map(Some)
}

/// Limit a queue on all workers, BullMQ's included
#[utoipa::path(
    patch, path = "/api/v1/queues/{queue}/limits", tag = "queues", params(("queue" = String, Path)),
    request_body = LimitBody, responses((status = 200, body = Object, description = "the limits that hold now"))
)]
pub(super) async fn limit(
    State(pages): Api,
    Path(name): Path<String>,
    body: Bytes,
) -> ApiResult<Json<QueueLimits>> {
    let body: LimitBody = required(&body)?;
    let rate = match body.rate {
        Some(Some(text)) => Some(Some(parse_rate(&text).map_err(ApiError::bad)?)),
        Some(None) => Some(None),
        None => None,
    };
    if body.concurrency == Some(Some(0)) {
        return Err(ApiError::bad("`concurrency` is at least 1; `null` lifts it, and a queue can be paused"));
    }
    let queue = pages.known(&name).await?;
    if let Some(concurrency) = body.concurrency {
        queue.set_concurrency(concurrency).await?;
    }
    if let Some(rate) = rate {
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        queue.set_rate_limit(rate.map(|(jobs, time)| (jobs, millis(time)))).await?;
    }
    if let Some(ms) = body.hold_ms {
        queue.hold(ms.min(gristmill_core::backoff::MAX_DELAY_MS)).await?;
    }
    Ok(Json(queue.limits().await?))
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct ObliterateQuery {
    /// The queue's name again, as there is no way back
    confirm: Option<String>,
    /// Even while jobs are running
    #[serde(default)]
    force: bool,
}

/// Remove a queue with everything in it; needs the role admin
#[utoipa::path(
    delete, path = "/api/v1/queues/{queue}", tag = "queues", params(("queue" = String, Path), ObliterateQuery),
    responses((status = 204), (status = 400, description = "not confirmed"), (status = 409, description = "jobs are running"))
)]
pub(super) async fn obliterate(
    State(pages): Api,
    Path(name): Path<String>,
    Params(query): Params<ObliterateQuery>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    guard::demand(&pages.sources.config.server.tokens, &headers, Role::Admin)?;
    if query.confirm.as_deref() != Some(name.as_str()) {
        let why = format!("this removes `{name}` with all its jobs; add `confirm={name}` to the query");
        return Err(ApiError::bad(why));
    }
    match pages.queue(&name).await?.obliterate(query.force, now_ms()).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(Spared::Running) => {
            let why = "jobs are running; the queue is paused now: wait for them, or add `force=true`";
            Err(ApiError::new(StatusCode::CONFLICT, why))
        }
        Err(Spared::NotPaused) => {
            Err(ApiError::new(StatusCode::CONFLICT, "somebody has resumed the queue meanwhile"))
        }
    }
}
