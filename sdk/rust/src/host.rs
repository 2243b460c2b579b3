//! The host functions, under one set of names: those of the host in a component, and a recorder off WebAssembly.

#[cfg(not(target_family = "wasm"))]
mod recorder;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(not(target_family = "wasm"))]
pub(crate) use recorder::*;
#[cfg(target_family = "wasm")]
pub(crate) use wasm::*;

/// Guest side of the package in `wit/`, generated.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[allow(unsafe_code, missing_docs, unused_qualifications, clippy::all, clippy::pedantic)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "worker",
        pub_export_macro: true,
        default_bindings_module: "::gristmill::__private::bindings",
        runtime_path: "::wit_bindgen::rt",
    });
}
