//! `cargo xtask test scheduling`: who runs next, on the real binary.

mod flooded;
mod limited;
mod memory;
mod outage;

use std::path::Path;

use anyhow::Result;

/// Every part, each on a server of its own.
pub(crate) fn prove(binary: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        flooded::prove(binary).await?;
        memory::prove(binary).await?;
        limited::prove(binary).await?;
        outage::prove(binary).await
    })
}
