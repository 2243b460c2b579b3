//! What projects are made of, which this program carries: their templates, the SDKs and the contract.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::tools::write;
use super::{Language, Project};
use crate::failure::Failure;

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/rust/src");
static RUST_MACROS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/rust/macros/src");
static JS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/js/src");
static PYTHON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/python/src");
static C_INCLUDE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/c/include");
static C_SRC: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/c/src");
static C_BINDINGS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/c/bindings");

static GO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/go");

/// A file of an SDK that lies beside its sources.
macro_rules! file {
    ($path:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", $path))
    };
}

/// Where a project keeps the SDK. Go takes a folder `vendor` for its own.
pub(crate) fn folder(language: Language) -> &'static str {
    match language {
        Language::Go => "third_party/gristmill-sdk",
        _ => "vendor/gristmill-sdk",
    }
}

/// Directories and files that a build leaves beside sources.
const LEFT_OVERS: [&str; 4] = ["__pycache__", "node_modules", "target", ".mypy_cache"];

/// Writes a new project with the SDK in it.
pub(crate) fn unpack(project: &Project) -> Result<(), Failure> {
    let language = match project.language {
        Language::Rust => "rust",
        Language::Js => "js",
        Language::Ts => "ts",
        Language::Python => "python",
        Language::C => "c",
        Language::Go => "go",
    };
    let Some(template) = TEMPLATES.get_dir(language) else {
        return Err(Failure::new(format!("this program has no template for {language}")));
    };
    for file in files(template) {
        let within = file.path().strip_prefix(language).unwrap_or(file.path());
        // A file that tools would take for one of this repository's own has another name there.
        let name = within.to_string_lossy();
        let name = name
            .strip_suffix(".in")
            .unwrap_or(&name)
            .replace("gitignore", ".gitignore")
            .replace("npmrc", ".npmrc");
        let text = String::from_utf8_lossy(file.contents());
        let text = text.replace("{{name}}", &project.name);
        write(&project.directory.join(name), text.as_bytes())?;
    }
    unpack_sdk(project.language, &project.directory.join(folder(project.language)))
}

/// The project's own SDK, or the one that this program carries, unpacked below `target`.
pub(crate) fn sdk(project: &Project) -> Result<PathBuf, Failure> {
    let own = project.directory.join(folder(project.language));
    if own.is_dir() {
        return Ok(own);
    }
    let carried = project.target("gristmill-sdk");
    unpack_sdk(project.language, &carried)?;
    Ok(carried)
}

/// Writes the contract into a directory.
pub(crate) fn unpack_wit(to: &Path) -> Result<(), Failure> {
    for file in files(&WIT).filter(|file| file.path().extension().is_some_and(|e| e == "wit")) {
        write(&to.join(file.path()), file.contents())?;
    }
    Ok(())
}

fn unpack_sdk(language: Language, to: &Path) -> Result<(), Failure> {
    match language {
        Language::Rust => {
            copy(&RUST, &to.join("src"))?;
            copy(&RUST_MACROS, &to.join("macros/src"))?;
            unpack_wit(&to.join("wit"))?;
            write(&to.join("README.md"), file!("sdk/rust/README.md"))?;
            let manifest = |bytes| super::rust::standalone(bytes, file!("Cargo.toml"));
            write(&to.join("Cargo.toml"), manifest(file!("sdk/rust/Cargo.toml"))?.as_bytes())?;
            write(&to.join("macros/Cargo.toml"), manifest(file!("sdk/rust/macros/Cargo.toml"))?.as_bytes())
        }
        Language::Js | Language::Ts => {
            copy(&JS, &to.join("src"))?;
            unpack_wit(&to.join("wit"))?;
            write(&to.join("build.mjs"), file!("sdk/js/build.mjs"))?;
            write(&to.join("package.json"), file!("sdk/js/package.json"))?;
            write(&to.join("README.md"), file!("sdk/js/README.md"))
        }
        Language::Python => {
            copy(&PYTHON, &to.join("src"))?;
            unpack_wit(&to.join("wit"))?;
            write(&to.join("pyproject.toml"), file!("sdk/python/pyproject.toml"))?;
            write(&to.join("README.md"), file!("sdk/python/README.md"))
        }
        Language::C => {
            copy(&C_INCLUDE, &to.join("include"))?;
            copy(&C_SRC, &to.join("src"))?;
            copy(&C_BINDINGS, &to.join("bindings"))?;
            write(&to.join("README.md"), file!("sdk/c/README.md"))
        }
        Language::Go => {
            let wanted = |path: &Path| !path.to_string_lossy().ends_with("_test.go") && path != "Makefile";
            files(&GO)
                .filter(|file| wanted(file.path()))
                .try_for_each(|file| write(&to.join(file.path()), file.contents()))
        }
    }
}

fn copy(from: &Dir<'_>, to: &Path) -> Result<(), Failure> {
    for file in files(from) {
        write(&to.join(file.path()), file.contents())?;
    }
    Ok(())
}

/// Every file below a directory.
fn files<'a>(directory: &'a Dir<'a>) -> Box<dyn Iterator<Item = &'a include_dir::File<'a>> + 'a> {
    let wanted = |path: &Path| !path.iter().any(|part| LEFT_OVERS.iter().any(|left| part == *left));
    let below = directory.dirs().filter(move |dir| wanted(dir.path())).flat_map(files);
    Box::new(directory.files().chain(below))
}
