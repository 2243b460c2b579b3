//! KEDA's external scaler over gRPC: how many workers a queue should have, as a number that KEDA scales to. Its messages are
//! those of KEDA's `externalscaler.proto`.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body as PlainBody;
use axum::extract::{Request, State};
use axum::http::Response as HttpResponse;
use axum::routing::post;
use futures_util::Stream;
use gristmill_queue::ScalingRow;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Response, Status};
use tonic_prost::ProstCodec;

use crate::server::Pages;

mod messages;

use messages::{
    ActiveResponse, MetricSpec, MetricSpecResponse, MetricValue, MetricsRequest, MetricsResponse,
    ScaledObject,
};

/// Where a scaled object names its queue.
const QUEUE: &str = "queue";
/// What each worker counts for: the metric is a number of workers.
const EACH: i64 = 1;

/// Answers KEDA for as long as it is polled, where the configuration says so.
pub(crate) async fn run(pages: Arc<Pages>) {
    let Some(address) = pages.sources.config.scaling.keda_listen else { return };
    if let Err(error) = serve(pages, address).await {
        tracing::error!(%address, %error, "KEDA cannot be answered; set `scaling.keda_listen` to a free address");
    }
}

async fn serve(pages: Arc<Pages>, address: SocketAddr) -> Result<(), tonic::transport::Error> {
    let path = |call: &str| format!("/externalscaler.ExternalScaler/{call}");
    let router: Router = Router::new()
        .route(&path("IsActive"), post(is_active))
        .route(&path("StreamIsActive"), post(stream_is_active))
        .route(&path("GetMetricSpec"), post(metric_spec))
        .route(&path("GetMetrics"), post(metrics))
        .with_state(pages);
    tracing::info!(%address, "answering KEDA");
    tonic::transport::Server::builder().add_routes(tonic::service::Routes::from(router)).serve(address).await
}

type Answer = HttpResponse<Body>;

/// One call with one answer.
macro_rules! unary {
    ($name:ident, $asked:ty, $answers:ty, $answer:expr) => {
        async fn $name(State(pages): State<Arc<Pages>>, request: Request<PlainBody>) -> Answer {
            let service = tower::service_fn(move |request: tonic::Request<$asked>| {
                let pages = Arc::clone(&pages);
                async move { $answer(&pages, request.into_inner()).await.map(Response::new) }
            });
            Grpc::new(ProstCodec::<$answers, $asked>::default()).unary(service, request).await
        }
    };
}

unary!(is_active, ScaledObject, ActiveResponse, active);
unary!(metric_spec, ScaledObject, MetricSpecResponse, async |_: &Pages, object| Ok::<_, Status>(spec(
    &object
)));
unary!(metrics, MetricsRequest, MetricsResponse, values);

async fn stream_is_active(State(pages): State<Arc<Pages>>, request: Request<PlainBody>) -> Answer {
    type Told = Pin<Box<dyn Stream<Item = Result<ActiveResponse, Status>> + Send>>;
    let service = tower::service_fn(move |request: tonic::Request<ScaledObject>| {
        let pages = Arc::clone(&pages);
        let object = request.into_inner();
        async move {
            let changes = futures_util::stream::unfold((pages, object, None), next_change);
            Ok::<_, Status>(Response::new(Box::pin(changes) as Told))
        }
    });
    Grpc::new(ProstCodec::<ActiveResponse, ScaledObject>::default()).server_streaming(service, request).await
}

type Watch = (Arc<Pages>, ScaledObject, Option<bool>);

/// Waits until a queue begins or ceases to need workers.
async fn next_change((pages, object, told): Watch) -> Option<(Result<ActiveResponse, Status>, Watch)> {
    loop {
        if told.is_some() {
            tokio::time::sleep(pages.sources.config.monitoring.health_interval).await;
        }
        match active(&pages, object.clone()).await {
            Ok(now) if told == Some(now.result) => {}
            Ok(now) => return Some((Ok(now), (pages, object, Some(now.result)))),
            Err(status) => return Some((Err(status), (pages, object, told))),
        }
    }
}

async fn active(pages: &Pages, object: ScaledObject) -> Result<ActiveResponse, Status> {
    Ok(ActiveResponse { result: wanted(pages, object.queue()).await? > 0 })
}

fn spec(object: &ScaledObject) -> MetricSpecResponse {
    let spec = MetricSpec { name: metric_name(object.queue()), target: EACH, target_float: 1.0 };
    MetricSpecResponse { specs: vec![spec] }
}

async fn values(pages: &Pages, request: MetricsRequest) -> Result<MetricsResponse, Status> {
    let object = request.object.unwrap_or_default();
    let wanted = wanted(pages, object.queue()).await?;
    let name = if request.name.is_empty() { metric_name(object.queue()) } else { request.name };
    let value =
        MetricValue { name, value: i64::try_from(wanted).unwrap_or(i64::MAX), value_float: wanted as f64 };
    Ok(MetricsResponse { values: vec![value] })
}

fn metric_name(queue: Option<&str>) -> String {
    format!("gristmill-workers-{}", queue.unwrap_or("all"))
}

/// Workers that the queue, or that one of the configured queues which needs most, should have. A queue that is not known needs none.
async fn wanted(pages: &Pages, queue: Option<&str>) -> Result<u64, Status> {
    let unavailable = |why: String| Status::unavailable(why);
    let monitor = pages.monitor().await.ok_or_else(|| unavailable("Redis does not answer".to_owned()))?;
    let rows = monitor.scaling().await.map_err(|error| unavailable(error.to_string()))?;
    let config = &pages.sources.config;
    let of = |row: &ScalingRow| workers_for(row, config.workers_of(&row.queue).min);
    Ok(match queue {
        Some(queue) => rows.get(queue).map_or(0, of),
        None => {
            let ours = rows.values().filter(|row| config.queues.contains_key(&row.queue));
            ours.map(of).max().unwrap_or(0)
        }
    })
}

/// An idle queue that is down to its least number needs none: whether some stay for it is KEDA's `minReplicaCount`.
fn workers_for(row: &ScalingRow, min: u64) -> u64 {
    let idle = row.signals.backlog == 0 && row.signals.active == 0;
    if idle && row.decision.desired <= min { 0 } else { row.decision.desired }
}

impl ScaledObject {
    /// The queue of its metadata; empty is none.
    fn queue(&self) -> Option<&str> {
        self.metadata.get(QUEUE).map(String::as_str).filter(|queue| !queue.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_core::scaling::{Progress, Range, ScalingPolicy, Signals, decide};

    #[test]
    fn an_idle_queue_needs_nobody_and_one_that_calms_down_keeps_its_workers() {
        let row = |desired, backlog| {
            let signals = Signals { workers: desired, slots: desired, backlog, ..Signals::default() };
            let progress = Progress { desired: Some(desired), changed_ms: 1, ..Progress::default() };
            let decision =
                decide(&ScalingPolicy::default(), Range { min: 1, max: 9 }, &signals, &progress, 2);
            ScalingRow { queue: "q".into(), at_ms: 2, from: desired, signals, decision }
        };
        assert_eq!(workers_for(&row(1, 0), 1), 0);
        assert_eq!(workers_for(&row(1, 3), 1), 1);
        assert_eq!(workers_for(&row(4, 0), 1), 4);
        let object =
            ScaledObject { metadata: [("queue".into(), String::new())].into(), ..ScaledObject::default() };
        assert_eq!((object.queue(), metric_name(Some("q"))), (None, "gristmill-workers-q".into()));
    }
}
