//! What Gristmill says about itself. Code elsewhere emits an [`event`]; this crate alone decides which log line and
//! which metric that is, so names and labels live in one place and cannot drift apart.

pub mod event;
mod handler_metrics;
mod metrics;
mod specification;

pub use handler_metrics::HandlerMetrics;
pub use metrics::{Metrics, QueueTallies, TypeMetrics};
pub use specification::MetricSpec;
