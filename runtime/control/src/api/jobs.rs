//! One job, or some.

use std::collections::HashMap;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use gristmill_core::new_job::NewJobOptions;
use gristmill_core::schema::Schema;
use gristmill_core::service::Added;
use gristmill_queue::{Finished, Flow, NewJob, add_all, add_flow, state_named};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult};
use super::guard::Caller;
use super::{Api, MAX_PAGE, Params, now_ms, optional, required};
use crate::server::Pages;

pub(super) mod look;

use look::{Shown, Wanted, look_for};

/// A job to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewJobBody {
    /// 1 to 1024 bytes
    name: String,
    /// Any JSON value; `{}` if left out
    #[schema(value_type = Object)]
    data: Option<Box<RawValue>>,
    /// BullMQ's job options
    #[serde(default)]
    #[schema(value_type = Object)]
    opts: Map<String, Value>,
}

/// A job that was added, or was there.
#[derive(Serialize, ToSchema)]
pub(super) struct AddedBody {
    id: String,
    /// It was there already, with this id or deduplication id
    existing: bool,
}

impl From<Added> for AddedBody {
    fn from(added: Added) -> Self {
        Self { id: added.id, existing: added.existing }
    }
}

/// Jobs of a body: one object, or a list of them.
fn read(body: &[u8]) -> ApiResult<(Vec<NewJobBody>, bool)> {
    let wrong =
        |error: serde_json::Error| ApiError::bad(format!("the body is no job and no list of jobs: {error}"));
    if body.trim_ascii_start().starts_with(b"[") {
        let jobs: Vec<NewJobBody> = serde_json::from_slice(body).map_err(wrong)?;
        return Ok((jobs, true));
    }
    Ok((vec![serde_json::from_slice(body).map_err(wrong)?], false))
}

fn new_jobs(bodies: Vec<NewJobBody>) -> ApiResult<Vec<NewJob>> {
    let (mut jobs, mut problems) = (Vec::new(), Vec::new());
    for (number, body) in bodies.into_iter().enumerate() {
        match NewJobOptions::read(&body.opts) {
            _ if body.name.is_empty() || body.name.len() > gristmill_core::service::MAX_JOB_NAME => {
                problems.push(format!("job {number}: `name` has 1 to 1024 bytes"));
            }
            Ok(options) => {
                let data = body.data.map_or_else(|| "{}".to_owned(), |data| data.get().to_owned());
                jobs.push(NewJob { name: body.name, data, options, parent: None });
            }
            Err(found) => problems.extend(found.into_iter().map(|p| format!("job {number}: {p}"))),
        }
    }
    if problems.is_empty() { Ok(jobs) } else { Err(ApiError::problems(problems)) }
}

/// Refuses data that the handler's schema refuses, where this worker serves the queue or something is deployed for it.
async fn check_data<'a>(pages: &Pages, jobs: impl Iterator<Item = (&'a str, &'a NewJob)>) -> ApiResult<()> {
    let mut schemas: HashMap<(String, String), Option<Schema>> = HashMap::new();
    let mut problems = Vec::new();
    for (number, (queue, job)) in jobs.enumerate() {
        let mut problem = pages.sources.handlers.data_problem(queue, &job.name, job.data.as_bytes());
        if problem.is_none() && !pages.sources.queues.iter().any(|served| served == queue) {
            let of = (queue.to_owned(), job.name.clone());
            if !schemas.contains_key(&of) {
                let found = pages.connected().await?.schema_for(queue, &job.name).await?;
                schemas.insert(
                    of.clone(),
                    found.and_then(|json| Schema::parse(json.to_string().as_bytes()).ok()),
                );
            }
            problem = schemas[&of].as_ref().and_then(|schema| schema.check(job.data.as_bytes()).err());
        }
        problems.extend(problem.map(|why| format!("job {number}: the data of `{}`: {why}", job.name)));
    }
    if problems.is_empty() { Ok(()) } else { Err(ApiError::problems(problems)) }
}

