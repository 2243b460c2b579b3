//! Environment names that carry a queue's or job type's name, and the kinds of values.

use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Kind, Reader, kind_of};
use crate::adaptive::AdaptivePolicy;
use crate::options::{AGE_LIMIT, Keep};
use crate::units::{
    closest, parse_amount, parse_duration, parse_rate, parse_size, show_duration, show_rate, show_size,
};

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

/// An address that may be a secret, as those of Slack are: only its host is shown.
pub(super) const ADDRESS: Kind<String> = Kind {
    parse: TEXT.parse,
    show: |url| match url.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split('/').next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("\"{scheme}://{host}/***\"")
        }
        None => format!("{url:?}"),
    },
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
    let text = text.trim();
    text.parse().map_err(|_| match text.strip_prefix('-').map(str::parse::<u64>) {
        Some(Ok(_)) => format!("`{text}` is below zero"),
        _ => format!("`{text}` is not a whole number"),
    })
}

/// Jobs per time.
pub(super) const RATE: Kind<(u64, Duration)> = Kind {
    parse: |value| match value {
        DeValue::String(text) => parse_rate(text),
        other => Err(format!("{} is not a rate; write it as `\"100/s\"`", kind_of(other))),
    },
    show: |(count, time)| show_rate(*count, *time),
};

/// Several of them.
pub(super) const RATES: Kind<Vec<(u64, Duration)>> = Kind {
    parse: |value| match value {
        DeValue::Array(items) => items.iter().map(|item| (RATE.parse)(item.get_ref())).collect(),
        other => Err(format!("{} is not a list of rates such as `[\"300/min\"]`", kind_of(other))),
    },
    show: |rates| format!("{:?}", rates.iter().map(|rate| (RATE.show)(rate)).collect::<Vec<_>>()),
};

/// A share, from 1 to 100.
pub(super) const PERCENT: Kind<u32> = Kind {
    parse: |value| {
        let wrong = || format!("{} is not a share from `\"1%\"` to `\"100%\"`", kind_of(value));
        let DeValue::String(text) = value else { return Err(wrong()) };
        let number = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
        number.filter(|percent| (1..=100).contains(percent)).ok_or_else(wrong)
    },
    show: |percent| format!("\"{percent}%\""),
};

/// What becomes of finished jobs: `true`, `false`, how many stay, how long one stays, or a table of both.
pub(super) const KEEP: Kind<Keep> = Kind {
    parse: |value| match value {
        DeValue::Boolean(true) => Ok(Keep::Remove),
        DeValue::Boolean(false) => Ok(Keep::All),
        DeValue::Integer(_) => (COUNT.parse)(value).map(|count| bounded(Some(count), None)),
        DeValue::String(_) => (DURATION.parse)(value).map(|age| bounded(None, Some(age.as_secs()))),
        DeValue::Table(table) => {
            let (mut count, mut age_s) = (None, None);
            for (key, value) in table {
                match key.get_ref().as_ref() {
                    "count" => count = Some((COUNT.parse)(value.get_ref())?),
                    "age" => age_s = Some((DURATION.parse)(value.get_ref())?.as_secs()),
                    other => return Err(format!("`{other}` is neither `count` nor `age`")),
                }
            }
            Ok(bounded(count, age_s))
        }
        other => Err(format!(
            "{} is not `true`, `false`, a number of jobs, an age such as `\"24h\"`, or a table of `count` and `age`",
            kind_of(other)
        )),
    },
    show: |keep| match keep {
        Keep::All => "false".to_owned(),
        Keep::Remove => "true".to_owned(),
        Keep::Bounded { count, age_s, .. } => {
            let count = count.map(|count| format!("count = {count}"));
            let age = age_s.map(|age| format!("age = {:?}", show_duration(Duration::from_secs(age))));
            format!("{{ {} }}", [count, age].into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
    },
};

fn bounded(count: Option<u64>, age_s: Option<u64>) -> Keep {
    match (count, age_s) {
        (Some(0), _) => Keep::Remove,
        (None, None) => Keep::All,
        _ => Keep::Bounded { count, age_s, limit: AGE_LIMIT },
    }
}

/// How many times longer.
pub(super) const FACTOR: Kind<f64> = Kind {
    parse: |value| {
        let number = match value {
            DeValue::Integer(n) => n.as_str().parse().ok(),
            DeValue::Float(n) => n.as_str().parse().ok(),
            _ => None,
        };
        number
            .filter(|number| (1.0..=1_000.0).contains(number))
            .ok_or_else(|| format!("{} is not a number from 1 to 1000", kind_of(value)))
    },
    show: ToString::to_string,
};

/// `true` or `false`, as a variable gives it.
pub(super) fn parse_flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("`{text}` is neither `true` nor `false`")),
    }
}

/// `true` or `false`.
pub(super) const FLAG: Kind<bool> = Kind {
    parse: |value| match value {
        DeValue::Boolean(on) => Ok(*on),
        other => Err(format!("{} is not `true` or `false`", kind_of(other))),
    },
    show: ToString::to_string,
};

/// `true`, `false`, or a table of what differs from the defaults.
pub(super) const ADAPTIVE: Kind<Option<AdaptivePolicy>> = Kind {
    parse: |value| {
        let mut policy = AdaptivePolicy::default();
        let table = match value {
            DeValue::Boolean(on) => return Ok(on.then_some(policy)),
            DeValue::Table(table) => table,
            other => return Err(format!("{} is not `true`, `false` or a table", kind_of(other))),
        };
        for (key, value) in table {
            let value = value.get_ref();
            match key.get_ref().as_ref() {
                "warm_up" => policy.warm_up = (COUNT.parse)(value)?,
                "factor" => policy.factor = (FACTOR.parse)(value)?,
                "floor" => policy.floor = (DURATION.parse)(value)?,
                "window" => policy.window = (DURATION.parse)(value)?,
                other => return Err(format!("`{other}` is none of `warm_up`, `factor`, `floor`, `window`")),
            }
        }
        if policy.warm_up == 0 || policy.floor.is_zero() {
            return Err("`warm_up` and `floor` must be above zero".to_owned());
        }
        if !(Duration::from_mins(1)..=Duration::from_hours(24 * 31)).contains(&policy.window) {
            return Err("`window` must be 1m to 31d".to_owned());
        }
        Ok(Some(policy))
    },
    show: |policy| match policy {
        None => "false".to_owned(),
        Some(AdaptivePolicy { warm_up, factor, floor, window }) => format!(
            "{{ warm_up = {warm_up}, factor = {factor}, floor = {:?}, window = {:?} }}",
            show_duration(*floor),
            show_duration(*window)
        ),
    },
};
