//! What a script looks like.

use std::collections::BTreeMap;

use gristmill::JobError;
use gristmill::log::Level;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A job's data.
#[derive(Deserialize)]
pub(crate) struct Script {
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
}

/// One step. All fields of all steps in one record: reading it takes one pass and no intermediate form, which counts
/// in benchmarks.
#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) op: Op,
    #[serde(default)]
    value: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) ms: u64,
    #[serde(default)]
    pub(crate) mib: usize,
    #[serde(default)]
    pub(crate) line: String,
    #[serde(default)]
    pub(crate) level: Option<LogLevel>,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) method: String,
    #[serde(default)]
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) body: Option<String>,
    #[serde(default)]
    pub(crate) queue: Option<String>,
    #[serde(default)]
    pub(crate) data: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) opts: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    pub(crate) child: bool,
    #[serde(default)]
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) limiter: String,
    #[serde(default)]
    pub(crate) cost: Option<u32>,
    #[serde(default)]
    pub(crate) wait_ms: u64,
    #[serde(default)]
    pub(crate) attempt: Option<u32>,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
}

impl Step {
    /// Takes the step's JSON value; one that is absent is `null`.
    pub(crate) fn value(&mut self) -> Result<Box<RawValue>, JobError> {
        match self.value.take() {
            Some(value) => Ok(value),
            None => Ok(RawValue::from_string("null".to_owned())?),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Op {
    Return,
    Fail,
    Delay,
    RateLimited,
    Sleep,
    Burn,
    Loop,
    Alloc,
    Leak,
    Recurse,
    Trap,
    Panic,
    Progress,
    Log,
    Print,
    Enqueue,
    WaitChildren,
    Children,
    Acquire,
    Metric,
    Http,
    StateSet,
    StateGet,
    Echo,
    If,
}

/// The field `kind`, which two steps have.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    #[default]
    Retryable,
    Permanent,
    Counter,
    Gauge,
    Histogram,
}

pub(crate) enum FailKind {
    Retryable,
    Permanent,
}

pub(crate) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(crate) fn fail(self) -> FailKind {
        match self {
            Self::Permanent => FailKind::Permanent,
            _ => FailKind::Retryable,
        }
    }

    pub(crate) fn metric(self) -> Result<MetricKind, JobError> {
        match self {
            Self::Counter => Ok(MetricKind::Counter),
            Self::Gauge => Ok(MetricKind::Gauge),
            Self::Histogram => Ok(MetricKind::Histogram),
            _ => Err(JobError::permanent("the step `metric` needs `kind`: counter, gauge or histogram")),
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Trace => Self::Trace,
            LogLevel::Debug => Self::Debug,
            LogLevel::Info => Self::Info,
            LogLevel::Warn => Self::Warn,
            LogLevel::Error => Self::Error,
        }
    }
}
