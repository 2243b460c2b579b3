//! The guest that every SDK builds; see `../../README.md`.

#![expect(clippy::print_stdout, reason = "standard output is asked for")]
#![expect(clippy::disallowed_methods, reason = "the clock is asked for")]

mod services;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gristmill::{Job, JobError, context, log, metrics, progress, state};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A step of a script, and its fields by name.
pub(crate) type Step = Map<String, Value>;

#[gristmill::handler]
fn conformance(job: Job, data: Value) -> Result<Value, JobError> {
    match data {
        Value::Array(steps) => {
            let values: Result<Vec<_>, _> = steps.into_iter().map(|step| perform(&job, step)).collect();
            Ok(Value::Array(values?))
        }
        step => perform(&job, step),
    }
}

pub(crate) fn text(step: &Step, name: &str) -> String {
    step.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(crate) fn number(step: &Step, name: &str) -> u64 {
    step.get(name).and_then(Value::as_u64).unwrap_or_default()
}

pub(crate) fn duration(step: &Step, name: &str) -> Option<Duration> {
    step.get(name).and_then(Value::as_u64).map(Duration::from_millis)
}

/// An object of texts, in its order.
pub(crate) fn texts(step: &Step, name: &str) -> Vec<(String, String)> {
    let object = step.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    object.into_iter().map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned())).collect()
}

fn ms(time: SystemTime) -> Value {
    json!(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis())
}

fn perform(job: &Job, step: Value) -> Result<Value, JobError> {
    let Value::Object(mut step) = step else { return Err(JobError::permanent("a step is an object")) };
    let op = text(&step, "op");
    match op.as_str() {
        "return" => Ok(step.remove("value").unwrap_or_default()),
        "nothing" => Ok(Value::Null),
        "job" => {
            let Job { id, name, queue, attempt, max_attempts, .. } = job;
            Ok(
                json!({ "id": id, "name": name, "queue": queue, "attempt": attempt, "maxAttempts": max_attempts }),
            )
        }
        "context" => Ok(surroundings(&text(&step, "name"))),
        "once" => match state::increment(&text(&step, "key"), 1, None)? {
            1 => perform(job, step.remove("step").unwrap_or_default()),
            _ => Ok(Value::Null),
        },
        "fail" => Err(failure(&step)),
        "throw" => throw(&step),
        "typed" => typed(&step.remove("value").unwrap_or_default()),
        "clock" => Ok(ms(SystemTime::now())),
        "random" => Ok(json!(format!("{:032x}", rand::random::<u128>()))),
        "sleep" => {
            std::thread::sleep(duration(&step, "ms").unwrap_or_default());
            Ok(Value::Null)
        }
        "never" => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(Value::Null)
        }
        "hoard" => {
            let mut kept = Vec::new();
            loop {
                kept.push(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
        "untilCancelled" => {
            while !context::cancelled() {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(json!("cancelled"))
        }
        "log" | "logEnabled" | "print" | "counter" | "gauge" | "histogram" => Ok(told(&op, &step)),
        "progress" | "progressSet" | "saveCheckpoint" | "loadCheckpoint" | "updateData" => {
            reported(&op, &mut step)
        }
        _ => services::ask(&op, &mut step),
    }
}

fn surroundings(name: &str) -> Value {
    let headers: Map<_, _> =
        context::headers().into_iter().map(|(name, value)| (name, json!(value))).collect();
    json!({
        "enqueuedAt": ms(context::enqueued_at()),
        "scheduledAt": ms(context::scheduled_at()),
        "deadline": context::deadline().map(ms),
        "remaining": context::remaining().map(|left| left.as_millis()),
        "cancelled": context::cancelled(),
        "header": context::header(name),
        "headers": headers,
        "traceparent": context::traceparent(),
        "tracestate": context::tracestate(),
        "digest": context::digest(),
    })
}

fn level(step: &Step) -> log::Level {
    match text(step, "level").as_str() {
        "trace" => log::Level::Trace,
        "debug" => log::Level::Debug,
        "warn" => log::Level::Warn,
        "error" => log::Level::Error,
        _ => log::Level::Info,
    }
}

fn told(op: &str, step: &Step) -> Value {
    let pairs = texts(step, if op == "log" { "fields" } else { "labels" });
    let labels: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (name, value) = (text(step, "name"), step.get("value").and_then(Value::as_f64).unwrap_or_default());
    match op {
        "log" => {
            let fields: Vec<(&str, &dyn std::fmt::Display)> =
                pairs.iter().map(|(name, value)| (name.as_str(), value as &dyn std::fmt::Display)).collect();
            log::write(level(step), text(step, "message"), &fields);
        }
        "logEnabled" => return json!(log::enabled(level(step))),
        "print" => println!("{}", text(step, "line")),
        "counter" => metrics::counter(&name, number(step, "value"), &labels),
        "gauge" => metrics::gauge(&name, value, &labels),
        _ => metrics::histogram(&name, value, &labels),
    }
    Value::Null
}

fn reported(op: &str, step: &mut Step) -> Result<Value, JobError> {
    let value = step.remove("value").unwrap_or_default();
    match op {
        "progress" => {
            let (done, total) = (number(step, "done"), step.get("total").and_then(Value::as_u64));
            match step.get("message").and_then(Value::as_str) {
                Some(message) => progress::report_with(done, total, message),
                None => progress::report(done, total),
            }
        }
        "progressSet" => progress::set(&value)?,
        "saveCheckpoint" => progress::save_checkpoint(&value)?,
        "loadCheckpoint" => return Ok(progress::load_checkpoint()?.unwrap_or_default()),
        _ => progress::update_data(&value)?,
    }
    Ok(Value::Null)
}

fn failure(step: &Step) -> JobError {
    let message = text(step, "message");
    let explained = |mut error: JobError| {
        if let Some(code) = step.get("code").and_then(Value::as_str) {
            error = error.code(code);
        }
        match step.get("detail").and_then(Value::as_str) {
            Some(detail) => error.detail(detail),
            None => error,
        }
    };
    match text(step, "kind").as_str() {
        "retryable" => explained(JobError::retryable(message)),
        "permanent" => explained(JobError::permanent(message)),
        "rate-limited" => JobError::rate_limited(duration(step, "retryAfter"), message),
        "deferred" => JobError::deferred(duration(step, "delay").unwrap_or_default(), message),
        "wait-for-children" => JobError::wait_for_children(),
        other => JobError::permanent(format!("there is no error `{other}`")),
    }
}

/// The oddest error of Rust is a panic with something else than a text.
fn throw(step: &Step) -> Result<Value, JobError> {
    match text(step, "what").as_str() {
        "error" => Err(std::io::Error::other(text(step, "message")).into()),
        "empty" => Err(std::io::Error::other("").into()),
        "odd" => std::panic::panic_any(7_u8),
        "text" => panic!("{}", text(step, "message")),
        _ => std::process::abort(),
    }
}

#[derive(Deserialize)]
struct Typed {
    to: String,
    count: usize,
}

/// As a handler of that type reads it.
fn typed(value: &Value) -> Result<Value, JobError> {
    let Typed { to, count } = gristmill::parse(&serde_json::to_vec(value)?)?;
    Ok(json!(to.repeat(count)))
}
