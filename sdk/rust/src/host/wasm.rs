//! The real host.

mod http;
mod service;

use super::bindings::gristmill::job::{context, log, metrics, progress};
use crate::log::Level;

pub(crate) use context::{
    cancelled, deadline, digest, enqueued_at, header, headers, remaining, scheduled_at, traceparent,
    tracestate,
};
pub(crate) use http::{send, stream};
pub(crate) use service::*;

fn level(level: Level) -> log::Level {
    match level {
        Level::Trace => log::Level::Trace,
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    }
}

pub(crate) fn log_enabled(wanted: Level) -> bool {
    log::enabled(level(wanted))
}

pub(crate) fn log_write(at: Level, message: &str, fields: &[(String, String)]) {
    log::write(level(at), message, fields);
}

pub(crate) fn progress_report(done: u64, total: Option<u64>, message: Option<&str>) {
    progress::report(done, total, message);
}

pub(crate) fn progress_set(json: &[u8]) -> Result<(), String> {
    progress::set(json)
}

pub(crate) fn counter_add(name: &str, value: u64, labels: &[(String, String)]) {
    metrics::counter_add(name, value, labels);
}

pub(crate) fn gauge_set(name: &str, value: f64, labels: &[(String, String)]) {
    metrics::gauge_set(name, value, labels);
}

pub(crate) fn histogram_record(name: &str, value: f64, labels: &[(String, String)]) {
    metrics::histogram_record(name, value, labels);
}
