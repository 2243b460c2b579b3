//! `gristmill dev`: serves the handlers of a directory and swaps each when its file changes.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gristmill_core::config::Config;
use gristmill_queue::PrivateRedis;
use notify::{EventKind, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, new_debouncer};
use tokio::sync::mpsc;

use crate::arguments::{DevArguments, Global};
use crate::failure::Failure;
use crate::host::Host;
use crate::{host, settings};

/// A build writes a file in several steps; this long without a further one, it is taken as done.
const SETTLED: Duration = Duration::from_millis(40);

pub(crate) fn dev(arguments: &DevArguments, global: &Global) -> Result<ExitCode, Failure> {
    host::host_runtime()?.block_on(async {
        let own = global.redis.is_none() && std::env::var_os("REDIS_URL").is_none();
        // Lives until the worker has drained.
        let redis = if own { Some(PrivateRedis::start().await?) } else { None };
        let url = redis.as_ref().map(PrivateRedis::url).or_else(|| global.redis.clone());
        let global = Global { config: None, redis: url, json: global.json };
        let arguments = arguments.clone();
        let read = move || {
            let text = configuration(&arguments)?;
            let file = arguments.directory.join("gristmill.toml");
            let mut config = settings::accept(settings::interpret(&global, Some((&file, &text)), false))?;
            // Several `dev` may run on one machine, so its port is any free one.
            config.server.listen = ([127, 0, 0, 1], 0).into();
            Ok(config)
        };
        let config = read()?;
        let usage = usage(&config);
        let host = host::build(config, Box::new(read)).await?;
        let address = host.address();
        // Dropped with the worker: nothing to swap any more.
        let _watching = watch(&host)?;
        let ready =
            || anstream::eprintln!("serving; metrics at http://{address}/metrics, Ctrl-C ends\n{usage}");
        host.run(ready).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The directory's own configuration, or one that serves each `NAME.wasm` on the queue `NAME`.
fn configuration(arguments: &DevArguments) -> Result<String, Failure> {
    let directory = &arguments.directory;
    match std::fs::read_to_string(directory.join("gristmill.toml")) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(Failure::usage(format!(
                "cannot read `{}/gristmill.toml`: {error}",
                directory.display()
            )));
        }
    }
    let entries = std::fs::read_dir(directory).map_err(|error| {
        Failure::usage(format!("cannot read the directory `{}`: {error}", directory.display()))
    })?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "wasm")).collect();
    files.sort();
    if files.is_empty() {
        let hint = "build a handler there first, or name the directory that has it";
        return Err(Failure::usage(format!(
            "no handler (`*.wasm`) in `{}`\nhint: {hint}",
            directory.display()
        )));
    }
    let named: Vec<(String, &str)> = files
        .iter()
        .filter_map(|file| {
            let stem = file.file_stem()?.to_str()?;
            Some((stem.replace('_', "-"), file.file_name()?.to_str()?))
        })
        .collect();
    let queues: Vec<&str> = named.iter().map(|(queue, _)| queue.as_str()).collect();
    let hosts = &arguments.allow_http;
    // Each handler may use much, and people try many at once.
    let mut text = String::from("[worker]\nmemory_hard_limit = \"16GiB\"\n");
    for (queue, name) in &named {
        let _ = writeln!(text, "[queues.{queue:?}.jobs.\"*\"]\nhandler = {name:?}\noutput = \"16MiB\"");
        let _ = writeln!(text, "memory = \"256MiB\"\nallow = {{ http = {hosts:?}, enqueue = {queues:?} }}");
    }
    Ok(text)
}

fn usage(config: &Config) -> String {
    let mut text = String::from("add a job from another terminal:\n");
    for queue in config.queues.keys() {
        let _ = writeln!(
            text,
            "  gristmill --redis {} job add {queue} try --data '{{}}' --wait",
            config.redis.url
        );
    }
    text
}

/// Reloads a handler when its file changes, for as long as the answer lives.
fn watch(host: &Host) -> Result<impl Sized + use<>, Failure> {
    let handlers = Arc::clone(&host.handlers);
    let (sender, mut changes) = mpsc::unbounded_channel::<PathBuf>();
    let tell = move |result: DebounceEventResult| {
        let events = result.unwrap_or_default();
        let written =
            events.into_iter().filter(|e| matches!(e.kind, EventKind::Create(_) | EventKind::Modify(_)));
        for path in written.flat_map(|e| e.event.paths) {
            // The worker has ended when nobody listens.
            let _ = sender.send(path);
        }
    };
    let mut watcher = new_debouncer(SETTLED, None, tell).map_err(Failure::new)?;
    let paths = handlers.paths();
    let mut directories: Vec<&Path> = paths.iter().filter_map(|p| p.parent()).collect();
    directories.dedup();
    for directory in directories {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        watcher.watch(directory, RecursiveMode::NonRecursive).map_err(Failure::new)?;
    }
    let reloading = tokio::task::spawn_blocking(move || {
        while let Some(changed) = changes.blocking_recv() {
            let name = changed.file_name();
            for path in paths.iter().filter(|p| p.file_name() == name && p.exists()) {
                handlers.reload(path);
            }
        }
    });
    Ok((watcher, reloading))
}
