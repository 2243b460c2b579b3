//! The hot path: settle and take in one call.

use std::sync::Arc;
use std::time::Duration;

use gristmill_core::options::Keep;
use gristmill_core::settlement::{Action, Settlement};
use redis::Value;

use crate::Queue;
use crate::connection::Connection;
use crate::error::QueueError;
use crate::limiter::Gates;
use crate::script::{Call, TURN};

/// What one turn is to do.
#[derive(Debug)]
pub struct TurnRequest<'a> {
    /// At most a few hundred; each is answered by a [`Code`].
    pub settlements: &'a [(Settlement, u64)],
    /// Jobs to take at most; never more than there are free slots.
    pub take: usize,
    /// Unique to this call: whoever holds a job of it holds this token.
    pub token: Arc<str>,
    /// How long the locks of taken jobs live.
    pub lock: Duration,
    /// BullMQ's `processedBy`.
    pub worker: Option<&'a str>,
    /// How many minutes of BullMQ's per-minute counts are kept; 0 counts nothing.
    pub metrics_minutes: u32,
    /// The worker's own rate limit for the queue, jobs and ms; a limit in the queue's `meta` wins.
    pub rate_limit: Option<(u64, u64)>,
    /// Limiters and breakers that all jobs of the queue share.
    pub gates: Option<&'a Gates>,
    /// The caller's clock.
    pub now_ms: u64,
}

/// What a turn did.
#[derive(Debug, PartialEq)]
pub struct Turn {
    /// One for each settlement, in order.
    pub codes: Vec<Code>,
    /// The jobs that are ours now.
    pub jobs: Vec<Taken>,
    /// Ids that stood in the queue without a job behind them; they are dropped.
    pub strangers: Vec<String>,
    /// When to take again.
    pub next: Next,
    /// Why taking ended early; the jobs above are valid all the same.
    pub trouble: Option<String>,
    /// The limiter or breaker that keeps jobs back.
    pub gate: Option<String>,
}

/// How a settlement was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Written.
    Done,
    /// The job is gone, or its lock is: nothing was written.
    NotOurs,
    /// It has children that are not finished; it cannot complete. Still active and locked.
    ChildrenPending,
    /// A child failed; it cannot complete. Still active and locked.
    ChildrenFailed,
    /// Something else stands at the job's key; its id was dropped.
    NotAJob,
}

/// When to take again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At once: all that were asked for came, so there may be more.
    More,
    /// When woken, or at this time (ms since the epoch) when the earliest delayed job is due.
    Empty(Option<u64>),
    /// After this many ms: the queue's rate limit is used up.
    Limited(u64),
    /// When woken: somebody has paused the queue.
    Paused,
    /// When a job of the queue ends anywhere: its global concurrency is used up.
    Maxed,
}

/// A job that is ours until its lock is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// JSON text as the producer wrote it.
    pub data: Vec<u8>,
    /// `opts` as stored.
    pub opts: String,
    /// When it was added, ms.
    pub timestamp_ms: u64,
    /// Attempts that ended (`atm`).
    pub attempts_made: u32,
    /// Times that it was started before (`ats`, less `held`); more than `attempts_made` after deferrals and stalls.
    pub started_before: u32,
    /// Times that a limiter or a breaker held it back.
    pub held: u32,
    /// A failure that was decided while no worker held it (`defa`): fail it, do not run it.
    pub deferred_failure: Option<String>,
    /// JSON array of strings.
    pub stacktrace: Option<String>,
    /// The scheduler that made it, which is to make the next one.
    pub scheduler: Option<String>,
    /// Digest of the deployed module that served its last attempt.
    pub module: Option<String>,
    /// The token of its lock.
    pub token: Arc<str>,
}

