//! `cargo xtask test`: all that a fresh clone must prove, in parts that can be run alone.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::steps::{
    TESTED, build_host, command, need_chromium, need_docker_registry, need_node, need_node_alone,
    need_packages, need_python, need_redis, root, run, say,
};
use crate::{dashboard, deploy, guests, hostile, registry, scheduling, sdk};

#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Parts to run [default: all]
    #[arg(value_enum)]
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Formatting and lints
    Lint,
    /// Tests beside the code, those of the crates against a private Redis and real guests, and those of the command line
    Unit,
    /// The real binary from the command line, alone
    Integration,
    /// BullMQ's own Node clients against the real binary
    Conformance,
    /// BullMQ's workers and ours on shared queues while they are killed: all jobs when named, else a few
    Fleet,
    /// Who runs next on the real binary: flooded queues, a limiter on several workers, a breaker during an outage
    Scheduling,
    /// Handlers swapped, tried and taken back under load: 200 swaps when named, else 30
    Registry,
    /// Handlers in every language: a new project of each, and the
    /// same questions to the guests of all SDKs; the examples too when named
    Sdk,
    /// What is in `deploy/`, with the tools of those who use it, and a real Prometheus
    Deploy,
    /// The dashboard: its files are those of its source, and every page and action in a browser on the real binary; writes
    /// the pictures in `docs/screenshots` when named
    Browser,
    /// Hostile guests beside a healthy queue on the real binary: 200 of each kind when named, else 20
    Hostile,
}

pub(crate) fn test(arguments: &TestArguments) -> Result<()> {
    let runs = |part| arguments.parts.is_empty() || arguments.parts.contains(&part);
    if runs(Part::Lint) {
        lint()?;
    }
    if Part::value_variants().iter().any(|part| *part != Part::Lint && runs(*part)) {
        need_redis()?;
        guests::build()?;
    }
    if runs(Part::Unit) {
        say("tests of the crates and of the command line");
        run(command("cargo").args(TESTED).arg("--quiet"))?;
    } else if runs(Part::Integration) {
        say("tests of the command line");
        run(command("cargo").args(TESTED).args(["--test", "cli", "--quiet"]))?;
    }
    if runs(Part::Conformance) {
        conformance()?;
    }
    if runs(Part::Fleet) {
        fleet(arguments.parts.contains(&Part::Fleet))?;
    }
    if runs(Part::Scheduling) {
        scheduling::prove(&build_host(false)?)?;
    }
    if runs(Part::Registry) {
        need_docker_registry()?;
        registry::prove(&build_host(false)?, arguments.parts.contains(&Part::Registry))?;
    }
    if runs(Part::Sdk) {
        sdk::prove(&build_host(false)?, arguments.parts.contains(&Part::Sdk))?;
    }
    if runs(Part::Deploy) {
        deploy::prove(&build_host(false)?)?;
    }
    if runs(Part::Browser) {
        browser(arguments.parts.contains(&Part::Browser))?;
    }
    if runs(Part::Hostile) {
        let times = if arguments.parts.contains(&Part::Hostile) { 200 } else { 20 };
        hostile::prove(&build_host(false)?, times)?;
    }
    say("all tests passed");
    Ok(())
}

fn lint() -> Result<()> {
    say("formatting");
    run(command("cargo").args(["fmt", "--all", "--check"]))?;
    say("lints");
    run(command("cargo").args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "--deny",
        "warnings",
    ]))
}

fn conformance() -> Result<()> {
    need_node()?;
    need_python()?;
    need_chromium()?;
    let binary = build_host(false)?;
    say("BullMQ's clients against the binary");
    let folder = root().join("tests/bullmq");
    let mut files: Vec<_> = folder
        .read_dir()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".test.mjs"))
        .collect();
    files.sort();
    let suite = |redis: &str, files: &[String], reporters: &[&str]| {
        let mut node = command("node");
        node.args(["--test", "--test-concurrency=3"])
            .args(["--test-reporter=spec", "--test-reporter-destination=stdout"])
            .args(reporters)
            .args(files)
            .current_dir(&folder);
        node.env("GRISTMILL_BIN", &binary).env("GRISTMILL_GUESTS", guests::folder());
        run(node.env("GRISTMILL_REDIS", redis))
    };
    let page = [
        "--test-reporter=./compatibility.mjs",
        "--test-reporter-destination=../../docs/reference/compatibility.md",
    ];
    suite("server", &files, &page)?;
    // What these show does not depend on the kind of Redis, or they bring their own.
    let once = [
        "alerts",
        "bullboard-browser",
        "deployments",
        "keys",
        "memory",
        "monitoring",
        "python",
        "supervisor",
    ]
    .map(|name| format!("{name}.test.mjs"));
    files.retain(|name| !once.contains(name));
    for redis in ["cluster", "sentinel"] {
        say(&format!("the same on a {redis}"));
        suite(redis, &files, &["--test-force-exit"])?;
    }
    Ok(())
}

/// Named, it also writes the pictures of the documentation.
fn browser(pictures: bool) -> Result<()> {
    need_node_alone()?;
    need_packages(dashboard::SOURCE)?;
    need_packages("tests/browser")?;
    need_chromium()?;
    say("the dashboard's own tests");
    run(command("npm").args(["test", "--silent"]).current_dir(root().join(dashboard::SOURCE)))?;
    dashboard::check()?;
    let binary = build_host(false)?;
    say("the dashboard in a browser");
    let mut npm = command("npm");
    npm.args(["test", "--silent"]).current_dir(root().join("tests/browser"));
    if pictures {
        npm.env("SCREENSHOTS", "1");
    }
    run(npm.env("GRISTMILL_BIN", binary).env("GRISTMILL_GUESTS", guests::folder()))
}

/// The whole run takes minutes; beside all other parts a short one must do.
fn fleet(whole: bool) -> Result<()> {
    need_node()?;
    let binary = build_host(false)?;
    let folder = root().join("tests/bullmq");
    say("the model of the fleet");
    run(command("node").args(["--test", "fleet/model.test.mjs"]).current_dir(&folder))?;
    say("a mixed fleet under kills");
    let mut node = command("node");
    node.arg("fleet/fleet.mjs").current_dir(folder);
    if !whole {
        node.args(["--jobs", "5000", "--kill-every", "3000"]);
    }
    node.env("GRISTMILL_BIN", binary).env("GRISTMILL_GUESTS", guests::folder());
    run(&mut node)
}
