//! What an attempt costs in every language, with its SDK: CPU of a fresh and of a reused instance, and memory of one that
//! waits.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::guests;
use crate::steps::{
    build_host, command, need_clang, need_go, need_node, need_python, root, run, say, target,
};

/// A language, with the bounds that it is held to, and how many of its instances wait at once.
struct Subject {
    name: &'static str,
    folder: Option<&'static str>,
    parked: usize,
    bounds: [f64; 3],
}

const SUBJECTS: [Subject; 5] = [
    Subject { name: "Rust", folder: None, parked: 5_000, bounds: [30.0, 2.0, 45.0] },
    Subject { name: "C", folder: Some("c"), parked: 5_000, bounds: [30.0, 2.0, 700.0] },
    Subject { name: "Go", folder: Some("go"), parked: 400, bounds: [500.0, 10.0, 700.0] },
    Subject { name: "JavaScript", folder: Some("js"), parked: 400, bounds: [700.0, 50.0, 700.0] },
    Subject { name: "Python", folder: Some("python"), parked: 400, bounds: [1_500.0, 10.0, 700.0] },
];

/// µs of CPU of one attempt, and KiB of one that waits; each with its bound.
#[derive(Debug, Clone)]
pub(crate) struct Language {
    pub name: &'static str,
    fresh: f64,
    reused: f64,
    parked: f64,
    bounds: [f64; 3],
}

/// Handlers that give back their data, in every language; that in Rust is the scripted one.
pub(crate) fn measure() -> Result<Vec<Language>> {
    guests::build()?;
    need_node()?;
    need_python()?;
    need_clang()?;
    let path = need_go()?;
    let binary = build_host(true)?;
    let folder = target().join("languages");
    std::fs::create_dir_all(&folder)?;
    let mut measured = Vec::new();
    for subject in SUBJECTS {
        let handler = match subject.folder {
            None => guests::folder().join("scripted.wasm"),
            Some(name) => {
                say(&format!("a handler in {}", subject.name));
                let output = folder.join(format!("{name}.wasm"));
                let mut build = command(&binary.display().to_string());
                build.arg("build").arg(root().join("tests/bench/languages").join(name));
                run(build.arg("--output").arg(&output).env("PATH", &path))?;
                output
            }
        };
        measured.push(cost(&subject, &handler)?);
    }
    Ok(measured)
}

fn cost(subject: &Subject, handler: &Path) -> Result<Language> {
    say(&format!("one attempt in {}", subject.name));
    let cost = example("cost", &[handler.to_owned()])?;
    say(&format!("{} attempts in {} that wait", subject.parked, subject.name));
    let parked = example("parked", &[subject.parked.to_string().into(), handler.to_owned()])?;
    let number = |of: &Value, field: &str| {
        of.get(field).and_then(Value::as_f64).with_context(|| format!("no `{field}` in {of}"))
    };
    Ok(Language {
        name: subject.name,
        fresh: number(&cost, "fresh_us")?,
        reused: number(&cost, "reused_us")?,
        parked: number(&parked, "pss_kib_each")?,
        bounds: subject.bounds,
    })
}

/// The object that an example of the sandbox prints last.
fn example(name: &str, arguments: &[PathBuf]) -> Result<Value> {
    let output = command("cargo")
        .args(["run", "--release", "--quiet", "--package", "gristmill-sandbox", "--example", name, "--"])
        .args(arguments)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().with_context(|| format!("the example `{name}` printed nothing"))?;
    serde_json::from_str(line).with_context(|| format!("`{name}` printed `{line}`"))
}

impl Language {
    pub(crate) fn json(&self) -> Value {
        let [fresh, reused, parked] = self.bounds;
        json!({
            "language": self.name,
            "fresh_us": self.fresh,
            "reused_us": self.reused,
            "parked_kib": self.parked,
            "bounds": { "fresh_us": fresh, "reused_us": reused, "parked_kib": parked },
            "met": self.figures().iter().all(|(figure, bound)| figure <= bound),
        })
    }

    pub(crate) fn row(&self) -> [String; 4] {
        let [fresh, reused, parked] = self.figures().map(|(figure, bound)| {
            let met = if figure <= bound { "at most" } else { "missed:" };
            format!("{figure:.1} ({met} {bound})")
        });
        [self.name.to_owned(), fresh, reused, parked]
    }

    fn figures(&self) -> [(f64, f64); 3] {
        let [fresh, reused, parked] = self.bounds;
        [(self.fresh, fresh), (self.reused, reused), (self.parked, parked)]
    }
}
