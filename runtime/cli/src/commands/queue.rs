//! `gristmill queue`: looking at queues, and what is done to a whole one.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use gristmill_core::clock::Clock;
use gristmill_core::config::Config;
use gristmill_core::units::{closest, show_duration, show_rate};
use gristmill_queue::{AuditRow, Connection, MinuteCounts, Queue, STATES, Spared, queue_names, state_named};
use serde::Serialize;
use serde_json::json;

use crate::arguments::{Global, QueueCommand};
use crate::commands::job::{done, told};
use crate::commands::setting::who;
use crate::failure::Failure;
use crate::{host, output, settings};

#[derive(Serialize)]
struct Row {
    queue: String,
    paused: bool,
    counts: BTreeMap<&'static str, u64>,
}

pub(crate) fn queue(command: QueueCommand, global: &Global) -> Result<ExitCode, Failure> {
    let config = settings::accept(settings::read(global, true)?)?;
    host::host_runtime()?.block_on(run(command, &config, global.json))
}

async fn run(command: QueueCommand, config: &Config, as_json: bool) -> Result<ExitCode, Failure> {
    let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
    let queue = |name: &str| Queue::new(connection.clone(), &config.redis.prefix, name);
    let known = async |name: &str| {
        let queue = queue(name);
        if config.queues.contains_key(name) || queue.exists().await? {
            return Ok(queue);
        }
        Err(unknown(&connection, config, name).await?)
    };
    let now = Clock::System.now_ms();
    match command {
        QueueCommand::List => list(&connection, config, as_json).await,
        QueueCommand::Show { queue: name } => show(&known(&name).await?, as_json).await,
        QueueCommand::Pause { queue: name } => {
            known(&name).await?.pause(now).await?;
            told_of(&connection, &format!("queue pause {name}")).await
        }
        QueueCommand::Resume { queue: name } => {
            known(&name).await?.resume(now).await?;
            told_of(&connection, &format!("queue resume {name}")).await
        }
        QueueCommand::Drain { queue: name, delayed } => {
            let removed = known(&name).await?.drain(delayed, told("removed"), now).await?;
            done("removed", removed, as_json)
        }
        QueueCommand::Clean { queue: name, state, grace, limit } => {
            let state = state_named(&state)?;
            let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
            let removed = known(&name).await?.clean(state, grace_ms, limit, told("removed"), now).await?;
            done("removed", removed.len() as u64, as_json)
        }
        QueueCommand::Limit { queue: name, concurrency, no_concurrency, rate, no_rate, hold } => {
            let queue = known(&name).await?;
            let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            if concurrency.is_some() || no_concurrency {
                queue.set_concurrency(concurrency).await?;
            }
            if rate.is_some() || no_rate {
                queue.set_rate_limit(rate.map(|(jobs, time)| (jobs, millis(time)))).await?;
            }
            if let Some(time) = hold {
                queue.hold(millis(time)).await?;
            }
            show_limits(&queue, as_json).await
        }
        QueueCommand::Obliterate { queue: name, force, yes } => {
            let queue = known(&name).await?;
            if !yes {
                confirm(&name)?;
            }
            match queue.obliterate(force, now).await? {
                Ok(()) => Ok(ExitCode::SUCCESS),
                Err(Spared::Running) => Err(Failure::new(format!(
                    "jobs of `{name}` are running; it is paused now: wait for them, or add `--force`"
                ))),
                Err(Spared::NotPaused) => {
                    Err(Failure::new(format!("somebody has resumed `{name}` meanwhile; try again")))
                }
            }
        }
    }
}

/// What is said of a queue that is not there would be said to nobody.
async fn unknown(connection: &Connection, config: &Config, name: &str) -> Result<Failure, Failure> {
    let mut there = queue_names(connection, &config.redis.prefix).await?;
    there.extend(config.queues.keys().cloned());
    let hint = closest(name, there.iter().map(String::as_str)).map_or_else(
        || "hint: `gristmill queue list` shows those that are there".to_owned(),
        |near| format!("hint: did you mean `{near}`?"),
    );
    Ok(Failure::new(format!("there is no queue `{name}`\n{hint}")))
}

