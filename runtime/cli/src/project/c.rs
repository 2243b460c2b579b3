//! Handlers in C: clang makes a core module, and this program a component of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::{self, is_there, run};
use super::{Project, component, sources};
use crate::failure::Failure;

/// Newest first.
const CLANGS: [&str; 5] = ["clang-19", "clang-18", "clang-17", "clang-16", "clang"];

pub(crate) fn build(project: &Project, output: &Path) -> Result<(), Failure> {
    let clang = clang()?;
    let sdk = sources::sdk(project)?;
    let mut sources = c_files(&project.directory)?;
    sources.extend(c_files(&project.directory.join("src")).unwrap_or_default());
    sources.extend(c_files(&sdk.join("src"))?);
    sources.extend(c_files(&sdk.join("bindings"))?);
    // Apart from the component: `gristmill dev target` serves every handler that it finds there.
    let core = project.target("build/core.wasm");
    tools::make_folder(&project.target("build"))?;
    let mut command = Command::new(clang);
    command
        .args(["--target=wasm32-wasi", "-Oz", "-std=gnu11", "-Wall", "-mexec-model=reactor"])
        // A stack that overflows then leaves the memory, and traps, instead of running into data.
        .args(["-Wl,--strip-debug", "-Wl,--stack-first", "-Wl,-z,stack-size=262144"])
        .arg("-I")
        .arg(sdk.join("include"))
        .arg("-I")
        .arg(sdk.join("bindings"))
        .arg("-I")
        .arg(&project.directory)
        .args(&sources)
        .arg(sdk.join("bindings/worker_component_type.o"))
        .arg("-o")
        .arg(&core)
        .current_dir(&project.directory);
    run("compiling", &mut command)?;
    tools::write(output, &component::encode(&core, None)?)
}

/// The sources in a folder; tests run on the machine that builds.
fn c_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries =
        folder.read_dir().map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_c = path.extension().is_some_and(|extension| extension == "c");
        is_c && !name.starts_with("test") && !name.ends_with("_test.c")
    });
    files.sort();
    Ok(files)
}

/// A clang that compiles to WebAssembly with a C library.
fn clang() -> Result<&'static str, Failure> {
    let missing = || {
        let packages = "clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32";
        Failure::usage(format!(
            "building a handler in C needs `clang` with the C library of WASI\nhint: Debian: `apt-get install {packages}`"
        ))
    };
    let clang = CLANGS.into_iter().find(|name| is_there(name)).ok_or_else(missing)?;
    let libraries =
        ["/usr/include/wasm32-wasi", "/usr/share/wasi-sysroot", "/opt/wasi-sdk/share/wasi-sysroot"];
    if libraries.iter().any(|path| Path::new(path).is_dir()) { Ok(clang) } else { Err(missing()) }
}
