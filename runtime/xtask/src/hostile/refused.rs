//! Files that no worker may load: each is refused with its place in the configuration and a reason, and nothing starts.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

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
    bomb(binary, folder.path())
}

/// A module that takes minutes to compile ends after the time that the configuration gives it.
fn bomb(binary: &Path, folder: &Path) -> Result<()> {
    let path = folder.join("bomb.wasm");
    std::fs::write(&path, slow_to_compile())?;
    let config = folder.join("bomb.toml");
    let text = format!(
        "[worker]\ncompile_timeout = \"2s\"\n[queues.bomb.jobs.\"*\"]\nhandler = {:?}\n",
        path.display().to_string()
    );
    std::fs::write(&config, text)?;
    let begun = Instant::now();
    let output =
        Command::new(binary).args(["check", "--config"]).arg(&config).env_remove("REDIS_URL").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(USAGE)
            && said.contains("bomb.toml:4: ")
            && said.contains("took longer than 2s"),
        "`check` does not say that the module takes too long to compile:\n{said}"
    );
    ensure!(begun.elapsed() < Duration::from_secs(10), "it was let go only after {:?}", begun.elapsed());
    Ok(())
}

/// A component with one core module of long functions; 30 MiB.
fn slow_to_compile() -> Vec<u8> {
    const FUNCTIONS: usize = 100;
    let mut body = vec![0, 0x20, 0];
    for _ in 0..100_000 {
        // Times its parameter: no constant that a compiler could fold.
        body.extend([0x20, 0, 0x6c]);
    }
    body.push(0x0b);
    let mut code = leb(FUNCTIONS);
    for _ in 0..FUNCTIONS {
        code.extend(leb(body.len()));
        code.extend(&body);
    }
    let mut functions = leb(FUNCTIONS);
    functions.extend([0; FUNCTIONS]);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (section, content) in [(1, vec![1, 0x60, 1, 0x7f, 1, 0x7f]), (3, functions), (10, code)] {
        module.push(section);
        module.extend(leb(content.len()));
        module.extend(content);
    }
    let mut component = COMPONENT.to_vec();
    component.push(1);
    component.extend(leb(module.len()));
    component.extend(module);
    component
}

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
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
