//! A handler that uses what its job type may touch.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use gristmill::{Job, JobError, secrets};
use serde::Deserialize;

/// What to use; the job's data is one of these words, or an object with one.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Use {
    /// Returns a variable of the environment.
    Variable(String),
    /// Returns a secret.
    Secret(String),
    /// Logs, prints and fails with a secret.
    Tell(String),
    /// Returns a file's content.
    Read(String),
    /// Writes that many bytes to a file.
    Write(String, usize),
    /// Returns how many attempts this instance has served, this one included.
    Served,
    /// Keeps that many MiB for as long as the instance lives.
    Keep(usize),
    /// Returns an error.
    Fail,
    /// Traps.
    Trap,
}

static SERVED: AtomicU32 = AtomicU32::new(0);

#[gristmill::handler]
fn run(_job: Job, what: Use) -> Result<String, JobError> {
    let served = SERVED.fetch_add(1, Ordering::Relaxed) + 1;
    match what {
        Use::Variable(name) => Ok(std::env::var(name)?),
        Use::Secret(name) => Ok(secrets::get(&name)?),
        Use::Tell(name) => {
            let secret = secrets::get(&name)?;
            gristmill::info!(secret = secret, "the secret is {secret}");
            #[expect(clippy::print_stdout, reason = "that is the use")]
            {
                println!("printed {secret}");
            }
            Err(JobError::permanent(format!("cannot log in with {secret}")).code("login"))
        }
        Use::Read(path) => Ok(fs::read_to_string(path)?),
        Use::Write(path, bytes) => {
            fs::write(path, vec![b'x'; bytes])?;
            Ok("written".to_owned())
        }
        Use::Served => {
            #[expect(clippy::print_stdout, reason = "output of each attempt goes to its own log")]
            {
                println!("attempt {served}");
            }
            Ok(served.to_string())
        }
        Use::Keep(mib) => {
            std::mem::forget(std::hint::black_box(vec![1u8; mib << 20]));
            Ok(served.to_string())
        }
        Use::Fail => Err(JobError::retryable("as told")),
        Use::Trap => std::process::abort(),
    }
}
