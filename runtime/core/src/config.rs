//! The configuration: what may be said, what each value is by default, and where an effective value came from.
//!
//! Precedence: command-line flag, environment, `gristmill.toml`, default. Loading reports every problem at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::adaptive::AdaptivePolicy;
use crate::breaker::Breaker;
use crate::limiter::{Charge, Limiter, Tier};
use crate::limits::Limits;
use crate::pressure::MemoryBounds;
use crate::retry::JobPolicy;
use crate::scaling::Range;
use crate::scheduler::ClassShare;

mod alerts;
mod allow;
mod environment;
mod limiter;
mod load;
mod monitoring;
mod queue;
mod reader;
mod registry;
mod scaling;
mod shares;
mod telemetry;

pub use alerts::{ANOMALY_RULE, AlertTarget, Alerts, TargetKind};
pub use load::{Input, Loaded, load};
pub use monitoring::Monitoring;
pub use reader::{Effective, Problem, Severity};
pub use registry::{Registry, Require};
pub use scaling::{Scaling, ScalingTarget};
pub use telemetry::Telemetry;

/// Everything a worker needs to know, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the queues are.
    pub redis: Redis,
    /// Metrics and health.
    pub server: Server,
    /// This process.
    pub worker: Worker,
    /// Which deployed modules are trusted.
    pub registry: Registry,
    /// What is looked at, and how often.
    pub monitoring: Monitoring,
    /// Where traces and metrics are sent.
    pub telemetry: Telemetry,
    /// When somebody is told, and who.
    pub alerts: Alerts,
    /// How many workers there should be.
    pub scaling: Scaling,
    /// Rate limits that workers share, by name.
    pub limiters: BTreeMap<String, Limiter>,
    /// Circuit breakers that workers share, by name.
    pub breakers: BTreeMap<String, Breaker>,
    /// What is said of each class, in the order of [`Class::ALL`].
    pub classes: [ClassPolicy; Class::ALL.len()],
    /// The queues this worker serves, by name.
    pub queues: BTreeMap<String, Queue>,
}

impl Config {
    /// How the queues share this worker's slots.
    #[must_use]
    pub fn shares(&self) -> Shares {
        Shares::of(self.worker.slots, &self.classes, &self.queues)
    }

    /// How many workers a queue has at least and at most; those of a normal one where it is not in the configuration.
    #[must_use]
    pub fn workers_of(&self, queue: &str) -> Range {
        let section = self.queues.get(queue);
        let class = section.map_or(Class::default(), |section| section.class);
        let range = self.scaling.ranges[class.index()];
        let max = section.and_then(|section| section.max_workers).unwrap_or(range.max);
        let min = section.and_then(|section| section.min_workers).unwrap_or(range.min.min(max));
        Range { min, max: max.max(min) }
    }

