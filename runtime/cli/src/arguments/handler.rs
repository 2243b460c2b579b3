//! Commands on the registry.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use gristmill_core::deployment::is_handler_name;
use gristmill_core::units::parse_duration;

#[derive(Debug, Subcommand)]
pub(crate) enum HandlerCommand {
    /// Put a handler into the registry and deploy it, for all attempts or as a canary
    Push(PushArguments),
    /// List modules in the registry and what is deployed
    List,
    /// Show a deployment with its history, or a module
    Show(TargetArguments),
    /// Let the canary take all attempts
    Promote(ChangeArguments),
    /// Publish a handler, with the signatures in `FILE.sig`, in an OCI registry; `OCI_USERNAME` and `OCI_PASSWORD` log in
    Publish {
        /// The handler
        file: PathBuf,
        /// `oci://HOST/NAME:TAG`
        to: String,
    },
    /// Make a key pair: `NAME.pem`, which signs, and `NAME.pub.pem`, which workers trust
    Keygen {
        /// The beginning of both names
        name: PathBuf,
    },
    /// Sign a handler; the signature goes into `FILE.sig`
    Sign {
        /// The handler
        file: PathBuf,
        /// The private key, PEM
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Verify the signatures in `FILE.sig`
    Verify {
        /// The handler
        file: PathBuf,
        /// A public key, PEM; may be repeated [default: `registry.trusted_keys` of the configuration]
        #[arg(long, value_name = "FILE")]
        key: Vec<PathBuf>,
    },
    /// Take the canary away, or, without one, go back to the version before
    Rollback(RollbackArguments),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArguments {
    /// The queue
    #[arg(long)]
    pub queue: Option<String>,
    /// The job type, as the configuration names it
    #[arg(long, default_value = "*")]
    pub job: String,
    /// A module, by its digest or the beginning of it
    #[arg(long, conflicts_with = "queue", required_unless_present = "queue", value_name = "DIGEST")]
    pub digest: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArguments {
    /// The queue
    #[arg(long)]
    pub queue: String,
    /// The job type, as the configuration names it
    #[arg(long, default_value = "*")]
    pub job: String,
    /// Why; kept in the history
    #[arg(long, default_value = "")]
    pub reason: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RollbackArguments {
    #[command(flatten)]
    pub change: ChangeArguments,
    /// The version to go back to, by its digest or the beginning of it
    #[arg(long, value_name = "DIGEST")]
    pub to: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PushArguments {
    /// The handler, a component: a file, or `oci://HOST/NAME:TAG`
    pub file: PathBuf,
    #[command(flatten)]
    pub change: ChangeArguments,
    /// Percent of the attempts that it gets, 1 to 99, such as `10%`; without it, all of them
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub canary: Option<u32>,
    /// Promote the canary after this time, if it is no worse than the stable version
    #[arg(long, value_name = "TIME", requires = "canary", value_parser = parse_duration)]
    pub promote_after: Option<Duration>,
    /// The handler's name [default: as configured for the job type, or the file's name without `.wasm`]
    #[arg(long, value_parser = parse_name)]
    pub name: Option<String>,
    /// Sign it with this private key, PEM, beside what `FILE.sig` has
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// What to call this version
    #[arg(long)]
    pub version: Option<String>,
}

fn parse_percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    number.filter(|percent| (1..=99).contains(percent)).ok_or_else(|| "1% to 99%".to_owned())
}

fn parse_name(text: &str) -> Result<String, String> {
    if is_handler_name(text) {
        return Ok(text.to_owned());
    }
    Err("1 to 128 letters, digits, `-`, `_` and `.`, and not the name of a file".to_owned())
}
