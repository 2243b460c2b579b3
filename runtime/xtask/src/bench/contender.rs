//! Starting and stopping a contender.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::viewer::Viewer;
use crate::guests;
use crate::steps::{is_ready, root};

/// Who runs the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours: the scripted handler's `return`, a fresh instance per job, memory and time limits armed.
    Gristmill,
    /// The same behind a limiter of three tiers that never refuses.
    Limited,
    /// Ours with nothing looked at: no history, alerts, decisions; nobody scrapes or watches.
    Unwatched,
    /// Ours with everything looked at, more often than by default, scraped, and with the dashboard open.
    Watched,
    /// BullMQ's Node worker, function in its own process.
    Node,
    /// BullMQ's Node worker with a processor in child processes.
    Sandboxed,
    /// The crate `bullmq-official`, closure in its own process.
    Official,
    /// Our scripts driven as fast as Redis answers, with nobody running the jobs.
    Ceiling,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gristmill => "gristmill",
            Self::Limited => "gristmill-limited",
            Self::Unwatched => "gristmill-unwatched",
            Self::Watched => "gristmill-watched",
            Self::Node => "bullmq-node",
            Self::Sandboxed => "bullmq-node-sandboxed",
            Self::Official => "bullmq-official",
            Self::Ceiling => "redis-alone",
        }
    }
}

/// Ten times as often as by default.
const WATCHED: &str = "[monitoring]\ninterval = \"6s\"\nhealth_interval = \"3s\"\ndashboard_refresh = \"500ms\"\n\
                       [alerts]\nanomalies = true\n[alerts.rules.slow]\nwhen = \"avg(p95_ms, 5m) > 10s and backlog > 0\"\n";

/// One contender with its settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contender {
    pub kind: Kind,
    pub concurrency: usize,
    /// Jobs of one run; enough for two seconds or more.
    pub jobs: usize,
    /// `removeOnComplete` of its jobs.
    pub remove: bool,
}

impl Contender {
    pub(crate) fn name(&self) -> String {
        let kept = if self.remove { "removed" } else { "kept" };
        format!("{} c={} {kept}", self.kind.name(), self.concurrency)
    }
}

/// Built programs.
pub(crate) struct Programs {
    pub gristmill: PathBuf,
    pub official: PathBuf,
}

/// A running worker; killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// Held for as long as the worker runs.
    viewer: Option<Viewer>,
    _folder: Option<TempDir>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // TERM first: a sandboxed worker ends its children.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it and waits until it is connected.
pub(crate) fn start(
    programs: &Programs,
    kind: Kind,
    port: u16,
    queue: &str,
    concurrency: usize,
) -> Result<Running> {
    match kind {
        Kind::Gristmill | Kind::Limited | Kind::Unwatched | Kind::Watched => {
            gristmill(&programs.gristmill, port, queue, concurrency, kind)
        }
        Kind::Official => {
            let arguments = [port.to_string(), queue.to_owned(), concurrency.to_string()];
            ready_line(Command::new(&programs.official).args(arguments))
        }
        Kind::Node | Kind::Sandboxed => {
            let mode = if kind == Kind::Node { "inprocess" } else { "sandboxed" };
            let mut node = Command::new("node");
            node.arg(root().join("tests/bench/peers/node-worker.mjs"));
            node.args(["--port", &port.to_string(), "--queue", queue, "--mode", mode]);
            ready_line(node.args(["--concurrency", &concurrency.to_string()]))
        }
        Kind::Ceiling => bail!("the ceiling has no process"),
    }
}

fn ready_line(command: &mut Command) -> Result<Running> {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("cannot start a contender")?;
    let stdout = child.stdout.take().context("no stdout")?;
    let running = Running { child, viewer: None, _folder: None };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.trim() != "ready" {
        bail!("a contender said `{}` instead of `ready`", line.trim());
    }
    Ok(running)
}

fn gristmill(binary: &Path, port: u16, queue: &str, concurrency: usize, kind: Kind) -> Result<Running> {
    let folder = tempfile::tempdir()?;
    let handler = guests::folder().join("scripted.wasm");
    let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let (table, declared) = match kind {
        Kind::Limited => (
            "[limiters.wide]\ntiers = [\"1000000/s\", \"100000000/h\", \"1000000000/day\"]\n",
            "limiters = [\"wide\"]\n",
        ),
        Kind::Unwatched => ("[monitoring]\nenabled = false\n[scaling]\nenabled = false\n", ""),
        Kind::Watched => (WATCHED, ""),
        _ => ("", ""),
    };
    let text = format!(
        "[redis]\nurl = \"redis://127.0.0.1:{port}\"\n[server]\nlisten = \"{listen}\"\n[worker]\nmemory_hard_limit = \"8GiB\"\n\
         {table}[queues.{queue}]\nconcurrency = {concurrency}\n\
         [queues.{queue}.jobs.\"*\"]\nhandler = {:?}\nmemory = \"16MiB\"\ntimeout = \"10s\"\n{declared}",
        handler.display().to_string()
    );
    let config = folder.path().join("gristmill.toml");
    std::fs::write(&config, text)?;
    let child = Command::new(binary)
        .args(["worker", "--config"])
        .arg(&config)
        .env_remove("REDIS_URL")
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start gristmill")?;
    let mut running = Running { child, viewer: None, _folder: Some(folder) };
    // Its own readiness page says when it is connected.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while std::time::Instant::now() < deadline {
        if is_ready(listen) {
            running.viewer = (kind == Kind::Watched).then(|| Viewer::open(listen, queue));
            return Ok(running);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    bail!("gristmill did not become ready")
}
