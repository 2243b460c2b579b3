//! Commands on how queues and workers do.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Subcommand};
use gristmill_core::units::parse_duration;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct WorkerArguments {
    /// Where metrics, health, API and dashboard answer; wins over `server.listen`
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    #[command(subcommand)]
    pub command: Option<WorkerCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// List the workers that are there, with what they run
    List,
}

#[derive(Debug, Args)]
pub(crate) struct SupervisorArguments {
    /// Workers at least, whatever the queues need: one decides for all
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub min: u64,
    /// Workers at most on this machine
    #[arg(long, default_value_t = 10)]
    pub max: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// List alerts: those that hold, or `--resolved`
    List {
        /// Those that have ended, the newest first
        #[arg(long)]
        resolved: bool,
        /// Alerts at most
        #[arg(long, default_value_t = 50)]
        count: usize,
    },
    /// Say that you know of an alert
    Ack {
        /// Its id, as `gristmill alert list` prints it
        id: String,
        /// What is done about it
        #[arg(long, default_value = "")]
        note: String,
        /// For how long; after that it counts as raised again [default: for as long as it holds]
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        lasting: Option<Duration>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ScaleCommand {
    /// Show how many workers each queue has and should have
    Show,
    /// List changes, the newest first
    History {
        /// Of one queue
        #[arg(long)]
        queue: Option<String>,
        /// Changes at most
        #[arg(long, default_value_t = 50)]
        count: usize,
    },
    /// Say why a queue should have so many workers
    Explain {
        /// The queue
        queue: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    /// Print once and end
    #[arg(long)]
    pub once: bool,
    /// Time between two looks
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    pub every: Duration,
}