    /// What `new` changes that a running worker, started with `self`, cannot take up. Everything else, the job types of
    /// queues that are served already, can be replaced while jobs run.
    #[must_use]
    pub fn needs_restart(&self, new: &Self) -> Restart {
        let mut places = Vec::new();
        let mut changed = |place: String, differs: bool| {
            if differs {
                places.push(place);
            }
        };
        changed("[redis]".to_owned(), self.redis != new.redis);
        changed("[server]".to_owned(), self.server != new.server);
        changed("[worker]".to_owned(), self.worker != new.worker);
        changed("[registry]".to_owned(), self.registry != new.registry);
        changed("[monitoring]".to_owned(), self.monitoring != new.monitoring);
        changed("[telemetry]".to_owned(), self.telemetry != new.telemetry);
        changed("[alerts]".to_owned(), self.alerts != new.alerts);
        changed("[scaling]".to_owned(), self.scaling != new.scaling);
        for (class, (old, new)) in Class::ALL.into_iter().zip(self.classes.iter().zip(&new.classes)) {
            changed(format!("[classes.{}]", class.as_str()), old != new);
        }
        for name in self.queues.keys().filter(|name| !new.queues.contains_key(*name)) {
            changed(format!("[queues.{name}]"), true);
        }
        // The memory that instances may use is laid out once.
        let largest = |config: &Self| {
            config.queues.values().flat_map(|q| q.jobs.values()).map(|t| t.limits.memory).max().unwrap_or(0)
        };
        let ceiling = largest(self);
        for (name, queue) in &new.queues {
            let Some(old) = self.queues.get(name) else {
                changed(format!("[queues.{name}]"), true);
                continue;
            };
            changed(format!("[queues.{name}] concurrency"), old.concurrency != queue.concurrency);
            changed(format!("[queues.{name}] class"), old.class != queue.class);
            changed(format!("[queues.{name}] rate_limit"), old.rate_limit != queue.rate_limit);
            // A queue without a weight of its own follows its class, whose change is named above.
            let follows =
                |config: &Self, queue: &Queue| queue.weight == config.classes[queue.class.index()].weight;
            let follows = follows(self, old) && follows(new, queue);
            changed(format!("[queues.{name}] weight"), old.weight != queue.weight && !follows);
            changed(format!("[queues.{name}] reserved"), old.reserved != queue.reserved);
            changed(format!("[queues.{name}] sla"), old.sla != queue.sla);
            changed(format!("[queues.{name}] min_workers"), old.min_workers != queue.min_workers);
            changed(format!("[queues.{name}] max_workers"), old.max_workers != queue.max_workers);
        }
        let grown = new.queues.iter().flat_map(|(name, queue)| {
            let larger = queue.jobs.iter().filter(|(_, kind)| kind.limits.memory > ceiling);
            larger.map(move |(job, _)| format!("[queues.{name}.jobs.\"{job}\"] memory"))
        });
        let grown: Vec<String> = grown.collect();
        Restart { too_large: !grown.is_empty(), places: places.into_iter().chain(grown).collect() }
    }
}

/// What a running worker cannot take up; see [`Config::needs_restart`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// The settings, each by its place in the file.
    pub places: Vec<String>,
    /// A job type needs more memory than instances have room for: none of the job types can be taken up.
    pub too_large: bool,
}

/// `[redis]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// `redis://`, `rediss://` or `redis+unix://`: the server, any node of a Cluster, or, with `master`, a Sentinel.
    pub url: String,
    /// Further nodes or Sentinels, `HOST:PORT`.
    pub nodes: Vec<String>,
    /// The name under which Sentinels know the master.
    pub master: Option<String>,
    /// BullMQ's key prefix.
    pub prefix: String,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where metrics, health and the API answer.
    pub listen: SocketAddr,
    /// Who may use the API; without tokens it answers on loopback only.
    pub tokens: Vec<Token>,
}

/// `[server.tokens.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who it is, in audit rows.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token, so that the configuration holds no secret.
    pub sha256: [u8; 32],
    /// From when on it is refused, ms since the epoch; `None`: never.
    pub expires_ms: Option<u64>,
}

/// What a token may do; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Adds, moves and removes jobs; pauses and limits queues.
    Operator,
    /// Removes whole queues.
    Admin,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word in configuration and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// `[worker]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Name that BullMQ shows (`processedBy`, `getWorkers`); no spaces.
    pub name: Option<String>,
    /// How long a drain lets running jobs finish.
    pub shutdown_timeout: Duration,
    /// How long a lock lives without renewal.
    pub lock_duration: Duration,
    /// How often abandoned jobs are looked for.
    pub stalled_interval: Duration,
    /// How often a job may be found abandoned before it fails.
    pub max_stalled_count: u32,
    /// Minutes of BullMQ's per-minute counts that are kept; 0 counts nothing.
    pub metrics_minutes: u32,
    /// The process's own memory.
    pub memory: MemoryBounds,
    /// Jobs after which the process drains and starts anew; `None` never.
    pub recycle_after_jobs: Option<u64>,
    /// How long the process runs before it drains and starts anew; `None` for ever.
    pub recycle_after: Option<Duration>,
    /// Attempts at a time, of all queues together; `None` for as many as the queues may have.
    pub slots: Option<usize>,
    /// Threads that run handlers; `None` takes one per core.
    pub threads: Option<usize>,
    /// Where compiled modules are kept; `None` compiles at each start.
    pub cache_dir: Option<PathBuf>,
    /// Bytes that they may have together there; at least 64 MiB.
    pub cache_size: u64,
    /// How long compiling one handler may take.
    pub compile_timeout: Duration,
}

