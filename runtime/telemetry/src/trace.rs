//! Spans of attempts, and of what they ask of the host: the producer's trace goes on through the attempt.
//!
//! Names and attributes of an attempt's span are those of BullMQ's workers, so that searches and dashboards for them
//! find ours too. Payloads (data, return values, paths of requests) are in no span.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gristmill_core::units::cut;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, Span};

/// Calls of one attempt that have spans of their own; a guest may make any number of calls.
const MAX_CALLS: u32 = 1_000;
/// Bytes of a text in a span: a name from a producer, or why something failed.
const MAX_TEXT: usize = 512;
/// Methods that spans are named by; a guest may make up others.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// Begins spans; does nothing where traces are not sent. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Source>>);

struct Source {
    tracer: SdkTracer,
    worker_id: String,
    worker_name: String,
}

/// What an attempt's span says of it from the start.
pub struct AttemptFacts<'a> {
    /// The queue.
    pub queue: &'a str,
    /// The job's id.
    pub id: &'a str,
    /// The job's name.
    pub name: &'a str,
    /// From 1.
    pub attempt: u32,
    /// What came with the job: W3C trace context, where its producer traces.
    pub headers: &'a [(String, String)],
}

/// How an attempt ended.
pub struct AttemptEnd<'a> {
    /// The word for it, from `Outcome::label`.
    pub outcome: &'static str,
    /// `failedReason` where it failed.
    pub reason: Option<&'a str>,
    /// Digest of the module that served it.
    pub module: &'a str,
    /// Bytes.
    pub peak_memory: u64,
    /// Fuel, where it was metered.
    pub fuel: Option<u64>,
}

/// The span of one attempt. Ends with the last clone at the latest.
#[derive(Clone, Default)]
pub struct AttemptSpan(Option<Arc<Open>>);

struct Open {
    source: Arc<Source>,
    context: Context,
    /// Calls that had a span so far.
    calls: AtomicU32,
    /// The producer's `baggage`, for the jobs that the attempt adds.
    baggage: Option<String>,
}

/// The span of one call of an attempt. Ends when dropped at the latest: an attempt may be stopped in the middle of it.
#[derive(Default)]
pub struct CallSpan(Option<(Span, Arc<Open>)>);

impl Tracer {
    pub(crate) fn new(tracer: SdkTracer, worker_id: String, worker_name: String) -> Self {
        Self(Some(Arc::new(Source { tracer, worker_id, worker_name })))
    }

    /// Begins an attempt's span, in the trace of the job's producer where there is one.
    #[must_use]
    pub fn attempt(&self, facts: &AttemptFacts<'_>) -> AttemptSpan {
        let Some(source) = &self.0 else { return AttemptSpan::default() };
        let AttemptFacts { queue, id, name, attempt, headers } = facts;
        let carrier: HashMap<_, _> =
            headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        let attributes = vec![
            KeyValue::new("bullmq.queue.name", (*queue).to_owned()),
            KeyValue::new("bullmq.queue.operation", "process"),
            KeyValue::new("bullmq.worker.id", source.worker_id.clone()),
            KeyValue::new("bullmq.worker.name", source.worker_name.clone()),
            KeyValue::new("bullmq.job.id", text(id)),
            KeyValue::new("bullmq.job.name", text(name)),
            KeyValue::new("gristmill.attempt", i64::from(*attempt)),
        ];
        let builder = source.tracer.span_builder(format!("process {queue}"));
        let builder = builder.with_kind(SpanKind::Consumer).with_attributes(attributes);
        let span = source.tracer.build_with_context(builder, &parent);
        let baggage = carrier.get("baggage").cloned();
        let context = Context::new().with_span(span);
        AttemptSpan(Some(Arc::new(Open {
            source: Arc::clone(source),
            context,
            calls: AtomicU32::new(0),
            baggage,
        })))
    }
}

