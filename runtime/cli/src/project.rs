//! Handler projects: which language one is written in, and what it is called.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::Failure;

mod c;
mod component;
mod go;
mod javascript;
mod python;
mod rust;
pub(crate) mod sources;
pub(crate) mod tools;

/// The languages of handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// Rust
    Rust,
    /// JavaScript
    #[value(alias = "javascript")]
    Js,
    /// TypeScript
    #[value(alias = "typescript")]
    Ts,
    /// Python
    Python,
    /// C
    C,
    /// Go
    Go,
}

impl Language {
    /// Its own name.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Js => "JavaScript",
            Self::Ts => "TypeScript",
            Self::Python => "Python",
            Self::C => "C",
            Self::Go => "Go",
        }
    }

    /// How its projects are tested, in their directory.
    pub(crate) fn test_command(self) -> &'static str {
        match self {
            Self::Rust => "cargo test",
            Self::Js | Self::Ts => "npm test",
            Self::Python => "target/venv/bin/python -m unittest",
            Self::C => "make test",
            Self::Go => go::test_command(),
        }
    }
}

/// A directory with a handler's sources.
#[derive(Debug)]
pub(crate) struct Project {
    pub directory: PathBuf,
    pub name: String,
    pub language: Language,
}

impl Project {
    /// What a directory holds, by the files in it.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        let directory = directory
            .canonicalize()
            .map_err(|error| Failure::usage(format!("{}: {error}", directory.display())))?;
        let has = |file: &str| directory.join(file).is_file();
        let language = if has("Cargo.toml") {
            Language::Rust
        } else if has("package.json") {
            if has("tsconfig.json") { Language::Ts } else { Language::Js }
        } else if has("pyproject.toml") {
            Language::Python
        } else if has("go.mod") {
            Language::Go
        } else if has("handler.c") {
            Language::C
        } else {
            let wanted = "a `Cargo.toml`, `package.json`, `pyproject.toml`, `go.mod` or `handler.c`";
            return Err(Failure::usage(format!(
                "{}: no handler project is here: it has none of {wanted}\nhint: `gristmill new NAME --lang LANG` makes one",
                directory.display()
            )));
        };
        let name = directory.file_name().map_or_else(|| "handler".into(), |name| name.to_string_lossy());
        Ok(Self { name: name.into_owned(), language, directory })
    }

    /// A file or directory below `target`.
    pub(crate) fn target(&self, name: &str) -> PathBuf {
        self.directory.join("target").join(name)
    }

    /// Makes the component and answers its path.
    pub(crate) fn build(&self, output: &Path) -> Result<(), Failure> {
        if let Some(folder) = output.parent() {
            tools::make_folder(folder)?;
        }
        match self.language {
            Language::Rust => rust::build(self, output),
            Language::Js | Language::Ts => javascript::build(self, output),
            Language::Python => python::build(self, output),
            Language::C => c::build(self, output),
            Language::Go => go::build(self, output),
        }
    }
}
