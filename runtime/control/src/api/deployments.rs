//! What is deployed, and taking it on or back.

use std::collections::BTreeMap;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Json;
use gristmill_core::deployment::{Change, Deployment, Entry, ModuleInfo, is_digest};
use gristmill_queue::{CanaryCounts, ChangeError, ModuleStoreError, Target, check_queue_name};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult};
use super::guard::Caller;
use super::{Api, Params, now_ms, optional};

/// Entries of a history that are shown.
const HISTORY: usize = 100;

#[derive(Serialize)]
pub(super) struct Row {
    queue: String,
    job: String,
    #[serde(flatten)]
    deployment: Deployment,
}

#[derive(Serialize)]
pub(super) struct Whole {
    #[serde(flatten)]
    row: Row,
    /// What the versions came to since the canary began.
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<BTreeMap<&'static str, Came>>,
    history: Vec<Entry>,
}

/// What attempts of a version came to.
#[derive(Serialize)]
struct Came {
    attempts: u64,
    failed: u64,
    trapped: u64,
    seconds_p95: f64,
    peak_memory_bytes_p95: f64,
}

fn came(counts: &CanaryCounts) -> BTreeMap<&'static str, Came> {
    let of = |counts: &gristmill_core::deployment::Counts| Came {
        attempts: counts.attempts,
        failed: counts.failed,
        trapped: counts.trapped,
        seconds_p95: counts.time.quantile(0.95) / 1e6,
        peak_memory_bytes_p95: counts.memory.quantile(0.95),
    };
    BTreeMap::from([("stable", of(&counts.stable)), ("canary", of(&counts.canary))])
}

fn row(target: &Target, deployment: Deployment) -> Row {
    Row { queue: target.queue.clone(), job: target.job.clone(), deployment }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Queue(error) => error.into(),
            other => Self::conflict(other.to_string()),
        }
    }
}

#[derive(Debug, Clone, Deserialize, IntoParams)]
pub(super) struct TypeQuery {
    /// The job type, as the configuration names it [default: *]
    #[serde(default = "every")]
    job: String,
}

fn every() -> String {
    "*".to_owned()
}

fn target(queue: String, query: TypeQuery) -> ApiResult<Target> {
    check_queue_name(&queue)?;
    Ok(Target { queue, job: query.job })
}

/// Every module of the registry, newest first
#[utoipa::path(get, path = "/api/v1/modules", tag = "deployments", responses((status = 200, body = Vec<Object>)))]
pub(super) async fn modules(State(pages): Api) -> ApiResult<Json<Vec<ModuleInfo>>> {
    let mut modules: Vec<_> = pages.connected().await?.modules().await?.into_values().collect();
    modules.sort_by_key(|info| std::cmp::Reverse(info.at_ms));
    Ok(Json(modules))
}

/// Every deployment
#[utoipa::path(
    get, path = "/api/v1/deployments", tag = "deployments", responses((status = 200, body = Vec<Object>))
)]
pub(super) async fn list(State(pages): Api) -> ApiResult<Json<Vec<Row>>> {
    let deployments = pages.connected().await?.deployments().await?;
    Ok(Json(deployments.into_iter().map(|(target, deployment)| row(&target, deployment)).collect()))
}

/// One deployment: its versions, what a canary came to, and its history, newest first
#[utoipa::path(
    get, path = "/api/v1/deployments/{queue}", tag = "deployments",
    params(("queue" = String, Path), TypeQuery), responses((status = 200, body = Object), (status = 404))
)]
pub(super) async fn show(
    State(pages): Api,
    Path(queue): Path<String>,
    Params(query): Params<TypeQuery>,
) -> ApiResult<Json<Whole>> {
    let target = target(queue, query)?;
    let connection = pages.connected().await?;
    let missing = || ApiError::missing(format!("nothing is deployed for {target}"));
    let deployment = connection.deployment(&target).await?.ok_or_else(missing)?;
    let trial = match &deployment.canary {
        Some(_) => Some(came(&connection.canary_counts(&target, deployment.revision).await?)),
        None => None,
    };
    let history = connection.deployment_history(&target, HISTORY).await?;
    Ok(Json(Whole { row: row(&target, deployment), trial, history }))
}

/// Why, and where to.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ChangeBody {
    /// Kept in the history
    reason: String,
    /// A digest to go back to [default: away with the canary, or, without one, the stable version before]
    to: Option<String>,
}

/// Let the canary take all attempts
#[utoipa::path(
    post, path = "/api/v1/deployments/{queue}/promote", tag = "deployments",
    params(("queue" = String, Path), TypeQuery), request_body = ChangeBody,
    responses((status = 200, body = Object), (status = 409))
)]
pub(super) async fn promote(
    State(pages): Api,
    Extension(Caller { who: by, .. }): Extension<Caller>,
    Path(queue): Path<String>,
    Params(query): Params<TypeQuery>,
    body: Bytes,
) -> ApiResult<Json<Row>> {
    let ChangeBody { reason, to } = optional(&body)?;
    if to.is_some() {
        return Err(ApiError::bad("`to` is for going back; the canary is what is promoted"));
    }
    change(&pages, target(queue, query)?, &Change::Promote, (&by, &reason)).await
}

/// Take the canary away, or, without one, go back to a stable version before
#[utoipa::path(
    post, path = "/api/v1/deployments/{queue}/rollback", tag = "deployments",
    params(("queue" = String, Path), TypeQuery), request_body = ChangeBody,
    responses((status = 200, body = Object), (status = 404), (status = 409))
)]
pub(super) async fn roll_back(
    State(pages): Api,
    Extension(Caller { who: by, .. }): Extension<Caller>,
    Path(queue): Path<String>,
    Params(query): Params<TypeQuery>,
    body: Bytes,
) -> ApiResult<Json<Row>> {
    let ChangeBody { reason, to } = optional(&body)?;
    if let Some(digest) = &to {
        if !is_digest(digest) {
            return Err(ApiError::bad("`to` is `sha256:` and 64 hexadecimal digits"));
        }
        let connection = pages.connected().await?;
        match connection.module_info(digest).await {
            Ok(info) => connection.check_handler(&target(queue.clone(), query.clone())?, &info).await?,
            Err(ModuleStoreError::Queue(error)) => return Err(error.into()),
            Err(other) => return Err(ApiError::missing(other.to_string())),
        }
    }
    change(&pages, target(queue, query)?, &Change::RollBack { to }, (&by, &reason)).await
}

async fn change(
    pages: &crate::server::Pages,
    target: Target,
    change: &Change,
    who: (&str, &str),
) -> ApiResult<Json<Row>> {
    let connection = pages.connected().await?;
    let changed = connection.change_deployment(&target, change, who, None, now_ms()).await?;
    // Without a revision to compare with, it is changed or refused.
    let changed = changed.ok_or_else(|| ApiError::conflict("the deployment was changed meanwhile"))?;
    Ok(Json(row(&target, changed)))
}
