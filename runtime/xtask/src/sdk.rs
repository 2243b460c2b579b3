//! Handlers in every language, as their authors make them: a new project is built, run and tested; the SDKs' own tests pass; and
//! their guests answer the same questions alike.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::bench::table::{new_table, print};
use crate::guests;
use crate::steps::{command, need_clang, need_node, need_python, root, run, say, target};

/// A language: its word, how its projects are tested, and the longest that a new one may take, tools being there.
struct Language {
    word: &'static str,
    test: &'static [&'static str],
    bound: Duration,
}

const LANGUAGES: [Language; 5] = [
    Language { word: "rust", test: &["cargo", "test", "--quiet"], bound: Duration::from_secs(180) },
    Language { word: "js", test: &["npm", "test", "--silent"], bound: Duration::from_secs(90) },
    Language { word: "ts", test: &["npm", "test", "--silent"], bound: Duration::from_secs(90) },
    Language {
        word: "python",
        test: &["target/venv/bin/python", "-m", "unittest", "--quiet"],
        bound: Duration::from_secs(90),
    },
    Language { word: "c", test: &["make", "--silent", "test"], bound: Duration::from_secs(30) },
];

/// Those that have a guest for the conformance cases.
const GUESTS: [&str; 4] = ["rust", "js", "python", "c"];

/// `all`: the examples in other languages than Rust are built and tested too.
pub(crate) fn prove(binary: &Path, all: bool) -> Result<()> {
    need_node()?;
    need_python()?;
    need_clang()?;
    let folder = target().join("sdk");
    std::fs::create_dir_all(&folder)?;
    units(&folder)?;
    let mut rows = Vec::new();
    for language in &LANGUAGES {
        say(&format!("a new handler in {}", language.word));
        rows.push(project(binary, &folder, language)?);
    }
    let mut report = new_table(&["language", "new", "build", "first result", "test", "in all", "bound"]);
    report.add_rows(rows);
    print(&report);
    if all {
        examples(binary)?;
    }
    conformance(binary)
}

/// The SDKs' own tests; those of Rust are among the crates'.
fn units(folder: &Path) -> Result<()> {
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
    run(command("make").args(["--silent", "test", &objects]).current_dir(sdk.join("c")))
}

/// From nothing to a result and a passed test; how long each step took.
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
    let new = timed(&mut gristmill(&["new", &name, "--lang", language.word]))?;
    let build = timed(&mut gristmill(&["build"]))?;
    let component = format!("target/{name}.wasm");
    let ran = Instant::now();
    let output = gristmill(&["run", &component, "--data", "{\"to\":\"Ada\"}"]).output()?;
    let (run, all) = (ran.elapsed(), began.elapsed());
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(
        told.trim() == "{\"greeting\":\"Hello Ada\"}",
        "a new handler in {} answered `{}`: {}",
        language.word,
        told.trim(),
        String::from_utf8_lossy(&output.stderr)
    );
    let mut test = command(language.test[0]);
    let test = timed(test.args(&language.test[1..]).current_dir(&directory))?;
    let show = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let bound = if all > language.bound { "missed" } else { "met" };
    Ok(vec![
        language.word.to_owned(),
        show(new),
        show(build),
        show(run),
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
fn examples(binary: &Path) -> Result<()> {
    for entry in root().join("handlers").read_dir()? {
        let directory = entry?.path();
        let has = |file: &str| directory.join(file).exists();
        let test = match () {
            () if has("package.json") => LANGUAGES[1].test,
            () if has("pyproject.toml") => LANGUAGES[3].test,
            () if has("handler.c") => LANGUAGES[4].test,
            () => continue,
        };
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        say(&format!("the example `{name}`"));
        let gristmill = |arguments: &[&str]| {
            let mut command = command(&binary.display().to_string());
            command.args(arguments).current_dir(&directory);
            command
        };
        run(&mut gristmill(&["build"]))?;
        run(&mut gristmill(&["run", &format!("target/{name}.wasm"), "--data", "@sample.json"]))?;
        run(command(test[0]).args(&test[1..]).current_dir(&directory))?;
    }
    Ok(())
}

/// Builds the guest of every SDK, asks all the same, and writes the table.
fn conformance(binary: &Path) -> Result<()> {
    let folder = root().join("target/conformance");
    std::fs::create_dir_all(&folder)?;
    for language in GUESTS {
        say(&format!("the guest in {language}"));
        let source = root().join("sdk/conformance").join(language);
        // npm would keep the SDK that it copied when it was installed.
        let copied: PathBuf = source.join("node_modules");
        if copied.exists() {
            std::fs::remove_dir_all(&copied)?;
        }
        let output = folder.join(format!("{language}.wasm"));
        run(command(&binary.display().to_string()).arg("build").arg(source).arg("--output").arg(output))?;
    }
    say("the same questions to all of them");
    run(command("node")
        .args(["--test", "--test-reporter=spec", "sdk/conformance/run.mjs"])
        .env("GRISTMILL_BIN", binary)
        .env("GRISTMILL_GUESTS", guests::folder())
        .env("GRISTMILL_CONFORMANCE", folder)
        .env("GRISTMILL_PARITY", root().join("docs/reference/sdk-parity.md")))
}
