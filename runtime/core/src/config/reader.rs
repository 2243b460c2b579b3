//! Reads typed values out of a TOML table, the environment and flags, collecting every problem with its place.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use crate::units::closest;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Stops the start.
    Error,
    /// Is reported, and the start goes on.
    Warning,
}

/// Something wrong in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `gristmill.toml:14`, or a variable's or flag's name.
    pub place: String,
    /// What is wrong, naming the value.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Whether it stops the start.
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        write!(f, "{}: {}", self.place, self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// One effective value, as `gristmill check` prints it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Effective {
    /// Dotted path: `queues.email.concurrency`.
    pub key: String,
    /// The value as it would be written.
    pub value: String,
    /// `default`, `gristmill.toml:14`, `$WORKER_CONCURRENCY_EMAIL` or `--redis`.
    pub source: String,
}

/// How values of one type are read and shown.
pub(super) struct Kind<T> {
    /// Reads a TOML value; the error says what is accepted.
    pub parse: fn(&DeValue<'_>) -> Result<T, String>,
    /// Writes it back.
    pub show: fn(&T) -> String,
}

/// A variable that sets a value, and how its text is read.
pub(super) struct Variable<T> {
    pub name: String,
    pub parse: fn(&str) -> Result<T, String>,
}

/// A value with the place it came from.
#[derive(Debug, Clone)]
pub(super) struct Got<T> {
    pub value: T,
    pub place: String,
}

/// One TOML table that is being read; remembers which keys were asked for.
pub(super) struct Section<'a> {
    pub path: String,
    table: Option<&'a DeTable<'a>>,
    /// Line of the table itself.
    pub line: usize,
    asked: Vec<&'static str>,
}

/// The file, the environment, and what has been found out so far.
pub(super) struct Reader<'a> {
    pub file: &'a str,
    /// Where each line of the file ends.
    pub line_ends: Vec<usize>,
    pub env: &'a BTreeMap<String, String>,
    pub problems: Vec<Problem>,
    pub effective: Vec<Effective>,
}

impl<'a> Section<'a> {
    pub(super) fn root(table: Option<&'a DeTable<'a>>) -> Self {
        Self { path: String::new(), table, line: 1, asked: Vec::new() }
    }

    fn join(&self, key: &str) -> String {
        let quoted =
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let key = if quoted { key.to_owned() } else { format!("{key:?}") };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// Every key of the table, for tables whose keys are the user's names.
    pub(super) fn keys(&self) -> Vec<String> {
        self.table.map(|t| t.keys().map(|k| k.get_ref().to_string()).collect()).unwrap_or_default()
    }
}

impl<'a> Reader<'a> {
    /// `gristmill.toml:14` for a byte offset.
    fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.file, self.line(offset))
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_ends.partition_point(|end| *end < offset) + 1
    }

    pub(super) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.file)
    }

    pub(super) fn error(
        &mut self,
        place: impl Into<String>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let (place, message) = (place.into(), message.into());
        self.problems.push(Problem { place, message, hint, severity: Severity::Error });
    }

    pub(super) fn warn(
        &mut self,
        place: impl Into<String>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let (place, message) = (place.into(), message.into());
        self.problems.push(Problem { place, message, hint, severity: Severity::Warning });
    }

    /// Opens a sub-table; a value of another type is a problem and reads as absent.
    pub(super) fn section(&mut self, parent: &mut Section<'a>, key: &'static str) -> Section<'a> {
        parent.asked.push(key);
        self.named_section(parent, key)
    }

    /// Opens a sub-table whose key is the user's.
    pub(super) fn named_section(&mut self, parent: &Section<'a>, key: &str) -> Section<'a> {
        let path = parent.join(key);
        let found = parent.table.and_then(|t| t.get_key_value(key));
        let line = found.map_or(parent.line, |(k, _)| self.line(k.span().start));
        let table = found.and_then(|(_, value)| match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                let message = format!("`{path}` is {}, not a table", kind_of(other));
                self.error(self.at(line), message, Some(format!("write it as `[{path}]`")));
                None
            }
        });
        Section { path, table, line, asked: Vec::new() }
    }

    /// Reads one value by precedence: environment, file, default.
    pub(super) fn get<T>(
        &mut self,
        section: &mut Section<'a>,
        key: &'static str,
        kind: &Kind<T>,
        variables: &[Variable<T>],
        default: T,
    ) -> Got<T> {
        match self.find(section, key, kind, variables) {
            Some(got) => got,
            None => self.record(section.join(key), kind, default, "default".to_owned()),
        }
    }

    /// Reads one value that has no default.
    pub(super) fn find<T>(
        &mut self,
        section: &mut Section<'a>,
        key: &'static str,
        kind: &Kind<T>,
        variables: &[Variable<T>],
    ) -> Option<Got<T>> {
        section.asked.push(key);
        let path = section.join(key);
        for variable in variables {
            let Some(text) = self.env.get(&variable.name) else { continue };
            match (variable.parse)(text) {
                Ok(value) => return Some(self.record(path, kind, value, format!("${}", variable.name))),
                Err(expected) => self.error(format!("${}", variable.name), expected, None),
            }
        }
        let value = section.table.and_then(|t| t.get(key))?;
        let place = self.place(value.span().start);
        match (kind.parse)(value.get_ref()) {
            Ok(value) => Some(self.record(path, kind, value, place)),
            Err(expected) => {
                self.error(place, format!("`{path}`: {expected}"), None);
                None
            }
        }
    }

    /// Notes the value of a key that is written nowhere and whose default hangs on others.
    pub(super) fn default<T>(&mut self, key: &str, kind: &Kind<T>, value: T) {
        self.record(key.to_owned(), kind, value, "default".to_owned());
    }

    /// Where a key is written, if it is; it counts as asked for.
    pub(super) fn place_of(&self, section: &mut Section<'a>, key: &'static str) -> Option<String> {
        section.asked.push(key);
        section.table?.get(key).map(|value| self.place(value.span().start))
    }

    fn record<T>(&mut self, key: String, kind: &Kind<T>, value: T, place: String) -> Got<T> {
        self.effective.push(Effective { key, value: (kind.show)(&value), source: place.clone() });
        Got { value, place }
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(&mut self, section: &Section<'a>) {
        let Some(table) = section.table else { return };
        for key in table.keys() {
            let name: &str = key.get_ref();
            if section.asked.contains(&name) {
                continue;
            }
            let hint = match closest(name, section.asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", section.asked.join(", ")),
            };
            let message = format!("unknown key `{}`", section.join(name));
            self.error(self.place(key.span().start), message, Some(hint));
        }
    }
}

/// What a TOML value is, for messages.
pub(super) fn kind_of(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(s) => format!("the text `{s}`"),
        DeValue::Integer(n) => format!("the number `{n}`"),
        DeValue::Float(n) => format!("the number `{}`", n.as_str()),
        DeValue::Boolean(b) => format!("`{b}`"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
