//! Builds every handler and test guest to `target/guests/NAME.wasm` of the checkout, and the handmade ones to
//! `target/guests/handmade` and, where no worker may load them, `target/guests/refused`.

mod handmade;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::steps::{command, need_wasm_target, root, run, say, target};

/// Where built guests are, whatever `CARGO_TARGET_DIR` says: tests and demo look there.
pub(crate) fn folder() -> PathBuf {
    root().join("target/guests")
}

/// Packages in `handlers/` and `tests/guests/`, each a handler.
fn packages() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in ["handlers", "tests/guests"] {
        for entry in root().join(folder).read_dir().with_context(|| format!("cannot read `{folder}`"))? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").exists() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

pub(crate) fn build() -> Result<()> {
    need_wasm_target()?;
    let names = packages()?;
    say(&format!("building the handlers {}", names.join(", ")));
    let mut cargo = command("cargo");
    cargo.args(["build", "--profile", "guest", "--target", "wasm32-wasip2"]);
    for name in &names {
        cargo.args(["--package", name]);
    }
    run(&mut cargo)?;
    std::fs::create_dir_all(folder())?;
    for name in &names {
        let built = target().join("wasm32-wasip2/guest").join(format!("{}.wasm", name.replace('-', "_")));
        let to = folder().join(format!("{name}.wasm"));
        std::fs::copy(&built, &to).with_context(|| format!("cannot copy `{}`", built.display()))?;
    }
    for kind in ["handmade", "refused"] {
        handmade::build(&root().join("tests/guests/hostile").join(kind), &folder().join(kind))?;
    }
    Ok(())
}
