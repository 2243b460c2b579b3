//! A `redis-server` of our own, for `gristmill dev`, tests and benchmarks: on a free loopback port, in a directory that
//! goes with it.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::AsyncConnectionConfig;

/// How a private server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum PrivateRedisError {
    /// The program is not there.
    #[error(
        "cannot start `redis-server`: {0}; install it (Debian: `apt-get install redis-server`, Homebrew: `brew install redis`), or set `REDIS_URL`"
    )]
    Start(std::io::Error),
    /// It ended, or never answered.
    #[error("`redis-server` did not answer on 127.0.0.1:{port} within {}s; its last words: {last_words}", READY.as_secs())]
    Silent {
        /// Where it was to listen.
        port: u16,
        /// The end of its log.
        last_words: String,
    },
}

const READY: Duration = Duration::from_secs(10);

/// A running private server; dropping it ends the server and removes its data.
#[derive(Debug)]
pub struct PrivateRedis {
    child: Child,
    directory: PathBuf,
    port: u16,
}

impl PrivateRedis {
    /// Starts a server that keeps nothing on disk and waits until it answers.
    pub async fn start() -> Result<Self, PrivateRedisError> {
        // The port is free now; should another process take it first, the next one is tried.
        let mut tries = 0;
        loop {
            match Self::start_once().await {
                Err(PrivateRedisError::Silent { ref last_words, .. })
                    if tries < 3 && last_words.contains("Address already in use") =>
                {
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    async fn start_once() -> Result<Self, PrivateRedisError> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .map_err(PrivateRedisError::Start)?
            .port();
        let directory = std::env::temp_dir().join(format!("gristmill-redis-{}", uuid_like(port)));
        std::fs::create_dir_all(&directory).map_err(PrivateRedisError::Start)?;
        let log = directory.join("redis.log");
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(&directory)
            .arg("--logfile")
            .arg(&log)
            // Ctrl-C is for us; the server ends after its last client.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(PrivateRedisError::Start)?;
        let mut server = Self { child, directory, port };
        if server.answers().await {
            return Ok(server);
        }
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let last_words = text.lines().rev().take(3).collect::<Vec<_>>().join(" | ");
        Err(PrivateRedisError::Silent { port, last_words })
    }

    async fn answers(&mut self) -> bool {
        let deadline = tokio::time::Instant::now() + READY;
        let Ok(client) = redis::Client::open(self.url()) else { return false };
        while tokio::time::Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            let config = AsyncConnectionConfig::new();
            if let Ok(mut connection) = client.get_multiplexed_async_connection_with_config(&config).await
                && redis::cmd("PING").query_async::<()>(&mut connection).await.is_ok()
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// `redis://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The server's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Unlike any other of this machine: our process, and a port that only we have.
fn uuid_like(port: u16) -> String {
    format!("{}-{port}", std::process::id())
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
