//! Programs that builds need: finding them, saying what is run, and what to do where one is missing.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// A program that comes from outside.
pub(crate) struct Tool {
    pub program: &'static str,
    /// The first argument that prints its version.
    pub version: &'static str,
    /// The least major and minor version.
    pub least: (u32, u32),
    /// How it is installed.
    pub install: &'static str,
}

pub(crate) const CARGO: Tool =
    Tool { program: "cargo", version: "--version", least: (1, 85), install: "see https://rustup.rs" };
pub(crate) const NODE: Tool = Tool {
    program: "node",
    version: "--version",
    least: (20, 0),
    install: "Debian: `apt-get install nodejs npm`; others: https://nodejs.org",
};
pub(crate) const NPM: Tool = Tool {
    program: "npm",
    version: "--version",
    least: (9, 0),
    install: "Debian: `apt-get install npm`; others: it comes with https://nodejs.org",
};
pub(crate) const GO: Tool = Tool {
    program: "go",
    version: "version",
    least: (1, 25),
    install: "see https://go.dev/dl, or install `python3` with `venv`, by which `gristmill build` gets it for the project",
};
pub(crate) const PYTHON: Tool = Tool {
    program: "python3",
    version: "--version",
    least: (3, 11),
    install: "Debian: `apt-get install python3 python3-venv`; others: https://python.org",
};

impl Tool {
    /// An error unless it is there, and new enough.
    pub(crate) fn check(&self, language: &str) -> Result<(), Failure> {
        let Self { program, version, least: (major, minor), install } = self;
        let output = match Command::new(program).arg(version).output() {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::usage(format!(
                    "building a handler in {language} needs `{program}` {major}.{minor} or newer, which is not on the path\nhint: {install}"
                )));
            }
            Err(error) => return Err(Failure::new(format!("`{program}`: {error}"))),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        match parse_version(&text) {
            Some(found) if found < (*major, *minor) => Err(Failure::usage(format!(
                "building a handler in {language} needs `{program}` {major}.{minor} or newer; `{program} {version}` says {}\nhint: {install}",
                text.trim()
            ))),
            _ => Ok(()),
        }
    }
}

/// The first `MAJOR.MINOR` of a text.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = text[start..].split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?;
    let end = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
    Some((major, minor[..end].parse().ok()?))
}

/// Whether a program is on the path.
pub(crate) fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Says what is run and runs it; what it prints goes to stderr.
pub(crate) fn run(why: &str, command: &mut Command) -> Result<(), Failure> {
    let line = show(command);
    anstream::eprintln!("==> {why}: {line}");
    let status = command.stdout(io::stderr()).status();
    let status = status.map_err(|error| Failure::new(format!("`{line}`: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("{why} failed ({status}); what is wrong is above, from `{line}`")))
}

/// A command as one would type it, without its long options' values being hidden.
fn show(command: &Command) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let short = |text: &std::ffi::OsStr| {
        let path = Path::new(text);
        let near = path.strip_prefix(command.get_current_dir().unwrap_or(&here)).unwrap_or(path);
        let word = if near.as_os_str().is_empty() { ".".to_owned() } else { near.display().to_string() };
        if word.contains(' ') { format!("'{word}'") } else { word }
    };
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).map(short).collect();
    words.join(" ")
}

pub(crate) fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| at(path, &error))
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    std::fs::write(path, bytes).map_err(|error| at(path, &error))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

/// Whether `made` is missing or older than one of what it is made from.
pub(crate) fn is_stale(made: &Path, from: &[PathBuf]) -> bool {
    let time = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let Some(made) = time(made) else { return true };
    from.iter().filter_map(|path| time(path)).any(|from| from > made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", Some((1, 95)))]
    #[case("v20.20.2\n", Some((20, 20)))]
    #[case("Python 3.11.7", Some((3, 11)))]
    #[case("go version go1.27.3 linux/amd64", Some((1, 27)))]
    #[case("3.14rc1", Some((3, 14)))]
    #[case("no version", None)]
    fn versions(#[case] text: &str, #[case] wanted: Option<(u32, u32)>) {
        assert_eq!(parse_version(text), wanted);
    }

    #[test]
    fn a_tool_that_is_missing_or_too_old_is_named_with_the_remedy() {
        let missing = Tool { program: "gristmill-no-such-tool", ..NODE };
        let told = missing.check("JavaScript").unwrap_err().to_string();
        assert!(
            told.contains("`gristmill-no-such-tool` 20.0") && told.contains("apt-get install nodejs"),
            "{told}"
        );
        let old = Tool { program: "cargo", version: "--version", least: (999, 0), install: "wait" };
        let told = old.check("Rust").unwrap_err().to_string();
        assert!(told.contains("999.0 or newer; `cargo --version` says cargo 1."), "{told}");
    }
}
