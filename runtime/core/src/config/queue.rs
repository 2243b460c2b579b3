//! `[queues.NAME]` and `[queues.NAME.jobs.NAME]`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::allow::{Secrets, allow};
use super::environment::{
    ADAPTIVE, AMOUNT, COUNT, DURATION, FACTOR, FLAG, KEEP, RATE, SIZE, TEXT, TEXT_OR_TEXTS, TEXTS,
    parse_count, upper_snake,
};
use super::limiter::{Guards, charges, check_known, groups};
use super::reader::{Reader, Section, Variable};
use super::scaling;
use super::shares::{self, Written};
use super::{Admission, Class, Handler, Isolation, JobType, Queue};
use crate::backoff::Backoff;
use crate::core_dump::MAX_CORE_DUMPS;
use crate::deployment::is_handler_name;
use crate::limits::Limits;
use crate::options::Keep;
use crate::retry::{CausePolicy, JobPolicy};
use crate::setting::MAX_CONCURRENCY;
use crate::units::{closest, parse_hours, parse_mebibytes, parse_millis};

/// The smallest memory limit: a component of any language needs a few pages to start.
const MIN_MEMORY: u64 = 64 << 10;
/// 32-bit memories end here.
const MAX_MEMORY: u64 = 4 << 30;
/// Longer attempts belong into several jobs.
const MAX_TIMEOUT_S: u64 = 24 * 3600;

pub(super) const QUEUE_NAME: &str = "1 to 256 bytes without `:`";

pub(super) fn is_queue_name(name: &str) -> bool {
    (1..=256).contains(&name.len()) && !name.contains(':')
}

/// What `[queues]` says.
#[derive(Default)]
pub(super) struct Read {
    pub queues: BTreeMap<String, Queue>,
    /// Every environment name that selects a queue or job type.
    pub names: Vec<String>,
    /// Where each queue's `reserved` is.
    pub reserved: BTreeMap<String, String>,
}

pub(super) fn read_all<'a>(
    reader: &mut Reader<'a>,
    root: &mut Section<'a>,
    (directory, secrets): (&Path, &Secrets),
    classes: &[Written; Class::ALL.len()],
    guards: &Guards,
) -> Read {
    let section = reader.section(root, "queues");
    let mut read = Read::default();
    let shared = Shared {
        directory,
        secrets,
        guards,
        classes,
        soft_time: percentage(reader, "TIMEOUT_SOFT_PERCENTAGE", 80),
        soft_memory: percentage(reader, "MEMORY_WARNING_THRESHOLD", 75),
    };
    for name in section.keys() {
        let queue = read_one(reader, &section, &name, &shared, &mut read);
        read.queues.insert(name, queue);
    }
    read
}

/// What holds for every job type.
struct Shared<'s> {
    directory: &'s Path,
    secrets: &'s Secrets,
    guards: &'s Guards,
    classes: &'s [Written; Class::ALL.len()],
    /// Soft limits as shares of the hard ones, in percent.
    soft_time: u32,
    soft_memory: u32,
}

/// So many percent of a size.
fn share(bytes: u64, percent: u32) -> u64 {
    u64::try_from(u128::from(bytes) * u128::from(percent) / 100).unwrap_or(bytes)
}

/// A variable that is a share of something.
fn percentage(reader: &mut Reader<'_>, variable: &str, default: u32) -> u32 {
    let Some(text) = reader.env.get(variable) else { return default };
    match text.trim().parse() {
        Ok(percentage @ 1..=100) => percentage,
        _ => {
            let message = format!("`{text}` is not a percentage from 1 to 100");
            reader.error(format!("${variable}"), message, None);
            default
        }
    }
}