/// Add one job, or a list of jobs of which all or none are added
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/jobs", tag = "jobs", params(("queue" = String, Path)),
    request_body(content = NewJobBody, content_type = "application/json"),
    responses((status = 201, body = AddedBody), (status = 400, description = "a job breaks a rule; none was added"))
)]
pub(super) async fn add(State(pages): Api, Path(name): Path<String>, body: Bytes) -> ApiResult<Response> {
    let queue = pages.queue(&name).await?;
    let (bodies, many) = read(&body)?;
    let jobs = new_jobs(bodies)?.into_iter().map(|job| (name.clone(), job)).collect::<Vec<_>>();
    check_data(&pages, jobs.iter().map(|(queue, job)| (queue.as_str(), job))).await?;
    let added = add_all(queue.connection(), &pages.sources.prefix, &jobs, now_ms()).await?;
    let mut added = added.into_iter().map(AddedBody::from);
    Ok(match (many, added.next()) {
        (false, Some(one)) => (StatusCode::CREATED, Json(one)).into_response(),
        (_, first) => {
            let all: Vec<_> = first.into_iter().chain(added).collect();
            (StatusCode::CREATED, Json(all)).into_response()
        }
    })
}

/// Add a tree of jobs, all or none: `{name, queueName, data, opts, children}`
#[utoipa::path(
    post, path = "/api/v1/flows", tag = "jobs",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = Object, description = "queue and id of each job, as a tree"))
)]
pub(super) async fn add_tree(State(pages): Api, body: String) -> ApiResult<Response> {
    let flow = Flow::parse(&body).map_err(ApiError::problems)?;
    let connection = pages.connected().await?;
    let mut nodes = vec![&flow];
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        nodes.extend(&node.children);
        at += 1;
    }
    check_data(&pages, nodes.iter().map(|node| (node.queue.as_str(), &node.job))).await?;
    let new_id = || uuid::Uuid::now_v7().to_string();
    let added = add_flow(&connection, &pages.sources.prefix, &flow, new_id, now_ms()).await?;
    Ok((StatusCode::CREATED, Json(added)).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct ListQuery {
    /// waiting, active, prioritized, delayed, waiting-children, completed, failed or paused
    state: String,
    /// Jobs to leave out at the beginning
    #[serde(default)]
    from: usize,
    /// Jobs at most [default: 100]
    count: Option<usize>,
    /// Only jobs with this name
    name: Option<String>,
    /// Only jobs with this text in their id, name, reason or, where the caller sees them, data; looked for in the first 10 000 of
    /// the state
    search: Option<String>,
}

/// Jobs of one state; a page of large ones ends early, after some 4 MiB
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/jobs", tag = "jobs", params(("queue" = String, Path), ListQuery),
    responses((status = 200, body = serde_json::Value))
)]
pub(super) async fn list(
    State(pages): Api,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<Vec<Shown>>> {
    let state = state_named(&query.state)?;
    let count = query.count.unwrap_or(100).clamp(1, MAX_PAGE);
    let queue = pages.queue(&name).await?;
    let wanted = Wanted::new(&query, caller.sees_payloads());
    let views = if wanted.is_all() {
        queue.jobs(state, query.from, count).await?.0
    } else {
        look_for(&queue, state, &wanted, query.from, count).await?
    };
    Ok(Json(views.into_iter().map(|view| Shown::new(view, &caller)).collect()))
}

fn missing(id: &str) -> ApiError {
    ApiError::missing(format!("there is no job `{id}`"))
}

/// One job with its fields as stored and its newest log lines
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/jobs/{id}", tag = "jobs",
    params(("queue" = String, Path), ("id" = String, Path)), responses((status = 200, body = Object), (status = 404))
)]
pub(super) async fn show(
    State(pages): Api,
    Extension(caller): Extension<Caller>,
    Path((name, id)): Path<(String, String)>,
) -> ApiResult<Json<Shown>> {
    let view = pages.queue(&name).await?.job(&id).await?.ok_or_else(|| missing(&id))?;
    Ok(Json(Shown::new(view, &caller)))
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct LogsQuery {
    /// Lines to leave out at the beginning
    #[serde(default)]
    from: usize,
    /// Lines at most [default: 1000]
    count: Option<usize>,
}

/// A job's log
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/jobs/{id}/logs", tag = "jobs",
    params(("queue" = String, Path), ("id" = String, Path), LogsQuery), responses((status = 200, body = Object))
)]
pub(super) async fn logs(
    State(pages): Api,
    Extension(caller): Extension<Caller>,
    Path((name, id)): Path<(String, String)>,
    Params(query): Params<LogsQuery>,
) -> ApiResult<Json<Value>> {
    let count = query.count.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let queue = pages.queue(&name).await?;
    let (mut lines, total) = queue.logs(&id, query.from, count).await?;
    let hidden = !caller.sees_payloads();
    if hidden {
        lines.clear();
    }
    if total == 0 && queue.job(&id).await?.is_none() {
        return Err(missing(&id));
    }
    let mut shown = json!({ "logs": lines, "count": total });
    if hidden {
        shown["hidden"] = json!(true);
    }
    Ok(Json(shown))
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct RemoveQuery {
    /// Leave its children
    #[serde(default)]
    keep_children: bool,
}

/// Remove a job with its children
#[utoipa::path(
    delete, path = "/api/v1/queues/{queue}/jobs/{id}", tag = "jobs",
    params(("queue" = String, Path), ("id" = String, Path), RemoveQuery),
    responses((status = 204), (status = 404), (status = 409, description = "it, or a child, is running"))
)]
pub(super) async fn remove(
    State(pages): Api,
    Path((name, id)): Path<(String, String)>,
    Params(query): Params<RemoveQuery>,
) -> ApiResult<StatusCode> {
    let removed = pages.queue(&name).await?.remove(&id, !query.keep_children, now_ms()).await?;
    removed.map(|()| StatusCode::NO_CONTENT).map_err(ApiError::unmoved)
}

