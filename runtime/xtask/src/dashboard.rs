//! `cargo xtask dashboard`: builds the files that the worker serves at `/`, or checks that they are up to date.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::steps::{command, need_node_alone, need_packages, root, run, say, target};

/// Its source, below the workspace.
pub(crate) const SOURCE: &str = "runtime/dashboard";
/// Where its files are committed, and embedded from.
const ASSETS: &str = "runtime/control/assets";

#[derive(Debug, Args)]
pub(crate) struct DashboardArguments {
    /// Change nothing; fail where a build gives other files than those that are committed
    #[arg(long)]
    check: bool,
}

pub(crate) fn dashboard(arguments: &DashboardArguments) -> Result<()> {
    need_node_alone()?;
    need_packages(SOURCE)?;
    if arguments.check { check() } else { build(&root().join(ASSETS)) }
}

/// Fails where the committed files are not those of the source.
pub(crate) fn check() -> Result<()> {
    let built = target().join("dashboard");
    build(&built)?;
    let differing = differing(&files(&built)?, &files(&root().join(ASSETS))?);
    if !differing.is_empty() {
        let names = differing.join(", ");
        bail!("{ASSETS} is not what {SOURCE} builds ({names}); run `cargo xtask dashboard` and commit it");
    }
    Ok(())
}

fn build(into: &Path) -> Result<()> {
    say("building the dashboard");
    let mut npm = command("npm");
    npm.args(["run", "--silent", "build", "--", "--emptyOutDir", "--outDir"]).arg(into);
    run(npm.current_dir(root().join(SOURCE)))
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Every file below a folder, by its path from there.
fn files(folder: &Path) -> Result<Files> {
    let (mut found, mut folders) = (Files::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        let entries = next.read_dir().with_context(|| format!("cannot read {}", next.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = std::fs::read(&path)?;
                found.insert(path.strip_prefix(folder)?.to_owned(), content);
            }
        }
    }
    Ok(found)
}

/// Names of the files that only one of them has, or that are not the same in both.
fn differing(built: &Files, committed: &Files) -> Vec<String> {
    let mut names: Vec<_> = built.keys().chain(committed.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| built.get(*name) != committed.get(*name));
    names.into_iter().map(|name| name.display().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let files = |pairs: &[(&str, &str)]| -> Files {
            pairs.iter().map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec())).collect()
        };
        let built = files(&[("index.html", "new"), ("icon.svg", "same"), ("assets/b.js", "b")]);
        let committed = files(&[("index.html", "old"), ("icon.svg", "same"), ("assets/a.js", "a")]);
        assert_eq!(differing(&built, &committed), ["assets/a.js", "assets/b.js", "index.html"]);
        assert!(differing(&built, &built).is_empty());
    }
}
