//! `gristmill supervisor`: starts and stops workers on this machine, as many as the queues need.

use std::io;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use gristmill_core::config::Config;
use gristmill_queue::{Connection, Monitor};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::arguments::{Global, SupervisorArguments};
use crate::failure::Failure;
use crate::{host, settings};

/// How often it is looked how many there should be.
const LOOK: Duration = Duration::from_secs(1);
/// A worker that ends sooner than this after its start is started again only after as long.
const QUICK: Duration = Duration::from_secs(5);

pub(crate) fn supervisor(arguments: &SupervisorArguments, global: &Global) -> Result<ExitCode, Failure> {
    if arguments.min > arguments.max || arguments.max == 0 {
        return Err(Failure::usage(format!(
            "`--min {}` and `--max {}` leave no number of workers",
            arguments.min, arguments.max
        )));
    }
    let config = settings::accept(settings::read(global, false)?)?;
    host::host_runtime()?.block_on(run(arguments, global, &config))
}

/// A worker that was started here.
struct Started {
    child: Child,
    at: tokio::time::Instant,
    /// It was told to drain.
    leaving: bool,
    /// It has the address of the configuration.
    first: bool,
}

async fn run(arguments: &SupervisorArguments, global: &Global, config: &Config) -> Result<ExitCode, Failure> {
    let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
    let monitor = Monitor::new(connection, &config.redis.prefix);
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut workers: Vec<Started> = Vec::new();
    let mut wanted = arguments.min;
    let mut not_before = tokio::time::Instant::now();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = term.recv() => break,
            _ = int.recv() => break,
        }
        // A server that is away changes nothing: the workers that are there wait for it too.
        if let Ok(rows) = monitor.scaling().await {
            // What starves elsewhere, workers of this configuration cannot help.
            let ours = rows.values().filter(|row| config.queues.contains_key(&row.queue));
            let most = ours.map(|row| row.decision.desired).max().unwrap_or(arguments.min);
            wanted = most.clamp(arguments.min, arguments.max);
        }
        for gone in reap(&mut workers)? {
            if gone.at.elapsed() < QUICK && !gone.leaving {
                not_before = tokio::time::Instant::now() + QUICK;
            }
        }
        let serving = workers.iter().filter(|worker| !worker.leaving).count() as u64;
        if serving < wanted && tokio::time::Instant::now() >= not_before {
            for _ in serving..wanted {
                let first = !workers.iter().any(|worker| worker.first);
                match start(global, first) {
                    Ok(worker) => workers.push(worker),
                    Err(error) => {
                        tracing::warn!(%error, "a worker could not be started; this is tried again in 5 s");
                        not_before = tokio::time::Instant::now() + QUICK;
                        break;
                    }
                }
            }
            let serving = workers.iter().filter(|worker| !worker.leaving).count();
            tracing::info!(workers = serving, "workers started");
        } else if serving > wanted {
            // The one with the known address stays, and of the others the youngest goes.
            let surplus = usize::try_from(serving - wanted).unwrap_or(0);
            let going = workers.iter_mut().rev().filter(|worker| !worker.leaving && !worker.first);
            for worker in going.take(surplus) {
                worker.leaving = true;
                drain(worker);
            }
            tracing::info!(workers = wanted, "workers drain");
        }
    }
    tracing::info!(workers = workers.len(), "draining all workers");
    workers.iter().filter(|worker| !worker.leaving).for_each(drain);
    let mut in_time = true;
    for mut worker in workers {
        in_time &= worker.child.wait().await?.success();
    }
    Ok(if in_time { ExitCode::SUCCESS } else { crate::failure::DRAIN.into() })
}

/// Takes out the workers that have ended.
fn reap(workers: &mut Vec<Started>) -> Result<Vec<Started>, Failure> {
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    for mut worker in workers.drain(..) {
        match worker.child.try_wait()? {
            None => there.push(worker),
            Some(status) => {
                if !worker.leaving {
                    tracing::warn!(%status, "a worker has ended by itself; another is started");
                }
                gone.push(worker);
            }
        }
    }
    *workers = there;
    Ok(gone)
}

/// The first worker has the address of the configuration, the others any that is free.
fn start(global: &Global, first: bool) -> io::Result<Started> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.arg("worker").stdin(Stdio::null()).kill_on_drop(false);
    if let Some(file) = &global.config {
        command.arg("--config").arg(file);
    }
    if let Some(url) = &global.redis {
        command.arg("--redis").arg(url);
    }
    if !first {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    // A Ctrl-C is for the supervisor, which drains the workers then.
    command.process_group(0);
    let child = command.spawn()?;
    Ok(Started { child, at: tokio::time::Instant::now(), leaving: false, first })
}

fn drain(worker: &Started) {
    let pid =
        worker.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // One that has ended meanwhile needs no signal.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}
