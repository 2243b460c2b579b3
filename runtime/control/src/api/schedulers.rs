//! Job schedulers.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use gristmill_core::new_job::NewJobOptions;
use gristmill_queue::{Every, NewScheduler, ScheduleFailure, SchedulerView};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::error::{ApiError, ApiResult};
use super::guard::Caller;
use super::{Api, MAX_PAGE, now_ms, required};

/// The schedulers of a queue, the next to run first
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/schedulers", tag = "schedulers", params(("queue" = String, Path)),
    responses((status = 200, body = serde_json::Value))
)]
pub(super) async fn list(
    State(pages): Api,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> ApiResult<Json<Vec<SchedulerView>>> {
    let mut schedulers = pages.queue(&name).await?.schedulers(0, MAX_PAGE).await?;
    if !caller.sees_payloads() {
        for scheduler in &mut schedulers {
            // What its jobs get, and options that may be anything.
            scheduler.fields.retain(|name, _| !["data", "opts"].contains(&name.as_str()));
        }
    }
    Ok(Json(schedulers))
}

/// A scheduler: `pattern` or `every_ms`, and what its jobs are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SchedulerBody {
    /// A cron pattern of five fields, or of six with seconds first
    pattern: Option<String>,
    /// Ms from one to the next
    every_ms: Option<u64>,
    /// Time zone of the pattern [default: UTC]
    zone: Option<String>,
    /// Runs at most
    limit: Option<u64>,
    /// No run before this, ms since the epoch
    start_ms: Option<u64>,
    /// No run after this, ms since the epoch
    end_ms: Option<u64>,
    /// The first run is now, whatever the pattern says
    #[serde(default)]
    immediately: bool,
    /// Ms after each full interval
    offset_ms: Option<u64>,
    /// Name of its jobs
    name: String,
    /// Their data
    #[schema(value_type = Object)]
    data: Option<Box<RawValue>>,
    /// Their options
    #[serde(default)]
    #[schema(value_type = Object)]
    opts: Map<String, Value>,
}

/// Create or change a scheduler
#[utoipa::path(
    put, path = "/api/v1/queues/{queue}/schedulers/{id}", tag = "schedulers",
    params(("queue" = String, Path), ("id" = String, Path)), request_body = SchedulerBody,
    responses((status = 200, body = Object, description = "the id of its next job"))
)]
pub(super) async fn upsert(
    State(pages): Api,
    Path((name, id)): Path<(String, String)>,
    body: Bytes,
) -> ApiResult<Json<Value>> {
    let body: SchedulerBody = required(&body)?;
    let every = match (body.pattern, body.every_ms) {
        (Some(pattern), None) => Every::Pattern(pattern),
        (None, Some(ms)) => Every::Every(ms),
        _ => return Err(ApiError::bad("give either `pattern` or `every_ms`")),
    };
    let mut options = NewJobOptions::read(&body.opts).map_err(ApiError::problems)?;
    if options.stored.is_empty() {
        options.stored.push_str("{}");
    }
    let new = NewScheduler {
        id,
        every,
        zone: body.zone,
        limit: body.limit,
        start_ms: body.start_ms,
        end_ms: body.end_ms,
        immediately: body.immediately,
        offset_ms: body.offset_ms,
        name: body.name,
        data: body.data.map_or_else(|| "{}".to_owned(), |data| data.get().to_owned()),
        options,
    };
    let next = pages.queue(&name).await?.schedule(&new, now_ms()).await.map_err(|failure| match failure {
        ScheduleFailure::Queue(error) => error.into(),
        error => ApiError::bad(error.to_string()),
    })?;
    Ok(Json(json!({ "id": new.id, "next": next })))
}

/// Remove a scheduler and its next job
#[utoipa::path(
    delete, path = "/api/v1/queues/{queue}/schedulers/{id}", tag = "schedulers",
    params(("queue" = String, Path), ("id" = String, Path)), responses((status = 204), (status = 404))
)]
pub(super) async fn remove(
    State(pages): Api,
    Path((name, id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    if pages.queue(&name).await?.unschedule(&id, now_ms()).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::missing(format!("there is no scheduler `{id}`")))
}
