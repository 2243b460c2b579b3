//! Job schedulers: jobs that are made again and again, by a cron pattern or every so many ms.

use gristmill_core::new_job::{MAX_PRIORITY, NewJobOptions};
use gristmill_core::schedule::{ScheduleError, next_run};
use redis::Value;
use serde::Serialize;
use serde_json::{Map, json};

use crate::Queue;
use crate::error::QueueError;
use crate::inspect::pairs;
use crate::script::{SCHEDULE, SCHEDULE_NEXT, UNSCHEDULE};
use crate::turn::{integer, text};

/// When a scheduler makes its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Every {
    /// A cron pattern of five fields, or of six with seconds first.
    Pattern(String),
    /// Ms from one to the next.
    Every(u64),
}

/// A scheduler to create or change.
#[derive(Debug, Clone)]
pub struct NewScheduler {
    /// Its id: 1 to 256 bytes.
    pub id: String,
    /// When.
    pub every: Every,
    /// Time zone of the pattern; `None` is UTC.
    pub zone: Option<String>,
    /// Runs at most; `None` goes on.
    pub limit: Option<u64>,
    /// No run before this time, ms since the epoch.
    pub start_ms: Option<u64>,
    /// No run after this time.
    pub end_ms: Option<u64>,
    /// The first run is now, whatever the pattern says.
    pub immediately: bool,
    /// Ms after each full interval; `None` keeps the time of the first run.
    pub offset_ms: Option<u64>,
    /// Name of its jobs.
    pub name: String,
    /// Their data, JSON text.
    pub data: String,
    /// Their options, as a producer gives them.
    pub options: NewJobOptions,
}

/// A scheduler as it stands in Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchedulerView {
    /// Its id.
    pub id: String,
    /// When it runs next, ms since the epoch.
    pub next_ms: u64,
    /// Its hash, field by field, as stored.
    pub fields: std::collections::BTreeMap<String, String>,
}

/// Why nothing was scheduled.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleFailure {
    /// Redis, or data that does not fit.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The pattern or the zone.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Something else that was asked for cannot be.
    #[error("{0}")]
    Invalid(String),
}

/// What the job of a scheduler says about the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iteration<'a> {
    /// The scheduler.
    pub scheduler: &'a str,
    /// The job that starts.
    pub job: &'a str,
    /// Its `opts` as stored.
    pub opts: &'a str,
}

fn invalid<T>(why: impl Into<String>) -> Result<T, ScheduleFailure> {
    Err(ScheduleFailure::Invalid(why.into()))
}

impl NewScheduler {
    fn check(&self, now_ms: u64) -> Result<(), ScheduleFailure> {
        // BullMQ takes an id of five parts for the metadata of its version 4.
        if self.id.is_empty() || self.id.len() > 256 || self.id.matches(':').count() >= 4 {
            return invalid(format!(
                "`{}` is no scheduler id: 1 to 256 bytes with at most three `:`",
                self.id
            ));
        }
        if self.every == Every::Every(0) {
            return invalid("`every` must be at least 1 ms");
        }
        if self.immediately && self.start_ms.is_some() {
            return invalid("`immediately` and a start exclude each other; choose one");
        }
        if self.end_ms.is_some_and(|end| end < now_ms) {
            return invalid("the end is in the past");
        }
        if self.limit == Some(0) {
            return invalid("`limit` must be at least 1");
        }
        if self.options.deduplication.is_some() || self.options.custom_id.is_some() {
            return invalid(
                "a scheduler's jobs have ids of their own; leave out `jobId` and `deduplication`",
            );
        }
        Ok(())
    }

    fn repeat(&self) -> Map<String, serde_json::Value> {
        let mut repeat = Map::new();
        match &self.every {
            Every::Pattern(pattern) => repeat.insert("pattern".into(), json!(pattern)),
            Every::Every(ms) => repeat.insert("every".into(), json!(ms)),
        };
        let numbers = [("limit", self.limit), ("startDate", self.start_ms), ("endDate", self.end_ms)];
        for (name, number) in numbers {
            if let Some(number) = number {
                repeat.insert(name.into(), json!(number));
            }
        }
        if let Some(zone) = &self.zone {
            repeat.insert("tz".into(), json!(zone));
        }
        repeat
    }
}

/// An object's members without its braces.
fn members(object: &Map<String, serde_json::Value>) -> String {
    let text = serde_json::to_string(object).unwrap_or_default();
    text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or_default().to_owned()
}

fn object(text: &str) -> Map<String, serde_json::Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn optional(number: Option<u64>) -> String {
    number.map_or_else(String::new, |n| n.to_string())
}

