//! `[limiters.NAME]`, `[breakers.NAME]`, and where job types name them.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::environment::{
    COUNT, DURATION, PERCENT, RATE, RATES, TEXT, TEXT_OR_TEXTS, parse_count, upper_snake,
};
use super::queue::word;
use super::reader::{Effective, Got, Kind, Reader, Section, kind_of};
use super::{Groups, HttpEntry};
use crate::breaker::Breaker;
use crate::limiter::{
    Algorithm, Charge, Limiter, MAX_COST, MAX_NAME, Tier, Unreachable, check_tiers, is_name,
};
use crate::units::{closest, show_rate};

/// Limiters and breakers by name: what job types may refer to.
pub(super) struct Guards {
    pub limiters: BTreeMap<String, Limiter>,
    pub breakers: BTreeMap<String, Breaker>,
}

/// Ends of `RATE_LIMIT_<LIMITER>_PER_…`, and the time of the tier that each sets.
const TIER_VARIABLES: [(&str, Duration); 4] = [
    ("_PER_SECOND", Duration::from_secs(1)),
    ("_PER_MINUTE", Duration::from_mins(1)),
    ("_PER_HOUR", Duration::from_hours(1)),
    ("_PER_DAY", Duration::from_hours(24)),
];
const TIER_PREFIX: &str = "RATE_LIMIT_";

/// Reads both tables.
pub(super) fn guards<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Guards {
    let table = reader.section(root, "limiters");
    let (mut limiters, mut names) = (BTreeMap::new(), Vec::new());
    for name in table.keys() {
        let limiter = limiter(reader, &table, &name, &mut names);
        limiters.insert(name, limiter);
    }
    warn_unknown(reader, &names);
    let table = reader.section(root, "breakers");
    let breakers =
        table.keys().into_iter().map(|name| (name.clone(), breaker(reader, &table, &name))).collect();
    Guards { limiters, breakers }
}

fn check_name(reader: &mut Reader<'_>, line: usize, noun: &str, name: &str) {
    if !is_name(name) {
        let hint = format!("1 to {MAX_NAME} letters, digits, `-`, `_` and `.`");
        reader.error(reader.at(line), format!("{name:?} cannot name a {noun}"), Some(hint));
    }
}

fn limiter<'a>(
    reader: &mut Reader<'a>,
    limiters: &Section<'a>,
    name: &str,
    names: &mut Vec<String>,
) -> Limiter {
    let mut section = reader.named_section(limiters, name);
    check_name(reader, section.line, "limiter", name);
    let words = Algorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm));
    let algorithm = word(reader, &mut section, "algorithm", "an algorithm", words, words[0]);
    let found = reader.find(&mut section, "env", &TEXT_OR_TEXTS, &[]);
    let own = found.map_or_else(|| vec![upper_snake(name)], |got| got.value);
    let rates = reader.find(&mut section, "tiers", &RATES, &[]);
    let place = rates.as_ref().map_or_else(|| reader.at(section.line), |got| got.place.clone());
    let tier = |(limit, window)| Tier { limit, window };
    let mut tiers: Vec<Tier> = rates.map(|got| got.value.into_iter().map(tier).collect()).unwrap_or_default();
    from_environment(reader, &section.path, &own, &mut tiers);
    if tiers.is_empty() {
        let hint = "write `tiers = [\"300/min\", \"10000/h\"]`".to_owned();
        reader.error(place, format!("limiter `{name}` has no tier"), Some(hint));
        tiers.push(Tier { limit: 1, window: Duration::from_secs(1) });
    } else {
        match check_tiers(&mut tiers) {
            Ok(odd) => odd.into_iter().for_each(|odd| reader.warn(place.clone(), odd, None)),
            Err(wrong) => reader.error(place, format!("`{}.tiers`: {wrong}", section.path), None),
        }
    }
    let words = [("refuse", Unreachable::Refuse), ("allow", Unreachable::Allow)];
    let unreachable = word(reader, &mut section, "unreachable", "an answer", words, words[0]);
    let max_keys = reader.get(&mut section, "max_keys", &COUNT, &[], 1_000_000);
    if max_keys.value == 0 {
        reader.error(max_keys.place, format!("`{}.max_keys` is zero", section.path), None);
    }
    reader.finish(&section);
    names.extend(own);
    Limiter { algorithm, tiers, unreachable, max_keys: max_keys.value }
}

