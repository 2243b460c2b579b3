//! Finds the configuration and shows what is wrong with it.

use std::path::{Path, PathBuf};

use gristmill_core::config::{Config, Input, Loaded, Severity, load};

use crate::arguments::Global;
use crate::failure::{Failure, config_errors};

const DEFAULT_FILE: &str = "gristmill.toml";

/// Reads file, environment and flags. A file that was named must exist; the default one may be missing.
pub(crate) fn read(global: &Global, queues_optional: bool) -> Result<Loaded, Failure> {
    let path = global.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && global.config.is_none() => None,
        Err(error) => {
            return Err(Failure::usage(format!("cannot read configuration `{}`: {error}", path.display())));
        }
    };
    if text.is_none() && !queues_optional {
        let message = format!(
            "no configuration: there is no `{DEFAULT_FILE}` here\nhint: name one with `--config FILE`"
        );
        return Err(Failure::usage(message));
    }
    Ok(interpret(global, text.as_deref().map(|text| (path.as_path(), text)), queues_optional))
}

/// The same for a text that is already read.
pub(crate) fn interpret(global: &Global, file: Option<(&Path, &str)>, queues_optional: bool) -> Loaded {
    // Names and values that are not UTF-8 cannot be ours.
    let env = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let loaded = load(&Input { file, env, redis_url: global.redis.clone(), queues_optional });
    for warning in loaded.problems.iter().filter(|p| p.severity == Severity::Warning) {
        anstream::eprintln!("{warning}");
    }
    loaded
}

/// The configuration, or every error in it.
pub(crate) fn accept(loaded: Loaded) -> Result<Config, Failure> {
    if loaded.is_ok() { Ok(loaded.config) } else { Err(Failure::problems(config_errors(&loaded))) }
}

/// JSON given as text, as `@FILE`, or as `-` for standard input; checked.
pub(crate) fn read_json(given: &str) -> Result<String, Failure> {
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("cannot read data from `{file}`: {error}")))?,
        None if given == "-" => std::io::read_to_string(std::io::stdin())?,
        None => given.to_owned(),
    };
    // As the worker checks it: nothing more is asked of the producer's text.
    match serde_json::from_str::<&serde_json::value::RawValue>(&text) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(error) => {
            let hint = "hint: quote it for the shell, as in `--data '{\"to\":\"a@example.com\"}'`";
            Err(Failure::usage(format!("the data is not JSON: {error}\n{hint}")))
        }
    }
}
