//! `[secrets]`, and `allow` of a job type.

use std::collections::BTreeMap;
use std::path::Path;

use super::environment::{SIZE, TEXT, TEXTS};
use super::limiter::{Guards, HOSTS, check_known};
use super::queue::{QUEUE_NAME, is_queue_name};
use super::reader::{Got, Reader, Section};
use super::{Allow, Directory, HttpEntry, SecretSource};
use crate::units::closest;

/// Bytes of a name of a secret or a variable.
const MAX_NAME: usize = 128;
/// Directories of one job type.
const MAX_DIRECTORIES: usize = 16;

/// `[secrets]`: names and where each is.
pub(super) type Secrets = BTreeMap<String, SecretSource>;

/// Reads `[secrets]`: a table for each, with `env` or `file`.
pub(super) fn secrets<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>, directory: &Path) -> Secrets {
    let table = reader.section(root, "secrets");
    let mut secrets = Secrets::new();
    for name in table.keys() {
        let mut section = reader.named_section(&table, &name);
        let variable = reader.find(&mut section, "env", &TEXT, &[]);
        let file = reader.find(&mut section, "file", &TEXT, &[]);
        reader.finish(&section);
        let source = match (variable, file) {
            (Some(variable), None) => SecretSource::Variable(variable.value),
            (None, Some(file)) => SecretSource::File(directory.join(file.value)),
            _ => {
                let hint = "write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`".to_owned();
                let message = format!("secret `{name}` needs `env` or `file`, one of them");
                reader.error(reader.at(section.line), message, Some(hint));
                continue;
            }
        };
        secrets.insert(name, source);
    }
    secrets
}

/// Reads `allow` and `disk` of a job type.
pub(super) fn allow<'a>(
    reader: &mut Reader<'a>,
    job_type: &mut Section<'a>,
    directory: &Path,
    known: &Secrets,
    guards: &Guards,
) -> Allow {
    let mut section = reader.section(job_type, "allow");
    let http = reader.get(&mut section, "http", &HOSTS, &[], Vec::new());
    let of_hosts =
        |name: fn(&HttpEntry) -> &Option<String>| http.value.iter().filter_map(move |e| name(e).as_deref());
    check_known(reader, &http.place, "limiter", &guards.limiters, of_hosts(|entry| &entry.limiter));
    check_known(reader, &http.place, "breaker", &guards.breakers, of_hosts(|entry| &entry.breaker));
    let response = reader.get(&mut section, "http_response", &SIZE, &[], 64 << 20);
    if response.value == 0 {
        let message = format!("`{}.http_response` is zero", section.path);
        reader.error(response.place, message, Some("leave `http` out to allow no request".to_owned()));
    }
    let enqueue = reader.get(&mut section, "enqueue", &TEXTS, &[], Vec::new());
    for queue in enqueue.value.iter().filter(|queue| !is_queue_name(queue)) {
        let message =
            format!("{queue:?} in `{}.enqueue` is not a BullMQ queue name: {QUEUE_NAME}", section.path);
        reader.error(enqueue.place.clone(), message, None);
    }
    let limiters = reader.get(&mut section, "limiters", &TEXTS, &[], Vec::new());
    let names = limiters.value.iter().map(String::as_str);
    check_known(reader, &limiters.place, "limiter", &guards.limiters, names);
    let breakers = reader.get(&mut section, "breakers", &TEXTS, &[], Vec::new());
    let names = breakers.value.iter().map(String::as_str);
    check_known(reader, &breakers.place, "breaker", &guards.breakers, names);
    let env = environment(reader, &mut section);
    let secrets = granted(reader, &mut section, known);
    let dirs = reader.get(&mut section, "dirs", &TEXTS, &[], Vec::new());
    let directories = directories(reader, &section.path, &dirs, directory);
    reader.finish(&section);
    let disk = reader.get(job_type, "disk", &SIZE, &[], 100 << 20);
    Allow {
        http: http.value,
        http_place: http.place,
        http_response: response.value,
        enqueue: enqueue.value,
        limiters: limiters.value,
        breakers: breakers.value,
        env,
        secrets,
        directories,
        directories_place: dirs.place,
        disk: disk.value,
    }
}

fn is_name(name: &str) -> bool {
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(letters) && !name.as_bytes()[0].is_ascii_digit()
}

/// `NAME=VALUE`, or `NAME` for the value that the worker's own environment has.
fn environment<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Vec<(String, String)> {
    let got = reader.get(section, "env", &TEXTS, &[], Vec::new());
    let mut variables: Vec<(String, String)> = Vec::new();
    for entry in &got.value {
        let (name, value) = match entry.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (entry.as_str(), reader.env.get(entry).cloned()),
        };
        if !is_name(name) {
            let hint = "write `NAME`, or `NAME=VALUE`".to_owned();
            reader.error(
                got.place.clone(),
                format!("{entry:?} in `{}.env` has no name", section.path),
                Some(hint),
            );
        } else if variables.iter().any(|(known, _)| known == name) {
            reader.error(got.place.clone(), format!("`{name}` stands twice in `{}.env`", section.path), None);
        } else if let Some(value) = value {
            variables.push((name.to_owned(), value));
        } else {
            let hint = format!("set it, or write `{name}=VALUE`");
            let message =
                format!("`{}.env` lists `{name}`, which the environment does not have", section.path);
            reader.error(got.place.clone(), message, Some(hint));
        }
    }
    variables
}

/// A name without an entry in `[secrets]` is a variable of the worker's environment.
fn granted<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    known: &Secrets,
) -> Vec<(String, SecretSource)> {
    let got = reader.get(section, "secrets", &TEXTS, &[], Vec::new());
    let mut granted = Vec::new();
    for name in &got.value {
        let source = known.get(name).cloned().unwrap_or_else(|| SecretSource::Variable(name.clone()));
        let missing = match &source {
            SecretSource::Variable(variable) => !reader.env.contains_key(variable),
            // Whether it can be read is seen when it is asked for: it may be put there later.
            SecretSource::File(_) => false,
        };
        if missing {
            let near = closest(name, known.keys().map(String::as_str));
            let hint = near.map_or_else(
                || format!("set it, or add `[secrets.{name}]` with `file`"),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("secret `{name}` of `{}` is not in the environment", section.path);
            reader.error(got.place.clone(), message, Some(hint));
        }
        granted.push((name.clone(), source));
    }
    granted
}

/// `HOST`, `HOST:GUEST`, `HOST:GUEST:rw`: read-only unless it ends in `:rw`.
fn directories(
    reader: &mut Reader<'_>,
    path: &str,
    got: &Got<Vec<String>>,
    directory: &Path,
) -> Vec<Directory> {
    if got.value.len() > MAX_DIRECTORIES {
        reader.error(
            got.place.clone(),
            format!("`{path}.dirs` has more than {MAX_DIRECTORIES} entries"),
            None,
        );
    }
    let mut directories = Vec::new();
    for entry in &got.value {
        let (rest, writable) = entry.strip_suffix(":rw").map_or((entry.as_str(), false), |rest| (rest, true));
        let (host, guest) = rest.split_once(':').unwrap_or((rest, rest));
        if host.is_empty() || !guest.starts_with('/') || guest.contains(':') {
            let hint = "write `/srv/templates`, `./out:/out` or `./out:/out:rw`; what the handler sees starts with `/`";
            let message = format!("{entry:?} in `{path}.dirs` is not a directory");
            reader.error(got.place.clone(), message, Some(hint.to_owned()));
            continue;
        }
        directories.push(Directory { host: directory.join(host), guest: guest.to_owned(), writable });
    }
    directories
}
