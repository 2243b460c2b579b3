//! The sandbox's own share: criterion's figures, and the memory of many parked attempts.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::steps::{command, run, say, target};

/// What the sandbox costs by itself.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    /// Name of the criterion benchmark and µs of its median.
    pub attempts: Vec<(String, f64)>,
    pub parked: usize,
    /// Resident, with the pages of the handler's initial memory counted once for each attempt, as `ps` does.
    pub parked_rss_mib: f64,
    /// The same with shared pages counted once: what the machine spends.
    pub parked_pss_mib: f64,
}

pub(crate) fn measure() -> Result<Sandbox> {
    say("one fresh attempt (criterion)");
    run(command("cargo").args(["bench", "--package", "gristmill-sandbox", "--bench", "attempt", "--quiet"]))?;
    let mut attempts = Vec::new();
    let folder = target().join("criterion");
    collect(&folder, &folder, &mut attempts)?;
    attempts.sort_by(|a, b| a.0.cmp(&b.0));

    say("10 000 attempts waiting in a host call");
    let output = command("cargo")
        .args(["run", "--release", "--quiet", "--package", "gristmill-sandbox", "--example", "parked"])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().context("the example `parked` printed nothing")?;
    let parked: Value = serde_json::from_str(line).with_context(|| format!("`parked` printed `{line}`"))?;
    let number = |name: &str| {
        parked.get(name).and_then(Value::as_f64).with_context(|| format!("no `{name}` in {line}"))
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    Ok(Sandbox {
        attempts,
        parked: number("parked")? as usize,
        parked_rss_mib: number("rss_mib")?,
        parked_pss_mib: number("pss_mib")?,
    })
}

fn collect(root: &std::path::Path, folder: &std::path::Path, found: &mut Vec<(String, f64)>) -> Result<()> {
    for entry in folder.read_dir().with_context(|| format!("no figures in `{}`", folder.display()))? {
        let path = entry?.path();
        let estimates = path.join("new/estimates.json");
        if estimates.exists() {
            let text: Value = serde_json::from_str(&std::fs::read_to_string(&estimates)?)?;
            let nanos = text["median"]["point_estimate"].as_f64().context("no median")?;
            let name = path.strip_prefix(root)?.display().to_string();
            found.push((name, nanos / 1e3));
        } else if path.is_dir() {
            collect(root, &path, found)?;
        }
    }
    Ok(())
}
