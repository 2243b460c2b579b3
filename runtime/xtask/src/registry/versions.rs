//! Versions of `tests/guests/versioned`, and the command line that deploys them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use gristmill_core::deployment::digest_of;
use tempfile::TempDir;
use tokio::process::Command;

use crate::guests;

/// What the guest's file has where its word is; the word, and digits up to the end.
const START: &[u8] = b"gristmill test version:";
const LENGTH: usize = 64;

/// Makes versions, and deploys them for all job names of one queue.
pub(crate) struct Versions {
    folder: TempDir,
    guest: Vec<u8>,
    at: usize,
    binary: PathBuf,
    redis: String,
    queue: &'static str,
    made: usize,
}

/// One version.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub path: PathBuf,
    pub digest: String,
}

impl Versions {
    pub(crate) fn new(binary: &Path, redis: &str, queue: &'static str) -> Result<Self> {
        let guest = std::fs::read(guests::folder().join("versioned.wasm"))?;
        let at = guest.windows(START.len()).position(|part| part == START).context("no mark in the guest")?;
        let folder = tempfile::tempdir()?;
        Ok(Self { folder, guest, at, binary: binary.to_owned(), redis: redis.to_owned(), queue, made: 0 })
    }

    /// A version that behaves as the word says, different from all others.
    pub(crate) fn make(&mut self, word: &str) -> Result<Made> {
        self.made += 1;
        let mark = &mut self.guest[self.at + START.len()..self.at + LENGTH];
        let digits = mark.len() - word.len() - 1;
        mark.copy_from_slice(format!("{word}:{:0digits$}", self.made).as_bytes());
        let path = self.folder.path().join(format!("{}.wasm", self.made));
        std::fs::write(&path, &self.guest)?;
        Ok(Made { path, digest: digest_of(&self.guest) })
    }

    pub(crate) async fn push(&self, made: &Made, more: &[&str]) -> Result<()> {
        let path = made.path.display().to_string();
        let arguments = [&["push", &path, "--name", "versioned", "--queue", self.queue], more].concat();
        self.run(&arguments).await
    }

    pub(crate) async fn change(&self, what: &str) -> Result<()> {
        self.run(&[what, "--queue", self.queue]).await
    }

    async fn run(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new(&self.binary)
            .args(["handler", "--redis", &self.redis])
            .args(arguments)
            .current_dir(self.folder.path())
            .env("GRISTMILL_LOG", "warn")
            .stdin(Stdio::null())
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`gristmill handler {}`: {said}", arguments.join(" "));
        Ok(())
    }
}

/// The configuration of a worker that serves the queue; `slots` at a time.
pub(crate) fn config(queue: &str, slots: usize) -> String {
    format!(
        "[worker]\nshutdown_timeout = \"20s\"\nlock_duration = \"5s\"\nstalled_interval = \"1s\"\n\
         [queues.{queue}]\nconcurrency = {slots}\n\
         [queues.{queue}.jobs.\"*\"]\nhandler = \"versioned\"\nmemory = \"32MiB\"\nretry = {{ max_traps = 1 }}\n"
    )
}
