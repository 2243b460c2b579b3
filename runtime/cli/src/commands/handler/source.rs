//! Where a handler that is pushed comes from, and publishing one for others: files, and OCI registries.

use std::path::Path;
use std::process::ExitCode;

use gristmill_core::deployment::digest_of;
use gristmill_registry::{OciReference, Pulled, Signature, signatures_beside};
use gristmill_sandbox::{Sandbox, Settings};

use crate::failure::Failure;
use crate::host;

/// A handler with its signatures.
pub(super) struct Source {
    /// What it is called where it comes from.
    pub name: String,
    pub wasm: Vec<u8>,
    pub signatures: Vec<Signature>,
}

/// From a file and the `.sig` beside it, or from an `oci://` registry.
pub(super) async fn read(from: &Path) -> Result<Source, Failure> {
    let text = from.to_str().unwrap_or_default();
    if !OciReference::is_one(text) {
        let stem = from.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let wasm = Sandbox::read(from).map_err(Failure::usage)?;
        return Ok(Source {
            name: stem.replace('_', "-"),
            wasm,
            signatures: signatures_beside(from).map_err(Failure::usage)?,
        });
    }
    let reference = OciReference::parse(text).map_err(Failure::usage)?;
    let Pulled { wasm, signatures } = reference.pull(login()).await.map_err(Failure::new)?;
    let read = |line: &String| line.parse().map_err(|error| Failure::usage(format!("`{text}`: {error}")));
    let signatures = signatures.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Source { name: reference.name().to_owned(), wasm, signatures })
}

/// `OCI_USERNAME` and `OCI_PASSWORD`.
fn login() -> Option<(String, String)> {
    Some((std::env::var("OCI_USERNAME").ok()?, std::env::var("OCI_PASSWORD").ok()?))
}

/// `gristmill handler publish`
pub(super) async fn publish(
    file: &Path,
    to: &str,
    config: &gristmill_core::config::Config,
) -> Result<ExitCode, Failure> {
    let reference = OciReference::parse(to).map_err(Failure::usage)?;
    let Source { wasm, signatures, .. } = read(file).await?;
    let settings = Settings {
        slots: 1,
        // Its limits are those of whoever runs it.
        max_memory: 4 << 30,
        cache_dir: config.worker.cache_dir.clone(),
        cache_size: config.worker.cache_size,
        compiler: host::compiler(config.worker.compile_timeout),
    };
    let sandbox = Sandbox::new(settings).map_err(Failure::usage)?;
    let module = sandbox.load_bytes(&file.display().to_string(), &wasm, false).map_err(Failure::usage)?;
    let signatures: Vec<String> = signatures.iter().map(ToString::to_string).collect();
    let digest = digest_of(&wasm);
    let created = jiff::Timestamp::now().to_string();
    reference.publish(wasm, module.imports(), &signatures, &created, login()).await.map_err(Failure::new)?;
    anstream::println!("{digest} published as {reference}");
    Ok(ExitCode::SUCCESS)
}
