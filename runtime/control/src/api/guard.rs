//! Who may call the API, and the audit row that a change leaves.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gristmill_core::config::{Role, Token};
use gristmill_queue::AuditRow;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::now_ms;
use crate::server::Pages;

/// Bytes of a path in an audit row.
const MAX_PATH: usize = 1_024;

/// Who calls.
#[derive(Clone)]
pub(super) struct Caller {
    /// The name of a token, or `loopback`.
    pub who: String,
    /// What they may do.
    pub role: Role,
}

pub(super) async fn guard(State(pages): State<Arc<Pages>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let needed = needed(request.method());
    let tokens = &pages.sources.config.server.tokens;
    let caller = match admit(tokens, request.headers(), peer, needed, now_ms()) {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    if let Err(wait) = pages.pace.ask(&caller.who, now_ms()) {
        return too_fast(wait);
    }
    let who = caller.who.clone();
    request.extensions_mut().insert(caller);
    if needed == Role::Viewer {
        return next.run(request).await;
    }
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let path = gristmill_core::units::cut(path, MAX_PATH).into_owned();
    let what = format!("{} {path}", request.method());
    let response = next.run(request).await;
    let row = AuditRow { at_ms: now_ms(), who, what, status: response.status().as_u16() };
    tracing::info!(who = row.who, what = row.what, status = row.status, "asked for through the API");
    if let Some(connection) = pages.redis().await
        && let Err(error) = connection.audit(&row).await
    {
        tracing::warn!(%error, "the audit row above is not in Redis");
    }
    response
}

fn too_fast(wait_ms: u64) -> Response {
    let why = format!("too many calls; go on in {wait_ms} ms");
    let mut response = ApiError::new(StatusCode::TOO_MANY_REQUESTS, why).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1_000)));
    response
}

/// Looking is for viewers, removing a whole queue asks for more in its own handler.
fn needed(method: &Method) -> Role {
    if method == Method::GET || method == Method::HEAD { Role::Viewer } else { Role::Operator }
}

/// The caller's name, if it may do what needs this role.
fn admit(
    tokens: &[Token],
    headers: &HeaderMap,
    peer: Option<SocketAddr>,
    needed: Role,
    now_ms: u64,
) -> Result<Caller, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if tokens.is_empty() {
        if !peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
            let why = "no tokens are configured, so the API answers on loopback only; see `server.tokens`";
            return Err(ApiError::new(StatusCode::FORBIDDEN, why));
        }
        // A page in a browser on this machine can reach loopback too; these two headers it cannot forge.
        let host = text(header::HOST).unwrap_or_default();
        let same_origin =
            text(header::ORIGIN).is_none_or(|origin| origin.strip_prefix("http://") == Some(host));
        if !is_loopback_name(host) || !same_origin {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "a request for another host or from another page",
            ));
        }
        return Ok(Caller { who: "loopback".to_owned(), role: Role::Admin });
    }
    let said = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let said = said.unwrap_or_default().trim();
    let given = Sha256::digest(said.as_bytes());
    // Every token is compared, so that time tells nothing of them.
    let same = |token: &Token| bool::from(token.sha256[..].ct_eq(&given[..]));
    let known = tokens.iter().fold(None, |known, token| if same(token) { Some(token) } else { known });
    // Whoever says nothing is nobody, whatever digests there are.
    let Some(token) = known.filter(|_| !said.is_empty()) else {
        let why = "no known token; send `Authorization: Bearer TOKEN`";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, why));
    };
    if token.expires_ms.is_some_and(|expires| expires <= now_ms) {
        let why = format!("token `{}` has expired", token.name);
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, why));
    }
    if token.role < needed {
        let why = format!(
            "token `{}` has the role {}, this needs {}",
            token.name,
            token.role.as_str(),
            needed.as_str()
        );
        return Err(ApiError::new(StatusCode::FORBIDDEN, why));
    }
    Ok(Caller { who: token.name.clone(), role: token.role })
}

/// For handlers that need more than the method says.
pub(super) fn demand(tokens: &[Token], headers: &HeaderMap, role: Role) -> Result<(), ApiError> {
    if tokens.is_empty() { Ok(()) } else { admit(tokens, headers, None, role, now_ms()).map(drop) }
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[rstest::rstest]
    #[case("127.0.0.1:5", &[(header::HOST, "localhost:7676")], true)]
    #[case("[::1]:5", &[(header::HOST, "[::1]:7676")], true)]
    #[case("127.0.0.1:5", &[(header::HOST, "localhost:7676"), (header::ORIGIN, "http://localhost:7676")], true)]
    #[case::elsewhere("10.0.0.7:5", &[(header::HOST, "localhost:7676")], false)]
    #[case::rebound("127.0.0.1:5", &[(header::HOST, "evil.example:7676")], false)]
    #[case::page("127.0.0.1:5", &[(header::HOST, "localhost:7676"), (header::ORIGIN, "http://evil.example")], false)]
    #[case::no_host("127.0.0.1:5", &[], false)]
    fn without_tokens(
        #[case] peer: &str,
        #[case] given: &[(header::HeaderName, &str)],
        #[case] admitted: bool,
    ) {
        let peer = Some(peer.parse().unwrap());
        assert_eq!(admit(&[], &headers(given), peer, Role::Operator, 0).is_ok(), admitted);
    }

    #[rstest::rstest]
    #[case("Bearer look", Role::Viewer, Ok("eyes"))]
    #[case("Bearer look", Role::Operator, Err(StatusCode::FORBIDDEN))]
    #[case("Bearer turn", Role::Operator, Ok("hands"))]
    #[case("Bearer old", Role::Viewer, Err(StatusCode::UNAUTHORIZED))]
    #[case("Bearer guess", Role::Viewer, Err(StatusCode::UNAUTHORIZED))]
    #[case("look", Role::Viewer, Err(StatusCode::UNAUTHORIZED))]
    #[case("Bearer ", Role::Viewer, Err(StatusCode::UNAUTHORIZED))]
    #[case("", Role::Viewer, Err(StatusCode::UNAUTHORIZED))]
    fn with_tokens(#[case] given: &str, #[case] needed: Role, #[case] expected: Result<&str, StatusCode>) {
        let token = |name: &str, role, secret: &str| Token {
            name: name.to_owned(),
            role,
            sha256: Sha256::digest(secret.as_bytes()).into(),
            expires_ms: (name == "late").then_some(5),
        };
        let tokens = [
            token("eyes", Role::Viewer, "look"),
            token("hands", Role::Operator, "turn"),
            token("late", Role::Admin, "old"),
            token("nothing", Role::Admin, ""),
        ];
        let admitted = admit(&tokens, &headers(&[(header::AUTHORIZATION, given)]), None, needed, 5);
        let admitted = admitted.map(|caller| caller.who).map_err(|error| error.into_response().status());
        assert_eq!(admitted, expected.map(str::to_owned));
    }
}
