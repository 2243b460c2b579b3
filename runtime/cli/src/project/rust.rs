//! Handlers in Rust.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use toml::Table;

use super::tools::{CARGO, is_there, run};
use super::{Project, tools};
use crate::failure::Failure;

const TARGET: &str = "wasm32-wasip2";

pub(crate) fn build(project: &Project, output: &Path) -> Result<(), Failure> {
    CARGO.check("Rust")?;
    need_target()?;
    let build = || {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--target", TARGET]).current_dir(&project.directory);
        cargo
    };
    run("building with cargo", &mut build())?;
    // The same once more, which builds nothing, for the path of what it built.
    let mut ask = build();
    ask.args(["--message-format", "json", "--quiet"]).stderr(Stdio::null());
    let messages = ask.output().map_err(|error| Failure::new(format!("`cargo`: {error}")))?.stdout;
    let component =
        component_of(&String::from_utf8_lossy(&messages), &project.directory).ok_or_else(|| {
            Failure::usage(format!(
                "{}/Cargo.toml builds no component\nhint: it needs `[lib]` with `crate-type = [\"cdylib\"]`",
                project.directory.display()
            ))
        })?;
    tools::write(output, &tools::read(&component)?)
}

/// The component of the package in this directory, from cargo's messages.
fn component_of(messages: &str, directory: &Path) -> Option<PathBuf> {
    let manifest = directory.join("Cargo.toml");
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest))
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| file.extension().is_some_and(|e| e == "wasm"))
}

fn need_target() -> Result<(), Failure> {
    let listed = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let there = listed.is_ok_and(|found| {
        found.status.success() && Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_dir()
    });
    if there {
        return Ok(());
    }
    if !is_there("rustup") {
        return Err(Failure::usage(format!(
            "building a handler in Rust needs the target `{TARGET}`, and there is no `rustup` that could add it\nhint: install Rust as https://rustup.rs says"
        )));
    }
    run("adding the target", Command::new("rustup").args(["target", "add", TARGET]))
}

/// A manifest of this repository without what it inherits from the workspace.
pub(crate) fn standalone(manifest: &[u8], workspace: &[u8]) -> Result<String, Failure> {
    let parse = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .parse::<Table>()
            .map_err(|error| Failure::new(format!("Cargo.toml: {error}")))
    };
    let (mut manifest, workspace) = (parse(manifest)?, parse(workspace)?);
    let shared =
        |table: &str| workspace.get("workspace").and_then(|w| w.get(table)).and_then(toml::Value::as_table);
    manifest.remove("lints");
    manifest.remove("dev-dependencies");
    if let Some(package) = manifest.get_mut("package").and_then(toml::Value::as_table_mut) {
        inherit(package, shared("package"));
    }
    let mut tables = vec![&mut manifest];
    while let Some(table) = tables.pop() {
        for (name, value) in table.iter_mut() {
            let Some(inner) = value.as_table_mut() else { continue };
            if name == "dependencies" {
                inherit(inner, shared("dependencies"));
            } else {
                tables.push(inner);
            }
        }
    }
    toml::to_string(&manifest).map_err(|error| Failure::new(format!("Cargo.toml: {error}")))
}

fn inherit(table: &mut Table, shared: Option<&Table>) {
    for (name, value) in table.iter_mut() {
        let inherits = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
        if let Some(found) = shared.and_then(|shared| shared.get(name)).filter(|_| inherits) {
            *value = found.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_stands_alone() {
        let manifest = br#"
            [package]
            name = "x"
            version.workspace = true
            [dependencies]
            own = { path = "own" }
            serde.workspace = true
            [target.'cfg(unix)'.dependencies]
            serde.workspace = true
            [lints]
            workspace = true
        "#;
        let workspace = br#"
            [workspace.package]
            version = "1.2.3"
            [workspace.dependencies]
            serde = { version = "1", features = ["derive"] }
        "#;
        let made: Table = standalone(manifest, workspace).unwrap().parse().unwrap();
        assert_eq!(made["package"]["version"].as_str(), Some("1.2.3"));
        assert_eq!(made["dependencies"]["serde"]["version"].as_str(), Some("1"));
        assert_eq!(made["dependencies"]["own"]["path"].as_str(), Some("own"));
        assert_eq!(made["target"]["cfg(unix)"]["dependencies"]["serde"]["version"].as_str(), Some("1"));
        assert!(!made.contains_key("lints"));
    }

    #[test]
    fn the_component_is_that_of_the_package() {
        let messages = r#"
{"reason":"compiler-artifact","manifest_path":"/p/vendor/Cargo.toml","filenames":["/p/target/other.wasm"]}
{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","filenames":["/p/target/x.d","/p/target/x.wasm"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(component_of(messages, Path::new("/p")), Some("/p/target/x.wasm".into()));
        assert_eq!(component_of("", Path::new("/p")), None);
    }
}
