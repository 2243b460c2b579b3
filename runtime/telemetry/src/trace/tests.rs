use std::sync::Mutex;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Keeps what has ended.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Kept {
    fn spans(&self) -> Vec<SpanData> {
        self.0.lock().unwrap().clone()
    }
}

fn tracer() -> (Tracer, SdkTracerProvider, Kept) {
    let exporter = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    (Tracer::new(provider.tracer("t"), "id".to_owned(), "name".to_owned()), provider, exporter)
}

fn begin(tracer: &Tracer, headers: &[(String, String)]) -> AttemptSpan {
    tracer.attempt(&AttemptFacts { queue: "mail", id: "1", name: "welcome", attempt: 2, headers })
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

const END: AttemptEnd<'_> =
    AttemptEnd { outcome: "completed", reason: None, module: "sha256:a", peak_memory: 1, fuel: Some(2) };

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    span.attributes.iter().find(|kv| kv.key.as_str() == name).map(|kv| kv.value.to_string())
}

#[test]
fn the_producers_trace_goes_on_into_calls_requests_and_new_jobs() {
    let (tracer, _provider, exporter) = tracer();
    let attempt = begin(&tracer, &[header("traceparent", PARENT), header("baggage", "tenant=7")]);
    let of_guest = attempt.headers();
    let request = attempt.request("GET", "api.example.com", 443);
    let sent = request.headers();
    request.responded(Ok(503));
    let add = attempt.add(&[("reports", "day"), ("reports", "week")]);
    let metadata: HashMap<String, String> = serde_json::from_str(&add.metadata().unwrap()).unwrap();
    assert_eq!(add.ended(Ok::<_, ()>(5)), Ok(5));
    assert_eq!(
        attempt.call("state", Some(("gristmill.step", "get".to_owned()))).ended(Err::<(), _>("no Redis")),
        Err("no Redis")
    );
    attempt.end(&END);
    let spans = exporter.spans();
    let [request, add, state, attempt] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(attempt.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(spans.iter().all(|span| span.span_context.trace_id().to_string() == PARENT[3..35]));
    for call in [request, add, state] {
        assert_eq!(call.parent_span_id, attempt.span_context.span_id());
    }
    let parent =
        |span: &SpanData| format!("00-{}-{}-01", span.span_context.trace_id(), span.span_context.span_id());
    assert_eq!(of_guest, [header("traceparent", &parent(attempt))]);
    assert_eq!(sent, [header("traceparent", &parent(request))]);
    assert_eq!((&metadata["traceparent"], &*metadata["baggage"]), (&parent(add), "tenant=7"));
    assert_eq!((&*attempt.name, &attempt.span_kind), ("process mail", &SpanKind::Consumer));
    assert_eq!(attribute(attempt, "bullmq.job.name").as_deref(), Some("welcome"));
    assert_eq!(attribute(attempt, "gristmill.fuel").as_deref(), Some("2"));
    assert_eq!((&*request.name, &request.span_kind), ("GET", &SpanKind::Client));
    assert_eq!(attribute(request, "http.response.status_code").as_deref(), Some("503"));
    assert!(matches!(request.status, Status::Error { .. }));
    assert_eq!((&*add.name, &add.span_kind), ("addBulk reports", &SpanKind::Producer));
    assert_eq!(attribute(add, "bullmq.job.bulk.count").as_deref(), Some("2"));
    assert_eq!(state.status, Status::error("\"no Redis\""));
}

#[test]
fn without_a_producers_trace_an_attempt_begins_one() {
    let (tracer, _provider, exporter) = tracer();
    for headers in [vec![], vec![header("traceparent", "nonsense")]] {
        let attempt = begin(&tracer, &headers);
        assert!(attempt.headers()[0].1.ends_with("-01"));
        attempt.end(&AttemptEnd { outcome: "failed", reason: Some(&"é".repeat(600)), fuel: None, ..END });
    }
    let spans = exporter.spans();
    assert!(spans.iter().all(|span| span.parent_span_id == opentelemetry::trace::SpanId::INVALID));
    assert_ne!(spans[0].span_context.trace_id(), spans[1].span_context.trace_id());
    let Status::Error { description } = &spans[0].status else { panic!("{:?}", spans[0].status) };
    assert!(description.len() <= MAX_TEXT + "…".len(), "{}", description.len());
}

#[test]
fn a_trace_that_the_producer_leaves_out_is_left_out() {
    let (tracer, _provider, exporter) = tracer();
    let attempt = begin(&tracer, &[header("traceparent", &format!("{}00", &PARENT[..53]))]);
    let sent = attempt.request("GET", "a", 80).headers();
    assert!(sent[0].1.ends_with("-00"), "{sent:?}");
    attempt.end(&END);
    assert!(exporter.spans().is_empty());
}

#[test]
fn a_guest_that_calls_on_and_on_fills_no_trace() {
    let (tracer, _provider, exporter) = tracer();
    let attempt = begin(&tracer, &[]);
    for _ in 0..MAX_CALLS + 50 {
        attempt.request("a-method-that-a-guest-made-up", "h", 1).responded(Err("refused"));
    }
    attempt.end(&END);
    let spans = exporter.spans();
    assert_eq!(spans.len(), MAX_CALLS as usize + 1);
    assert_eq!(
        (&*spans[0].name, attribute(&spans[0], "http.request.method").as_deref()),
        ("HTTP", Some("_OTHER"))
    );
}

#[test]
fn nothing_happens_without_traces() {
    let attempt = begin(&Tracer::default(), &[header("traceparent", PARENT)]);
    assert!(attempt.headers().is_empty());
    let call = attempt.add(&[("q", "n")]);
    assert!(call.headers().is_empty() && call.metadata().is_none());
    assert_eq!(call.ended(Ok::<_, ()>(1)), Ok(1));
    attempt.end(&END);
}

#[test]
fn adding_jobs_is_named_as_bullmqs_clients_name_it() {
    let (tracer, _provider, exporter) = tracer();
    let attempt = begin(&tracer, &[]);
    let both = [("mail", "a"), ("sms", "b")];
    for jobs in [&both[..1], &[both[0], both[0]], &both] {
        drop(attempt.add(jobs));
    }
    let names: Vec<_> = exporter.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["add mail.a", "addBulk mail", "addBulk"]);
}
