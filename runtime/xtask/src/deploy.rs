//! What is in `deploy/`, checked with the tools of those who use it, and a real Prometheus on a real worker.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::guests;
use crate::steps::{command, has, need_node, need_prometheus, need_python, root, run, say, target};

pub(crate) fn prove(binary: &Path) -> Result<()> {
    need_python()?;
    need_node()?;
    need_prometheus()?;
    let tests = root().join("tests/deploy");
    let out = target().join("deploy");
    std::fs::create_dir_all(&out)?;
    let python = environment(&tests, &out)?;
    say("chart, dashboard, rules, Dockerfile");
    let metrics = root().join("docs/reference/metrics.md");
    run(command(&python.display().to_string()).arg(tests.join("check.py")).args([
        root().join("deploy"),
        metrics,
        out.clone(),
    ]))?;
    say("the rules in Prometheus' own hands");
    let rules = root().join("deploy/prometheus");
    run(command("promtool")
        .args(["check", "rules"])
        .arg(rules.join("rules.yml"))
        .arg(out.join("dashboard.rules.yml")))?;
    run(command("promtool").args(["test", "rules", "rules.test.yml"]).current_dir(&rules))?;
    packages(&tests)?;
    say("compose file and scaled objects");
    run(command("npx").args(["--no", "dclint"]).arg(root().join("deploy/compose.yaml")).current_dir(&tests))?;
    let mut objects: Vec<PathBuf> = out.read_dir()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    objects.retain(|path| path.to_string_lossy().ends_with(".scaledobject.json"));
    objects.sort();
    if objects.is_empty() {
        bail!("the chart made no scaled object to check");
    }
    run(command("node").arg("keda.mjs").args(objects).current_dir(&tests))?;
    if has("systemd-analyze") {
        say("the unit");
        unit(&out)?;
    }
    say("a real Prometheus on a real worker");
    let mut node = command("node");
    node.args(["--test", "scrape.test.mjs"]).current_dir(&tests);
    run(node.env("GRISTMILL_BIN", binary).env("GRISTMILL_GUESTS", guests::folder()))
}

/// An environment of Python with the packages of the requirements; answers its interpreter.
fn environment(tests: &Path, out: &Path) -> Result<PathBuf> {
    let folder = out.join("venv");
    let python = folder.join("bin/python");
    let wanted = std::fs::read_to_string(tests.join("requirements.txt"))?;
    let stamp = folder.join("requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    say("installing the packages of tests/deploy for Python");
    run(command("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(command(&python.display().to_string()).args(pip).arg(tests.join("requirements.txt")))?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}

fn packages(tests: &Path) -> Result<()> {
    if tests.join("node_modules/.package-lock.json").exists() {
        return Ok(());
    }
    say("installing the packages of tests/deploy for Node");
    run(command("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(tests))
}

/// `systemd-analyze` wants the program to be there, so it is told one that is.
fn unit(out: &Path) -> Result<()> {
    let text = std::fs::read_to_string(root().join("deploy/systemd/gristmill.service"))?;
    let there = out.join("gristmill.service");
    std::fs::write(&there, text.replace("/usr/local/bin/gristmill", "/bin/true"))?;
    run(command("systemd-analyze").arg("verify").arg(there))
}