/// A variable sets the tier of its time, whether the file has one or not.
fn from_environment(reader: &mut Reader<'_>, path: &str, own: &[String], tiers: &mut Vec<Tier>) {
    for name in own {
        for (end, window) in TIER_VARIABLES {
            let variable = format!("{TIER_PREFIX}{name}{end}");
            let Some(text) = reader.env.get(&variable) else { continue };
            match parse_count(text) {
                Ok(limit @ 1..) => {
                    tiers.retain(|tier| tier.window != window);
                    tiers.push(Tier { limit, window });
                    reader.effective.push(Effective {
                        key: format!("{path}.tiers"),
                        value: format!("{:?}", show_rate(limit, window)),
                        source: format!("${variable}"),
                    });
                }
                Ok(0) => reader.error(format!("${variable}"), "a limit of zero lets nothing through", None),
                Err(expected) => reader.error(format!("${variable}"), expected, None),
            }
        }
    }
}

fn warn_unknown(reader: &mut Reader<'_>, known: &[String]) {
    let env = reader.env;
    for variable in env.keys() {
        let Some(rest) = variable.strip_prefix(TIER_PREFIX) else { continue };
        let Some(name) = TIER_VARIABLES.iter().find_map(|(end, _)| rest.strip_suffix(end)) else {
            let ends = TIER_VARIABLES.map(|(end, _)| end).join(", ");
            reader.warn(format!("${variable}"), format!("it ends in none of {ends}"), None);
            continue;
        };
        if !known.iter().any(|known| known == name) {
            let near = closest(name, known.iter().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let message = format!("no limiter has the environment name `{name}`");
            reader.warn(format!("${variable}"), message, hint);
        }
    }
}

fn breaker<'a>(reader: &mut Reader<'a>, breakers: &Section<'a>, name: &str) -> Breaker {
    let mut section = reader.named_section(breakers, name);
    check_name(reader, section.line, "breaker", name);
    let failure_rate = reader.get(&mut section, "failure_rate", &PERCENT, &[], 50).value;
    let min_calls = reader.get(&mut section, "min_calls", &COUNT, &[], 10);
    let consecutive = reader.find(&mut section, "consecutive", &COUNT, &[]);
    let window = reader.get(&mut section, "window", &DURATION, &[], Duration::from_secs(30));
    let open_for = reader.get(&mut section, "open_for", &DURATION, &[], Duration::from_secs(10));
    let probes = reader.get(&mut section, "probes", &COUNT, &[], 3);
    for (got, key) in [(&min_calls, "min_calls"), (&probes, "probes")] {
        if !(1..=1_000_000).contains(&got.value) {
            let message = format!("`{}.{key}` must be 1 to 1000000", section.path);
            reader.error(got.place.clone(), message, None);
        }
    }
    if let Some(got) = consecutive.as_ref().filter(|got| got.value == 0) {
        let hint = "leave it out to look at the share of failures alone".to_owned();
        reader.error(got.place.clone(), format!("`{}.consecutive` is zero", section.path), Some(hint));
    }
    let range = Duration::from_millis(100)..=Duration::from_hours(24);
    for (got, key) in [(&window, "window"), (&open_for, "open_for")] {
        if !range.contains(&got.value) {
            let message = format!("`{}.{key}` must be 100ms to 24h", section.path);
            reader.error(got.place.clone(), message, None);
        }
    }
    reader.finish(&section);
    Breaker {
        failure_rate,
        min_calls: min_calls.value.max(1),
        consecutive: consecutive.map(|got| got.value.max(1)),
        window: window.value,
        open_for: open_for.value,
        probes: probes.value.max(1),
    }
}

