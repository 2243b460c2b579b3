//! What an attempt costs in other languages: a handler that gives back its data, fresh and reused.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::guests;
use crate::steps::{command, root, run, say, target};

/// Kept as they are measured; their packages and the compiler's version are part of the figure.
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// µs of CPU of one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Language {
    pub name: &'static str,
    pub fresh: f64,
    pub reused: f64,
}

pub(crate) fn measure() -> Result<Vec<Language>> {
    let folder = target().join("languages");
    std::fs::create_dir_all(&folder)?;
    let source = root().join("tests/bench/languages");
    for file in ["job.mjs", "build.mjs", "package.json", "job.py"] {
        std::fs::copy(source.join(file), folder.join(file))?;
    }
    let wit = root().join("wit");
    say("a handler in JavaScript, built with componentize-js");
    run(command("npm").args(["install", "--silent", "--no-fund", "--no-audit"]).current_dir(&folder))?;
    run(command("node").arg("build.mjs").arg(&wit).arg("javascript.wasm").current_dir(&folder))?;
    say("a handler in Python, built with componentize-py");
    run(command("python3").args(["-m", "venv", "venv"]).current_dir(&folder))?;
    let bin = folder.join("venv/bin");
    run(command(&bin.join("pip").display().to_string()).args(["install", "--quiet", COMPONENTIZE_PY]))?;
    let mut build = command(&bin.join("componentize-py").display().to_string());
    build.arg("-d").arg(&wit).args(["-w", "worker", "componentize", "job", "-o", "python.wasm"]);
    run(build.current_dir(&folder))?;

    let handlers = [
        ("Rust", guests::folder().join("scripted.wasm")),
        ("JavaScript", folder.join("javascript.wasm")),
        ("Python", folder.join("python.wasm")),
    ];
    handlers.into_iter().map(|(name, handler)| cost(name, &handler)).collect()
}

fn cost(name: &'static str, handler: &std::path::Path) -> Result<Language> {
    say(&format!("one attempt in {name}"));
    let output = command("cargo")
        .args(["run", "--release", "--quiet", "--package", "gristmill-sandbox", "--example", "cost", "--"])
        .arg(handler)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().context("the example `cost` printed nothing")?;
    let found: Value = serde_json::from_str(line).with_context(|| format!("`cost` printed `{line}`"))?;
    let number =
        |field: &str| found.get(field).and_then(Value::as_f64).with_context(|| format!("no `{field}`"));
    Ok(Language { name, fresh: number("fresh_us")?, reused: number("reused_us")? })
}

impl Language {
    pub(crate) fn json(&self) -> Value {
        json!({ "language": self.name, "fresh_us": self.fresh, "reused_us": self.reused })
    }

    pub(crate) fn row(&self) -> [String; 3] {
        [self.name.to_owned(), format!("{:.1}", self.fresh), format!("{:.1}", self.reused)]
    }
}
