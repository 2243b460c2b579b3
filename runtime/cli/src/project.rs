//! Handler projects: which language one is written in, and what it is called.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::Failure;

mod c;
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
        }
    }

    /// How its projects are tested, in their directory.
    pub(crate) fn test_command(self) -> &'static str {
        match self {
            Self::Rust => "cargo test",
            Self::Js | Self::Ts => "npm test",
            Self::Python => "target/venv/bin/python -m unittest",
            Self::C => "make test",
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
        } else if has("handler.c") {
            Language::C
        } else {
            let wanted = "a `Cargo.toml`, `package.json`, `pyproject.toml` or `handler.c`";
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
        }
    }
}

/// The custom section with the JSON Schema of the job's data.
const SCHEMA_SECTION: &str = "gristmill:schema";

/// Adds the JSON Schema of the job's data to a component, if there is any.
fn append_schema(component: &mut Vec<u8>, schema: &[u8]) {
    if schema.is_empty() {
        return;
    }
    let mut content = Vec::new();
    push_length(&mut content, SCHEMA_SECTION.len());
    content.extend(SCHEMA_SECTION.as_bytes());
    content.extend(schema);
    component.push(0);
    push_length(component, content.len());
    component.extend(content);
}

/// A length as WebAssembly writes it, LEB128.
fn push_length(to: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        to.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            return;
        }
    }
}
