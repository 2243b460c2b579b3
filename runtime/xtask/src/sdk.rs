//! Handlers in every language, as their authors make them: a new project is built, run and tested; the SDKs' own tests pass; and
//! their guests answer the same questions alike.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::bench::table::{new_table, print};
use crate::guests;
use crate::steps::{command, need_clang, need_go, need_node, need_python, root, run, say, target};

/// A language: its word, and the longest that a new project may take, tools being there.
struct Language {
    word: &'static str,
    bound: Duration,
}

const LANGUAGES: [Language; 6] = [
    Language { word: "rust", bound: Duration::from_secs(180) },
    Language { word: "js", bound: Duration::from_secs(90) },
    Language { word: "ts", bound: Duration::from_secs(90) },
    Language { word: "python", bound: Duration::from_secs(90) },
    Language { word: "c", bound: Duration::from_secs(30) },
    Language { word: "go", bound: Duration::from_secs(90) },
];

/// Those that have a guest for the conformance cases.
const GUESTS: [&str; 5] = ["rust", "js", "python", "c", "go"];

/// `all`: the examples in other languages than Rust are built and tested too.
pub(crate) fn prove(binary: &Path, all: bool) -> Result<()> {
    need_node()?;
    need_python()?;
    need_clang()?;
    let path = need_go()?;
    let folder = target().join("sdk");
    std::fs::create_dir_all(&folder)?;
    units(&folder, &path)?;
    let mut rows = Vec::new();
    for language in &LANGUAGES {
        say(&format!("a new handler in {}", language.word));
        rows.push(project(binary, &folder, language)?);
    }
    let mut report = new_table(&["language", "new", "build", "first result", "test", "in all", "bound"]);
    report.add_rows(rows);
    print(&report);
    if all {
        examples(binary, &path)?;
    }
    conformance(binary, &path)?;
    flow(binary, &path)
}

/// The SDKs' own tests; those of Rust are among the crates'.
fn units(folder: &Path, path: &OsStr) -> Result<()> {
    let sdk = root().join("sdk");
    say("the tests of the SDK for JavaScript");
    let npm = |arguments: &[&str]| run(command("npm").args(arguments).current_dir(sdk.join("js")));
    npm(&["install", "--silent", "--no-fund", "--no-audit"])?;
    npm(&["test", "--silent"])?;
    say("the tests of the SDK for Python");
    let mut python = command("python3");
    python.args(["-m", "unittest", "discover", "--start-directory", "tests"]).current_dir(sdk.join("python"));
    run(python.env("PYTHONPATH", "src"))?;
    say("the tests of the SDK for C");
    let objects = format!("BUILD={}", folder.join("c").display());
    run(command("make").args(["--silent", "test", &objects]).current_dir(sdk.join("c")))?;
    say("the tests of the SDK for Go");
    run(command("make").args(["--silent", "lint", "test"]).current_dir(sdk.join("go")).env("PATH", path))
}

/// From nothing to a result and a passed test; how long each step took. Tools that a project gets for itself it gets here.
fn project(binary: &Path, folder: &Path, language: &Language) -> Result<Vec<String>> {
    let name = format!("new-{}", language.word);
    let directory = folder.join(&name);
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let gristmill = |arguments: &[&str]| {
        let mut command = command(&binary.display().to_string());
        command.args(arguments).current_dir(if arguments[0] == "new" { folder } else { &directory });
        command
    };
    let began = Instant::now();
    let made = gristmill(&["new", &name, "--lang", language.word, "--json"]).output()?;
    let new = began.elapsed();
    let told: Value = serde_json::from_slice(&made.stdout)
        .with_context(|| format!("`gristmill new`: {}", String::from_utf8_lossy(&made.stderr)))?;
    let test = told.get("test").and_then(Value::as_str).context("`gristmill new` names no test")?;
    let build = timed(&mut gristmill(&["build"]))?;
    let component = format!("target/{name}.wasm");
    let ran = Instant::now();
    let output = gristmill(&["run", &component, "--data", "{\"to\":\"Ada\"}"]).output()?;
    let (answer, all) = (ran.elapsed(), began.elapsed());
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(
        told.trim() == "{\"greeting\":\"Hello Ada\"}",
        "a new handler in {} answered `{}`: {}",
        language.word,
        told.trim(),
        String::from_utf8_lossy(&output.stderr)
    );
    let mut words = test.split(' ');
    let mut test = command(words.next().unwrap_or_default());
    let test = timed(test.args(words).current_dir(&directory))?;
    if language.word == "js" {
        // A package more: npm sorts all others anew, and drops those that nobody asked for.
        let more = ["install", "--silent", "--no-fund", "--no-audit", "mustache"];
        run(command("npm").args(more).current_dir(&directory))?;
        run(&mut gristmill(&["build"]))?;
    }
    let show = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let bound = if all > language.bound { "missed" } else { "met" };
    Ok(vec![
        language.word.to_owned(),
        show(new),
        show(build),
        show(answer),
        show(test),
        show(all),
        format!("{bound} ({})", show(language.bound)),
    ])
}

