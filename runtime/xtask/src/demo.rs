//! `cargo xtask demo`

/// Arguments of the demo.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArguments {
    /// End when every job has ended
    #[arg(long)]
    once: bool,
}

pub(crate) fn demo(arguments: &DemoArguments) -> anyhow::Result<()> {
    anyhow::bail!("the demo is being written ({})", arguments.once)
}
