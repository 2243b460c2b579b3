//! Builds a [`Config`] from file, environment and flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::environment::{COUNT, DURATION, SIZE, TEXT, TEXTS, parse_count, warn_unknown};
use super::reader::{Effective, Problem, Reader, Section, Severity, Variable};
use super::{
    Config, Queue, Redis, Role, Scaling, Server, Token, Worker, alerts, allow, limiter, monitoring, queue,
    registry, scaling, shares, telemetry,
};
use crate::pressure::MemoryBounds;
use crate::units::{parse_mebibytes, parse_millis, show_size};

/// Where values may come from.
#[derive(Debug, Default)]
pub struct Input<'a> {
    /// The file's name as the user gave it, for messages, and its text; `None` without a file.
    pub file: Option<(&'a Path, &'a str)>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// `--redis`.
    pub redis_url: Option<String>,
    /// Without it, a configuration without queues is an error.
    pub queues_optional: bool,
}

/// What loading found.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; complete even with problems, so that a check can go on.
    pub config: Config,
    /// Everything wrong, in the order of the file.
    pub problems: Vec<Problem>,
    /// Every effective value and its source.
    pub effective: Vec<Effective>,
}

impl Loaded {
    /// True when nothing stops a start.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems.iter().all(|p| p.severity == Severity::Warning)
    }
}

/// Reads everything and reports every problem at once.
#[must_use]
pub fn load(input: &Input<'_>) -> Loaded {
    let (file, text) = input.file.map_or((Path::new("gristmill.toml"), ""), |f| f);
    let shown = file.display().to_string();
    let line_ends = text.match_indices('\n').map(|(at, _)| at).collect();
    let mut reader =
        Reader { file: &shown, line_ends, env: &input.env, problems: Vec::new(), effective: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = error.span().map_or(1, |span| reader.line(span.start));
        let place = reader.at(line);
        reader.error(place, error.message().to_owned(), None);
    }
    let table = table.into_inner();
    let mut root = Section::root(Some(&table));

    let redis = redis(&mut reader, &mut root, input.redis_url.clone());
    let server = server(&mut reader, &mut root);
    let worker = worker(&mut reader, &mut root);
    let classes = shares::classes(&mut reader, &mut root);
    let directory = file.parent().unwrap_or(Path::new(""));
    let registry = registry::registry(&mut reader, &mut root, directory);
    let secrets = allow::secrets(&mut reader, &mut root, directory);
    let monitoring = monitoring::monitoring(&mut reader, &mut root);
    let telemetry = telemetry::telemetry(&mut reader, &mut root);
    let alerts = alerts::alerts(&mut reader, &mut root, &secrets);
    let scaling = scaling::scaling(&mut reader, &mut root, &secrets);
    let guards = limiter::guards(&mut reader, &mut root);
    let queue::Read { queues, names, reserved } =
        queue::read_all(&mut reader, &mut root, (directory, &secrets), &classes, &guards);
    if queues.is_empty() && !input.queues_optional && reader.problems.is_empty() {
        let hint = "name the queues to serve, each as `[queues.NAME]`".to_owned();
        reader.error(shown.clone(), "no queue is configured", Some(hint));
    }
    check_memory(&mut reader, &worker, &queues);
    check_addresses(&mut reader, &server, &scaling);
    let classes = shares::finish(&mut reader, &worker, classes, &queues, &reserved);
    reader.finish(&root);
    warn_unknown(&mut reader, &names);
    let Reader { problems, effective, .. } = reader;
    let limiter::Guards { limiters, breakers } = guards;
    let config = Config {
        redis,
        server,
        worker,
        registry,
        monitoring,
        telemetry,
        alerts,
        scaling,
        limiters,
        breakers,
        classes,
        queues,
    };
    Loaded { config, problems, effective }
}

/// Two servers of ours cannot have one address.
fn check_addresses(reader: &mut Reader<'_>, server: &Server, scaling: &Scaling) {
    if scaling.keda_listen != Some(server.listen) || server.listen.port() == 0 {
        return;
    }
    let said = reader.effective.iter().find(|effective| effective.key == "scaling.keda_listen");
    let place = said.map_or_else(String::new, |effective| effective.source.clone());
    let message = format!("`scaling.keda_listen` is `{}`, which is `server.listen`", server.listen);
    reader.error(place, message, Some("give it a port of its own, such as 7677".to_owned()));
}

