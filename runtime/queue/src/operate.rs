//! What people do to queues and jobs: pause, retry, promote, remove, clean, and the like.

use std::fmt;

use redis::Value;

use crate::Queue;
use crate::error::QueueError;
use crate::inspect::{escape_pattern, scan};
use crate::script::{CLEAN, DRAIN, MOVE, MOVE_MANY, OBLITERATE, PAUSE, REMOVE};
use crate::turn::{integer, number, text};

/// Jobs that one call moves or removes: it keeps other clients of Redis waiting for some ms.
const PAGE: u64 = 1_000;

/// The counter of a queue that is held: more than any limit. BullMQ's value.
const HELD: u64 = 9_007_199_254_740_991;

/// Why a job stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmoved {
    /// There is no such job.
    NoJob,
    /// It is not in the state that this needs.
    OtherState,
    /// It, or one of its children, is running.
    Running,
    /// A scheduler has made it for its next run; remove the scheduler instead.
    OfScheduler,
}

impl fmt::Display for Unmoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoJob => "there is no such job",
            Self::OtherState => "it is in another state by now",
            Self::Running => "it, or one of its children, is running",
            Self::OfScheduler => "it is a scheduler's next job; remove the scheduler instead",
        })
    }
}

/// A finished state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Ended well.
    Completed,
    /// Ended for good without success.
    Failed,
}

impl Finished {
    fn set(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// Why a queue is not obliterated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spared {
    /// Somebody has resumed it meanwhile.
    NotPaused,
    /// Jobs are running.
    Running,
}

/// What holds for a queue on all workers, BullMQ's included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct QueueLimits {
    /// Jobs that run at the same time on all workers together.
    pub concurrency: Option<u64>,
    /// Jobs that start per `duration_ms`.
    pub max: Option<u64>,
    /// Ms of `max`.
    pub duration_ms: Option<u64>,
    /// Ms for which no job starts; see [`Queue::hold`].
    pub held_ms: Option<u64>,
}

impl Queue {
    /// The limits in the queue's `meta`.
    pub async fn limits(&self) -> Result<QueueLimits, QueueError> {
        let (meta, limiter) = (self.keys.key("meta"), self.keys.key("limiter"));
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(meta).arg("concurrency").arg("max").arg("duration");
        pipe.cmd("GET").arg(&limiter).cmd("PTTL").arg(&limiter);
        let Ok([Value::Array(fields), counter, left]) =
            <[Value; 3]>::try_from(self.connection.call_all(&pipe).await?)
        else {
            return Err(self.connection.unfit("limits"));
        };
        let mut fields = fields.iter().map(|field| Some(number(field)).filter(|n| *n > 0));
        let mut next = || fields.next().flatten();
        let held = number(&counter) >= HELD;
        Ok(QueueLimits {
            concurrency: next(),
            max: next(),
            duration_ms: next(),
            held_ms: u64::try_from(integer(&left)).ok().filter(|ms| held && *ms > 0),
        })
    }

    /// Sets or, with `None`, lifts the queue's concurrency for all workers. Safe to repeat.
    pub async fn set_concurrency(&self, concurrency: Option<u64>) -> Result<(), QueueError> {
        self.set_meta(&[("concurrency", concurrency)]).await
    }

    /// Sets or lifts the queue's rate limit for all workers: jobs, and ms. Safe to repeat.
    pub async fn set_rate_limit(&self, limit: Option<(u64, u64)>) -> Result<(), QueueError> {
        self.set_meta(&[("max", limit.map(|(max, _)| max)), ("duration", limit.map(|(_, ms)| ms))]).await
    }

    async fn set_meta(&self, fields: &[(&str, Option<u64>)]) -> Result<(), QueueError> {
        let mut pipe = redis::pipe();
        for (field, value) in fields {
            match value {
                Some(value) => pipe.cmd("HSET").arg(self.keys.key("meta")).arg(field).arg(value),
                None => pipe.cmd("HDEL").arg(self.keys.key("meta")).arg(field),
            };
        }
        // Workers that wait for room look again.
        pipe.cmd("ZADD").arg(self.keys.key("marker")).arg(0).arg("0");
        self.connection.call_all(&pipe).await.map(drop)
    }