/// `[queues.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// Priority class.
    pub class: Class,
    /// Slots: attempts at a time in this worker.
    pub concurrency: usize,
    /// Its part of the slots where they are short, in relation to the other queues'.
    pub weight: u32,
    /// Slots that are kept for it; at most `concurrency`.
    pub reserved: usize,
    /// How long its jobs should wait at most; it gets heavier as they near that.
    pub sla: Option<Duration>,
    /// Jobs that start per time, on all workers that have the same limit; one in the queue's `meta` wins.
    pub rate_limit: Option<(u64, Duration)>,
    /// Workers that it has at least; `None` for what its class has.
    pub min_workers: Option<u64>,
    /// Workers that it has at most; `None` for what its class has.
    pub max_workers: Option<u64>,
    /// Groups of jobs that take turns.
    pub groups: Option<Groups>,
    /// Job types by job name; `*` serves every other name.
    pub jobs: BTreeMap<String, JobType>,
}

/// `[queues.NAME.groups]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// A JSON pointer to a job's group in its data; `None`: the job's option `group.id`.
    pub key: Option<String>,
    /// Turns of a group against another's one; 1 where none is given.
    pub weights: BTreeMap<String, u32>,
    /// Jobs of one group that run at a time, on all workers.
    pub concurrency: Option<u64>,
    /// Jobs of one group that start per time, on all workers.
    pub rate_limit: Option<Tier>,
}

/// Where the module of a job type comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// A component, absolute or relative to the configuration file's directory (already joined).
    File(PathBuf),
    /// What is deployed for the job type, under this name.
    Deployed(String),
}

/// `[queues.NAME.jobs.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct JobType {
    /// Where its module comes from.
    pub handler: Handler,
    /// Where the handler was named, for errors about the file.
    pub handler_place: String,
    /// Ceilings of one attempt.
    pub limits: Limits,
    /// What holds where the producer said nothing.
    pub policy: JobPolicy,
    /// What the handler may touch.
    pub allow: Allow,
    /// Whether instances serve several attempts.
    pub isolation: Isolation,
    /// What a job reserves of the worker's memory before it starts.
    pub admission: Admission,
    /// Whether the timeout follows what attempts really take.
    pub adaptive: Option<AdaptivePolicy>,
    /// A handler that ends rate-limited, with a time, holds its whole queue for it.
    pub holds_queue: bool,
    /// Limiters that a job is charged to before it starts.
    pub limiters: Vec<Charge>,
    /// Breakers that must let a job start, and hear how it ended.
    pub breakers: Vec<String>,
    /// Data is checked against the handler's schema before it starts.
    pub check_data: bool,
    /// Core dumps that are kept of attempts that broke off; 0 makes none.
    pub core_dumps: u64,
}

/// Instances of a job type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// A fresh one for each attempt.
    Fresh,
    /// One serves several attempts, one after another.
    Reuse {
        /// Attempts that it serves; at least 1.
        after_jobs: u64,
        /// How old it gets.
        after: Duration,
    },
}

/// What a job reserves of the worker's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// All that it may use.
    Limit,
    /// What nearly all jobs of its type have used.
    Learned,
}

/// `allow` of a job type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow {
    /// Hosts that the handler may call over HTTP.
    pub http: Vec<HttpEntry>,
    /// Where `http` was written, for errors about its entries.
    pub http_place: String,
    /// Bytes of the body of one HTTP response.
    pub http_response: u64,
    /// Queues that the handler may add jobs to.
    pub enqueue: Vec<String>,
    /// Limiters that it may ask.
    pub limiters: Vec<String>,
    /// Breakers that it may ask.
    pub breakers: Vec<String>,
    /// Variables of its environment, with their values.
    pub env: Vec<(String, String)>,
    /// Secrets that it may ask for, with where each is.
    pub secrets: Vec<(String, SecretSource)>,
    /// Directories that it sees.
    pub directories: Vec<Directory>,
    /// Where `dirs` was written.
    pub directories_place: String,
    /// Bytes that the writable directories may hold together.
    pub disk: u64,
}

