//! A handler that does harm, beyond what `scripted` and `nosy` do. What no toolchain makes is in `handmade/`, one core
//! module in text form a file, and what must not even load is in `refused/`.

mod flood;
#[cfg(target_family = "wasm")]
mod hold;
mod reach;

use gristmill::{Job, JobError};
use serde::Deserialize;

/// What to do; the job's data is one of these words, or an object with one of them and its value.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Harm {
    /// Makes a million tiny host calls and returns how many.
    TinyCalls,
    /// Writes 16 MiB to stdout.
    FloodStdout,
    /// Writes log lines of a megabyte.
    LongLines,
    /// Writes a log line of four megabytes.
    HugeLine,
    /// Records a metric with ten thousand values of a label.
    Series,
    /// Returns three megabytes.
    LongReturn,
    /// Sleeps a little, for ever.
    Naps,
    /// Asks for state in Redis, for ever.
    Asks,
    /// Adds a job to the queue of this name, and returns what came of it.
    Enqueue(String),
    /// Requests URLs, and returns what came of each.
    Fetch(Vec<String>),
    /// Requests a URL and then where it redirects to, and returns what came of that.
    Follow(String),
    /// Changes files in every place and way, and returns what worked.
    Files,
    /// Does the same by way of the directory that it has, and returns what worked.
    LeaveDirectory(String),
    /// Traps with streams, pollables and a request to this host and port under way.
    TrapHolding(String),
}

#[gristmill::handler]
fn run(_job: Job, harm: Harm) -> Result<Vec<String>, JobError> {
    Ok(match harm {
        Harm::TinyCalls => vec![flood::tiny_calls().to_string()],
        Harm::FloodStdout => {
            flood::stdout()?;
            Vec::new()
        }
        Harm::LongLines => {
            flood::lines(1 << 20, 4);
            Vec::new()
        }
        Harm::HugeLine => {
            flood::lines(4 << 20, 1);
            Vec::new()
        }
        Harm::Series => {
            flood::series();
            Vec::new()
        }
        Harm::LongReturn => vec!["x".repeat(3 << 20)],
        Harm::Naps => flood::naps(),
        Harm::Asks => flood::asks()?,
        Harm::Enqueue(queue) => vec![reach::enqueue(queue)?],
        Harm::Fetch(urls) => urls.into_iter().map(reach::fetch).collect(),
        Harm::Follow(url) => vec![reach::follow(url)?],
        Harm::Files => reach::files().into_iter().map(str::to_owned).collect(),
        Harm::LeaveDirectory(own) => reach::outside(&own).into_iter().map(str::to_owned).collect(),
        #[cfg(target_family = "wasm")]
        Harm::TrapHolding(host) => hold::trap_holding(&host),
        #[cfg(not(target_family = "wasm"))]
        Harm::TrapHolding(host) => vec![host],
    })
}