fn is_node(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn redis<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>, flag: Option<String>) -> Redis {
    let mut section = reader.section(root, "redis");
    let variables = [Variable { name: "REDIS_URL".into(), parse: |text| Ok(text.to_owned()) }];
    let mut url = reader.get(&mut section, "url", &TEXT, &variables, "redis://127.0.0.1:6379".into());
    if let Some(flag) = flag {
        reader.effective.retain(|e| e.key != "redis.url");
        reader.effective.push(Effective {
            key: "redis.url".into(),
            value: format!("{flag:?}"),
            source: "--redis".into(),
        });
        url.value = flag;
        url.place = "--redis".into();
    }
    if !["redis://", "rediss://", "redis+unix://", "unix://"].iter().any(|s| url.value.starts_with(s)) {
        let message = format!("`{}` is not a Redis address", without_password(&url.value));
        let hint = "write it as `redis://HOST:PORT`, `rediss://HOST:PORT` or `redis+unix:///PATH`".to_owned();
        reader.error(url.place, message, Some(hint));
    }
    let nodes = reader.get(&mut section, "nodes", &TEXTS, &[], Vec::new());
    for node in nodes.value.iter().filter(|node| !is_node(node)) {
        let hint = Some("write it as `HOST:PORT`".to_owned());
        reader.error(nodes.place.clone(), format!("`{node}` in `redis.nodes` is no address"), hint);
    }
    let master = reader.find(&mut section, "master", &TEXT, &[]).map(|got| got.value);
    for effective in reader.effective.iter_mut().filter(|e| e.key == "redis.url") {
        effective.value = without_password(&effective.value);
    }
    let prefix = reader.get(&mut section, "prefix", &TEXT, &[], "bull".into());
    if prefix.value.is_empty() || prefix.value.len() > 256 {
        reader.error(prefix.place, "`redis.prefix` must have 1 to 256 bytes", None);
    }
    reader.finish(&section);
    Redis { url: url.value, nodes: nodes.value, master, prefix: prefix.value }
}

/// The address with its password hidden, for messages and listings.
fn without_password(url: &str) -> String {
    // A unix socket's address carries it in the query.
    if let Some((head, tail)) = url.split_once("pass=").filter(|(head, _)| head.contains("unix://")) {
        let rest = tail.find(['&', '"']).map_or("", |end| &tail[end..]);
        return format!("{head}pass=***{rest}");
    }
    let Some((head, tail)) = url.rsplit_once('@') else { return url.to_owned() };
    let Some((scheme, login)) = head.split_once("://") else { return url.to_owned() };
    let user = login.split_once(':').map_or(login, |(user, _)| user);
    format!("{scheme}://{user}:***@{tail}")
}

fn server<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Server {
    let mut section = reader.section(root, "server");
    let listen = reader.get(&mut section, "listen", &TEXT, &[], "127.0.0.1:7676".into());
    let parsed = listen.value.parse();
    if parsed.is_err() {
        let message = format!("`{}` is not an address to listen on", listen.value);
        reader.error(listen.place, message, Some("write it as `127.0.0.1:7676`".into()));
    }
    let table = reader.section(&mut section, "tokens");
    let tokens: Vec<Token> = table.keys().iter().filter_map(|name| token(reader, &table, name)).collect();
    for (at, token) in tokens.iter().enumerate() {
        if let Some(twin) = tokens[..at].iter().find(|other| other.sha256 == token.sha256) {
            let message = format!("the tokens `{}` and `{}` are the same", twin.name, token.name);
            let place = reader.at(table.line);
            reader.error(place, message, Some("give each a text of its own".into()));
        }
    }
    reader.finish(&section);
    Server { listen: parsed.unwrap_or_else(|_| ([127, 0, 0, 1], 7676).into()), tokens }
}

