//! `gristmill worker`: serves the configured queues until a signal drains it.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use crate::arguments::Global;
use crate::failure::{DRAIN, Failure};
use crate::{host, settings};

pub(crate) fn worker(listen: Option<SocketAddr>, global: &Global) -> Result<ExitCode, Failure> {
    let read = move |global: &Global| {
        let mut config = settings::accept(settings::read(global, false)?)?;
        config.server.listen = listen.unwrap_or(config.server.listen);
        Ok::<_, Failure>(config)
    };
    let config = read(global)?;
    let runtime = host::host_runtime()?;
    let drained = runtime.block_on(async {
        let queues = config.queues.keys().cloned().collect::<Vec<_>>().join(", ");
        let global = global.clone();
        let reread = Box::new(move || read(&global));
        let host = host::build(config, reread).await?;
        let metrics = format!("http://{}/metrics", host.address());
        let drained = host.run(|| tracing::info!(queues, %metrics, "serving")).await?;
        Ok::<_, Failure>(drained)
    })?;
    if drained.again.is_some() {
        return Err(again());
    }
    if drained.timed_out {
        if !drained.cut_short {
            tracing::warn!("the drain ran out of time; unfinished jobs went back to their queues");
        }
        return Ok(DRAIN.into());
    }
    tracing::info!("drained");
    Ok(ExitCode::SUCCESS)
}

/// Becomes a new process with the same arguments, environment and pid: whatever held memory is gone. Returns only when
/// the system refuses.
fn again() -> Failure {
    tracing::warn!("starting anew");
    let program = std::env::current_exe().unwrap_or_else(|_| "gristmill".into());
    let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).exec();
    Failure::new(format!("cannot start anew: {error}"))
}
