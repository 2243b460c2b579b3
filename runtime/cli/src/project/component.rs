//! Components of core modules, as compilers make them for WASI's first preview.

use std::path::Path;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::tools;
use crate::failure::Failure;

/// The world of an SDK, in the contract that its folder `wit` holds.
const WORLD: &str = "worker";

/// Makes the component of a core module. `wit` is the contract for a module that does not say it itself.
pub(crate) fn encode(core: &Path, wit: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::new(format!("{}: no component can be made of it: {error:#}", core.display()))
    };
    let mut module = tools::read(core)?;
    if let Some(wit) = wit {
        let unread =
            |error| Failure::new(format!("{}: the contract cannot be read: {error:#}", wit.display()));
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(wit).map_err(unread)?;
        let world = resolve.select_world(&[package], Some(WORLD)).map_err(unread)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .map_err(|error| wrong(&error))?;
    }
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| {
            encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        })
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| wrong(&error))
}
