//! Commands on what all workers share.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum LimiterCommand {
    /// List limiters with what counts now and the last hour
    List,
    /// Show one limiter: its tiers, and the last hours in slices of ten minutes
    Show {
        /// The limiter
        limiter: String,
        /// What is counted under this key
        #[arg(long, default_value = "")]
        key: String,
    },
    /// Forget what a limiter has counted
    Reset {
        /// The limiter
        limiter: String,
        /// Under this key only
        #[arg(long, default_value = "")]
        key: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BreakerCommand {
    /// List breakers and where they stand
    List,
    /// Close a breaker
    Reset {
        /// The breaker
        breaker: String,
        /// The one of this key
        #[arg(long, default_value = "")]
        key: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SettingCommand {
    /// List what is set, by whom and since when
    List,
    /// Set one, for all workers, before what their configuration says
    Set {
        /// `limiters.NAME.tiers`, `queues.NAME.weight` or `queues.NAME.concurrency`
        key: String,
        /// Rates with commas between them, such as `300/min,10000/h`, or a number
        value: String,
    },
    /// Let the configuration hold again
    Unset {
        /// What was set
        key: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum CoreDumpCommand {
    /// List core dumps, newest first
    List {
        /// Of one queue
        #[arg(long)]
        queue: Option<String>,
    },
    /// Write a core dump into a file
    Get {
        /// Its digest, or the beginning of it
        digest: String,
        /// The file; it must not be there yet
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
}