fn read_one<'a>(
    reader: &mut Reader<'a>,
    queues: &Section<'a>,
    name: &str,
    shared: &Shared<'_>,
    read: &mut Read,
) -> Queue {
    let mut section = reader.named_section(queues, name);
    if !is_queue_name(name) {
        let message = format!("queue {name:?} is not a BullMQ queue name: {QUEUE_NAME}");
        reader.error(reader.at(section.line), message, None);
    }
    let own = env_names(reader, &mut section, name);
    let class = class(reader, &mut section);
    let variables: Vec<_> = own
        .iter()
        .map(|n| Variable { name: format!("WORKER_CONCURRENCY_{n}"), parse: parse_count })
        .collect();
    let default = class.default_concurrency() as u64;
    let concurrency = reader.get(&mut section, "concurrency", &COUNT, &variables, default);
    if !(1..=MAX_CONCURRENCY as u64).contains(&concurrency.value) {
        let message = format!("`concurrency` of queue {name:?} must be 1 to {MAX_CONCURRENCY}");
        reader.error(concurrency.place, message, None);
    }
    let concurrency = usize::try_from(concurrency.value).unwrap_or(1).max(1);
    let (weight, reserved, sla) =
        shares::queue(reader, &mut section, &shared.classes[class.index()], concurrency);
    read.reserved.insert(name.to_owned(), reserved.place);
    let reserved = usize::try_from(reserved.value).unwrap_or(usize::MAX).min(concurrency);
    let rate_limit = reader.find(&mut section, "rate_limit", &RATE, &[]).map(|got| got.value);
    let (min_workers, max_workers) = scaling::of_queue(reader, &mut section);
    let groups = groups(reader, &mut section);
    let jobs_section = reader.section(&mut section, "jobs");
    let mut jobs = BTreeMap::new();
    for job in jobs_section.keys() {
        let env = if job == "*" { own.clone() } else { Vec::new() };
        if let Some(job_type) = job_type(reader, &jobs_section, &job, env, shared, &mut read.names) {
            jobs.insert(job, job_type);
        }
    }
    if jobs_section.keys().is_empty() {
        let hint = format!("add `[queues.{name}.jobs.\"*\"]` with `handler = \"FILE.wasm\"`");
        reader.error(reader.at(section.line), format!("queue {name:?} has no handler"), Some(hint));
    }
    reader.finish(&section);
    read.names.extend(own);
    Queue { class, concurrency, weight, reserved, sla, rate_limit, min_workers, max_workers, groups, jobs }
}

fn env_names<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>, name: &str) -> Vec<String> {
    reader.find(section, "env", &TEXT_OR_TEXTS, &[]).map_or_else(|| vec![upper_snake(name)], |got| got.value)
}

fn class<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Class {
    let words = Class::ALL.map(|class| (class.as_str(), class));
    let default = (Class::default().as_str(), Class::default());
    word(reader, section, "class", "a class", words, default)
}

fn job_type<'a>(
    reader: &mut Reader<'a>,
    jobs: &Section<'a>,
    name: &str,
    queue_env: Vec<String>,
    shared: &Shared<'_>,
    names: &mut Vec<String>,
) -> Option<JobType> {
    let mut section = reader.named_section(jobs, name);
    let env = if name == "*" { queue_env } else { env_names(reader, &mut section, name) };
    let limits = limits(reader, &mut section, &env, shared);
    let policy = policy(reader, &mut section);
    let allow = allow(reader, &mut section, shared.directory, shared.secrets, shared.guards);
    let isolation = isolation(reader, &mut section);
    let admission = word(
        reader,
        &mut section,
        "admission",
        "an admission",
        [("limit", Admission::Limit), ("learned", Admission::Learned)],
        ("limit", Admission::Limit),
    );
    let adaptive = reader.find(&mut section, "adaptive_timeout", &ADAPTIVE, &[]).and_then(|got| got.value);
    let holds_queue = word(
        reader,
        &mut section,
        "rate_limited",
        "what a rate-limited end holds",
        [("job", false), ("queue", true)],
        ("job", false),
    );
    let limiters = charges(reader, &mut section, shared.guards);
    let breakers = reader.get(&mut section, "breakers", &TEXTS, &[], Vec::new());
    let names_of = breakers.value.iter().map(String::as_str);
    check_known(reader, &breakers.place, "breaker", &shared.guards.breakers, names_of);
    let check_data = reader.get(&mut section, "check_data", &FLAG, &[], false);
    let core_dumps = reader.get(&mut section, "core_dumps", &COUNT, &[], 0);
    if core_dumps.value > MAX_CORE_DUMPS {
        let message = format!("`{}.core_dumps` is more than {MAX_CORE_DUMPS}", section.path);
        reader.error(core_dumps.place, message, None);
    }
    let handler = reader.find(&mut section, "handler", &TEXT, &[]);
    if handler.is_none() {
        let hint = "add `handler = \"FILE.wasm\"`, or the name of a deployed one".to_owned();
        reader.error(reader.at(section.line), format!("`{}` has no handler", section.path), Some(hint));
    }
    if let Some(got) = handler.as_ref().filter(|got| !is_wasm(&got.value) && !is_handler_name(&got.value)) {
        let message = format!(
            "handler `{}` is neither a path that ends in `.wasm` nor the name of a deployed handler",
            got.value
        );
        let hint = if got.value.starts_with("oci://") {
            "deploy it: `gristmill handler push oci://… --queue QUEUE`, and give the handler's name"
                .to_owned()
        } else {
            "give the path of a component, or a name of letters, digits, `-`, `_` and `.`".to_owned()
        };
        reader.error(got.place.clone(), message, Some(hint));
    }
    reader.finish(&section);
    if name != "*" {
        names.extend(env);
    }
    handler.map(|got| JobType {
        handler: if is_wasm(&got.value) {
            Handler::File(shared.directory.join(&got.value))
        } else {
            Handler::Deployed(got.value)
        },
        handler_place: got.place,
        limits,
        policy,
        allow,
        isolation,
        admission,
        adaptive,
        holds_queue,
        limiters,
        breakers: breakers.value,
        check_data: check_data.value,
        core_dumps: core_dumps.value.min(MAX_CORE_DUMPS),
    })
}