impl AttemptSpan {
    /// What the guest is to send along with calls of its own, in place of what came with the job; empty without traces.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        self.0.as_ref().map_or_else(Vec::new, |open| headers_of(&open.context))
    }

    /// Whether there are traces at all.
    #[must_use]
    pub fn traces(&self) -> bool {
        self.0.is_some()
    }

    /// Begins the span of a call to the host; `about` is an attribute that says what was asked.
    #[must_use]
    pub fn call(&self, name: &'static str, about: Option<(&'static str, String)>) -> CallSpan {
        self.begin(SpanKind::Internal, name.into(), || {
            about.map(|(key, value)| KeyValue::new(key, text(&value))).into_iter().collect()
        })
    }

    /// Begins the span of jobs being added, each a queue and a name. BullMQ's clients call it the same.
    #[must_use]
    pub fn add(&self, jobs: &[(&str, &str)]) -> CallSpan {
        let queue =
            jobs.first().map(|(queue, _)| *queue).filter(|first| jobs.iter().all(|(q, _)| q == first));
        let (operation, name) = match (jobs, queue) {
            ([(queue, name)], _) => ("add", format!("add {queue}.{name}")),
            (_, Some(queue)) => ("addBulk", format!("addBulk {queue}")),
            (_, None) => ("addBulk", "addBulk".to_owned()),
        };
        self.begin(SpanKind::Producer, text(&name).into(), || {
            let mut attributes = vec![KeyValue::new("bullmq.queue.operation", operation)];
            attributes.extend(queue.map(|queue| KeyValue::new("bullmq.queue.name", text(queue))));
            if let [(_, name)] = jobs {
                attributes.push(KeyValue::new("bullmq.job.name", text(name)));
            } else {
                let count = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
                attributes.push(KeyValue::new("bullmq.job.bulk.count", count));
            }
            attributes
        })
    }

    /// Begins the span of a request of the guest.
    #[must_use]
    pub fn request(&self, method: &str, host: &str, port: u16) -> CallSpan {
        let known = METHODS.into_iter().find(|known| *known == method);
        self.begin(SpanKind::Client, known.unwrap_or("HTTP").into(), || {
            vec![
                KeyValue::new("http.request.method", known.unwrap_or("_OTHER")),
                KeyValue::new("server.address", text(host)),
                KeyValue::new("server.port", i64::from(port)),
            ]
        })
    }

    fn begin(
        &self,
        kind: SpanKind,
        name: Cow<'static, str>,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> CallSpan {
        let Some(open) = &self.0 else { return CallSpan::default() };
        if open.calls.fetch_add(1, Ordering::Relaxed) >= MAX_CALLS {
            open.calls.store(MAX_CALLS, Ordering::Relaxed);
            return CallSpan::default();
        }
        let tracer = &open.source.tracer;
        let builder = tracer.span_builder(name).with_kind(kind).with_attributes(attributes());
        CallSpan(Some((tracer.build_with_context(builder, &open.context), Arc::clone(open))))
    }

    /// Ends the span. Only the first call counts.
    pub fn end(&self, how: &AttemptEnd<'_>) {
        let Some(open) = &self.0 else { return };
        let span = open.context.span();
        span.set_attribute(KeyValue::new("gristmill.outcome", how.outcome));
        span.set_attribute(KeyValue::new("gristmill.module", how.module.to_owned()));
        span.set_attribute(KeyValue::new("gristmill.peak_memory", number(how.peak_memory)));
        if let Some(fuel) = how.fuel {
            span.set_attribute(KeyValue::new("gristmill.fuel", number(fuel)));
        }
        match how.reason {
            Some(reason) => {
                let reason = text(reason);
                span.add_event("job failed", vec![KeyValue::new("bullmq.job.failed.reason", reason.clone())]);
                span.set_status(Status::error(reason));
            }
            None if how.outcome == "completed" => {
                span.add_event("job completed", Vec::new());
                span.set_status(Status::Ok);
            }
            None => {}
        }
        span.end();
    }
}

impl CallSpan {
    /// What goes along with a request, so that whoever answers it goes on with the trace; empty without traces.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let Some((span, _)) = &self.0 else { return Vec::new() };
        headers_of(&Context::new().with_remote_span_context(span.span_context().clone()))
    }

    /// The same as the JSON text that BullMQ keeps with a job, with the producer's baggage.
    #[must_use]
    pub fn metadata(&self) -> Option<String> {
        let (_, open) = self.0.as_ref()?;
        let mut headers: serde_json::Map<_, _> =
            self.headers().into_iter().map(|(name, value)| (name, value.into())).collect();
        if let Some(baggage) = &open.baggage {
            headers.insert("baggage".to_owned(), baggage.as_str().into());
        }
        Some(serde_json::Value::Object(headers).to_string())
    }

    /// Ends it with what was answered; hands that on.
    pub fn ended<T, E: Debug>(self, answer: Result<T, E>) -> Result<T, E> {
        match &answer {
            Ok(_) => self.end(Ok(())),
            Err(error) => self.end(Err(&format!("{error:?}"))),
        }
        answer
    }

    /// Ends it with the status of a response, or why there was none.
    pub fn responded(mut self, answer: Result<u16, &str>) {
        let Some((span, _)) = &mut self.0 else { return };
        match answer {
            Ok(status) => {
                span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
                // As OpenTelemetry asks of clients: what is no success is an error of the call.
                self.end(if status < 400 { Ok(()) } else { Err("") });
            }
            Err(why) => self.end(Err(why)),
        }
    }

    fn end(mut self, result: Result<(), &str>) {
        if let (Some((span, _)), Err(why)) = (&mut self.0, result) {
            span.set_status(Status::error(text(why)));
        }
    }
}

fn headers_of(context: &Context) -> Vec<(String, String)> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(context, &mut carrier);
    let mut headers: Vec<_> =
        carrier.into_iter().filter(|(_, value): &(_, String)| !value.is_empty()).collect();
    headers.sort();
    headers
}

fn text(text: &str) -> String {
    cut(text, MAX_TEXT).into_owned()
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