    /// Lets no worker start a job for a time, as BullMQ's `rateLimit`; zero ends it. BullMQ's own workers obey it only
    /// where a rate limit is set. Safe to repeat.
    pub async fn hold(&self, ms: u64) -> Result<(), QueueError> {
        let key = self.keys.key("limiter");
        let command = match ms {
            0 => redis::cmd("DEL").arg(key).to_owned(),
            ms => redis::cmd("SET").arg(key).arg(HELD).arg("PX").arg(ms).to_owned(),
        };
        self.connection.call(&command).await.map(drop)
    }

    /// Pauses the queue for every worker: running jobs end, none starts. Repeating it only tells it again.
    pub async fn pause(&self, now_ms: u64) -> Result<(), QueueError> {
        PAUSE.call(&self.keys, now_ms).arg(1).send(&self.connection).await.map(drop)
    }

    /// Resumes the queue, with what a version 5 client put aside while it was paused.
    pub async fn resume(&self, now_ms: u64) -> Result<(), QueueError> {
        while integer(&PAUSE.call(&self.keys, now_ms).arg(0).send(&self.connection).await?) > 0 {}
        Ok(())
    }

    async fn move_one(
        &self,
        what: &str,
        id: &str,
        values: [u64; 2],
        now_ms: u64,
    ) -> Result<Result<(), Unmoved>, QueueError> {
        let mut call = MOVE.call(&self.keys, now_ms);
        call.arg(what).arg(id).arg(values[0]).arg(values[1]);
        self.moved(&call.send(&self.connection).await?)
    }

    fn moved(&self, answer: &Value) -> Result<Result<(), Unmoved>, QueueError> {
        Ok(Err(match integer(answer) {
            1 => return Ok(Ok(())),
            0 => Unmoved::Running,
            -1 => Unmoved::NoJob,
            -3 => Unmoved::OtherState,
            -8 => Unmoved::OfScheduler,
            _ => return Err(self.connection.unfit("a code")),
        }))
    }

    /// Lets a delayed job run now.
    pub async fn promote(&self, id: &str, now_ms: u64) -> Result<Result<(), Unmoved>, QueueError> {
        self.move_one("promote", id, [0, 0], now_ms).await
    }

    /// Lets a finished job run again. `reset` forgets the attempts that it has made.
    pub async fn retry(
        &self,
        id: &str,
        from: Finished,
        reset: bool,
        now_ms: u64,
    ) -> Result<Result<(), Unmoved>, QueueError> {
        let mut call = MOVE.call(&self.keys, now_ms);
        call.arg("retry").arg(id).arg(from.set()).arg(u8::from(reset)).arg(u8::from(reset));
        self.moved(&call.send(&self.connection).await?)
    }

    /// Gives a job another priority, 0 for none; `front` puts it before its equals.
    pub async fn change_priority(
        &self,
        id: &str,
        priority: u32,
        front: bool,
        now_ms: u64,
    ) -> Result<Result<(), Unmoved>, QueueError> {
        if u64::from(priority) > gristmill_core::new_job::MAX_PRIORITY {
            return Err(QueueError::Job(format!("priority {priority} is above 2097151")));
        }
        self.move_one("priority", id, [priority.into(), front.into()], now_ms).await
    }

    /// Gives a delayed job another delay, ms from now.
    pub async fn change_delay(
        &self,
        id: &str,
        delay_ms: u64,
        now_ms: u64,
    ) -> Result<Result<(), Unmoved>, QueueError> {
        self.move_one("delay", id, [delay_ms.min(gristmill_core::backoff::MAX_DELAY_MS), 0], now_ms).await
    }

    /// Lets every finished job of a state run again that ended by `until_ms`; answers how many. `moved` is told after
    /// each call. Jobs that fail again meanwhile are not taken twice.
    pub async fn retry_all(
        &self,
        from: Finished,
        until_ms: u64,
        moved: impl FnMut(u64),
        now_ms: u64,
    ) -> Result<u64, QueueError> {
        self.move_many(from.set(), &until_ms.to_string(), moved, now_ms).await
    }

    /// Lets every delayed job run now; answers how many. `moved` is told after each call.
    pub async fn promote_all(&self, moved: impl FnMut(u64), now_ms: u64) -> Result<u64, QueueError> {
        self.move_many("delayed", "+inf", moved, now_ms).await
    }