/// An entry of `allow.http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpEntry {
    /// The host pattern as it is written.
    pub host: String,
    /// A limiter that each request is charged to.
    pub limiter: Option<String>,
    /// A breaker that each request passes.
    pub breaker: Option<String>,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a variable of the worker's environment.
    Variable(String),
    /// In a file.
    File(PathBuf),
}

/// A directory of a job type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where it is, absolute or relative to the configuration file's directory (already joined).
    pub host: PathBuf,
    /// Where the handler finds it.
    pub guest: String,
    /// Whether the handler may change it.
    pub writable: bool,
}

/// Priority class of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Class {
    /// What a user waits for.
    Critical,
    /// Time-sensitive.
    High,
    /// Everything else.
    #[default]
    Normal,
    /// Can wait.
    Low,
    /// Maintenance.
    Background,
}

impl Class {
    /// All classes, most urgent first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Normal, Self::Low, Self::Background];

    /// The word in configuration and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
            Self::Background => "background",
        }
    }

    /// Where it stands in [`Class::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Weight of a queue where nothing else is said.
    #[must_use]
    pub fn default_weight(self) -> u32 {
        16 >> self.index()
    }

    /// Slots of a queue that sets no `concurrency`.
    #[must_use]
    pub fn default_concurrency(self) -> usize {
        match self {
            Self::Critical | Self::Normal => 10,
            Self::High => 20,
            Self::Low => 5,
            Self::Background => 2,
        }
    }
}

/// `[classes.NAME]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassPolicy {
    /// Weight of its queues that set none; at least 1.
    pub weight: u32,
    /// Slots that are kept for its queues together.
    pub reserved: Option<usize>,
    /// Percent of the slots that its queues may hold together, 1 to 100.
    pub max_share: Option<u32>,
}

impl ClassPolicy {
    /// Percent of the slots that the class may hold. Unless it is written, a class that can wait leaves some to the
    /// others where slots are short.
    fn share_of(&self, class: Class, contended: bool) -> u32 {
        let default = match class {
            Class::Low if contended => 75,
            Class::Background if contended => 50,
            _ => 100,
        };
        self.max_share.unwrap_or(default)
    }
}

/// How queues share the slots of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Attempts at a time.
    pub slots: usize,
    /// What each class may have, in the order of [`Class::ALL`].
    pub classes: [ClassShare; Class::ALL.len()],
    /// Some queue may find no slot though it is below its `concurrency`.
    pub contended: bool,
}

impl Shares {
    fn of(
        slots: Option<usize>,
        policies: &[ClassPolicy; Class::ALL.len()],
        queues: &BTreeMap<String, Queue>,
    ) -> Self {
        let in_class = |class| queues.values().filter(move |queue| queue.class == class);
        let wanted = |class| in_class(class).map(|queue| queue.concurrency).sum::<usize>();
        let all = queues.values().map(|queue| queue.concurrency).sum::<usize>().max(1);
        let slots = slots.unwrap_or(all);
        let short = slots < all;
        let classes = Class::ALL.map(|class| {
            let policy = policies[class.index()];
            let alone = queues.values().all(|queue| queue.class == class);
            let percent = if alone { 100 } else { policy.share_of(class, short) as usize };
            let urgent = class == Class::Critical && slots >= 4 && in_class(class).next().is_some();
            let max = (slots * percent / 100).max(1);
            ClassShare { max, reserved: policy.reserved.unwrap_or(usize::from(urgent)) }
        });
        let contended = short || Class::ALL.iter().any(|class| wanted(*class) > classes[class.index()].max);
        Self { slots, classes, contended }
    }
}

impl Queue {
    /// The job type that serves a job name.
    #[must_use]
    pub fn job_type(&self, name: &str) -> Option<(&str, &JobType)> {
        self.jobs.get_key_value(name).or_else(|| self.jobs.get_key_value("*")).map(|(k, v)| (k.as_str(), v))
    }
}

#[cfg(test)]
mod tests;
