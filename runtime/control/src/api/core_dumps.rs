//! Core dumps of attempts that broke off.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Json, Response};
use gristmill_core::config::Role;
use gristmill_core::core_dump::CoreDumpInfo;
use gristmill_queue::CoreDumpError;

use super::error::{ApiError, ApiResult};
use super::guard::demand;
use super::{Api, now_ms};

impl From<CoreDumpError> for ApiError {
    fn from(error: CoreDumpError) -> Self {
        match error {
            CoreDumpError::Queue(error) => error.into(),
            other => Self::missing(other.to_string()),
        }
    }
}

/// What is known of every core dump, newest first
#[utoipa::path(get, path = "/api/v1/core-dumps", tag = "core dumps", responses((status = 200, body = Vec<Object>)))]
pub(super) async fn list(State(pages): Api) -> ApiResult<Json<Vec<CoreDumpInfo>>> {
    Ok(Json(pages.connected().await?.core_dumps(now_ms()).await?))
}

/// One core dump, a WebAssembly file; for operators, as it holds the job's data and the handler's secrets
#[utoipa::path(
    get, path = "/api/v1/core-dumps/{digest}", tag = "core dumps", params(("digest" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/wasm"), (status = 404))
)]
pub(super) async fn get(
    State(pages): Api,
    headers: HeaderMap,
    Path(digest): Path<String>,
) -> ApiResult<Response> {
    demand(&pages.sources.config.server.tokens, &headers, Role::Operator)?;
    let (_, file) = pages.connected().await?.core_dump(&digest).await?;
    Ok(([(header::CONTENT_TYPE, "application/wasm")], file).into_response())
}
