//! What all workers share: limiters, breakers, and the settings that go before their configuration.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use gristmill_core::limiter::MAX_KEY;
use gristmill_core::setting::Setting;
use gristmill_queue::{BreakerCall, BreakerStep, BreakerView, LimitCall, LimiterView, SettingRow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult};
use super::guard::Caller;
use super::{Api, Params, now_ms, required};

#[derive(Serialize)]
pub(super) struct LimiterRow {
    limiter: String,
    algorithm: &'static str,
    key: String,
    #[serde(flatten)]
    view: LimiterView,
}

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct KeyQuery {
    /// What is counted, or kept, under this key [default: what all share]
    #[serde(default)]
    key: String,
}

impl KeyQuery {
    fn checked(self) -> ApiResult<String> {
        if self.key.len() > MAX_KEY {
            return Err(ApiError::bad(format!("a key has at most {MAX_KEY} bytes")));
        }
        Ok(self.key)
    }
}

fn known<'a, T>(noun: &str, all: &'a BTreeMap<String, T>, name: &str) -> ApiResult<&'a T> {
    all.get(name).ok_or_else(|| ApiError::missing(format!("no {noun} is called `{name}`")))
}

/// Every limiter of this worker's configuration, with what counts now
#[utoipa::path(get, path = "/api/v1/limiters", tag = "limiters", responses((status = 200, body = Vec<Object>)))]
pub(super) async fn limiters(State(pages): Api) -> ApiResult<Json<Vec<LimiterRow>>> {
    let connection = pages.connected().await?;
    let mut rows = Vec::new();
    for (name, limiter) in pages.sources.handlers.limiters() {
        let view = LimitCall { name: &name, limiter: &limiter, key: "", cost: 1 }.view(&connection).await?;
        rows.push(LimiterRow {
            algorithm: limiter.algorithm.as_str(),
            limiter: name,
            key: String::new(),
            view,
        });
    }
    Ok(Json(rows))
}

/// One limiter: what counts now, and the last day in slices of ten minutes
#[utoipa::path(
    get, path = "/api/v1/limiters/{limiter}", tag = "limiters", params(("limiter" = String, Path), KeyQuery),
    responses((status = 200, body = Object))
)]
pub(super) async fn limiter(
    State(pages): Api,
    Path(name): Path<String>,
    Params(query): Params<KeyQuery>,
) -> ApiResult<Json<LimiterRow>> {
    let key = query.checked()?;
    let limiters = pages.sources.handlers.limiters();
    let limiter = known("limiter", &limiters, &name)?;
    let call = LimitCall { name: &name, limiter, key: &key, cost: 1 };
    let view = call.view(&pages.connected().await?).await?;
    Ok(Json(LimiterRow {
        algorithm: limiter.algorithm.as_str(),
        limiter: name.clone(),
        key: key.clone(),
        view,
    }))
}

/// Forget what a limiter has counted under a key
#[utoipa::path(
    post, path = "/api/v1/limiters/{limiter}/reset", tag = "limiters",
    params(("limiter" = String, Path), KeyQuery), responses((status = 204))
)]
pub(super) async fn reset_limiter(
    State(pages): Api,
    Path(name): Path<String>,
    Params(query): Params<KeyQuery>,
) -> ApiResult<StatusCode> {
    let key = query.checked()?;
    let limiters = pages.sources.handlers.limiters();
    let limiter = known("limiter", &limiters, &name)?;
    LimitCall { name: &name, limiter, key: &key, cost: 1 }.reset(&pages.connected().await?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
pub(super) struct BreakerRow {
    breaker: String,
    #[serde(flatten)]
    view: BreakerView,
}

/// Every breaker of this worker's configuration, and where it stands
#[utoipa::path(get, path = "/api/v1/breakers", tag = "breakers", responses((status = 200, body = Vec<Object>)))]
pub(super) async fn breakers(State(pages): Api) -> ApiResult<Json<Vec<BreakerRow>>> {
    let connection = pages.connected().await?;
    let mut rows = Vec::new();
    for (name, breaker) in pages.sources.handlers.breakers() {
        let view = BreakerCall { name: &name, breaker: &breaker, key: "" }.view(&connection).await?;
        rows.push(BreakerRow { breaker: name, view });
    }
    Ok(Json(rows))
}

/// Close a breaker
#[utoipa::path(
    post, path = "/api/v1/breakers/{breaker}/reset", tag = "breakers",
    params(("breaker" = String, Path), KeyQuery), responses((status = 204))
)]
pub(super) async fn reset_breaker(
    State(pages): Api,
    Path(name): Path<String>,
    Params(query): Params<KeyQuery>,
) -> ApiResult<StatusCode> {
    let key = query.checked()?;
    let breakers = pages.sources.handlers.breakers();
    let breaker = known("breaker", &breakers, &name)?;
    let call = BreakerCall { name: &name, breaker, key: &key };
    call.step(&pages.connected().await?, BreakerStep::Reset).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is set for all workers, by whom and since when
#[utoipa::path(get, path = "/api/v1/settings", tag = "settings", responses((status = 200, body = Object)))]
pub(super) async fn settings(State(pages): Api) -> ApiResult<Json<BTreeMap<String, SettingRow>>> {
    Ok(Json(pages.connected().await?.settings().await?))
}

/// A setting's value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingBody {
    /// A number, or rates with commas between them
    value: Value,
}

/// Set one for all workers, before what their configuration says; they obey within a second
#[utoipa::path(
    put, path = "/api/v1/settings/{key}", tag = "settings", params(("key" = String, Path)),
    request_body = SettingBody, responses((status = 204), (status = 400))
)]
pub(super) async fn set(
    State(pages): Api,
    Extension(Caller { who: by, .. }): Extension<Caller>,
    Path(key): Path<String>,
    body: Bytes,
) -> ApiResult<StatusCode> {
    let SettingBody { value } = required(&body)?;
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let setting = Setting::parse(&key, &value).map_err(ApiError::bad)?;
    pages.sources.handlers.check(&setting).map_err(ApiError::bad)?;
    pages.connected().await?.set_setting(&key, &SettingRow { value, by, at_ms: now_ms() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let the configuration hold again
#[utoipa::path(
    delete, path = "/api/v1/settings/{key}", tag = "settings", params(("key" = String, Path)),
    responses((status = 204), (status = 404))
)]
pub(super) async fn unset(State(pages): Api, Path(key): Path<String>) -> ApiResult<StatusCode> {
    if pages.connected().await?.unset_setting(&key).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::missing(format!("`{key}` is not set")))
}
