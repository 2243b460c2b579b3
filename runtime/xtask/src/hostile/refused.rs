//! Files that no worker may load: each is refused with its place in the configuration and a reason, and nothing starts.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::guests;
use crate::steps::say;

/// The first bytes of a component.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// Wrong usage, configuration or handler.
const USAGE: i32 = 64;

/// Name, and a part of the reason. What is made here comes first, then what is in `tests/guests/hostile/refused`.
const MADE: [(&str, &str); 8] = [
    ("empty", "the file is empty"),
    ("text", "is not WebAssembly"),
    ("machine-code", "it is machine code"),
    ("core-module", "not a component"),
    ("without-handler", "does not export `gristmill:job/handler`"),
    ("cut-off", "is not a valid component"),
    ("scrambled", "is not a valid component"),
    ("hundred-megabytes", "100 MiB, more than the 64 MiB that are accepted"),
];
const HANDMADE: [(&str, &str); 5] = [
    ("huge-memory", "does not fit into what the worker laid out"),
    ("memory-over-its-limit", "needs 20 MiB of memory at its start, more than its limit of 16 MiB"),
    ("huge-table", "does not fit into what the worker laid out"),
    ("many-tables", "does not fit into what the worker laid out"),
    ("two-memories", "is not a valid component"),
];

pub(super) fn prove(binary: &Path) -> Result<()> {
    say(&format!("{} files that are not handlers", MADE.len() + HANDMADE.len()));
    let folder = tempfile::tempdir()?;
    make(folder.path())?;
    // Room for 64 MiB, so that what has more than its job type's limit is refused for that.
    let mut text = format!("[queues.good.jobs.\"*\"]\nhandler = {}\n", super::kinds::handler("scripted"));
    let mut expected = Vec::new();
    let made = MADE.map(|(name, reason)| (folder.path().join(format!("{name}.wasm")), name, reason));
    let handmade = HANDMADE
        .map(|(name, reason)| (guests::folder().join("refused").join(format!("{name}.wasm")), name, reason));
    for (path, name, reason) in made.into_iter().chain(handmade) {
        let path = path.display().to_string();
        writeln!(text, "[queues.{name}.jobs.\"*\"]\nhandler = {path:?}\nmemory = \"16MiB\"")?;
        expected.push((text.lines().count() - 1, name, reason));
    }
    let config = folder.path().join("gristmill.toml");
    std::fs::write(&config, text)?;
    for command in ["check", "worker"] {
        let output = Command::new(binary)
            .args([command, "--config"])
            .arg(&config)
            .env_remove("REDIS_URL")
            .output()
            .with_context(|| format!("cannot start `gristmill {command}`"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(USAGE), "`{command}` ended with {}:\n{said}", output.status);
        for (line, name, reason) in &expected {
            let place = format!("{}:{line}: ", config.display());
            ensure!(
                said.lines().any(|l| l.contains(&place) && l.contains(reason)),
                "`{command}` does not say of `{name}` at {place}that it {reason}:\n{said}"
            );
        }
    }
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    let good = std::fs::read(guests::folder().join("scripted.wasm")).context("the guests are not built")?;
    let mut scrambled = good.clone();
    // Every 97th byte after the header is another one.
    for byte in scrambled.iter_mut().skip(COMPONENT.len()).step_by(97) {
        *byte ^= 0x5a;
    }
    let file = |name: &str| folder.join(format!("{name}.wasm"));
    std::fs::write(file("empty"), b"")?;
    std::fs::write(file("text"), b"#!/bin/sh\nrm -rf ~\n")?;
    std::fs::write(file("machine-code"), b"\x7fELF\x02\x01\x01")?;
    std::fs::write(file("core-module"), b"\0asm\x01\0\0\0")?;
    std::fs::write(file("without-handler"), COMPONENT)?;
    std::fs::write(file("cut-off"), &good[..good.len() / 2])?;
    std::fs::write(file("scrambled"), scrambled)?;
    std::fs::write(file("hundred-megabytes"), COMPONENT)?;
    // Sparse: takes no space.
    Ok(std::fs::File::options().write(true).open(file("hundred-megabytes"))?.set_len(100 << 20)?)
}