/// One of some words, each with its value; `noun` is what they are.
pub(super) fn word<'a, T: Copy, const N: usize>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    key: &'static str,
    noun: &str,
    words: [(&'static str, T); N],
    default: (&'static str, T),
) -> T {
    let got = reader.get(section, key, &TEXT, &[], default.0.to_owned());
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == got.value) {
        return *value;
    }
    let words = words.map(|(word, _)| word);
    let hint = closest(&got.value, words)
        .map_or_else(|| format!("accepted: {}", words.join(", ")), |near| format!("did you mean `{near}`?"));
    reader.error(got.place, format!("`{}` is not {noun}", got.value), Some(hint));
    default.1
}

fn isolation<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Isolation {
    let reuse = word(
        reader,
        section,
        "isolation",
        "an isolation",
        [("fresh", false), ("reuse", true)],
        ("fresh", false),
    );
    let jobs = [Variable { name: "WORKER_RECYCLE_AFTER_JOBS".into(), parse: parse_count }];
    let hours = [Variable { name: "WORKER_RECYCLE_AFTER_HOURS".into(), parse: parse_hours }];
    if !reuse {
        for key in ["recycle_after_jobs", "recycle_after"] {
            if let Some(place) = reader.place_of(section, key) {
                let message = format!("`{}.{key}` is for `isolation = \"reuse\"`", section.path);
                reader.error(place, message, None);
            }
        }
        return Isolation::Fresh;
    }
    let after_jobs = reader.get(section, "recycle_after_jobs", &COUNT, &jobs, 1_000);
    if after_jobs.value == 0 {
        reader.error(after_jobs.place, format!("`{}.recycle_after_jobs` is zero", section.path), None);
    }
    let after = reader.get(section, "recycle_after", &DURATION, &hours, Duration::from_hours(4));
    if after.value.is_zero() {
        reader.error(after.place, format!("`{}.recycle_after` is zero", section.path), None);
    }
    Isolation::Reuse { after_jobs: after_jobs.value.max(1), after: after.value }
}

fn is_wasm(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == "wasm")
}

