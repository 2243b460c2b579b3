//! `gristmill core-dump`: what instances held as they broke off.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use gristmill_core::clock::Clock;
use gristmill_core::core_dump::CoreDumpInfo;
use gristmill_core::units::show_size;
use gristmill_queue::Connection;

use crate::arguments::{CoreDumpCommand, Global};
use crate::commands::handler::{one_of, short};
use crate::failure::Failure;
use crate::{host, output, settings};

pub(crate) fn core_dump(command: CoreDumpCommand, global: &Global) -> Result<ExitCode, Failure> {
    host::host_runtime()?.block_on(run(command, global))
}

async fn run(command: CoreDumpCommand, global: &Global) -> Result<ExitCode, Failure> {
    let config = settings::accept(settings::read(global, true)?)?;
    let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
    let all = connection.core_dumps(Clock::System.now_ms()).await?;
    match command {
        CoreDumpCommand::List { queue } => {
            list(
                all.into_iter().filter(|info| queue.as_ref().is_none_or(|queue| *queue == info.queue)),
                global,
            )?;
        }
        CoreDumpCommand::Get { digest, output } => {
            let found = one_of(all, &digest, |info| &info.digest, ("core dump", "gristmill core-dump list"))?;
            get(&connection, &found, &output, global).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(all: impl Iterator<Item = CoreDumpInfo>, global: &Global) -> Result<(), Failure> {
    if global.json {
        return output::json(&all.collect::<Vec<_>>());
    }
    let rows = all.map(|info| {
        [
            short(&info.digest),
            info.queue,
            info.job,
            format!("{} attempt {}", info.id, info.attempt),
            short(&info.module),
            show_size(info.size),
            output::time(&info.at_ms.to_string()),
            info.reason,
        ]
    });
    output::table(["core dump", "queue", "job type", "job", "module", "size", "at", "reason"], rows);
    Ok(())
}

/// Writes the file for its owner only: it holds the job's data and the handler's secrets.
async fn get(
    connection: &Connection,
    info: &CoreDumpInfo,
    path: &Path,
    global: &Global,
) -> Result<(), Failure> {
    let (info, file) = connection.core_dump(&info.digest).await.map_err(Failure::new)?;
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    open.and_then(|mut to| to.write_all(&file)).map_err(failed)?;
    if global.json {
        return output::json(&info);
    }
    anstream::println!(
        "{}: {}, of job {} in `{}`",
        path.display(),
        show_size(info.size),
        info.id,
        info.queue
    );
    Ok(())
}
