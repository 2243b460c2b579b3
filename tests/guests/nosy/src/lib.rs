//! A handler that tries what a sandbox must not allow.

mod reach;
#[cfg(target_family = "wasm")]
mod waste;

use std::io::Write;

use gristmill::{Job, JobError};
use serde::Deserialize;

/// What to try; the job's data is one of these words.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Attempt {
    /// Reaches for environment, files, network and clocks, and returns the names of what worked.
    Reach,
    /// Takes handles until the host gives no more.
    Handles,
    /// Asks for many random bytes at once.
    Random,
    /// Exits instead of returning.
    Exit,
    /// Writes to both outputs, with no line break at the end.
    Tails,
}

#[gristmill::handler]
fn run(_job: Job, attempt: Attempt) -> Result<Vec<&'static str>, JobError> {
    match attempt {
        Attempt::Reach => return Ok(reach::all()),
        #[cfg(target_family = "wasm")]
        Attempt::Handles => waste::handles(),
        #[cfg(target_family = "wasm")]
        Attempt::Random => waste::random(),
        #[cfg(not(target_family = "wasm"))]
        Attempt::Handles | Attempt::Random => {}
        #[expect(clippy::exit, reason = "that is the attempt")]
        Attempt::Exit => std::process::exit(3),
        Attempt::Tails => {
            std::io::stdout().write_all(b"out")?;
            std::io::stdout().flush()?;
            std::io::stderr().write_all(b"first\nerr")?;
        }
    }
    Ok(Vec::new())
}
