//! Errors as the API answers them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use gristmill_queue::{ErrorKind, QueueError, Refusal, Unmoved};
use serde::Serialize;
use utoipa::ToSchema;

/// What an error's body is.
#[derive(Serialize, ToSchema)]
pub(super) struct Problems {
    /// All of them in one line
    error: String,
    /// Each thing that is wrong
    problems: Vec<String>,
}

/// A status and why.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    problems: Vec<String>,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(status: StatusCode, problem: impl Into<String>) -> Self {
        Self { status, problems: vec![problem.into()] }
    }

    pub(crate) fn bad(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, problem)
    }

    pub(crate) fn problems(problems: Vec<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, problems }
    }

    pub(crate) fn missing(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, problem)
    }

    pub(crate) fn conflict(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, problem)
    }

    pub(crate) fn unavailable(problem: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, problem)
    }

    pub(crate) fn unmoved(why: Unmoved) -> Self {
        let status = if why == Unmoved::NoJob { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
        Self::new(status, why.to_string())
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        let status = match (&error, error.kind()) {
            (QueueError::Job(_) | QueueError::NoHashTag { .. }, _) => StatusCode::BAD_REQUEST,
            (_, ErrorKind::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
            (_, ErrorKind::Refused) => StatusCode::BAD_GATEWAY,
            (_, ErrorKind::Invalid) => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::new(StatusCode::CONFLICT, format!("the job was not added: {refusal}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Problems { error: self.problems.join("; "), problems: self.problems };
        (self.status, Json(body)).into_response()
    }
}
