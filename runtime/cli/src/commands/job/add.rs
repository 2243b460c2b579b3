//! `gristmill job add` and `flow add`.

use std::process::ExitCode;
use std::time::Duration;

use gristmill_core::backoff::Backoff;
use gristmill_core::clean::clean_lines;
use gristmill_core::clock::Clock;
use gristmill_core::config::{Config, Handler};
use gristmill_core::new_job::NewJobOptions;
use gristmill_core::schema::{Schema, section};
use gristmill_core::service::Added;
use gristmill_queue::{
    AddedFlow, Connection, EventReader, Flow, JobView, NewJob, Queue, add_flow, check_custom_id,
    check_queue_name,
};
use gristmill_sandbox::Sandbox;
use serde_json::{Map, Value, json};

use crate::arguments::AddArguments;
use crate::failure::{FAILED, Failure};
use crate::{output, settings};

/// BullMQ's options for what was asked: those given as JSON, and over them those given by their own flags.
fn options(arguments: &AddArguments) -> Result<NewJobOptions, Failure> {
    let mut options = match &arguments.options {
        None => Map::new(),
        Some(given) => match serde_json::from_str(&settings::read_json(given)?) {
            Ok(Value::Object(options)) => options,
            _ => return Err(Failure::usage("`--options` must be a JSON object such as `{\"attempts\":3}`")),
        },
    };
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.insert(name.to_owned(), value);
        }
    };
    set("attempts", arguments.attempts.map(|n| json!(n)));
    set("delay", arguments.delay.map(|d| json!(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))));
    set("priority", arguments.priority.map(|n| json!(n)));
    set("lifo", arguments.lifo.then_some(json!(true)));
    set("jobId", arguments.job_id.as_ref().map(|id| json!(id)));
    set(
        "backoff",
        match &arguments.backoff {
            Some(Backoff::Fixed { delay_ms, .. }) => Some(json!({ "type": "fixed", "delay": delay_ms })),
            Some(Backoff::Exponential { delay_ms, .. }) => {
                Some(json!({ "type": "exponential", "delay": delay_ms }))
            }
            Some(Backoff::Unknown(_)) | None => None,
        },
    );
    NewJobOptions::read(&options).map_err(Failure::problems)
}

/// Refuses data that the schema of the handler refuses: that of the configuration's file, or of what is deployed.
async fn check_data(queue: &Queue, config: &Config, name: &str, data: &str) -> Result<(), Failure> {
    let types = config.queues.get(queue.name()).map(|queue| &queue.jobs);
    let schema = match types
        .and_then(|types| types.get(name).or_else(|| types.get("*")))
        .map(|job| &job.handler)
    {
        // A file that cannot be read is for the worker to say.
        Some(Handler::File(path)) => {
            Sandbox::read(path).ok().and_then(|wasm| section(&wasm).map(<[u8]>::to_vec))
        }
        _ => {
            queue.connection().schema_for(queue.name(), name).await?.map(|json| json.to_string().into_bytes())
        }
    };
    let Some(schema) = schema.and_then(|text| Schema::parse(&text).ok()) else { return Ok(()) };
    schema.check(data.as_bytes()).map_err(|problem| {
        Failure::usage(format!(
            "the job was not added: its data does not fit the schema of its handler: {problem}\nhint: `--unchecked` adds it all the same"
        ))
    })
}

pub(crate) async fn add(
    queue: &Queue,
    arguments: AddArguments,
    config: &Config,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    check_queue_name(queue.name()).map_err(Failure::usage)?;
    let job = NewJob {
        name: arguments.name.clone(),
        data: settings::read_json(&arguments.data)?,
        options: options(&arguments)?,
        parent: None,
    };
    if !arguments.unchecked {
        check_data(queue, config, &job.name, &job.data).await?;
    }
    if let Some(id) = &arguments.job_id {
        check_custom_id(id).map_err(Failure::usage)?;
    }
    // Before the job is added, so that its end cannot be missed.
    let mut events = if arguments.wait { Some(EventReader::from_now(queue).await?) } else { None };
    let added = queue.add(&[job], Clock::System.now_ms()).await?.into_iter().next();
    let added = added.ok_or_else(|| Failure::new("the job was not added: Redis answered nothing"))?;
    let Added { id, existing } =
        added.map_err(|refusal| Failure::new(format!("the job was not added: {refusal}")))?;
    let Some(events) = &mut events else {
        if as_json {
            output::json(&json!({ "queue": queue.name(), "id": id, "existing": existing }))?;
        } else {
            anstream::println!("{id}");
            if existing {
                anstream::eprintln!("job {id} was there already, with this id or deduplication id");
            }
        }
        return Ok(ExitCode::SUCCESS);
    };
    let done = if existing { "found" } else { "added" };
    anstream::eprintln!("{done} job {id} in {}, waiting for it", queue.name());
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
        output::text(returned);
    }
    if !completed {
        anstream::eprintln!("job {id} failed: {}", clean_lines(reason));
        return Ok(FAILED.into());
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn add_tree(
    connection: &Connection,
    prefix: &str,
    tree: &str,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let text = settings::read_json(tree)?;
    let flow = Flow::parse(&text).map_err(Failure::problems)?;
    let new_id = || uuid::Uuid::now_v7().to_string();
    let added = add_flow(connection, prefix, &flow, new_id, Clock::System.now_ms()).await?;
    if as_json {
        output::json(&added)?;
    } else {
        print(&added, 0);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(added: &AddedFlow, depth: usize) {
    anstream::println!("{:1$}{2} {3}", "", depth * 2, added.queue, added.id);
    for child in &added.children {
        print(child, depth + 1);
    }
}
