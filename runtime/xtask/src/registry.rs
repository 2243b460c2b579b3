//! `cargo xtask test registry`: handlers are swapped, tried and taken back under load, on the real binary.

mod load;
mod oci;
mod swaps;
mod trials;
mod versions;

use std::path::Path;

use anyhow::Result;

pub(crate) use load::Load;
pub(crate) use versions::{Versions, config};

/// Every part, each on a server of its own; few swaps unless it is the `whole` proof.
pub(crate) fn prove(binary: &Path, whole: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        swaps::prove(binary, if whole { 20 } else { 3 }).await?;
        trials::prove(binary, whole).await?;
        oci::prove(binary).await
    })
}
