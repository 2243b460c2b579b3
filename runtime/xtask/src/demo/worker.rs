//! The demo's `gristmill worker`.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::jobs::QUEUES;
use crate::guests;
use crate::steps::is_ready;

/// The first start compiles every handler.
const READY: Duration = Duration::from_secs(120);

/// Where the worker's log goes.
pub(crate) fn log() -> PathBuf {
    super::folder().join("worker.log")
}

/// A running worker; killed when dropped without [`Worker::stop`].
pub(crate) struct Worker {
    child: Child,
    address: SocketAddr,
    binary: PathBuf,
}

impl Worker {
    pub(crate) fn start(binary: &Path, redis: &str, sink_port: u16) -> Result<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut text = format!(
            "[redis]\nurl = {redis:?}\n[server]\nlisten = \"{address}\"\n[worker]\nname = \"demo\"\n"
        );
        for (queue, handler, slots, more) in QUEUES {
            let path = guests::folder().join(format!("{handler}.wasm")).display().to_string();
            let more = more.replace("SINK", &sink_port.to_string());
            writeln!(
                text,
                "[queues.{queue}]\nconcurrency = {slots}\n[queues.{queue}.jobs.\"*\"]\nhandler = {path:?}\n{more}"
            )?;
        }
        let config = super::folder().join("gristmill.toml");
        std::fs::write(&config, text)?;
        let child = Command::new(binary)
            .args(["worker", "--config"])
            .arg(&config)
            .env_remove("REDIS_URL")
            .stderr(std::fs::File::create(log())?)
            .spawn()
            .context("cannot start the worker")?;
        Ok(Self { child, address, binary: binary.to_owned() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    pub(crate) async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(log()).unwrap_or_default();
                bail!("the worker ended with {status}:\n{log}");
            }
            if is_ready(self.address) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the worker was not ready within {}s; see `{}`", READY.as_secs(), log().display())
    }

    /// Drains it.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-s", "TERM", &pid]).status()?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the worker's drain ended with {status}; see `{}`", log().display()),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        bail!("the worker did not end; see `{}`", log().display())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // After `stop` there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