/// What becomes of a job.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// 0 is none, 1 runs first
    priority: Option<u32>,
    /// Ms from now, of a delayed job
    delay_ms: Option<u64>,
}

/// Change a job's priority, or a delayed job's delay
#[utoipa::path(
    patch, path = "/api/v1/queues/{queue}/jobs/{id}", tag = "jobs",
    params(("queue" = String, Path), ("id" = String, Path)), request_body = ChangeBody,
    responses((status = 204), (status = 404), (status = 409))
)]
pub(super) async fn change(
    State(pages): Api,
    Path((name, id)): Path<(String, String)>,
    body: Bytes,
) -> ApiResult<StatusCode> {
    let body: ChangeBody = required(&body)?;
    if body.priority.is_none() && body.delay_ms.is_none() {
        return Err(ApiError::bad("nothing to change: give `priority`, `delay_ms` or both"));
    }
    let queue = pages.queue(&name).await?;
    if let Some(priority) = body.priority {
        if u64::from(priority) > gristmill_core::new_job::MAX_PRIORITY {
            return Err(ApiError::bad("`priority` is too large"));
        }
        queue.change_priority(&id, priority, false, now_ms()).await?.map_err(ApiError::unmoved)?;
    }
    if let Some(ms) = body.delay_ms {
        let ms = ms.min(gristmill_core::backoff::MAX_DELAY_MS);
        queue.change_delay(&id, ms, now_ms()).await?.map_err(ApiError::unmoved)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// How a job is tried again.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetryBody {
    /// A completed job in place of a failed one
    completed: bool,
    /// Forget the attempts that it has made
    reset: bool,
}

/// Let a finished job run again
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/jobs/{id}/retry", tag = "jobs",
    params(("queue" = String, Path), ("id" = String, Path)), request_body = Option<RetryBody>,
    responses((status = 204), (status = 404), (status = 409))
)]
pub(super) async fn retry(
    State(pages): Api,
    Path((name, id)): Path<(String, String)>,
    body: Bytes,
) -> ApiResult<StatusCode> {
    let body: RetryBody = optional(&body)?;
    let from = if body.completed { Finished::Completed } else { Finished::Failed };
    let moved = pages.queue(&name).await?.retry(&id, from, body.reset, now_ms()).await?;
    moved.map(|()| StatusCode::NO_CONTENT).map_err(ApiError::unmoved)
}

/// Let a delayed job run now
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/jobs/{id}/promote", tag = "jobs",
    params(("queue" = String, Path), ("id" = String, Path)), responses((status = 204), (status = 404), (status = 409))
)]
pub(super) async fn promote(
    State(pages): Api,
    Path((name, id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let moved = pages.queue(&name).await?.promote(&id, now_ms()).await?;
    moved.map(|()| StatusCode::NO_CONTENT).map_err(ApiError::unmoved)
}

/// Ask the worker that runs a job to stop it; it fails and is not tried again
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/jobs/{id}/cancel", tag = "jobs",
    params(("queue" = String, Path), ("id" = String, Path)),
    responses((status = 202, description = "the workers were asked"), (status = 404), (status = 409))
)]
pub(super) async fn cancel(
    State(pages): Api,
    Path((name, id)): Path<(String, String)>,
) -> ApiResult<(StatusCode, Json<Value>)> {
    let queue = pages.queue(&name).await?;
    let state = queue.job(&id).await?.ok_or_else(|| missing(&id))?.state;
    if state != "active" {
        return Err(ApiError::new(StatusCode::CONFLICT, format!("job {id} is {state}, it does not run")));
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "workers": queue.cancel(&id).await? }))))
}