impl Queue {
    /// Creates a scheduler, or changes it, and makes its next job; answers that job's id. Repeating it makes the same
    /// job again.
    pub async fn schedule(&self, new: &NewScheduler, now_ms: u64) -> Result<String, ScheduleFailure> {
        new.check(now_ms)?;
        let (pattern, every, cron_at) = match &new.every {
            Every::Every(ms) => (None, Some(*ms), None),
            Every::Pattern(pattern) => {
                let after = new.start_ms.unwrap_or(0).max(now_ms);
                let next = next_run(pattern, new.zone.as_deref(), after)?;
                (Some(pattern.as_str()), None, Some(if new.immediately { now_ms } else { next }))
            }
        };
        let mut template = object(&new.options.stored);
        template.remove("delay");
        let stored = if template.is_empty() { String::new() } else { json!(template).to_string() };
        let data = if new.data.trim() == "{}" { "" } else { &new.data };
        let mut call = SCHEDULE.call(&self.keys, now_ms);
        call.arg(&new.id).arg(optional(cron_at)).arg(optional(every));
        call.arg(optional(new.offset_ms.filter(|offset| *offset > 0)));
        call.arg(&new.name).arg(data).arg(stored).arg(members(&template)).arg(members(&new.repeat()));
        call.arg(pattern.unwrap_or_default()).arg(new.zone.as_deref().unwrap_or_default());
        call.arg(optional(new.limit)).arg(optional(new.start_ms)).arg(optional(new.end_ms));
        call.arg(new.options.priority).arg(u8::from(new.options.lifo));
        match call.send(&self.connection).await? {
            Value::Array(answer) => Ok(answer.into_iter().next().map(text).unwrap_or_default()),
            Value::Int(-10) => invalid("the job of that time runs already, or has run; try again later"),
            Value::Int(-11) => invalid("the jobs of the next 32 times run already; try again later"),
            _ => Err(self.connection.unfit("a scheduler's job").into()),
        }
    }

    /// Makes the next job of a scheduler as one of its jobs starts; answers its id, or nothing when the scheduler has
    /// ended, is gone, or has made it already. Repeating it makes no second one.
    pub async fn schedule_next(
        &self,
        iteration: &Iteration<'_>,
        now_ms: u64,
    ) -> Result<Option<String>, ScheduleFailure> {
        let mut opts = object(iteration.opts);
        let Some(serde_json::Value::Object(mut repeat)) = opts.remove("repeat") else {
            return invalid(format!("job {} has no `repeat` options", iteration.job));
        };
        let number = |of: &Map<String, serde_json::Value>, name: &str| {
            of.get(name).and_then(|value| value.as_u64().or_else(|| whole_of(value.as_f64()?)))
        };
        let count = number(&repeat, "count").unwrap_or(0) + 1;
        let ended = number(&repeat, "limit").is_some_and(|limit| count > limit)
            || end_of(&repeat).is_some_and(|end| now_ms > end);
        if ended {
            return Ok(None);
        }
        let start = number(&repeat, "startDate").unwrap_or(0);
        let after = number(&opts, "prevMillis").unwrap_or(0).max(now_ms).max(start);
        let cron_at = match repeat.get("pattern").and_then(serde_json::Value::as_str) {
            Some(pattern) => {
                let zone = repeat.get("tz").and_then(serde_json::Value::as_str);
                Some(next_run(pattern, zone, after)?)
            }
            None => None,
        };
        for name in ["jobId", "delay", "timestamp", "repeatJobKey", "prevMillis"] {
            opts.remove(name);
        }
        for name in ["count", "offset"] {
            repeat.remove(name);
        }
        let priority = number(&opts, "priority").unwrap_or(0).min(MAX_PRIORITY);
        let lifo = opts.get("lifo").and_then(serde_json::Value::as_bool).unwrap_or(false);
        let mut call = SCHEDULE_NEXT.call(&self.keys, now_ms);
        call.arg(iteration.scheduler).arg(iteration.job).arg(optional(cron_at));
        call.arg(members(&opts)).arg(members(&repeat)).arg(count).arg(priority).arg(u8::from(lifo));
        let id = text(call.send(&self.connection).await?);
        Ok((!id.is_empty()).then_some(id))
    }

    /// Removes a scheduler and its next job, unless that waits or runs already; false where there is none.
    pub async fn unschedule(&self, id: &str, now_ms: u64) -> Result<bool, QueueError> {
        let mut call = UNSCHEDULE.call(&self.keys, now_ms);
        Ok(integer(&call.arg(id).send(&self.connection).await?) == 1)
    }

    /// The queue's schedulers, those that run next first, at most `count` from the `from`-th.
    pub async fn schedulers(&self, from: usize, count: usize) -> Result<Vec<SchedulerView>, QueueError> {
        let mut range = redis::cmd("ZRANGE");
        range.arg(self.keys.key("repeat")).arg(from).arg(from + count.max(1) - 1).arg("WITHSCORES");
        let Value::Array(flat) = self.connection.call(&range).await? else {
            return Err(self.connection.unfit("schedulers"));
        };
        let mut found = Vec::new();
        let mut pipe = redis::pipe();
        let mut flat = flat.into_iter();
        while let (Some(id), Some(score)) = (flat.next(), flat.next()) {
            let id = text(id);
            pipe.cmd("HGETALL").arg(self.keys.key(&format!("repeat:{id}")));
            let next_ms = text(score).parse::<f64>().ok().and_then(whole_of).unwrap_or(0);
            found.push(SchedulerView { id, next_ms, fields: std::collections::BTreeMap::new() });
        }
        if found.is_empty() {
            return Ok(found);
        }
        pipe.ignore_errors();
        for (view, fields) in found.iter_mut().zip(self.connection.call_all(&pipe).await?) {
            view.fields = pairs(fields);
        }
        Ok(found)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be inside 0..2^53")]
fn whole_of(number: f64) -> Option<u64> {
    (0.0..9_007_199_254_740_992.0).contains(&number).then_some(number as u64)
}

/// The end as ms; producers write a number or a date.
fn end_of(repeat: &Map<String, serde_json::Value>) -> Option<u64> {
    match repeat.get("endDate")? {
        serde_json::Value::Number(n) => whole_of(n.as_f64()?),
        serde_json::Value::String(text) => {
            let time = text.parse::<jiff::Timestamp>().ok()?;
            u64::try_from(time.as_millisecond()).ok()
        }
        _ => None,
    }
}
