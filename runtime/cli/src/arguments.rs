//! What may be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use gristmill_core::backoff::Backoff;
use gristmill_core::units::{parse_amount, parse_duration, parse_size};

/// A worker for BullMQ queues that runs every job in its own WebAssembly sandbox.
#[derive(Debug, Parser)]
#[command(name = "gristmill", version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Configuration file [default: gristmill.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE", env = "GRISTMILL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Redis address; wins over `REDIS_URL` and the file
    #[arg(long, global = true, value_name = "URL")]
    pub redis: Option<String>,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one attempt of a handler, without Redis
    Run(RunArguments),
    /// Serve every handler of a directory and swap it when its file changes
    Dev(DevArguments),
    /// Serve the configured queues
    Worker,
    /// Check configuration and handlers; print the effective values and their sources
    Check,
    /// Add and look at jobs
    #[command(subcommand)]
    Job(JobCommand),
    /// Look at queues
    #[command(subcommand)]
    Queue(QueueCommand),
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The handler, a component
    pub file: PathBuf,
    /// The job's data: JSON, or `@FILE` to read it from a file, or `-` for standard input
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub data: String,
    /// The job's name
    #[arg(long, default_value = "run")]
    pub name: String,
    /// Memory limit
    #[arg(long, default_value = "64MiB", value_parser = parse_size)]
    pub memory: u64,
    /// Time limit
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Fuel limit, such as `10G`; without it fuel is not metered
    #[arg(long, value_parser = parse_amount)]
    pub fuel: Option<u64>,
    /// Largest return value
    #[arg(long, default_value = "16MiB", value_parser = parse_size)]
    pub output: u64,
    /// A host that the handler may call, such as `api.example.com` or `127.0.0.1:8080`; may be repeated
    #[arg(long, value_name = "HOST")]
    pub allow_http: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DevArguments {
    /// Where handlers (`*.wasm`) are; one with a `gristmill.toml` is served as that says
    #[arg(default_value = ".")]
    pub directory: PathBuf,
    /// A host that the handlers may call; may be repeated
    #[arg(long, value_name = "HOST")]
    pub allow_http: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Add a job
    Add(AddArguments),
    /// Show a job: its state, fields and log
    Show {
        /// The queue
        queue: String,
        /// The job's id
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// The queue
    pub queue: String,
    /// The job's name
    pub name: String,
    /// The job's data: JSON, or `@FILE` to read it from a file, or `-` for standard input
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub data: String,
    /// Not before this has passed
    #[arg(long, value_parser = parse_duration)]
    pub delay: Option<Duration>,
    /// BullMQ's priority: 1 runs first, 2097151 last
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=2_097_151))]
    pub priority: Option<u32>,
    /// Attempts that it may have
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: Option<u32>,
    /// Delay between attempts, such as `exponential:1s`
    #[arg(long, value_parser = Backoff::parse)]
    pub backoff: Option<Backoff>,
    /// An id of your own; adding it twice adds it once
    #[arg(long)]
    pub job_id: Option<String>,
    /// To the front of the queue
    #[arg(long)]
    pub lifo: bool,
    /// Wait until it has ended and print what it returned
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List queues with their counts
    List,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
