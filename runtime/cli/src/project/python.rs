//! Handlers in Python: a virtual environment has the tools and, for tests, the project's packages; the component gets pure
//! Python packages only.

use std::fs;
use std::path::Path;
use std::process::Command;

use gristmill_core::schema::append;
use toml::Table;

use super::tools::{self, PYTHON, is_stale, run};
use super::{Project, sources};
use crate::failure::Failure;

/// Its version decides which `CPython` runs handlers.
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";
/// The world of the SDK's components.
const WORLD: &str = "gristmill:python/component";
/// The `CPython` that it carries.
const VERSION: &str = "3.14";
/// The module with the handler, unless `[tool.gristmill]` names another.
const MODULE: &str = "handler";

/// What `pyproject.toml` says.
struct Settings {
    module: String,
    dependencies: Vec<String>,
}

pub(crate) fn build(project: &Project, output: &Path) -> Result<(), Failure> {
    PYTHON.check("Python")?;
    let manifest = project.directory.join("pyproject.toml");
    let settings = settings(&manifest)?;
    if !project.directory.join(format!("{}.py", settings.module)).is_file() {
        return Err(Failure::usage(format!(
            "{}: there is no `{}.py`\nhint: name the module of the handler: `[tool.gristmill]`, `module = \"…\"`",
            manifest.display(),
            settings.module
        )));
    }
    let sdk = sources::sdk(project)?.join("src");
    let venv = project.target("venv");
    let python = venv.join("bin/python");
    if is_stale(&venv.join("ready"), &[manifest]) {
        install(project, &settings, &venv, &python)?;
    }
    // Python itself finds the SDK here, for tests.
    let version = fs::read_dir(venv.join("lib")).ok().and_then(|mut folders| folders.next()?.ok());
    if let Some(folder) = version {
        let path = folder.path().join("site-packages/gristmill-sdk.pth");
        tools::write(&path, format!("{}\n", sdk.display()).as_bytes())?;
    }

    let entry = project.target("entry");
    let text = format!("import {}  # the handler\nfrom gristmill.export import Handler\n", settings.module);
    tools::write(&entry.join("entry.py"), text.as_bytes())?;
    let wit = project.target("wit");
    sources::unpack_wit(&wit)?;

    let mut schema = Command::new(&python);
    schema.args(["-m", "gristmill.schema", &settings.module]).current_dir(&project.directory);
    let schema = schema.output().map_err(|error| Failure::new(format!("{}: {error}", python.display())))?;
    if !schema.status.success() {
        let told = String::from_utf8_lossy(&schema.stderr);
        return Err(Failure::new(format!("the handler does not load:\n{}", told.trim())));
    }

    let mut componentize = Command::new(venv.join("bin/componentize-py"));
    // The SDK's world is the contract's, and what it needs of `wasi:http`.
    componentize.arg("--quiet").arg("-d").arg(&wit).arg("-d").arg(sdk.join("gristmill/wit"));
    componentize.args(["-w", WORLD, "componentize", "entry"]);
    for path in [&entry, &project.directory, &sdk, &project.target("site-packages")] {
        componentize.arg("-p").arg(path);
    }
    componentize.arg("-o").arg(output).current_dir(&project.directory);
    run("making the component", &mut componentize)?;
    let mut component = tools::read(output)?;
    let schema = schema.stdout.trim_ascii();
    if !schema.is_empty() {
        append(&mut component, schema);
    }
    tools::write(output, &component)
}

/// The tools and the project's packages, for tests on this machine and for the component.
fn install(project: &Project, settings: &Settings, venv: &Path, python: &Path) -> Result<(), Failure> {
    if !python.is_file() {
        run("making a virtual environment", Command::new("python3").args(["-m", "venv"]).arg(venv))?;
    }
    let pip = || {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .current_dir(&project.directory);
        pip
    };
    run("installing the tools", pip().arg(COMPONENTIZE_PY).args(&settings.dependencies))?;
    let site = project.target("site-packages");
    let _ = fs::remove_dir_all(&site);
    tools::make_folder(&site)?;
    if !settings.dependencies.is_empty() {
        let mut pure = pip();
        pure.arg("--target").arg(&site).args(["--python-version", VERSION, "--only-binary=:all:"]);
        pure.args(&settings.dependencies);
        run("installing the packages of pyproject.toml", &mut pure)?;
    }
    remove_native(&site)?;
    tools::write(&venv.join("ready"), b"")
}

/// Machine code cannot run in a component; packages that only speed up by it go on without.
fn remove_native(folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    for entry in folder.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            remove_native(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "so") {
            fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

fn settings(manifest: &Path) -> Result<Settings, Failure> {
    let text = String::from_utf8_lossy(&tools::read(manifest)?).into_owned();
    let table: Table =
        text.parse().map_err(|error| Failure::usage(format!("{}: {error}", manifest.display())))?;
    let project = table.get("project");
    let list = project.and_then(|project| project.get("dependencies")).and_then(toml::Value::as_array);
    let dependencies: Vec<_> =
        list.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let tool = table.get("tool").and_then(|tool| tool.get("gristmill"));
    let module = tool.and_then(|tool| tool.get("module")).and_then(toml::Value::as_str).unwrap_or(MODULE);
    // The SDK is the one beside the project, or this program's.
    let dependencies = dependencies.into_iter().filter(|name| !name.starts_with("gristmill-sdk")).collect();
    Ok(Settings { module: module.to_owned(), dependencies })
}
