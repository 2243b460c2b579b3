//! Sends spans and BullMQ's metrics to a collector: OTLP over gRPC, in batches, beside the work.
//!
//! A collector that does not answer costs what it would have got and nothing else: queues are bounded, and what does not
//! fit is dropped. How often metrics are sent, batches and queues, headers and timeouts, and attributes of the resource
//! follow OpenTelemetry's own variables (`OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_BSP_…`, `OTEL_EXPORTER_OTLP_HEADERS`,
//! `OTEL_RESOURCE_ATTRIBUTES`, …).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, TracerProviderBuilder,
};

use crate::bullmq::Meter;
use crate::event::Exported;
use crate::{Metrics, Tracer};

/// The name in traces and metrics of who made them.
const SCOPE: &str = "gristmill";
/// Spans that wait to be sent, and those of one message; OpenTelemetry's 2048 and 512 are soon full at thousands of jobs a second.
const QUEUE: [(&str, usize); 2] =
    [("OTEL_BSP_MAX_QUEUE_SIZE", 16_384), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 2_048)];

/// What is sent, and where to.
#[derive(Debug, Clone)]
pub struct OtlpSettings {
    /// `http://HOST:PORT` or `https://…`.
    pub endpoint: String,
    /// Whether spans are sent.
    pub traces: bool,
    /// Whether BullMQ's metrics are sent.
    pub metrics: bool,
    /// The part of the traces that begin here; `None`: as `OTEL_TRACES_SAMPLER` says.
    pub sample: Option<f64>,
    /// The worker's id, the same as in its lists.
    pub worker_id: String,
    /// Its name.
    pub worker_name: String,
}

/// The collector's address or one of OpenTelemetry's variables is of no use.
#[derive(Debug, thiserror::Error)]
#[error("cannot send traces or metrics over OTLP: {0}")]
pub struct OtlpError(#[from] ExporterBuildError);

/// What sends. Dropped without [`Otlp::shutdown`], the last seconds are lost.
#[derive(Default)]
pub struct Otlp {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    tracer: Tracer,
}

impl Otlp {
    /// Begins to send. Connects when there is something to send, so a collector may come later. Must be called in a runtime.
    pub fn start(settings: &OtlpSettings, metrics: &Metrics) -> Result<Self, OtlpError> {
        let resource = resource(settings);
        let mut started = Self::default();
        if settings.traces {
            let exporter = SpanExporter::builder().with_tonic().with_endpoint(&settings.endpoint).build()?;
            let provider = traces(exporter, settings, &resource, metrics).build();
            let tracer = provider.tracer(SCOPE);
            started.tracer = Tracer::new(tracer, settings.worker_id.clone(), settings.worker_name.clone());
            started.traces = Some(provider);
        }
        if settings.metrics {
            let exporter =
                MetricExporter::builder().with_tonic().with_endpoint(&settings.endpoint).build()?;
            let exporter = Told::new(exporter, "metrics", metrics);
            let reader = PeriodicReader::builder(exporter).build();
            let provider = SdkMeterProvider::builder().with_reader(reader).with_resource(resource).build();
            metrics.send_to(Meter::new(&provider.meter("bullmq")));
            started.metrics = Some(provider);
        }
        Ok(started)
    }

    /// For attempts.
    #[must_use]
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends what is left, for at most `time`. Blocks, and needs a runtime that goes on beside it.
    pub fn shutdown(self, time: Duration) {
        // What could not be sent was told by the exporters.
        if let Some(traces) = self.traces {
            let _ = traces.shutdown_with_timeout(time / 2);
        }
        if let Some(metrics) = self.metrics {
            let _ = metrics.shutdown_with_timeout(time / 2);
        }
    }
}

fn resource(settings: &OtlpSettings) -> Resource {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let named = std::env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|text| text.contains("service.name="));
    let resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", settings.worker_id.clone()));
    let ours = !named && !is_set("OTEL_SERVICE_NAME");
    if ours { resource.with_service_name(SCOPE).build() } else { resource.build() }
}

fn traces(
    exporter: SpanExporter,
    settings: &OtlpSettings,
    resource: &Resource,
    metrics: &Metrics,
) -> TracerProviderBuilder {
    let mut batches = BatchConfigBuilder::default();
    let unset = |name| std::env::var_os(name).is_none();
    if QUEUE.into_iter().all(|(name, _)| unset(name)) {
        batches = batches.with_max_queue_size(QUEUE[0].1).with_max_export_batch_size(QUEUE[1].1);
    }
    let exporter = Told::new(exporter, "spans", metrics);
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches.build()).build();
    let builder = SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource.clone());
    match settings.sample {
        Some(part) => builder.with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(part)))),
        None => builder,
    }
}

/// An exporter whose failures are counted, and told once until it works again.
struct Told<E> {
    exporter: E,
    what: &'static str,
    metrics: Metrics,
    failing: AtomicBool,
}

impl<E> Told<E> {
    fn new(exporter: E, what: &'static str, metrics: &Metrics) -> Self {
        Self { exporter, what, metrics: metrics.clone(), failing: AtomicBool::new(false) }
    }

    fn tell(&self, count: usize, result: &OTelSdkResult) {
        let changed = self.failing.swap(result.is_err(), Ordering::Relaxed) != result.is_err();
        Exported { what: self.what, count, result: result.as_ref().map(drop), changed }.emit(&self.metrics);
    }
}

impl<E> std::fmt::Debug for Told<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told").field("what", &self.what).finish_non_exhaustive()
    }
}

impl<E: opentelemetry_sdk::trace::SpanExporter> opentelemetry_sdk::trace::SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let result = self.exporter.export(batch).await;
        self.tell(count, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Told<E> {
    async fn export(&self, batch: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        self.tell(1, &result);
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
