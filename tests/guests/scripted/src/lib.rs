//! A handler that does what its job's data says, so that any client can drive every behaviour of the runtime.
//!
//! The data is `{"steps": [STEP, …]}`; `script.rs` lists the steps. They run in order. `return` and `echo` end the
//! script with a value; `http`, `children` and `state-get` add to a list. What is returned is that value, or the list, or, with both, an array of
//! the value (its elements, if it is an array) and the list; without either it is `null`.

mod harm;
mod script;

use std::time::Duration;

use gristmill::enqueue::{self, NewJob};
use gristmill::http::Request;
use gristmill::log::{self, Level};
use gristmill::{Job, JobError, metrics, progress, rate_limit, state};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::script::{FailKind, MetricKind, Op, Script, Step};

type Json = Box<RawValue>;

#[gristmill::handler]
fn run(job: Job, script: Script) -> Result<Option<Json>, JobError> {
    let mut script = script.steps;
    let mut added = Vec::new();
    if script.iter().any(|step| step.op == Op::WaitChildren) {
        // A checkpoint says where to go on; scripts that never wait are spared the question.
        if let Some(resume) = progress::load_checkpoint::<Resume>()? {
            script.drain(..resume.next.min(script.len()));
            added = resume.added;
            return returned(steps(&job, script, &mut added, resume.next)?, added);
        }
    }
    returned(steps(&job, script, &mut added, 0)?, added)
}

/// Where a script that has waited for its children goes on.
#[derive(Serialize, Deserialize)]
struct Resume {
    next: usize,
    added: Vec<Json>,
}

/// Runs steps, the first of which is the script's `first`-th, until one ends the script; `None` if none does.
fn steps(job: &Job, steps: Vec<Step>, added: &mut Vec<Json>, first: usize) -> Result<Option<Json>, JobError> {
    for (number, mut step) in (first..).zip(steps) {
        match step.op {
            Op::Return => return Ok(Some(step.value()?)),
            Op::Echo => return Ok(Some(echo(job)?)),
            Op::If if step.attempt == Some(job.attempt) => {
                if let Some(value) = self::steps(job, step.steps, added, number)? {
                    return Ok(Some(value));
                }
            }
            Op::If => {}
            Op::Http => added.push(http(step)?),
            Op::Children => {
                added.extend(enqueue::children::<Json>()?.into_iter().map(|child| child.value));
            }
            Op::StateGet => added.push(to_raw_value(&state::get::<Json>(&step.key)?)?),
            Op::WaitChildren => {
                progress::save_checkpoint(&Resume { next: number + 1, added: std::mem::take(added) })?;
                return Err(JobError::wait_for_children());
            }
            _ => act(step)?,
        }
    }
    Ok(None)
}

/// What neither ends the script with a value nor adds to what it returns.
fn act(mut step: Step) -> Result<(), JobError> {
    let millis = Duration::from_millis(step.ms);
    match step.op {
        Op::Fail => return Err(fail(step)),
        Op::Delay => return Err(JobError::deferred(millis, "the script says so")),
        Op::RateLimited => return Err(JobError::rate_limited(millis, "the script says so")),
        Op::Sleep => std::thread::sleep(millis),
        Op::Burn => harm::burn(millis),
        Op::Loop => harm::forever(),
        Op::Alloc => drop(harm::allocate(step.mib)),
        Op::Leak => std::mem::forget(harm::allocate(step.mib)),
        Op::Recurse => drop(harm::recurse(0)),
        Op::Trap => harm::trap(),
        Op::Panic => panic!("{}", step.message),
        Op::Progress => progress::set(&step.value()?)?,
        Op::Log => log::write(step.level.map_or(Level::Info, Level::from), step.line, &[]),
        #[expect(clippy::print_stdout, reason = "that is the step")]
        Op::Print => println!("{}", step.line),
        Op::Metric => metric(&mut step)?,
        Op::Enqueue => drop(enqueue::submit(new_job(step)?)?),
        Op::StateSet => {
            let value = step.value()?;
            state::set(&step.key, &value, None)?;
        }
        Op::Acquire => {
            let wait = Duration::from_millis(step.wait_ms);
            rate_limit::acquire(&step.limiter, &step.key, step.cost.unwrap_or(1), wait)?;
        }
        Op::Return | Op::Echo | Op::If | Op::Http | Op::Children | Op::StateGet | Op::WaitChildren => {
            unreachable!("handled before")
        }
    }
    Ok(())
}

fn fail(step: Step) -> JobError {
    match step.kind.fail() {
        FailKind::Retryable => JobError::retryable(step.message),
        FailKind::Permanent => JobError::permanent(step.message),
    }
}

fn new_job(step: Step) -> Result<NewJob, JobError> {
    let data = match step.data {
        Some(data) => data,
        None => RawValue::from_string("{}".to_owned())?,
    };
    let mut job = NewJob::new(step.name, &data)?;
    if let Some(queue) = step.queue {
        job = job.queue(queue);
    }
    for (name, value) in step.opts {
        job = job.option(name, value);
    }
    Ok(if step.child { job.child() } else { job })
}

fn metric(step: &mut Step) -> Result<(), JobError> {
    let value: f64 = serde_json::from_str(step.value()?.get())?;
    let labels: Vec<_> = step.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    match step.kind.metric()? {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "scripts use small whole numbers"
        )]
        MetricKind::Counter => metrics::counter(&step.name, value as u64, &labels),
        MetricKind::Gauge => metrics::gauge(&step.name, value, &labels),
        MetricKind::Histogram => metrics::histogram(&step.name, value, &labels),
    }
    Ok(())
}

