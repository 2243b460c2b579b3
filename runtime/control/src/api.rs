//! `/api/v1`: jobs, queues and schedulers over HTTP, for those whom the guard lets through.

#![expect(unused_qualifications, reason = "the macros of utoipa write paths in full")]

mod core_dumps;
mod deployments;
mod document;
mod error;
mod events;
mod guard;
mod jobs;
mod monitor;
mod queues;
mod schedulers;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{any, get};
use gristmill_core::clock::Clock;
use gristmill_core::units::show_size;
use gristmill_queue::{AuditRow, Connection, Queue, check_queue_name};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::server::Pages;
use error::{ApiError, ApiResult};

/// Bytes of a request's body.
const MAX_BODY: usize = 16 << 20;
/// Entries of one page.
const MAX_PAGE: usize = 1_000;

#[derive(OpenApi)]
#[openapi(
    info(title = "Gristmill", description = "Jobs, queues and schedulers of BullMQ queues."),
    components(schemas(error::Problems)),
    tags(
        (name = "jobs", description = "Adding, looking, moving"),
        (name = "queues", description = "Whole queues"),
        (name = "schedulers", description = "Jobs that are made again and again"),
        (name = "limiters", description = "Rate limits that workers share"),
        (name = "breakers", description = "Circuit breakers that workers share"),
        (name = "deployments", description = "Which versions of handlers serve job types"),
        (name = "core dumps", description = "What instances held as they broke off"),
        (name = "settings", description = "What is changed while workers run"),
        (name = "audit", description = "Who changed what"),
        (name = "health", description = "How queues do, now and before"),
        (name = "workers", description = "Who serves, and what runs"),
        (name = "alerts", description = "What is wrong, and who knows"),
        (name = "scaling", description = "How many workers there should be"),
    )
)]
struct Document;

/// What every handler works with.
type Api = State<Arc<Pages>>;

/// The routes, and the document that describes them.
pub(crate) fn routes(pages: &Arc<Pages>) -> Router<Arc<Pages>> {
    let (router, document) = described().split_for_parts();
    let document = document::with_errors(document);
    router
        .route("/api/v1/openapi.json", get(|| async move { Json(document) }))
        .route(
            "/api/v1/{*rest}",
            any(async || ApiError::missing("there is no such call; see /api/v1/openapi.json")),
        )
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path has no such method; see /api/v1/openapi.json",
            )
        })
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(Arc::clone(pages), guard::guard))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

fn described() -> OpenApiRouter<Arc<Pages>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(jobs::add, jobs::list))
        .routes(routes!(jobs::show, jobs::remove, jobs::change))
        .routes(routes!(jobs::logs))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::promote))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::add_tree))
        .routes(routes!(queues::list))
        .routes(routes!(queues::show, queues::obliterate))
        .routes(routes!(queues::pause))
        .routes(routes!(queues::resume))
        .routes(routes!(queues::drain))
        .routes(routes!(queues::clean))
        .routes(routes!(queues::retry_all))
        .routes(routes!(queues::promote_all))
        .routes(routes!(queues::limit))
        .routes(routes!(schedulers::list))
        .routes(routes!(schedulers::upsert, schedulers::remove))
        .routes(routes!(shared::limiters))
        .routes(routes!(shared::limiter))
        .routes(routes!(shared::reset_limiter))
        .routes(routes!(shared::breakers))
        .routes(routes!(shared::reset_breaker))
        .routes(routes!(deployments::modules))
        .routes(routes!(deployments::list))
        .routes(routes!(deployments::show))
        .routes(routes!(deployments::promote))
        .routes(routes!(deployments::roll_back))
        .routes(routes!(core_dumps::list))
        .routes(routes!(core_dumps::get))
        .routes(routes!(shared::settings))
        .routes(routes!(shared::set, shared::unset))
        .routes(routes!(audit))
        .routes(routes!(monitor::session))
        .routes(routes!(monitor::health))
        .routes(routes!(monitor::history))
        .routes(routes!(monitor::statistics))
        .routes(routes!(monitor::anomalies))
        .routes(routes!(monitor::workers))
        .routes(routes!(monitor::alerts))
        .routes(routes!(monitor::acknowledge))
        .routes(routes!(monitor::scaling))
        .routes(routes!(monitor::scaling_history))
        .routes(routes!(events::events))
        .routes(routes!(jobs::look::flow))
        .routes(routes!(jobs::look::schema))
}

