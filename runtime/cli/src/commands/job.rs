//! `gristmill job`: adding jobs, looking at them, and moving them.

use std::process::ExitCode;
use std::time::Duration;

use gristmill_core::clock::Clock;
use gristmill_core::config::Config;
use gristmill_core::retry::POISON;
use gristmill_queue::{Connection, Finished, JobView, Queue, Unmoved, state_named};
use serde_json::json;

use crate::arguments::{FlowCommand, Global, JobCommand, ListArguments};
use crate::failure::{FAILED, Failure};
use crate::{host, output, settings};

mod add;

pub(crate) fn job(command: JobCommand, global: &Global) -> Result<ExitCode, Failure> {
    let config = settings::accept(settings::read(global, true)?)?;
    host::host_runtime()?.block_on(run(command, &config, global.json))
}

pub(crate) fn flow(command: &FlowCommand, global: &Global) -> Result<ExitCode, Failure> {
    let FlowCommand::Add { flow } = command;
    let config = settings::accept(settings::read(global, true)?)?;
    host::host_runtime()?.block_on(async {
        let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
        add::add_tree(&connection, &config.redis.prefix, flow, global.json).await
    })
}

async fn run(command: JobCommand, config: &Config, as_json: bool) -> Result<ExitCode, Failure> {
    let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
    let queue = |name: &str| Queue::new(connection.clone(), &config.redis.prefix, name);
    let now = Clock::System.now_ms();
    match command {
        JobCommand::Add(arguments) => add::add(&queue(&arguments.queue), *arguments, config, as_json).await,
        JobCommand::Show { queue: name, id } => show(&queue(&name), &id, as_json).await,
        JobCommand::List(arguments) => list(&queue(&arguments.queue), &arguments, as_json).await,
        JobCommand::Logs { queue: name, id, from, count } => {
            logs(&queue(&name), &id, from, count, as_json).await
        }
        JobCommand::Retry { queue: name, ids, all, completed, reset } => {
            let (queue, from) =
                (queue(&name), if completed { Finished::Completed } else { Finished::Failed });
            if all {
                let moved = queue.retry_all(from, now, told("retried"), now).await?;
                return done("retried", moved, as_json);
            }
            each("retried", &ids, as_json, async |id| queue.retry(id, from, reset, now).await).await
        }
        JobCommand::Promote { queue: name, ids, all } => {
            let queue = queue(&name);
            if all {
                let moved = queue.promote_all(told("promoted"), now).await?;
                return done("promoted", moved, as_json);
            }
            each("promoted", &ids, as_json, async |id| queue.promote(id, now).await).await
        }
        JobCommand::Remove { queue: name, ids, keep_children } => {
            let queue = queue(&name);
            each("removed", &ids, as_json, async |id| queue.remove(id, !keep_children, now).await).await
        }
        JobCommand::Cancel { queue: name, id, within } => cancel(&queue(&name), &id, within, as_json).await,
        JobCommand::Change { queue: name, id, priority, delay } => {
            let queue = queue(&name);
            each("changed", &[id], as_json, async |id| {
                if let Some(priority) = priority
                    && let Err(unmoved) = queue.change_priority(id, priority, false, now).await?
                {
                    return Ok(Err(unmoved));
                }
                match delay {
                    Some(delay) => {
                        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                        queue.change_delay(id, ms, now).await
                    }
                    None => Ok(Ok(())),
                }
            })
            .await
        }
    }
}

/// Between two looks at a job that is to end.
const LOOK: Duration = Duration::from_millis(100);
/// Looks after which the workers are asked again: one may have missed it.
const ASK_AGAIN: u32 = 10;

/// Asks the workers to stop a job until it is not active any more, for as long as `within`.
async fn cancel(queue: &Queue, id: &str, within: Duration, as_json: bool) -> Result<ExitCode, Failure> {
    let until = tokio::time::Instant::now() + within;
    let mut heard = 0;
    for look in 0u32.. {
        let view = queue.job(id).await?;
        let state = view.as_ref().map(|view| view.state);
        if state != Some("active") {
            return cancelled(queue.name(), id, view, look > 0, as_json);
        }
        if tokio::time::Instant::now() >= until {
            break;
        }
        if look % ASK_AGAIN == 0 {
            heard = queue.cancel(id).await?;
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Failure::new(format!(
        "job {id} still runs: {heard} Gristmill workers were asked; one of BullMQ's own cannot be"
    )))
}

/// What became of a job that does not run any more; `asked`: it did when this began.
fn cancelled(
    queue: &str,
    id: &str,
    view: Option<JobView>,
    asked: bool,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let missing = || Failure::new(format!("there is no job `{id}` in queue `{queue}`"));
    if !asked {
        let state = view.ok_or_else(missing)?.state;
        let hint = if ["completed", "failed"].contains(&state) { "" } else { "; use `gristmill job remove`" };
        return Err(Failure::new(format!("job {id} is {state}, it does not run{hint}")));
    }
    let state = view.as_ref().map_or("removed", |view| view.state);
    let reason = view.and_then(|mut view| view.fields.remove("failedReason"));
    if as_json {
        output::json(&json!({ "id": id, "state": state, "failedReason": reason }))?;
    } else {
        anstream::println!("job {id} is {state}");
    }
    // It may have ended by itself just then, or been kept for no longer than its end.
    Ok(if state == "completed" { FAILED.into() } else { ExitCode::SUCCESS })
}

/// Progress of a long command, on stderr.
pub(crate) fn told(what: &str) -> impl FnMut(u64) + '_ {
    move |count| {
        if count >= 1_000 {
            anstream::eprintln!("{count} jobs {what} so far");
        }
    }
}