/// Reports names that nobody has defined.
pub(super) fn check_known<'n, T>(
    reader: &mut Reader<'_>,
    place: &str,
    noun: &str,
    known: &BTreeMap<String, T>,
    names: impl IntoIterator<Item = &'n str>,
) {
    for name in names.into_iter().filter(|name| !known.contains_key(*name)) {
        let near = closest(name, known.keys().map(String::as_str));
        let hint = near.map_or_else(
            || format!("define it as `[{noun}s.{name}]`"),
            |near| format!("did you mean `{near}`?"),
        );
        reader.error(place, format!("no {noun} is called `{name}`"), Some(hint));
    }
}

/// Reads `limiters` of a job type.
pub(super) fn charges<'a>(
    reader: &mut Reader<'a>,
    job_type: &mut Section<'a>,
    guards: &Guards,
) -> Vec<Charge> {
    let Got { value: charges, place } = reader.get(job_type, "limiters", &CHARGES, &[], Vec::new());
    check_known(reader, &place, "limiter", &guards.limiters, charges.iter().map(|c| c.limiter.as_str()));
    for charge in &charges {
        let tiers = guards.limiters.get(&charge.limiter).map(|limiter| &limiter.tiers);
        if let Some(tier) = tiers.and_then(|tiers| tiers.iter().find(|tier| tier.limit < charge.cost)) {
            let message =
                format!("a job costs {}, and `{}` never has more than `{tier}`", charge.cost, charge.limiter);
            reader.error(place.clone(), message, None);
        }
        if charges.iter().filter(|other| other.limiter == charge.limiter).count() > 1 {
            let message = format!("`{}` stands twice in `{}.limiters`", charge.limiter, job_type.path);
            reader.error(place.clone(), message, None);
            break;
        }
    }
    charges
}

/// Reads `groups` of a queue.
pub(super) fn groups<'a>(reader: &mut Reader<'a>, queue: &mut Section<'a>) -> Option<Groups> {
    reader.place_of(queue, "groups")?;
    let mut section = reader.section(queue, "groups");
    let key = reader.find(&mut section, "key", &TEXT, &[]);
    if let Some(got) = key.as_ref().filter(|got| !got.value.starts_with('/')) {
        let hint = "write `/customer/id` for what the job's data has there".to_owned();
        reader.error(got.place.clone(), format!("`{}.key` is not a JSON pointer", section.path), Some(hint));
    }
    let weights = reader.get(&mut section, "weights", &WEIGHTS, &[], BTreeMap::new()).value;
    let concurrency = reader.find(&mut section, "concurrency", &COUNT, &[]);
    if let Some(got) = concurrency.as_ref().filter(|got| got.value == 0) {
        reader.error(got.place.clone(), format!("`{}.concurrency` is zero", section.path), None);
    }
    let rate = reader.find(&mut section, "rate_limit", &RATE, &[]);
    reader.finish(&section);
    Some(Groups {
        key: key.map(|got| got.value),
        weights,
        concurrency: concurrency.map(|got| got.value),
        rate_limit: rate.map(|got| Tier { limit: got.value.0, window: got.value.1 }),
    })
}

/// Groups and how many turns each has.
const WEIGHTS: Kind<BTreeMap<String, u32>> = Kind {
    parse: |value| {
        let DeValue::Table(table) = value else {
            return Err(format!("{} is not a table of groups and their weights", kind_of(value)));
        };
        let weight = |(group, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
            let group: &std::borrow::Cow<'_, str> = group.get_ref();
            match (COUNT.parse)(value.get_ref())? {
                weight @ 1..=100 => Ok((group.to_string(), u32::try_from(weight).unwrap_or(1))),
                other => Err(format!("the weight of `{group}` is {other}; it is 1 to 100")),
            }
        };
        table.iter().map(weight).collect()
    },
    show: |weights| {
        let one = |(group, weight): (&String, &u32)| format!("{group:?} = {weight}");
        format!("{{ {} }}", weights.iter().map(one).collect::<Vec<_>>().join(", "))
    },
};

