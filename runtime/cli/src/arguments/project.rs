//! Commands on handler projects.

use std::path::PathBuf;

use clap::Args;
use gristmill_core::units::parse_size;

use crate::project::Language;

#[derive(Debug, Clone, Args)]
pub(crate) struct NewArguments {
    /// The directory to make; its last part is the project's name
    #[arg(value_name = "NAME")]
    pub path: PathBuf,
    /// What the handler is written in
    #[arg(long = "lang", value_name = "LANG")]
    pub language: Language,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BuildArguments {
    /// The project
    #[arg(default_value = ".", value_name = "DIR")]
    pub directory: PathBuf,
    /// Where the component goes [default: target/NAME.wasm in the project]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Memory limit that it must start within
    #[arg(long, default_value = "64MiB", value_parser = parse_size)]
    pub memory: u64,
}