pub(crate) fn done(what: &str, count: u64, as_json: bool) -> Result<ExitCode, Failure> {
    if as_json {
        output::json(&json!({ what: count }))?;
    } else {
        anstream::println!("{count} jobs {what}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Does one thing to each job; those that cannot be are named, and the rest go on.
async fn each(
    what: &str,
    ids: &[String],
    as_json: bool,
    mut act: impl AsyncFnMut(&str) -> Result<Result<(), Unmoved>, gristmill_queue::QueueError>,
) -> Result<ExitCode, Failure> {
    let (mut moved, mut refused) = (0, Vec::new());
    for id in ids {
        match act(id).await? {
            Ok(()) => moved += 1,
            Err(why) => refused.push(format!("job {id} was not {what}: {why}")),
        }
    }
    done(what, moved, as_json)?;
    if refused.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::failed(refused)) }
}

async fn list(queue: &Queue, arguments: &ListArguments, as_json: bool) -> Result<ExitCode, Failure> {
    let jobs = if arguments.poison {
        poison(queue, arguments.from, arguments.count).await?
    } else {
        let state = state_named(&arguments.state)?;
        let (jobs, read) = queue.jobs(state, arguments.from, arguments.count).await?;
        if read > 0 && read < arguments.count && queue.page(state, arguments.from + read, 1).await?.len() == 1
        {
            anstream::eprintln!("the jobs are large; go on with `--from {}`", arguments.from + read);
        }
        jobs
    };
    if as_json {
        output::json(&jobs)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = jobs.into_iter().map(|mut job| {
        let mut field = |name: &str| job.fields.remove(name).unwrap_or_default();
        let reason = gristmill_core::units::cut(&field("failedReason"), 80).into_owned();
        [field("name"), field("atm"), output::time(&field("timestamp")), reason, job.id]
    });
    output::table(
        ["id", "name", "attempts", "added", "failed reason"],
        rows.map(|[name, attempts, added, reason, id]| [id, name, attempts, added, reason]),
    );
    Ok(ExitCode::SUCCESS)
}

/// Failed jobs that are read at once in search of poison.
const SEARCHED: usize = 500;

/// Poison among the failed jobs, newest first.
async fn poison(queue: &Queue, from: usize, count: usize) -> Result<Vec<JobView>, Failure> {
    let (mut found, mut at, mut passed) = (Vec::new(), 0, 0);
    while found.len() < count {
        let (jobs, read) = queue.jobs("failed", at, SEARCHED).await?;
        if read == 0 {
            break;
        }
        at += read;
        for job in jobs
            .into_iter()
            .filter(|job| job.fields.get("failedReason").is_some_and(|reason| reason.starts_with(POISON)))
        {
            passed += 1;
            if passed > from && found.len() < count {
                found.push(job);
            }
        }
    }
    Ok(found)
}

async fn logs(
    queue: &Queue,
    id: &str,
    from: usize,
    count: usize,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let (lines, total) = queue.logs(id, from, count).await?;
    if total == 0 && queue.job(id).await?.is_none() {
        return Err(Failure::new(format!("there is no job `{id}` in queue `{}`", queue.name())));
    }
    if as_json {
        output::json(&json!({ "logs": lines, "count": total }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in &lines {
        output::text(line);
    }
    if (from + lines.len()) < usize::try_from(total).unwrap_or(usize::MAX) {
        anstream::eprintln!("{total} lines in all; go on with `--from {}`", from + lines.len());
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
    let mut fields = view.fields;
    let failures = fields.remove("stacktrace").unwrap_or_default();
    output::table(["field", "value"], state.into_iter().chain(fields.into_iter().map(|(k, v)| [k, v])));
    let failures: Vec<String> = serde_json::from_str(&failures).unwrap_or_default();
    for (number, failure) in (1..).zip(failures) {
        output::text(&format!("failure {number}: {failure}"));
    }
    for line in view.logs {
        output::text(&line);
    }
    Ok(ExitCode::SUCCESS)
}
