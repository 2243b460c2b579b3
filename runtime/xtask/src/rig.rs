//! The real binary as a worker with a configuration of its own: for the demo, tests and benchmarks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::steps::is_ready;

/// A first start compiles every handler.
const READY: Duration = Duration::from_secs(300);
const DRAINED: Duration = Duration::from_secs(60);
/// For an answer of a page.
const PAGE: Duration = Duration::from_secs(10);

/// A running worker; killed when dropped without [`Rig::stop`].
pub(crate) struct Rig {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
    /// Removed with the rig.
    temporary: Option<TempDir>,
}

impl Rig {
    /// In a temporary folder. `more` is the configuration without `[redis]` and `[server]`.
    pub(crate) fn start(binary: &Path, redis: &str, more: &str) -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let mut rig = Self::start_in(temporary.path(), binary, redis, more)?;
        rig.temporary = Some(temporary);
        Ok(rig)
    }

    /// In a folder that stays, with its configuration and its log.
    pub(crate) fn start_in(folder: &Path, binary: &Path, redis: &str, more: &str) -> Result<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = folder.join("gristmill.toml");
        std::fs::write(
            &config,
            format!("[redis]\nurl = {redis:?}\n[server]\nlisten = \"{address}\"\n{more}"),
        )?;
        let child = Command::new(binary)
            .args(["worker", "--config"])
            .arg(&config)
            .env_remove("REDIS_URL")
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(log_in(folder))?)
            .spawn()
            .context("cannot start the worker")?;
        Ok(Self { child, address, folder: folder.to_owned(), temporary: None })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(log_in(&self.folder))?)
    }

    /// An error if the process has ended.
    pub(crate) fn lives(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the worker ended with {status}:\n{}", last_lines(&self.log()?)),
            None => Ok(()),
        }
    }

    pub(crate) async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            self.lives()?;
            if is_ready(self.address) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the worker was not ready within {}s", READY.as_secs())
    }

    /// Head and body of one of its pages.
    pub(crate) fn page(&self, path: &str) -> Result<String> {
        get(self.address, path)
    }

    /// Drains it.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        Command::new("kill").args(["-s", "TERM", &self.pid().to_string()]).status()?;
        let deadline = Instant::now() + DRAINED;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the drain ended with {status}:\n{}", last_lines(&self.log()?)),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        bail!("the worker did not end within {}s", DRAINED.as_secs())
    }
}

/// Begins a request of one of a worker's pages.
pub(crate) fn request(worker: SocketAddr, path: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(worker)?;
    stream.set_read_timeout(Some(PAGE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {worker}\r\nConnection: close\r\n\r\n")?;
    Ok(stream)
}

/// Head and body of a worker's page; anything but 200 is an error.
pub(crate) fn get(worker: SocketAddr, path: &str) -> Result<String> {
    let mut answer = String::new();
    request(worker, path)?.read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("`{path}` answered `{}`", answer.lines().next().unwrap_or_default());
    }
    Ok(answer)
}

/// Where the log of a worker in this folder goes.
pub(crate) fn log_in(folder: &Path) -> PathBuf {
    folder.join("worker.log")
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

impl Drop for Rig {
    fn drop(&mut self) {
        // After `stop` there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
