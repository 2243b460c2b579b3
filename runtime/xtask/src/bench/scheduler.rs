//! What a decision of the scheduler costs.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::steps::{command, say};

/// By queues, ns to give a slot away and to take it back.
pub(crate) struct Scheduler {
    rows: Vec<Value>,
}

pub(crate) fn measure() -> Result<Scheduler> {
    let mut rows = Vec::new();
    for queues in ["10", "1000"] {
        say(&format!("the scheduler with {queues} flooded queues"));
        let output = command("cargo")
            .args(["run", "--release", "--quiet", "--package", "gristmill-core", "--example", "scheduler"])
            .args(["--", queues])
            .stderr(std::process::Stdio::inherit())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().last().context("the example `scheduler` printed nothing")?;
        rows.push(serde_json::from_str(line).with_context(|| format!("`scheduler` printed `{line}`"))?);
    }
    Ok(Scheduler { rows })
}

impl Scheduler {
    pub(super) fn rows(&self) -> impl Iterator<Item = [String; 3]> {
        self.rows.iter().map(|row| ["queues", "grant_ns", "end_ns"].map(|name| row[name].to_string()))
    }

    pub(super) fn json(&self) -> Value {
        self.rows.clone().into()
    }
}
