//! Handlers in JavaScript and TypeScript: npm fetches the packages, and a program of the SDK makes the component.

use std::path::Path;
use std::process::Command;

use super::Project;
use super::tools::{NODE, NPM, is_stale, run};
use crate::failure::Failure;

pub(crate) fn build(project: &Project, output: &Path) -> Result<(), Failure> {
    let language = project.language.title();
    NODE.check(language)?;
    NPM.check(language)?;
    let within = |file: &str| project.directory.join(file);
    // npm writes this file last.
    let installed = within("node_modules/.package-lock.json");
    if is_stale(&installed, &[within("package.json"), within("vendor/gristmill-sdk/package.json")]) {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-fund", "--no-audit"]).current_dir(&project.directory);
        run("installing the packages of package.json", &mut npm)?;
    }
    let program = within("node_modules/@gristmill/sdk/build.mjs");
    if !program.is_file() {
        return Err(Failure::usage(format!(
            "{}/package.json: the package `@gristmill/sdk` is not among the dependencies",
            project.directory.display()
        )));
    }
    let mut node = Command::new("node");
    node.arg(program).arg("--output").arg(output).current_dir(&project.directory);
    run("making the component", &mut node)
}
