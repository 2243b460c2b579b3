//! What is new, pushed to dashboards: server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use serde_json::Value;

use super::error::ApiResult;
use super::monitor::{active_alerts, health_report, workers_report};
use super::{Api, now_ms};
use crate::server::Pages;

/// Comments keep proxies from closing a connection that says nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events `health`, `alerts` and `workers`: at once, and again every `monitoring.dashboard_refresh`
#[utoipa::path(
    get, path = "/api/v1/events", tag = "health",
    responses((status = 200, body = String, content_type = "text/event-stream"))
)]
pub(super) async fn events(State(pages): Api) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let state = Rounds { pages, round: Vec::new(), id: 0, first: true };
    let stream = futures_util::stream::unfold(state, |mut state| async move {
        let event = state.next().await;
        Some((Ok(event), state))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

struct Rounds {
    pages: Arc<Pages>,
    /// What is still to be sent of this round, the last first.
    round: Vec<(&'static str, Value)>,
    id: u64,
    first: bool,
}

impl Rounds {
    async fn next(&mut self) -> Event {
        loop {
            if let Some((name, data)) = self.round.pop() {
                self.id += 1;
                return Event::default().id(self.id.to_string()).event(name).data(data.to_string());
            }
            if !std::mem::take(&mut self.first) {
                tokio::time::sleep(self.pages.sources.config.monitoring.dashboard_refresh).await;
            }
            // A round that Redis does not answer is left out; the next one tells all anyway.
            self.round = round(&self.pages).await.unwrap_or_default();
        }
    }
}

async fn round(pages: &Pages) -> ApiResult<Vec<(&'static str, Value)>> {
    let monitor = pages.monitoring().await?;
    let alerts = serde_json::to_value(active_alerts(&monitor).await?).unwrap_or_default();
    let workers = workers_report(monitor.workers(now_ms()).await?);
    Ok(vec![("workers", workers), ("alerts", alerts), ("health", health_report(pages).await?)])
}
