//! Components made from core modules in text form and the contract, to do what no toolchain does.

use std::path::Path;

use gristmill_sandbox::{Module, ModuleError};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::support::shared;

/// A `run` that returns nothing at once; the parts of a module that `{}` stands for come before it.
pub(crate) const QUIET_RUN: &str = r#"
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "gristmill:job/handler@0.1.0#run")
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
        (i32.const 0))"#;

/// A component of the world `worker` around a core module with these parts; they have to hold a memory.
pub(crate) fn worker(parts: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_path(wit).unwrap();
    encode(&resolve, package, "worker", &format!("(module {parts} {QUIET_RUN})"))
}

/// A component of a world in the text of a package.
pub(crate) fn of_world(wit: &str, world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    encode(&resolve, package, world, module)
}

/// A component of the world `worker` of a contract whose files have been edited, around a whole core module.
pub(crate) fn of_edited_contract(edit: impl Fn(&str, String) -> String, module: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "wit") {
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(dir.path().join(&name), edit(&name, text)).unwrap();
        }
    }
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(dir.path()).unwrap();
    encode(&resolve, package, "worker", module)
}

fn encode(resolve: &Resolve, package: wit_parser::PackageId, world: &str, module: &str) -> Vec<u8> {
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut wasm = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut wasm, resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&wasm).unwrap().encode().unwrap()
}

/// Loads a component into the shared sandbox.
pub(crate) fn load(wasm: &[u8]) -> Result<Module, ModuleError> {
    shared().load_bytes("handmade", wasm, false)
}
