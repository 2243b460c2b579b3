//! `gristmill alert`, `gristmill scale` and `gristmill worker list`.

use std::process::ExitCode;
use std::time::Duration;

use gristmill_core::alert::{Acknowledgement, Alert, AlertState};
use gristmill_core::clock::Clock;
use gristmill_core::units::{show_duration, show_size};
use gristmill_queue::{AuditRow, Connection, Monitor, ScalingRow, WorkerBeat};

use crate::arguments::{AlertCommand, Global, ScaleCommand};
use crate::commands::setting::who;
use crate::failure::Failure;
use crate::{host, output, settings};

/// What the workers of the configuration's Redis and prefix keep together.
pub(crate) async fn opened(global: &Global) -> Result<Monitor, Failure> {
    let config = settings::accept(settings::read(global, true)?)?;
    let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
    Ok(Monitor::new(connection, &config.redis.prefix))
}

pub(crate) fn alert(command: AlertCommand, global: &Global) -> Result<ExitCode, Failure> {
    host::host_runtime()?.block_on(async {
        let monitor = opened(global).await?;
        match command {
            AlertCommand::List { resolved, count } => {
                list_alerts(&monitor, resolved, count, global.json).await
            }
            AlertCommand::Ack { id, note, lasting } => acknowledge(&monitor, &id, note, lasting).await,
        }
    })
}

async fn list_alerts(
    monitor: &Monitor,
    resolved: bool,
    count: usize,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let alerts = if resolved {
        monitor.ended_alerts(0, count).await?
    } else {
        let mut holding: Vec<Alert> = monitor.alerts().await?.into_values().map(|(alert, _)| alert).collect();
        holding.sort_by_key(|alert| std::cmp::Reverse((alert.severity, alert.raised_ms)));
        holding.truncate(count);
        holding
    };
    if as_json {
        output::json(&alerts)?;
        return Ok(ExitCode::SUCCESS);
    }
    if alerts.is_empty() {
        anstream::eprintln!("no alert {}", if resolved { "has ended" } else { "holds" });
        return Ok(ExitCode::SUCCESS);
    }
    let rows = alerts.into_iter().map(|alert| {
        let state = match (&alert.acknowledged, alert.state) {
            (_, AlertState::Resolved) => "resolved".to_owned(),
            (Some(by), _) => format!("acknowledged by {}", by.who),
            (None, _) => "raised".to_owned(),
        };
        [
            alert.severity.as_str().to_owned(),
            alert.queue.unwrap_or_default(),
            alert.summary,
            state,
            output::time(&alert.raised_ms.to_string()),
            alert.id,
        ]
    });
    output::table(["severity", "queue", "what", "state", "since", "id"], rows);
    Ok(ExitCode::SUCCESS)
}

async fn acknowledge(
    monitor: &Monitor,
    id: &str,
    note: String,
    lasting: Option<Duration>,
) -> Result<ExitCode, Failure> {
    if note.len() > 1_024 {
        return Err(Failure::usage("a note has at most 1024 bytes"));
    }
    if lasting.is_some_and(|time| time.as_millis() == 0) {
        return Err(Failure::usage("`--for` is over at once; give a time such as `1h`, or leave it out"));
    }
    let at_ms = Clock::System.now_ms();
    let until_ms = lasting.map(|time| at_ms + u64::try_from(time.as_millis()).unwrap_or(u64::MAX >> 1));
    let by = Acknowledgement { who: who(), at_ms, note, until_ms };
    if !monitor.acknowledge(id, &by).await? {
        let hint = "hint: `gristmill alert list` shows those that hold";
        return Err(Failure::new(format!("no alert `{id}` holds\n{hint}")));
    }
    let row = AuditRow { at_ms, who: by.who, what: format!("alert ack {id}"), status: 0 };
    monitor.connection().audit(&row).await?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn scale(command: ScaleCommand, global: &Global) -> Result<ExitCode, Failure> {
    host::host_runtime()?.block_on(async {
        let monitor = opened(global).await?;
        match command {
            ScaleCommand::Show => {
                let rows: Vec<ScalingRow> = monitor.scaling().await?.into_values().collect();
                show_rows(
                    &rows,
                    global.json,
                    "no decision was made yet: do workers run, with `scaling.enabled`?",
                )
            }
            ScaleCommand::History { queue, count } => {
                let rows = monitor.scaling_changes(queue.as_deref(), 0, count).await?;
                show_rows(&rows, global.json, "nothing was changed yet")
            }
            ScaleCommand::Explain { queue } => explain(&monitor, &queue, global.json).await,
        }
    })
}

fn show_rows(rows: &[ScalingRow], as_json: bool, none: &str) -> Result<ExitCode, Failure> {
    if as_json {
        output::json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        anstream::eprintln!("{none}");
        return Ok(ExitCode::SUCCESS);
    }
    let rows = rows.iter().map(|row| {
        [
            row.queue.clone(),
            row.signals.workers.to_string(),
            format!("{} → {}", row.from, row.decision.desired),
            row.decision.action.as_str().to_owned(),
            row.decision.reason.clone(),
            output::time(&row.at_ms.to_string()),
        ]
    });
    output::table(["queue", "workers", "should have", "action", "why", "at"], rows);
    Ok(ExitCode::SUCCESS)
}

async fn explain(monitor: &Monitor, queue: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let rows = monitor.scaling().await?;
    let Some(row) = rows.get(queue) else {
        let known = gristmill_core::units::closest(queue, rows.keys().map(String::as_str));
        let hint = known.map_or_else(
            || "hint: `gristmill scale show` lists the queues that workers look at".to_owned(),
            |near| format!("hint: did you mean `{near}`?"),
        );
        return Err(Failure::new(format!("no decision was made on queue `{queue}`\n{hint}")));
    };
    if as_json {
        output::json(row)?;
        return Ok(ExitCode::SUCCESS);
    }
    anstream::println!("{}: {}", row.decision.action.as_str(), row.decision.reason);
    anstream::println!("workers: {} before, {} from now on", row.from, row.decision.desired);
    for line in &row.decision.explanation {
        anstream::println!("  {line}");
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn workers(global: &Global) -> Result<ExitCode, Failure> {
    host::host_runtime()?.block_on(async {
        let workers = opened(global).await?.workers(Clock::System.now_ms()).await?;
        if global.json {
            output::json(&workers)?;
            return Ok(ExitCode::SUCCESS);
        }
        if workers.is_empty() {
            anstream::eprintln!("no worker is there; `gristmill worker` starts one");
            return Ok(ExitCode::SUCCESS);
        }
        let now = Clock::System.now_ms();
        output::table(
            ["worker", "state", "slots", "jobs", "memory", "CPU", "up", "pages", "queues"],
            workers.into_iter().map(|worker| worker_row(worker, now)),
        );
        Ok(ExitCode::SUCCESS)
    })
}

pub(crate) fn worker_row(worker: WorkerBeat, now_ms: u64) -> [String; 9] {
    let up = Duration::from_secs(now_ms.saturating_sub(worker.started_ms) / 1_000);
    let queues: Vec<_> = worker.queues.into_iter().map(|(queue, _)| queue).collect();
    [
        worker.name,
        worker.phase,
        format!("{} of {}", worker.busy, worker.slots),
        worker.jobs_total.to_string(),
        show_size(worker.memory_bytes),
        format!("{:.0} %", worker.cpu_percent),
        show_duration(up),
        worker.listen,
        queues.join(", "),
    ]
}
