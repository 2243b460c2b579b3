//! What is not a handler is refused when it is loaded, by name and with the way out.

use std::path::Path;

use gristmill_core::limits::Limits;
use gristmill_sandbox::{ErrorKind, MAX_MODULE_BYTES, ModuleError, Sandbox, SandboxError, Settings};

use crate::handmade::{self, QUIET_RUN, load};
use crate::support::{guest, scripted, shared};

#[track_caller]
fn refused(wasm: &[u8], parts: &[&str]) -> ModuleError {
    let error = load(wasm).unwrap_err();
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert_eq!(error.kind(), ErrorKind::Permanent);
    error
}

#[test]
fn a_good_handler_tells_about_itself() {
    let module = scripted();
    assert!(module.digest().starts_with("sha256:") && module.digest().len() == 71, "{}", module.digest());
    assert_eq!(module.size(), std::fs::metadata(guest("scripted")).unwrap().len());
    assert!(module.name().ends_with("scripted.wasm") && !module.metered());
    assert!(
        module.imports().iter().any(|import| import == "gristmill:job/log@0.1.0"),
        "{:?}",
        module.imports()
    );
}

#[test]
fn a_file_that_does_not_exist() {
    let error = shared().load(Path::new("/no/such/handler.wasm"), false).unwrap_err();
    assert!(error.to_string().contains("`/no/such/handler.wasm` does not exist"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let error = shared().load(dir.path(), false).unwrap_err();
    assert!(matches!(error, ModuleError::Read { .. }) && error.kind() == ErrorKind::Transient, "{error}");
}

#[test]
fn a_file_that_is_too_large() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(MAX_MODULE_BYTES + 1).unwrap();
    let error = shared().load(file.path(), false).unwrap_err();
    assert!(error.to_string().contains("more than the 64 MiB"), "{error}");
}

#[test]
fn not_wasm() {
    refused(b"#!/bin/sh", &["is not WebAssembly"]);
    refused(b"", &["the file is empty"]);
    refused(b"  (component)", &["text form"]);
    refused(b"\x7fELF\x02", &["machine code"]);
}

#[test]
fn a_core_module() {
    let error = refused(&wat::parse_str("(module)").unwrap(), &["core WebAssembly module", "wasm32-wasip2"]);
    assert!(matches!(error, ModuleError::CoreModule { .. }));
}

#[test]
fn a_damaged_component() {
    let mut wasm = handmade::worker("(memory (export \"memory\") 1)");
    wasm.truncate(wasm.len() / 2);
    assert!(matches!(refused(&wasm, &["not a valid component"]), ModuleError::Invalid { .. }));
}

#[test]
fn no_handler_in_it() {
    refused(&wat::parse_str("(component)").unwrap(), &["does not export `gristmill:job/handler`", "world"]);
    let other = "package acme:app@1.0.0; interface api { go: func(); } world app { export api; }";
    let module = "(module (func (export \"acme:app/api@1.0.0#go\")))";
    refused(&handmade::of_world(other, "app", module), &["only `acme:app/api@1.0.0`"]);
}

#[test]
fn a_handler_of_another_contract() {
    let other =
        "package gristmill:job@0.2.0; interface handler { run: func(); } world worker { export handler; }";
    let module = "(module (func (export \"gristmill:job/handler@0.2.0#run\")))";
    refused(
        &handmade::of_world(other, "worker", module),
        &["`gristmill:job/handler@0.2.0`", "serves `gristmill:job/handler@0.1`"],
    );
    let same = other.replace("0.2.0", "0.1.0");
    let error =
        refused(&handmade::of_world(&same, "worker", &module.replace("0.2.0", "0.1.0")), &["cannot call"]);
    assert!(matches!(error, ModuleError::HandlerForm { .. }));
}

#[test]
fn an_import_that_nobody_provides() {
    let edit = |name: &str, text: String| match name {
        "world.wit" => text.replace("export handler;", "import nonsense;\n    export handler;"),
        "types.wit" => text + "interface nonsense { go: func(); }",
        _ => text,
    };
    let module = module(r#"(import "gristmill:job/nonsense@0.1.0" "go" (func))"#);
    let error =
        refused(&handmade::of_edited_contract(edit, &module), &["imports `gristmill:job/nonsense@0.1.0`"]);
    assert!(matches!(error, ModuleError::UnknownImport { .. }));
}

#[test]
fn a_function_that_this_host_does_not_have_yet() {
    let edit = |name: &str, text: String| match name {
        "log.wit" => text.replace("enabled: func", "shout: func();\n    enabled: func"),
        _ => text,
    };
    let module = module(r#"(import "gristmill:job/log@0.1.0" "shout" (func))"#);
    let parts = ["`gristmill:job/log@0.1.0`", "not newer than this host"];
    let error = refused(&handmade::of_edited_contract(edit, &module), &parts);
    assert!(matches!(error, ModuleError::ImportForm { .. }));
}

#[test]
fn a_record_or_a_variant_of_another_shape() {
    let field = |name: &str, text: String| match name {
        "types.wit" => text.replace("max-attempts: u32,", "max-attempts: u32, extra: bool,"),
        _ => text,
    };
    let wide = module("").replace("(param i32 i32 i32 i32 i32", "(param i32 i32 i32 i32 i32 i32");
    let error = refused(&handmade::of_edited_contract(field, &wide), &["cannot call"]);
    assert!(matches!(error, ModuleError::HandlerForm { .. }));

    let case = |name: &str, text: String| match name {
        "types.wit" => text.replace("wait-for-children,", "wait-for-children, wait-for-rain,"),
        _ => text,
    };
    let error = refused(&handmade::of_edited_contract(case, &module("")), &["cannot call"]);
    assert!(matches!(error, ModuleError::HandlerForm { .. }));
}

#[test]
fn a_patch_version_of_the_contract_is_served() {
    let edit = |_: &str, text: String| text.replace("gristmill:job@0.1.0", "gristmill:job@0.1.7");
    load(&handmade::of_edited_contract(edit, &module("").replace("@0.1.0", "@0.1.7"))).unwrap();
}

/// A core module whose `run` returns at once.
fn module(imports: &str) -> String {
    format!("(module {imports} (memory (export \"memory\") 1) {QUIET_RUN})")
}

#[test]
fn a_memory_larger_than_the_pool_has() {
    let error = load(&handmade::worker("(memory (export \"memory\") 4000)")).unwrap_err();
    assert!(error.to_string().contains("does not fit into what the worker laid out"), "{error}");
}

#[test]
fn a_memory_larger_than_its_job_type_has() {
    let module = load(&handmade::worker("(memory (export \"memory\") 1600)")).unwrap();
    let error = module.fits(&Limits::default()).unwrap_err();
    assert!(
        error.to_string().contains("needs 100 MiB of memory at its start, more than its limit of 64 MiB"),
        "{error}"
    );
    assert!(module.fits(&Limits { memory: 100 << 20, ..Limits::default() }).is_ok());
}

#[test]
fn a_table_larger_than_the_pool_has() {
    let five = "(table 20000 funcref)".repeat(5);
    for tables in ["(table 10000000 funcref)", &five] {
        let error = load(&handmade::worker(&format!("(memory (export \"memory\") 1) {tables}"))).unwrap_err();
        assert!(matches!(error, ModuleError::TooLarge { .. }), "{error}");
    }
}

#[test]
fn no_part_of_a_component_and_no_damage_ends_the_host() {
    let wasm = handmade::worker("(memory (export \"memory\") 1)");
    // The last section tells about the program that made the component; without it the component is still whole.
    let whole = wasm.len() - 200;
    for end in (0..whole).step_by(7) {
        load(&wasm[..end]).unwrap_err();
    }
    let mut refused = 0;
    for place in (8..wasm.len()).step_by(5) {
        let mut damaged = wasm.clone();
        damaged[place] ^= 0xff;
        refused += usize::from(load(&damaged).is_err());
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn features_that_are_switched_off() {
    for parts in
        ["(memory (export \"memory\") 1) (memory 1)", "(memory (export \"memory\") 1) (memory i64 1)"]
    {
        let error = load(&handmade::worker(parts)).unwrap_err();
        assert!(matches!(error, ModuleError::Invalid { .. }), "{error}");
    }
}

#[test]
fn slots_that_the_machine_cannot_hold() {
    let settings =
        |slots| Settings { slots, max_memory: 1 << 20, cache_dir: None, cache_size: 0, compiler: None };
    assert!(matches!(Sandbox::new(settings(0)), Err(SandboxError::Slots { .. })));
    if Path::new("/proc/sys/vm/max_map_count").exists() {
        let Err(error) = Sandbox::new(settings(100_000)) else { return };
        assert!(error.to_string().contains("sysctl -w vm.max_map_count="), "{error}");
    }
}