fn timed(command: &mut Command) -> Result<Duration> {
    let began = Instant::now();
    run(command)?;
    Ok(began.elapsed())
}

/// Builds, runs and tests the examples that cargo does not know.
fn examples(binary: &Path, path: &OsStr) -> Result<()> {
    for entry in root().join("handlers").read_dir()? {
        let directory = entry?.path();
        let has = |file: &str| directory.join(file).exists();
        let test: &[&str] = match () {
            () if has("package.json") => &["npm", "test", "--silent"],
            () if has("pyproject.toml") => &["target/venv/bin/python", "-m", "unittest", "--quiet"],
            () if has("handler.c") => &["make", "--silent", "test"],
            () if has("go.mod") => &["go", "test", "./..."],
            () => continue,
        };
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        say(&format!("the example `{name}`"));
        let gristmill = |arguments: &[&str]| {
            let mut command = command(&binary.display().to_string());
            command.args(arguments).current_dir(&directory).env("PATH", path);
            command
        };
        run(&mut gristmill(&["build"]))?;
        run(&mut gristmill(&["run", &format!("target/{name}.wasm"), "--data", "@sample.json"]))?;
        // By `env`, as a program is looked for in the path of this one.
        run(command("env").args(test).current_dir(&directory).env("PATH", path))?;
    }
    Ok(())
}

/// Builds the guest of every SDK, asks all the same, and writes the table.
fn conformance(binary: &Path, path: &OsStr) -> Result<()> {
    let folder = root().join("target/conformance");
    std::fs::create_dir_all(&folder)?;
    for language in GUESTS {
        say(&format!("the guest in {language}"));
        component(
            binary,
            path,
            &root().join("sdk/conformance").join(language),
            &folder.join(format!("{language}.wasm")),
        )?;
    }
    say("the same questions to all of them");
    run(command("node")
        .args(["--test", "--test-reporter=spec", "sdk/conformance/run.mjs"])
        .env("GRISTMILL_BIN", binary)
        .env("GRISTMILL_GUESTS", guests::folder())
        .env("GRISTMILL_CONFORMANCE", folder)
        .env("GRISTMILL_PARITY", root().join("docs/reference/sdk-parity.md")))
}

/// Makes the component of a project of this repository.
fn component(binary: &Path, path: &OsStr, source: &Path, output: &Path) -> Result<()> {
    // npm would keep the SDK that it copied when it was installed.
    let copied = source.join("node_modules");
    if copied.exists() {
        std::fs::remove_dir_all(&copied)?;
    }
    let mut build = command(&binary.display().to_string());
    run(build.arg("build").arg(source).arg("--output").arg(output).env("PATH", path))
}

/// One job whose children other languages serve.
fn flow(binary: &Path, path: &OsStr) -> Result<()> {
    let folder = root().join("target/conformance");
    let handlers = folder.join("flow");
    std::fs::create_dir_all(&handlers)?;
    let sources =
        ["sdk/conformance/flow", "handlers/markdown-page", "handlers/checksum-c", "handlers/archive"];
    for source in sources.map(|source| root().join(source)) {
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        component(binary, path, &source, &handlers.join(format!("{name}.wasm")))?;
    }
    std::fs::copy(guests::folder().join("hash.wasm"), handlers.join("hash.wasm"))?;
    say("a flow through all of them");
    run(command("node")
        .args(["--test", "--test-reporter=spec", "sdk/conformance/flow.mjs"])
        .env("GRISTMILL_BIN", binary)
        .env("GRISTMILL_GUESTS", guests::folder())
        .env("GRISTMILL_CONFORMANCE", folder))
}
