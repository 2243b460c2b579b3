//! `gristmill job add` and `job show`.

use std::process::ExitCode;
use std::time::Duration;

use gristmill_core::backoff::Backoff;
use gristmill_core::clock::Clock;
use gristmill_queue::{Connection, EventReader, JobView, NewJob, Queue};
use serde_json::{Map, Value, json};

use crate::arguments::{AddArguments, Global, JobCommand};
use crate::failure::{FAILED, Failure};
use crate::{host, output, settings};

pub(crate) fn job(command: JobCommand, global: &Global) -> Result<ExitCode, Failure> {
    let config = settings::accept(settings::read(global, true)?)?;
    host::host_runtime()?.block_on(async {
        let (connection, _) = Connection::open(&config.redis.url).await?;
        let queue = |name: &str| Queue::new(connection.clone(), &config.redis.prefix, name);
        match command {
            JobCommand::Add(arguments) => add(&queue(&arguments.queue), arguments, global.json).await,
            JobCommand::Show { queue: name, id } => show(&queue(&name), &id, global.json).await,
        }
    })
}

fn millis(duration: Option<Duration>) -> u64 {
    duration.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// BullMQ's `opts` for what was asked.
fn options(arguments: &AddArguments) -> Map<String, Value> {
    let mut options = Map::new();
    options.insert("attempts".into(), json!(arguments.attempts.unwrap_or(0)));
    if let Some(delay) = arguments.delay {
        options.insert("delay".into(), json!(millis(Some(delay))));
    }
    if let Some(priority) = arguments.priority {
        options.insert("priority".into(), json!(priority));
    }
    if arguments.lifo {
        options.insert("lifo".into(), json!(true));
    }
    if let Some(id) = &arguments.job_id {
        options.insert("jobId".into(), json!(id));
    }
    let backoff = match &arguments.backoff {
        Some(Backoff::Fixed { delay_ms, .. }) => Some(json!({ "type": "fixed", "delay": delay_ms })),
        Some(Backoff::Exponential { delay_ms, .. }) => {
            Some(json!({ "type": "exponential", "delay": delay_ms }))
        }
        Some(Backoff::Unknown(_)) | None => None,
    };
    if let Some(backoff) = backoff {
        options.insert("backoff".into(), backoff);
    }
    options
}

async fn add(queue: &Queue, arguments: AddArguments, as_json: bool) -> Result<ExitCode, Failure> {
    if queue.name().is_empty() || queue.name().contains(':') {
        return Err(Failure::usage(format!(
            "`{}` is not a queue name: it must not be empty or contain `:`",
            queue.name()
        )));
    }
    let job = NewJob {
        name: arguments.name.clone(),
        data: settings::read_json(&arguments.data)?,
        opts: Value::Object(options(&arguments)).to_string(),
        custom_id: arguments.job_id.clone(),
        delay_ms: millis(arguments.delay),
        priority: arguments.priority.unwrap_or(0),
        lifo: arguments.lifo,
    };
    // Before the job is added, so that its end cannot be missed.
    let mut events = if arguments.wait { Some(EventReader::from_now(queue).await?) } else { None };
    let ids = queue.add(&[job], Clock::System.now_ms()).await?;
    let id = ids.into_iter().next().unwrap_or_default();
    let Some(events) = &mut events else {
        if as_json {
            output::json(&json!({ "queue": queue.name(), "id": id }))?;
        } else {
            anstream::println!("{id}");
        }
        return Ok(ExitCode::SUCCESS);
    };
    anstream::eprintln!("added job {id} to {}, waiting for it", queue.name());
    wait(queue, events, &id, as_json).await
}

async fn wait(queue: &Queue, events: &mut EventReader, id: &str, as_json: bool) -> Result<ExitCode, Failure> {
    // A job with an id of the user's choice may have ended long ago.
    if let Some(view) = queue.job(id).await?.filter(JobView::is_finished) {
        let field = |name: &str| view.fields.get(name).cloned().unwrap_or_default();
        return tell(id, view.state, &field("returnvalue"), &field("failedReason"), as_json);
    }
    loop {
        for event in events.next(Duration::from_secs(5)).await? {
            if event.job != id {
                continue;
            }
            let field = |name: &str| event.fields.get(name).cloned().unwrap_or_default();
            match event.name.as_str() {
                "progress" => anstream::eprintln!("progress {}", field("data")),
                "completed" | "failed" => {
                    return tell(id, &event.name, &field("returnvalue"), &field("failedReason"), as_json);
                }
                "removed" => return Err(Failure::new(format!("job {id} was removed"))),
                _ => {}
            }
        }
    }
}

fn tell(id: &str, state: &str, returned: &str, reason: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let completed = state == "completed";
    if as_json {
        let value: Option<Value> = serde_json::from_str(returned).ok();
        let reason = (!completed).then_some(reason);
        output::json(&json!({ "id": id, "state": state, "returned": value, "failedReason": reason }))?;
    } else if completed {
        anstream::println!("{returned}");
    }
    if !completed {
        anstream::eprintln!("job {id} failed: {reason}");
        return Ok(FAILED.into());
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(queue: &Queue, id: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let Some(view) = queue.job(id).await? else {
        return Err(Failure::new(format!("there is no job `{id}` in queue `{}`", queue.name())));
    };
    if as_json {
        output::json(&view)?;
        return Ok(ExitCode::SUCCESS);
    }
    let state = [["state".to_owned(), view.state.to_owned()]];
    output::table(["field", "value"], state.into_iter().chain(view.fields.into_iter().map(|(k, v)| [k, v])));
    for line in view.logs {
        anstream::println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}