fn limits<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    env: &[String],
    shared: &Shared<'_>,
) -> Limits {
    let defaults = Limits::default();
    let variables: Vec<_> =
        env.iter().map(|n| Variable { name: format!("MEMORY_LIMIT_{n}"), parse: parse_mebibytes }).collect();
    let memory = reader.get(section, "memory", &SIZE, &variables, defaults.memory);
    if !(MIN_MEMORY..=MAX_MEMORY).contains(&memory.value) {
        reader.error(memory.place, format!("`{}.memory` must be 64KiB to 4GiB", section.path), None);
    }
    let soft_memory = reader.get(section, "soft_memory", &SIZE, &[], share(memory.value, shared.soft_memory));
    if soft_memory.value == 0 || soft_memory.value > memory.value {
        let message = format!("`{}.soft_memory` must be above zero and at most `memory`", section.path);
        reader.error(soft_memory.place, message, None);
    }
    let variables: Vec<_> =
        env.iter().map(|n| Variable { name: format!("TIMEOUT_{n}"), parse: parse_millis }).collect();
    let timeout = reader.get(section, "timeout", &DURATION, &variables, defaults.timeout);
    if timeout.value.is_zero() || timeout.value.as_secs() > MAX_TIMEOUT_S {
        reader.error(
            timeout.place,
            format!("`{}.timeout` must be above zero and at most 24h", section.path),
            None,
        );
    }
    let default_soft = timeout.value * shared.soft_time / 100;
    let soft = reader.get(section, "soft_timeout", &DURATION, &[], default_soft);
    if soft.value > timeout.value {
        let message = format!("`{}.soft_timeout` is longer than `timeout`", section.path);
        reader.error(soft.place, message, None);
    }
    let fuel = reader.find(section, "fuel", &AMOUNT, &[]);
    if let Some(got) = fuel.as_ref().filter(|got| got.value == 0) {
        let hint = "leave it out to run without metering".to_owned();
        reader.error(got.place.clone(), format!("`{}.fuel` is zero", section.path), Some(hint));
    }
    let output = reader.get(section, "output", &SIZE, &[], defaults.output as u64);
    if !(1..=256 << 20).contains(&output.value) {
        reader.error(output.place, format!("`{}.output` must be 1B to 256MiB", section.path), None);
    }
    Limits {
        memory: memory.value,
        soft_memory: soft_memory.value,
        timeout: timeout.value,
        soft_timeout: soft.value,
        fuel: fuel.map(|got| got.value),
        output: usize::try_from(output.value).unwrap_or(defaults.output),
        ..defaults
    }
}

fn policy<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> JobPolicy {
    let mut table = reader.section(section, "retry");
    let attempts = reader.get(&mut table, "attempts", &COUNT, &[], 1);
    if !(1..=1_000_000).contains(&attempts.value) {
        reader.error(attempts.place, format!("`{}.attempts` must be 1 to 1000000", table.path), None);
    }
    let text = reader.find(&mut table, "backoff", &TEXT, &[]);
    let backoff = text.and_then(|got| match Backoff::parse(&got.value) {
        Ok(backoff) => Some(backoff),
        Err(message) => {
            reader.error(got.place, format!("`{}.backoff`: {message}", table.path), None);
            None
        }
    });
    let defaults = JobPolicy::default();
    let timeout = cause(reader, &mut table, ["timeout_factor", "max_timeouts"], defaults.timeout);
    let memory = cause(reader, &mut table, ["memory_factor", "max_memory"], defaults.memory);
    let trap = cause(reader, &mut table, ["trap_factor", "max_traps"], defaults.trap);
    let starts = reader.find(&mut table, "max_starts", &COUNT, &[]);
    if let Some(got) = starts.as_ref().filter(|got| !(1..=1_000_000).contains(&got.value)) {
        reader.error(got.place.clone(), format!("`{}.max_starts` must be 1 to 1000000", table.path), None);
    }
    let pin = reader.get(&mut table, "pin", &FLAG, &[], false).value;
    reader.finish(&table);
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    JobPolicy {
        attempts: number(attempts.value),
        backoff,
        timeout,
        memory,
        trap,
        max_starts: starts.map(|got| number(got.value)),
        pin,
        remove_on_complete: reader.get(section, "remove_on_complete", &KEEP, &[], Keep::All).value,
        remove_on_fail: reader.get(section, "remove_on_fail", &KEEP, &[], Keep::All).value,
    }
}

/// Keys of one cause: its factor, its budget.
fn cause<'a>(
    reader: &mut Reader<'a>,
    table: &mut Section<'a>,
    [factor, budget]: [&'static str; 2],
    default: CausePolicy,
) -> CausePolicy {
    let factor = reader.get(table, factor, &FACTOR, &[], default.factor);
    let found = reader.find(table, budget, &COUNT, &[]);
    if let Some(got) = found.as_ref().filter(|got| !(1..=1_000_000).contains(&got.value)) {
        reader.error(got.place.clone(), format!("`{}.{budget}` must be 1 to 1000000", table.path), None);
    }
    let found = found.map(|got| u32::try_from(got.value).unwrap_or(u32::MAX).max(1));
    CausePolicy { factor: factor.value, budget: found.or(default.budget) }
}