/// A name, or a table of `name`, `key` and `cost`.
const CHARGES: Kind<Vec<Charge>> = Kind {
    parse: |value| list(value, "limiters", charge),
    show: |charges| {
        let one = |charge: &Charge| match charge {
            Charge { limiter, key: None, cost: 1 } => format!("{limiter:?}"),
            Charge { limiter, key: None, cost } => format!("{{ name = {limiter:?}, cost = {cost} }}"),
            Charge { limiter, key: Some(key), cost } => {
                format!("{{ name = {limiter:?}, key = {key:?}, cost = {cost} }}")
            }
        };
        format!("[{}]", charges.iter().map(one).collect::<Vec<_>>().join(", "))
    },
};

fn list<T>(
    value: &DeValue<'_>,
    noun: &str,
    read: fn(&DeValue<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    match value {
        DeValue::Array(items) => items.iter().map(|item| read(item.get_ref())).collect(),
        other => Err(format!("{} is not a list of {noun}", kind_of(other))),
    }
}

fn charge(value: &DeValue<'_>) -> Result<Charge, String> {
    let mut charge = Charge { limiter: String::new(), key: None, cost: 1 };
    match value {
        DeValue::String(name) => charge.limiter = name.to_string(),
        DeValue::Table(table) => {
            each(table, |key, value| {
                match key {
                    "name" => charge.limiter = (TEXT.parse)(value)?,
                    "key" => charge.key = Some((TEXT.parse)(value)?),
                    "cost" => charge.cost = (COUNT.parse)(value)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        other => return Err(format!("{} is not the name of a limiter, or a table with it", kind_of(other))),
    }
    if charge.limiter.is_empty() {
        return Err("a limiter's `name` is missing".to_owned());
    }
    if charge.key.as_ref().is_some_and(|key| !key.starts_with('/')) {
        return Err(
            "`key` is not a JSON pointer; write `/customer/id` for what the job's data has there".to_owned()
        );
    }
    if !(1..=MAX_COST).contains(&charge.cost) {
        return Err(format!("`cost` must be 1 to {MAX_COST}"));
    }
    Ok(charge)
}

/// Entries of `allow.http`: a host, or a table of `host`, `limiter` and `breaker`.
pub(super) const HOSTS: Kind<Vec<HttpEntry>> = Kind {
    parse: |value| list(value, "hosts", host),
    show: |entries| {
        let one = |HttpEntry { host, limiter, breaker }: &HttpEntry| {
            let part = |key, value: &Option<String>| {
                value.as_ref().map(|value| format!(", {key} = {value:?}")).unwrap_or_default()
            };
            match (limiter, breaker) {
                (None, None) => format!("{host:?}"),
                _ => format!("{{ host = {host:?}{}{} }}", part("limiter", limiter), part("breaker", breaker)),
            }
        };
        format!("[{}]", entries.iter().map(one).collect::<Vec<_>>().join(", "))
    },
};

fn host(value: &DeValue<'_>) -> Result<HttpEntry, String> {
    let mut entry = HttpEntry { host: String::new(), limiter: None, breaker: None };
    match value {
        DeValue::String(host) => entry.host = host.to_string(),
        DeValue::Table(table) => {
            each(table, |key, value| {
                match key {
                    "host" => entry.host = (TEXT.parse)(value)?,
                    "limiter" => entry.limiter = Some((TEXT.parse)(value)?),
                    "breaker" => entry.breaker = Some((TEXT.parse)(value)?),
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        other => return Err(format!("{} is not a host, or a table with one", kind_of(other))),
    }
    if entry.host.is_empty() {
        let text = matches!(value, DeValue::String(_));
        return Err(if text { "one of the hosts is empty" } else { "a `host` is missing" }.to_owned());
    }
    Ok(entry)
}

/// Reads every key of a table; one that `read` does not know is an error.
fn each(
    table: &DeTable<'_>,
    mut read: impl FnMut(&str, &DeValue<'_>) -> Result<bool, String>,
) -> Result<(), String> {
    for (key, value) in table {
        if !read(key.get_ref(), value.get_ref())? {
            return Err(format!("`{}` is not known in it", key.get_ref()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