fn token<'a>(reader: &mut Reader<'a>, table: &Section<'a>, name: &str) -> Option<Token> {
    let mut section = reader.named_section(table, name);
    let role = reader.get(&mut section, "role", &TEXT, &[], Role::Viewer.as_str().to_owned());
    let known = Role::ALL.into_iter().find(|known| known.as_str() == role.value);
    if known.is_none() {
        let words = Role::ALL.map(Role::as_str).join(", ");
        reader.error(
            role.place,
            format!("`{}` is not a role", role.value),
            Some(format!("accepted: {words}")),
        );
    }
    let digest = reader.find(&mut section, "sha256", &TEXT, &[]);
    let sha256 = digest.as_ref().and_then(|got| read_digest(&got.value));
    if sha256.is_none() {
        let place = digest.map_or_else(|| reader.at(section.line), |got| got.place);
        let hint = "take that of a long random text: `printf %s TOKEN | sha256sum`".to_owned();
        reader.error(place, format!("`{}` needs `sha256`, 64 hexadecimal digits", section.path), Some(hint));
    } else if sha256 == Some(OF_NOTHING) {
        let place = digest.map_or_else(|| reader.at(section.line), |got| got.place);
        let hint = "the variable with the token was not set when the digest was made".to_owned();
        reader.error(place, format!("`{}.sha256` is the digest of an empty text", section.path), Some(hint));
    }
    let expires = reader.find(&mut section, "expires", &TEXT, &[]);
    let expires_ms = expires.and_then(|got| {
        let read = read_time(&got.value);
        if read.is_none() {
            let hint = "write it as `2027-01-31` or `2027-01-31T12:00:00Z`".to_owned();
            reader.error(got.place, format!("`{}` is not a time", got.value), Some(hint));
        }
        read
    });
    reader.finish(&section);
    Some(Token { name: name.to_owned(), role: known?, sha256: sha256?, expires_ms })
}

/// SHA-256 of no bytes: what a token's digest is when its variable was not set.
const OF_NOTHING: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// A moment, or the beginning of a day in UTC, as ms since the epoch.
fn read_time(text: &str) -> Option<u64> {
    let day =
        || Some(text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp());
    let time = text.parse::<jiff::Timestamp>().ok().or_else(day)?;
    u64::try_from(time.as_millisecond()).ok()
}

fn read_digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let fits = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    for (i, byte) in digest.iter_mut().enumerate().filter(|_| fits) {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    fits.then_some(digest)
}

/// Bounds on the process, large enough for any single job type's check to be about that type.
fn memory_bounds<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> MemoryBounds {
    let variable = |name: &str| [Variable { name: name.into(), parse: parse_mebibytes }];
    let hard = variable("WORKER_MEMORY_HARD_LIMIT");
    let hard = reader.get(section, "memory_hard_limit", &SIZE, &hard, 1 << 30);
    if hard.value < 64 << 20 {
        reader.error(hard.place, "`worker.memory_hard_limit` must be at least `64MiB`", None);
    }
    let soft = variable("WORKER_MEMORY_SOFT_LIMIT");
    let soft = reader.get(section, "memory_soft_limit", &SIZE, &soft, hard.value / 2);
    if soft.value > hard.value {
        reader.error(soft.place, "`worker.memory_soft_limit` is more than `memory_hard_limit`", None);
    }
    MemoryBounds { soft: soft.value, hard: hard.value }
}

/// A job type that needs more than the worker may ever have would wait for ever.
fn check_memory(reader: &mut Reader<'_>, worker: &Worker, queues: &BTreeMap<String, Queue>) {
    for (name, queue) in queues {
        for (job, kind) in queue.jobs.iter().filter(|(_, kind)| kind.limits.memory > worker.memory.hard) {
            let message = format!(
                "job type `{job}` of queue `{name}` may use {}, more than the worker: `worker.memory_hard_limit` is {}",
                show_size(kind.limits.memory),
                show_size(worker.memory.hard)
            );
            reader.error(kind.handler_place.clone(), message, None);
        }
    }
}