    async fn move_many(
        &self,
        state: &str,
        until: &str,
        mut moved: impl FnMut(u64),
        now_ms: u64,
    ) -> Result<u64, QueueError> {
        let mut total = 0;
        loop {
            let mut call = MOVE_MANY.call(&self.keys, now_ms);
            let count = integer(&call.arg(state).arg(PAGE).arg(until).send(&self.connection).await?);
            let count = u64::try_from(count).unwrap_or(0);
            total += count;
            moved(total);
            if count < PAGE {
                return Ok(total);
            }
        }
    }

    /// Removes a job with all its data, and with `children` those below it.
    pub async fn remove(
        &self,
        id: &str,
        children: bool,
        now_ms: u64,
    ) -> Result<Result<(), Unmoved>, QueueError> {
        let mut call = REMOVE.call(&self.keys, now_ms);
        self.moved(&call.arg(id).arg(u8::from(children)).send(&self.connection).await?)
    }

    /// Removes at most `limit` jobs of a state (one of [`crate::STATES`]) that are older than `grace_ms`; answers their ids.
    /// Running jobs and schedulers' next jobs stay. `removed` is told after each call.
    pub async fn clean(
        &self,
        state: &str,
        grace_ms: u64,
        limit: u64,
        mut removed: impl FnMut(u64),
        now_ms: u64,
    ) -> Result<Vec<String>, QueueError> {
        let (mut ids, mut from) = (Vec::new(), 0);
        loop {
            let left = limit.saturating_sub(ids.len() as u64).min(PAGE);
            let mut call = CLEAN.call(&self.keys, now_ms);
            call.arg(if state == "waiting" { "wait" } else { state })
                .arg(now_ms.saturating_sub(grace_ms))
                .arg(left)
                .arg(from);
            let Value::Array(answer) = call.send(&self.connection).await? else {
                return Err(self.connection.unfit("cleaned"));
            };
            let Ok([Value::Array(page), next]) = <[Value; 2]>::try_from(answer) else {
                return Err(self.connection.unfit("cleaned"));
            };
            ids.extend(page.into_iter().map(text));
            removed(ids.len() as u64);
            from = integer(&next);
            if from < 0 || ids.len() as u64 >= limit {
                break;
            }
        }
        let mut event = redis::cmd("XADD");
        event.arg(self.keys.key("events")).arg("*").arg("event").arg("cleaned").arg("count").arg(ids.len());
        self.connection.call(&event).await?;
        Ok(ids)
    }

    /// Removes every job that waits, and with `delayed` those too; schedulers' next jobs stay. Answers how many.
    pub async fn drain(
        &self,
        delayed: bool,
        mut removed: impl FnMut(u64),
        now_ms: u64,
    ) -> Result<u64, QueueError> {
        let (mut total, mut at, mut from) = (0, 1, 0);
        while at > 0 {
            let mut call = DRAIN.call(&self.keys, now_ms);
            call.arg(u8::from(delayed)).arg(PAGE).arg(at).arg(from);
            let answer = call.send(&self.connection).await?;
            let Value::Array(answer) = &answer else { return Err(self.connection.unfit("drained")) };
            let [count, next, position] = answer.as_slice() else {
                return Err(self.connection.unfit("drained"));
            };
            total += u64::try_from(integer(count)).unwrap_or(0);
            (at, from) = (integer(next), integer(position));
            removed(total);
        }
        Ok(total)
    }

    /// Pauses the queue and removes it with everything in it; `force` does not stop at running jobs.
    pub async fn obliterate(&self, force: bool, now_ms: u64) -> Result<Result<(), Spared>, QueueError> {
        self.pause(now_ms).await?;
        loop {
            let mut call = OBLITERATE.call(&self.keys, now_ms);
            match integer(&call.arg(u8::from(force)).arg(PAGE).send(&self.connection).await?) {
                1 => {}
                0 => {
                    self.forget_state().await?;
                    return Ok(Ok(()));
                }
                -1 => return Ok(Err(Spared::NotPaused)),
                _ => return Ok(Err(Spared::Running)),
            }
        }
    }

    /// Removes what handlers of this queue have kept. Safe to repeat.
    async fn forget_state(&self) -> Result<(), QueueError> {
        let pattern = format!("gristmill:{}state*", escape_pattern(self.keys.base()));
        for key in scan(&self.connection, &pattern).await? {
            self.connection.call(redis::cmd("UNLINK").arg(key)).await?;
        }
        Ok(())
    }
}