impl Queue {
    /// Settles and takes. When the answer is lost, repeat the settlements (marked `repeated`): those that were written
    /// answer [`Code::NotOurs`] then. Jobs that a lost answer carried come back by the stalled check.
    pub async fn turn(&self, request: &TurnRequest<'_>) -> Result<Turn, QueueError> {
        let mut call = TURN.call(&self.keys, request.now_ms);
        call.arg(request.settlements.len())
            .arg(request.take)
            .arg(&*request.token)
            .arg(millis(request.lock))
            .arg(request.worker.unwrap_or_default())
            .arg(request.metrics_minutes);
        match request.rate_limit {
            Some((jobs, ms)) => call.arg(jobs).arg(ms),
            None => call.arg("").arg(""),
        };
        call.arg(request.gates.map_or("", Gates::as_json));
        for (settlement, finished_ms) in request.settlements {
            write(&mut call, settlement, *finished_ms);
        }
        let answer = call.send(&self.connection).await?;
        read(answer, request, &self.connection)
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn write(call: &mut Call<'_>, settlement: &Settlement, finished_ms: u64) {
    call.arg(&settlement.id).arg(&*settlement.token);
    let none = "";
    match &settlement.action {
        Action::Complete { returnvalue, keep } => {
            call.arg("complete").arg(finished_ms).arg(returnvalue.as_slice()).arg(none);
            write_keep(call, *keep);
            call.arg(none);
        }
        Action::Fail { reason, stacktrace, keep, attempts } => {
            call.arg("fail").arg(finished_ms).arg(reason).arg(stacktrace);
            write_keep(call, *keep);
            call.arg(attempts);
        }
        Action::Retry { reason, stacktrace, delay_ms, lifo } => {
            call.arg("retry").arg(finished_ms).arg(reason).arg(stacktrace).arg(delay_ms);
            call.arg(u8::from(*lifo)).arg(none).arg(none);
        }
        Action::Delay { delay_ms } | Action::Hold { delay_ms } => {
            call.arg("delay")
                .arg(finished_ms)
                .arg(none)
                .arg(none)
                .arg(delay_ms)
                .arg(u8::from(matches!(settlement.action, Action::Hold { .. })))
                .arg(none)
                .arg(none);
        }
        Action::Release => {
            call.arg("release").arg(finished_ms);
            for _ in 0..6 {
                call.arg(none);
            }
        }
        Action::WaitForChildren { else_ms } => {
            call.arg("children").arg(finished_ms).arg(none).arg(none).arg(else_ms);
            call.arg(none).arg(none).arg(none);
        }
    }
    call.arg(settlement.module.as_deref().unwrap_or(none));
}

fn write_keep(call: &mut Call<'_>, keep: Keep) {
    let number = |n: Option<u64>| n.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1);
    let (count, age, limit) = match keep {
        Keep::All => (-1, -1, 0),
        Keep::Remove => (0, -1, 0),
        Keep::Bounded { count, age_s, limit } => (number(count), number(age_s), limit.min(1_000_000)),
    };
    call.arg(count).arg(age).arg(limit);
}

fn read(answer: Value, request: &TurnRequest<'_>, connection: &Connection) -> Result<Turn, QueueError> {
    let unfit = |what| connection.unfit(what);
    let parts: [Value; 7] = match answer {
        Value::Array(parts) => parts.try_into().map_err(|_| unfit("number of parts"))?,
        _ => return Err(unfit("not a list")),
    };
    let [codes, jobs, strangers, next, value, trouble, gate] = parts;
    let (Value::Array(codes), Value::Array(jobs), Value::Array(strangers)) = (codes, jobs, strangers) else {
        return Err(unfit("codes, jobs or strangers"));
    };
    let codes: Vec<_> = codes.iter().map(code).collect();
    if codes.len() != request.settlements.len() {
        return Err(unfit("number of codes"));
    }
    let jobs = jobs
        .into_iter()
        .map(|job| taken(job, &request.token))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| unfit("a job"))?;
    let value = u64::try_from(integer(&value)).unwrap_or(0);
    let next = match integer(&next) {
        0 => Next::More,
        1 => Next::Empty((value > 0).then_some(value)),
        2 => Next::Limited(value),
        3 => Next::Paused,
        _ => Next::Maxed,
    };
    let strangers = strangers.into_iter().map(text).collect();
    let trouble = (trouble != Value::Nil).then(|| text(trouble));
    let gate = (gate != Value::Nil).then(|| text(gate));
    Ok(Turn { codes, jobs, strangers, next, trouble, gate })
}

fn code(value: &Value) -> Code {
    match integer(value) {
        1 => Code::Done,
        -4 => Code::ChildrenPending,
        -9 => Code::ChildrenFailed,
        -12 => Code::NotAJob,
        _ => Code::NotOurs,
    }
}

/// Fields in the order in which `turn.lua` reads them.
fn taken(value: Value, token: &Arc<str>) -> Option<Taken> {
    let Value::Array(fields) = value else { return None };
    let [
        name,
        data,
        opts,
        timestamp,
        made,
        started,
        deferred,
        stacktrace,
        old_made,
        scheduler,
        held,
        module,
        id,
    ] = <[Value; 13]>::try_from(fields).ok()?;
    let optional = |value: Value| (value != Value::Nil).then(|| text(value));
    let made = if made == Value::Nil { old_made } else { made };
    let count = |value: &Value| u32::try_from(number(value)).unwrap_or(u32::MAX);
    let held = count(&held);
    Some(Taken {
        id: text(id),
        name: text(name),
        data: match data {
            Value::BulkString(data) => data,
            _ => b"{}".to_vec(),
        },
        opts: optional(opts).unwrap_or_default(),
        timestamp_ms: number(&timestamp),
        attempts_made: count(&made),
        started_before: count(&started).saturating_sub(held),
        held,
        deferred_failure: optional(deferred),
        stacktrace: optional(stacktrace),
        scheduler: optional(scheduler),
        module: optional(module),
        token: Arc::clone(token),
    })
}

pub(crate) fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(n) => *n,
        _ => 0,
    }
}

/// A number that a producer stored as text, maybe with a fraction; anything else is 0.
pub(crate) fn number(value: &Value) -> u64 {
    let Value::BulkString(bytes) = value else { return 0 };
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and negatives become 0"
    )]
    text.parse::<u64>().unwrap_or_else(|_| text.parse::<f64>().map_or(0, |f| f as u64))
}

pub(crate) fn text(value: Value) -> String {
    match value {
        Value::BulkString(bytes) => match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
        },
        Value::SimpleString(text) => text,
        Value::Okay => "OK".to_owned(),
        Value::Int(n) => n.to_string(),
        _ => String::new(),
    }
}
