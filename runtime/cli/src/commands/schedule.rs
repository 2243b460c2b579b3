//! `gristmill schedule`: jobs that are made again and again.

use std::process::ExitCode;

use gristmill_core::clock::Clock;
use gristmill_core::new_job::NewJobOptions;
use gristmill_queue::{Connection, Every, NewScheduler, Queue, ScheduleFailure, check_queue_name};
use serde_json::json;

use crate::arguments::{Global, ScheduleCommand, UpsertArguments};
use crate::failure::Failure;
use crate::{host, output, settings};

/// Schedulers that one call lists.
const PAGE: usize = 1_000;

pub(crate) fn schedule(command: ScheduleCommand, global: &Global) -> Result<ExitCode, Failure> {
    let config = settings::accept(settings::read(global, true)?)?;
    host::host_runtime()?.block_on(async {
        let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
        let queue = |name: &str| Queue::new(connection.clone(), &config.redis.prefix, name);
        match command {
            ScheduleCommand::List { queue: name } => list(&queue(&name), global.json).await,
            ScheduleCommand::Upsert(arguments) => {
                upsert(&queue(&arguments.queue), *arguments, global.json).await
            }
            ScheduleCommand::Remove { queue: name, id } => {
                if queue(&name).unschedule(&id, Clock::System.now_ms()).await? {
                    return Ok(ExitCode::SUCCESS);
                }
                Err(Failure::new(format!("there is no scheduler `{id}` in queue `{name}`")))
            }
        }
    })
}

async fn list(queue: &Queue, as_json: bool) -> Result<ExitCode, Failure> {
    let views = queue.schedulers(0, PAGE).await?;
    if as_json {
        output::json(&views)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = views.into_iter().map(|mut view| {
        let next = output::time(&view.next_ms.to_string());
        let mut field = |name: &str| view.fields.remove(name).unwrap_or_default();
        let every = match field("every") {
            ms if ms.is_empty() => field("pattern"),
            ms => format!("every {ms} ms"),
        };
        [field("name"), every, field("tz"), next, field("ic"), view.id]
    });
    output::table(
        ["id", "job", "when", "zone", "next run", "runs"],
        rows.map(|[name, every, zone, next, runs, id]| [id, name, every, zone, next, runs]),
    );
    Ok(ExitCode::SUCCESS)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

async fn upsert(queue: &Queue, arguments: UpsertArguments, as_json: bool) -> Result<ExitCode, Failure> {
    check_queue_name(queue.name()).map_err(Failure::usage)?;
    let every = match (arguments.pattern, arguments.every) {
        (Some(pattern), None) => Every::Pattern(pattern),
        (None, Some(every)) => Every::Every(millis(every)),
        _ => return Err(Failure::usage("give either `--pattern` or `--every`")),
    };
    let options = match &arguments.options {
        Some(given) => NewJobOptions::parse(&settings::read_json(given)?).map_err(Failure::problems)?,
        None => NewJobOptions { stored: "{}".to_owned(), ..NewJobOptions::default() },
    };
    let new = NewScheduler {
        id: arguments.id,
        every,
        zone: arguments.zone,
        limit: arguments.limit,
        start_ms: arguments.start.map(timestamp),
        end_ms: arguments.end.map(timestamp),
        immediately: arguments.immediately,
        offset_ms: arguments.offset.map(millis),
        name: arguments.name,
        data: settings::read_json(&arguments.data)?,
        options,
    };
    let next = queue.schedule(&new, Clock::System.now_ms()).await.map_err(|failure| match failure {
        ScheduleFailure::Queue(error) => error.into(),
        error => Failure::usage(error),
    })?;
    if as_json {
        output::json(&json!({ "queue": queue.name(), "id": new.id, "next": next }))?;
    } else {
        anstream::println!("{next}");
    }
    Ok(ExitCode::SUCCESS)
}

fn timestamp(at: jiff::Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}
