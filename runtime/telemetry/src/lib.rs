//! What Gristmill says about itself. Code elsewhere emits an [`event`]; this crate alone decides which log line and
//! which metric that is, and what a span says, so names and labels live in one place and cannot drift apart.

mod bullmq;
pub mod event;
mod handler_metrics;
mod metrics;
mod otlp;
mod render;
mod specification;
mod trace;

pub use handler_metrics::HandlerMetrics;
pub use metrics::{Metrics, QueueTallies, TypeMetrics};
pub use otlp::{Otlp, OtlpError, OtlpSettings};
pub use specification::MetricSpec;
pub use trace::{AttemptEnd, AttemptFacts, AttemptSpan, CallSpan, Tracer};
