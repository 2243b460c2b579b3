//! Running the binary, and things that end with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// No step of a test takes longer unless something is wrong.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The scripted handler.
pub(crate) fn scripted() -> PathBuf {
    guest("scripted")
}

pub(crate) fn guest(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let path = folder.join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is missing; run `cargo xtask guests`", path.display());
    path
}

/// The binary, away from the user's environment.
pub(crate) fn gristmill(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gristmill"));
    command.args(arguments).env_remove("REDIS_URL").env_remove("GRISTMILL_CONFIG").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    gristmill(arguments).output().unwrap().into()
}

pub(crate) struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A running process whose stderr is read line by line; killed at the end of the test.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub seen: Vec<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line that contains `text` and answers it.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(LONG) else {
                panic!("no line with {text:?}; seen: {:#?}", self.seen)
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a `gristmill.toml` of this text.
pub(crate) fn folder(config: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gristmill.toml");
    std::fs::write(&file, config).unwrap();
    (folder, file.display().to_string())
}

/// A configuration that serves queue `q` with the scripted handler.
pub(crate) fn config(redis: &str, more: &str) -> String {
    format!(
        "[redis]\nurl = \"{redis}\"\n[server]\nlisten = \"127.0.0.1:0\"\n{more}\n\
         [queues.q.jobs.\"*\"]\nhandler = {:?}\ntimeout = \"10s\"\n",
        scripted().display().to_string()
    )
}
