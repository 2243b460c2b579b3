//! Environment names that carry a queue's or job type's name, and the kinds of values.

use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Kind, Reader, kind_of};
use crate::units::{closest, parse_amount, parse_duration, parse_size, show_duration, show_size};

/// The patterns `PREFIX_<TYPE>` that exist so far.
pub(super) const PREFIXES: [&str; 3] = ["WORKER_CONCURRENCY_", "MEMORY_LIMIT_", "TIMEOUT_"];
/// Names that look like a pattern and are not one.
const OTHERS: [&str; 1] = ["TIMEOUT_SOFT_PERCENTAGE"];

/// `full-reindex` as `FULL_REINDEX`.
pub(super) fn upper_snake(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Warns of variables that match a pattern and name no type.
pub(super) fn warn_unknown(reader: &mut Reader<'_>, known: &[String]) {
    let env = reader.env;
    for name in env.keys().filter(|n| !OTHERS.contains(&n.as_str())) {
        let Some(kind) = PREFIXES.iter().find_map(|p| name.strip_prefix(p)) else { continue };
        if known.iter().any(|k| k == kind) {
            continue;
        }
        let hint = closest(kind, known.iter().map(String::as_str))
            .map(|near| format!("did you mean `{}{near}`?", &name[..name.len() - kind.len()]));
        reader.warn(
            format!("${name}"),
            format!("no queue or job type has the environment name `{kind}`"),
            hint,
        );
    }
}

pub(super) const TEXT: Kind<String> = Kind {
    parse: |value| match value {
        DeValue::String(text) => Ok(text.to_string()),
        other => Err(format!("{} is not a text in quotes", kind_of(other))),
    },
    show: |text| format!("{text:?}"),
};

pub(super) const TEXTS: Kind<Vec<String>> = Kind {
    parse: |value| match value {
        DeValue::Array(items) => items.iter().map(|item| (TEXT.parse)(item.get_ref())).collect(),
        other => Err(format!("{} is not a list of texts such as `[\"a\", \"b\"]`", kind_of(other))),
    },
    show: |texts| format!("{texts:?}"),
};

/// One text or a list of them.
pub(super) const TEXT_OR_TEXTS: Kind<Vec<String>> = Kind {
    parse: |value| match value {
        DeValue::String(text) => Ok(vec![text.to_string()]),
        other => (TEXTS.parse)(other),
    },
    show: |texts| format!("{texts:?}"),
};

pub(super) const DURATION: Kind<Duration> = Kind {
    parse: |value| match value {
        DeValue::String(text) => parse_duration(text),
        other => Err(format!("{} is not a duration; write it as `\"60s\"`", kind_of(other))),
    },
    show: |duration| show_duration(*duration),
};

pub(super) const SIZE: Kind<u64> = Kind {
    parse: |value| match value {
        DeValue::String(text) => parse_size(text),
        other => Err(format!("{} is not a size; write it as `\"64MiB\"`", kind_of(other))),
    },
    show: |bytes| show_size(*bytes),
};

pub(super) const AMOUNT: Kind<u64> = Kind {
    parse: |value| match value {
        DeValue::String(text) => parse_amount(text),
        DeValue::Integer(n) => parse_amount(n.as_str()),
        other => Err(format!("{} is not an amount; write it as `\"10G\"`", kind_of(other))),
    },
    show: ToString::to_string,
};

pub(super) const COUNT: Kind<u64> = Kind {
    parse: |value| match value {
        DeValue::Integer(n) if n.radix() == 10 => parse_count(n.as_str()),
        other => Err(format!("{} is not a whole number", kind_of(other))),
    },
    show: ToString::to_string,
};

/// A whole number, as a variable gives it.
pub(super) fn parse_count(text: &str) -> Result<u64, String> {
    text.trim().parse::<u64>().map_err(|_| format!("`{text}` is not a whole number"))
}
