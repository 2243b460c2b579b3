//! Components that no toolchain makes: core modules in text form, put into the contract's world.

use std::path::Path;

use anyhow::{Context, Result};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::steps::root;

/// Makes `to/NAME.wasm` of every `from/NAME.wat`.
pub(crate) fn build(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir().with_context(|| format!("cannot read `{}`", from.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wat") {
            let wasm = component(&path).with_context(|| format!("in `{}`", path.display()))?;
            let name = path.with_extension("wasm");
            std::fs::write(to.join(name.file_name().context("a file has a name")?), wasm)?;
        }
    }
    Ok(())
}

fn component(path: &Path) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(root().join("wit"))?;
    let world = resolve.select_world(&[package], Some("worker"))?;
    let mut wasm = wat::parse_str(std::fs::read_to_string(path)?)?;
    embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().module(&wasm)?.encode()
}