fn worker<'a>(reader: &mut Reader<'a>, root: &mut Section<'a>) -> Worker {
    let mut section = reader.section(root, "worker");
    let name = reader.find(&mut section, "name", &TEXT, &[]);
    if let Some(name) = &name {
        let fits = |n: &str| !n.is_empty() && n.len() <= 128 && n.bytes().all(|b| b.is_ascii_graphic());
        if !fits(&name.value) {
            let message = format!(
                "`worker.name` is {:?}, but Redis needs 1 to 128 visible ASCII characters",
                name.value
            );
            reader.error(name.place.clone(), message, None);
        }
    }
    let millis = |name: &str| [Variable { name: name.into(), parse: parse_millis }];
    let shutdown = millis("SHUTDOWN_TIMEOUT");
    let shutdown_timeout =
        reader.get(&mut section, "shutdown_timeout", &DURATION, &shutdown, Duration::from_secs(30)).value;
    let lock = reader.get(&mut section, "lock_duration", &DURATION, &[], Duration::from_secs(30));
    if lock.value < Duration::from_millis(100) {
        reader.error(lock.place, "`worker.lock_duration` must be at least `100ms`", None);
    }
    let stalled = reader.get(&mut section, "stalled_interval", &DURATION, &[], Duration::from_secs(30));
    if stalled.value < Duration::from_millis(50) {
        reader.error(stalled.place, "`worker.stalled_interval` must be at least `50ms`", None);
    }
    let max_stalled = reader.get(&mut section, "max_stalled_count", &COUNT, &[], 1).value;
    let minutes = reader.get(&mut section, "metrics_minutes", &COUNT, &[], TWO_WEEKS);
    if minutes.value > 1_000_000 {
        reader.error(minutes.place.clone(), "`worker.metrics_minutes` must be 0 to 1000000", None);
    }
    let memory = memory_bounds(reader, &mut section);
    let recycle_after_jobs = reader.find(&mut section, "recycle_after_jobs", &COUNT, &[]);
    if let Some(got) = recycle_after_jobs.as_ref().filter(|got| got.value == 0) {
        let hint = Some("leave it out to run for ever".to_owned());
        reader.error(got.place.clone(), "`worker.recycle_after_jobs` is zero", hint);
    }
    let recycle_after = reader.find(&mut section, "recycle_after", &DURATION, &[]);
    if let Some(got) = recycle_after.as_ref().filter(|got| got.value < Duration::from_secs(1)) {
        let hint = Some("leave it out to run for ever".to_owned());
        reader.error(got.place.clone(), "`worker.recycle_after` must be at least `1s`", hint);
    }
    let threads = reader.find(&mut section, "threads", &COUNT, &[]);
    if let Some(threads) = threads.as_ref().filter(|t| !(1..=1_024).contains(&t.value)) {
        reader.error(threads.place.clone(), "`worker.threads` must be 1 to 1024", None);
    }
    let compile = reader.get(&mut section, "compile_timeout", &DURATION, &[], Duration::from_mins(2));
    if compile.value.is_zero() {
        reader.error(compile.place, "`worker.compile_timeout` is zero", None);
    }
    let slots = [Variable { name: "WORKER_SLOTS".into(), parse: parse_count }];
    let slots = reader.find(&mut section, "slots", &COUNT, &slots);
    if let Some(slots) = slots.as_ref().filter(|s| !(1..=MAX_SLOTS).contains(&s.value)) {
        reader.error(slots.place.clone(), format!("`worker.slots` must be 1 to {MAX_SLOTS}"), None);
    }
    let cache = reader.find(&mut section, "cache_dir", &TEXT, &[]).map(|got| PathBuf::from(got.value));
    let cache_size = reader.get(&mut section, "cache_size", &SIZE, &[], 2 << 30);
    if cache_size.value < MIN_CACHE_SIZE {
        reader.error(
            cache_size.place,
            "`worker.cache_size` must be at least `64MiB`",
            Some("a large handler may compile to that".to_owned()),
        );
    }
    reader.finish(&section);
    Worker {
        name: name.map(|got| got.value),
        shutdown_timeout,
        lock_duration: lock.value,
        stalled_interval: stalled.value,
        max_stalled_count: u32::try_from(max_stalled).unwrap_or(u32::MAX),
        metrics_minutes: u32::try_from(minutes.value).unwrap_or(u32::MAX),
        memory,
        recycle_after_jobs: recycle_after_jobs.map(|got| got.value.max(1)),
        recycle_after: recycle_after.map(|got| got.value),
        slots: slots.and_then(|got| usize::try_from(got.value.clamp(1, MAX_SLOTS)).ok()),
        threads: threads.and_then(|got| usize::try_from(got.value).ok()),
        compile_timeout: compile.value,
        cache_dir: cache.or_else(|| default_cache_dir(reader.env)),
        cache_size: cache_size.value,
    }
}

/// Slots of one worker.
const MAX_SLOTS: u64 = 100_000;
/// Bytes of compiled handlers: less than one large handler would make each start compile.
const MIN_CACHE_SIZE: u64 = 64 << 20;
/// In minutes: as long as BullMQ's own longest.
const TWO_WEEKS: u64 = 14 * 24 * 60;

/// `$XDG_CACHE_HOME/gristmill`, or `~/.cache/gristmill`.
fn default_cache_dir(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let set = |name: &str| env.get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|h| h.join(".cache"))).map(|dir| dir.join("gristmill"))
}