async fn show_limits(queue: &Queue, as_json: bool) -> Result<ExitCode, Failure> {
    let limits = queue.limits().await?;
    if as_json {
        output::json(&limits)?;
        return Ok(ExitCode::SUCCESS);
    }
    let none = || "none".to_owned();
    let rate = limits.max.zip(limits.duration_ms);
    let rate = rate.map(|(jobs, ms)| show_rate(jobs, Duration::from_millis(ms)));
    let concurrency = limits.concurrency.map(|n| n.to_string());
    let held = limits.held_ms.map(|ms| show_duration(Duration::from_millis(ms)));
    let rows = [("concurrency", concurrency), ("rate limit", rate), ("held for", held)];
    let rows = rows.map(|(name, value)| [name.to_owned(), value.unwrap_or_else(none)]);
    output::table([queue.name(), "on all workers"], rows);
    Ok(ExitCode::SUCCESS)
}

/// Leaves a row where the API leaves its own, so that it is seen who changed what.
async fn told_of(connection: &Connection, what: &str) -> Result<ExitCode, Failure> {
    let at_ms = Clock::System.now_ms();
    let row = AuditRow { at_ms, who: who(), what: format!("gristmill {what}"), status: 200 };
    connection.audit(&row).await?;
    Ok(ExitCode::SUCCESS)
}

/// Asks for the queue's name, as there is no way back.
fn confirm(name: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "this removes `{name}` with all its jobs; add `--yes` if that is what you want"
        )));
    }
    anstream::eprint!("this removes `{name}` with all its jobs. Type its name to go on: ");
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    if typed.trim() == name { Ok(()) } else { Err(Failure::new("nothing was removed")) }
}

async fn show(queue: &Queue, as_json: bool) -> Result<ExitCode, Failure> {
    let counts = queue.counts().await?;
    let paused = queue.is_paused().await?;
    let (completed, failed) =
        (queue.minute_counts("completed", 60).await?, queue.minute_counts("failed", 60).await?);
    let schedulers = queue.schedulers(0, 1_000).await?.len();
    let held_ms = queue.limits().await?.held_ms;
    if as_json {
        let counts: BTreeMap<_, _> = STATES.into_iter().zip(counts).collect();
        output::json(&json!({
            "queue": queue.name(), "paused": paused, "held_ms": held_ms, "counts": counts, "schedulers": schedulers,
            "completed": completed, "failed": failed,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let hour = |counts: &MinuteCounts| counts.minutes.iter().sum::<u64>().to_string();
    let rows =
        STATES.into_iter().zip(counts).map(|(state, count)| [state.to_owned(), count.to_string()]).chain([
            ["schedulers".to_owned(), schedulers.to_string()],
            ["completed in the last 60 counted minutes".to_owned(), hour(&completed)],
            ["failed in the last 60 counted minutes".to_owned(), hour(&failed)],
            ["queue".to_owned(), state_of(paused, held_ms)],
        ]);
    output::table([queue.name(), ""], rows);
    Ok(ExitCode::SUCCESS)
}

fn state_of(paused: bool, held_ms: Option<u64>) -> String {
    match held_ms {
        _ if paused => "paused".to_owned(),
        Some(ms) => format!("held for {}", show_duration(Duration::from_millis(ms))),
        None => "running".to_owned(),
    }
}

async fn list(connection: &Connection, config: &Config, as_json: bool) -> Result<ExitCode, Failure> {
    let mut names = queue_names(connection, &config.redis.prefix).await?;
    names.extend(config.queues.keys().cloned());
    names.sort();
    names.dedup();
    let mut rows = Vec::new();
    for name in names {
        let queue = Queue::new(connection.clone(), &config.redis.prefix, &name);
        let counts = STATES.into_iter().zip(queue.counts().await?).collect();
        rows.push(Row { paused: queue.is_paused().await?, queue: name, counts });
    }
    if as_json {
        output::json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = ["waiting", "active", "prioritized", "delayed", "waiting-children", "completed", "failed"];
    let head = [
        "queue",
        "waiting",
        "active",
        "prioritized",
        "delayed",
        "waiting-children",
        "completed",
        "failed",
        "",
    ];
    output::table(
        head,
        rows.iter().map(|row| {
            let mut cells = [const { String::new() }; 9];
            cells[0].clone_from(&row.queue);
            for (cell, state) in cells[1..8].iter_mut().zip(shown) {
                cell.push_str(&row.counts[state].to_string());
            }
            if row.paused {
                cells[8].push_str("paused");
            }
            cells
        }),
    );
    Ok(ExitCode::SUCCESS)
}