fn http(step: Step) -> Result<Json, JobError> {
    #[derive(Serialize)]
    struct Answer {
        status: u16,
        body: String,
    }
    let method = if step.method.is_empty() { "GET" } else { &step.method };
    let response = Request::new(method, step.url).body(step.body.unwrap_or_default()).send()?;
    Ok(to_raw_value(&Answer { status: response.status, body: response.text() })?)
}

fn echo(job: &Job) -> Result<Json, JobError> {
    #[derive(Serialize)]
    struct Echo<'a> {
        id: &'a str,
        name: &'a str,
        queue: &'a str,
        attempt: u32,
        data: &'a RawValue,
        digest: String,
    }
    let Job { id, name, queue, attempt, .. } = job;
    let data = serde_json::from_slice(&job.data)?;
    let digest = gristmill::context::digest();
    Ok(to_raw_value(&Echo { id, name, queue, attempt: *attempt, data, digest })?)
}

fn returned(value: Option<Json>, added: Vec<Json>) -> Result<Option<Json>, JobError> {
    if added.is_empty() {
        return Ok(value);
    }
    let mut all = match value {
        Some(value) if value.get().starts_with('[') => serde_json::from_str(value.get())?,
        Some(value) => vec![value],
        None => Vec::new(),
    };
    all.extend(added);
    Ok(Some(to_raw_value(&all)?))
}

#[cfg(test)]
mod tests {
    use gristmill::http::Response;
    use gristmill::testing;
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads better at the calls")]
    fn call(steps: Value) -> Result<Value, JobError> {
        testing::call(run, testing::job(json!({ "steps": steps })))
    }

    #[test]
    fn returns_what_the_script_says() {
        assert_eq!(call(json!([])), Ok(Value::Null));
        assert_eq!(
            call(json!([{"op": "return", "value": {"a": [1]}}, {"op": "trap"}])),
            Ok(json!({"a": [1]}))
        );
        assert_eq!(call(json!([{"op": "return", "value": null}])), Ok(Value::Null));
        let echoed = call(json!([{"op": "echo"}])).unwrap();
        assert_eq!(echoed["data"]["steps"][0]["op"], "echo");
        assert_eq!((&echoed["id"], &echoed["attempt"]), (&json!("1"), &json!(1)));
    }

    #[test]
    fn adds_answers_to_what_it_returns() {
        let http = json!({"op": "http", "method": "GET", "url": "http://example.com/"});
        let answer = || testing::answer(Ok(Response::new(200, "hi")));
        answer();
        assert_eq!(call(json!([http])), Ok(json!([{"status": 200, "body": "hi"}])));
        answer();
        let expected = json!([7, {"status": 200, "body": "hi"}]);
        assert_eq!(call(json!([http, {"op": "return", "value": 7}])), Ok(expected));
    }

    #[test]
    fn fails_as_the_script_says() {
        let error = |step: Value| call(json!([step])).unwrap_err();
        assert!(matches!(error(json!({"op": "fail", "message": "x"})), JobError::Retryable(_)));
        assert!(matches!(
            error(json!({"op": "fail", "message": "x", "kind": "permanent"})),
            JobError::Permanent(_)
        ));
        assert!(matches!(error(json!({"op": "delay", "ms": 5})), JobError::Deferred { .. }));
        assert!(matches!(error(json!({"op": "rate-limited", "ms": 5})), JobError::RateLimited { .. }));
        testing::set_limiter("x", 2);
        let acquire = json!({"op": "acquire", "limiter": "x", "cost": 2});
        assert_eq!(call(json!([acquire])), Ok(Value::Null));
        assert!(matches!(error(acquire), JobError::RateLimited { .. }));
        assert!(matches!(error(json!({"op": "acquire", "limiter": "y"})), JobError::Permanent(_)));
        assert!(error(json!({"op": "dance"})).message().contains("unknown variant `dance`"));
    }

    #[test]
    fn runs_steps_only_in_their_attempt() {
        let script = json!([{"op": "if", "attempt": 2, "steps": [{"op": "return", "value": "second"}]}]);
        assert_eq!(call(script.clone()), Ok(Value::Null));
        let mut job = testing::job(json!({ "steps": script }));
        job.attempt = 2;
        assert_eq!(testing::call(run, job), Ok(json!("second")));
    }

    #[test]
    fn goes_on_after_its_children() {
        let script = json!([
            {"op": "state-set", "key": "k", "value": 1},
            {"op": "state-get", "key": "k"},
            {"op": "enqueue", "queue": "pages", "name": "page", "data": {"n": 1}, "opts": {"priority": 3}, "child": true},
            {"op": "wait-children"},
            {"op": "children"},
        ]);
        assert_eq!(call(script.clone()), Err(JobError::WaitForChildren));
        let expected =
            NewJob::new("page", &json!({"n": 1})).unwrap().queue("pages").option("priority", 3).child();
        assert_eq!(testing::take().enqueued, [expected]);
        testing::set_children([("bull:pages:1".to_owned(), json!("a page"))]);
        assert_eq!(call(script), Ok(json!([1, "a page"])));
        assert!(testing::take().enqueued.is_empty(), "what came before is not done again");
    }

    #[test]
    fn tells_the_host() {
        let script = json!([
            {"op": "progress", "value": {"page": 2}},
            {"op": "log", "line": "hello", "level": "warn"},
            {"op": "metric", "kind": "counter", "name": "pages", "value": 2, "labels": {"size": "a4"}},
        ]);
        call(script).unwrap();
        let records = testing::take();
        assert_eq!(records.progress, [json!({"page": 2})]);
        assert_eq!((records.logs[0].level, records.logs[0].message.as_str()), (Level::Warn, "hello"));
        assert_eq!(records.metrics[0].labels, [("size".to_owned(), "a4".to_owned())]);
    }
}