/// The longest that a call may take, its body included: clearing a long queue takes a while, a body does not.
const MAX_TIME: Duration = Duration::from_secs(300);

async fn in_time(request: Request, next: Next) -> Response {
    let late = || {
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "the call took too long; what it had begun may be done")
    };
    let answer = tokio::time::timeout(MAX_TIME, next.run(request)).await;
    let answer = answer.unwrap_or_else(|_| late().into_response());
    // The library says so in its own form.
    if answer.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let most = show_size(MAX_BODY as u64);
        let large = format!("the body has more than {most}; add the jobs in several calls");
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, large).into_response();
    }
    answer
}

/// Parameters of the query, with errors in the API's form.
struct Params<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(params)| Self(params)).map_err(|error| ApiError::bad(error.body_text()))
    }
}

/// A body of JSON, whatever its content type says.
fn required<T: DeserializeOwned>(body: &[u8]) -> ApiResult<T> {
    serde_json::from_slice(body).map_err(|error| ApiError::bad(format!("the body does not fit: {error}")))
}

/// A body that may be left out.
fn optional<T: DeserializeOwned + Default>(body: &[u8]) -> ApiResult<T> {
    if body.trim_ascii().is_empty() { Ok(T::default()) } else { required(body) }
}

/// Ms since the epoch; the API runs on the host's clock.
fn now_ms() -> u64 {
    Clock::System.now_ms()
}

impl Pages {
    async fn connected(&self) -> ApiResult<Connection> {
        self.redis().await.ok_or_else(|| ApiError::unavailable("Redis does not answer"))
    }

    async fn queue(&self, name: &str) -> ApiResult<Queue> {
        check_queue_name(name)?;
        Ok(Queue::new(self.connected().await?, &self.sources.prefix, name))
    }

    /// A queue that is there or that this worker serves: what is said of any other would be said to nobody.
    async fn known(&self, name: &str) -> ApiResult<Queue> {
        let queue = self.queue(name).await?;
        if self.sources.queues.iter().any(|served| served == name) || queue.exists().await? {
            return Ok(queue);
        }
        Err(ApiError::missing(format!("there is no queue `{name}`")))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
struct AuditQuery {
    /// Rows at most [default: 100]
    count: Option<usize>,
}

/// The newest changes, newest first
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = serde_json::Value))
)]
async fn audit(State(pages): Api, Params(query): Params<AuditQuery>) -> ApiResult<Json<Vec<AuditRow>>> {
    Ok(Json(pages.connected().await?.audit_rows(query.count.unwrap_or(100).min(MAX_PAGE)).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_says_what_it_answers() {
        let document = document::with_errors(described().split_for_parts().1);
        assert!(document.components.as_ref().is_some_and(|parts| parts.schemas.contains_key("Problems")));
        let document = serde_json::to_value(&document).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.len(), 46);
        for (path, methods) in paths {
            assert!(path.starts_with("/api/v1/"), "{path}");
            for (method, operation) in methods.as_object().unwrap() {
                assert!(operation["summary"].is_string(), "{method} {path} has no summary");
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
                assert_eq!(
                    responses.contains_key("413"),
                    operation["requestBody"].is_object(),
                    "{method} {path}"
                );
                for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                    let form = &response["content"]["application/json"]["schema"]["$ref"];
                    assert_eq!(form, "#/components/schemas/Problems", "{method} {path} {status}");
                }
            }
        }
    }
}
