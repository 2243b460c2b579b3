//! `gristmill queue list`

use std::collections::BTreeMap;
use std::process::ExitCode;

use gristmill_queue::{Connection, Queue, STATES, queue_names};
use serde::Serialize;

use crate::arguments::{Global, QueueCommand};
use crate::failure::Failure;
use crate::{host, output, settings};

#[derive(Serialize)]
struct Row {
    queue: String,
    paused: bool,
    counts: BTreeMap<&'static str, u64>,
}

pub(crate) fn queue(command: &QueueCommand, global: &Global) -> Result<ExitCode, Failure> {
    let QueueCommand::List = command;
    let config = settings::accept(settings::read(global, true)?)?;
    let rows = host::host_runtime()?.block_on(async {
        let (connection, _) = Connection::open(&config.redis.url).await?;
        let mut names = queue_names(&connection, &config.redis.prefix).await?;
        names.extend(config.queues.keys().cloned());
        names.sort();
        names.dedup();
        let mut rows = Vec::new();
        for name in names {
            let queue = Queue::new(connection.clone(), &config.redis.prefix, &name);
            let counts = STATES.into_iter().zip(queue.counts().await?).collect();
            rows.push(Row { paused: queue.is_paused().await?, queue: name, counts });
        }
        Ok::<_, Failure>(rows)
    })?;
    if global.json {
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
