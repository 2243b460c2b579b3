//! Which module serves which job type, and replacing it while jobs run.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use gristmill_core::breaker::Breaker;
use gristmill_core::config::{self, Admission, Config, Handler, Isolation};
use gristmill_core::deployment::digest_of;
use gristmill_core::limiter::{Charge, Limiter};
use gristmill_core::limits::Limits;
use gristmill_core::retry::JobPolicy;
use gristmill_core::setting::Setting;
use gristmill_core::units::closest;
use gristmill_registry::{Policy, signatures_beside};
use gristmill_sandbox::{
    Allow, Directory, HttpRule, Module, ModuleError, PatternError, Quota, Recycling, Sandbox, Secret,
    SecretSource, Warm,
};
use gristmill_telemetry::Metrics;
use gristmill_telemetry::event::{HandlerSwapped, InstanceRecycled, JobTypeTooLarge};

use tokio::sync::watch;

use crate::core_dumps::CoreDumps;
use crate::guards::Definitions;
use crate::learn::Learned;
use crate::served::Served;

/// A job type that can run: its module and its policy.
pub(crate) struct JobType {
    pub served: ArcSwap<Served>,
    pub limits: Arc<Limits>,
    pub policy: JobPolicy,
    pub allow: Arc<Allow>,
    /// The name that the configuration gives it: a job's name, or `*`.
    pub entry: Arc<str>,
    /// Where its instances rest, if they serve several attempts.
    pub warm: Option<Arc<Warm>>,
    /// What its attempts used, if limits or reservations follow that.
    pub learned: Option<Learned>,
    /// A rate-limited end holds the whole queue.
    pub holds_queue: bool,
    /// Limiters that a job is charged to before it starts.
    pub limiters: Vec<Charge>,
    /// Breakers that must let it start.
    pub breakers: Vec<String>,
    /// Data is checked against the handler's schema.
    pub check_data: bool,
    /// Where its attempts that break off leave core dumps.
    pub core_dumps: Option<Arc<CoreDumps>>,
    /// Where its module comes from.
    pub source: Handler,
}

impl JobType {
    fn is_deployed(&self) -> bool {
        matches!(self.source, Handler::Deployed(_))
    }

    fn path(&self) -> Option<&Path> {
        match &self.source {
            Handler::File(path) => Some(path),
            Handler::Deployed(_) => None,
        }
    }

    /// Bytes that an attempt reserves; `None` if it may use more than the `capacity` of the whole worker.
    pub(crate) fn reserve(&self, capacity: u64) -> Option<u64> {
        let bytes = self.learned.as_ref().map_or(self.limits.memory, Learned::reserve);
        (self.limits.memory <= capacity).then_some(bytes)
    }
}

/// A handler that cannot be used, with the place where the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerProblem {
    /// `gristmill.toml:14`
    pub place: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Job types by queue and job name.
type JobTypes = HashMap<String, HashMap<String, Arc<JobType>>>;

/// Every job type of a worker.
pub struct Handlers {
    /// Read by every attempt as it starts, replaced as a whole when the configuration is read again.
    queues: ArcSwap<JobTypes>,
    definitions: Arc<ArcSwap<Definitions>>,
    /// The configuration in force, and what was set since by others, in the order in which they are looked at.
    told: Mutex<(Config, Vec<Setting>)>,
    sandbox: Sandbox,
    metrics: Metrics,
    policy: Arc<Policy>,
    /// Something is served that was not before.
    served: watch::Sender<()>,
}

impl Handlers {
    /// Loads every handler of the configuration, each file once, if the policy lets it run. Blocks while compiling; `loaded` is
    /// told of each file.
    pub fn load(
        config: &Config,
        sandbox: &Sandbox,
        metrics: &Metrics,
        policy: Policy,
        loaded: impl FnMut(&Path, &Module),
    ) -> Result<Self, Vec<HandlerProblem>> {
        let queues = ArcSwap::from_pointee(job_types(config, sandbox, metrics, &policy, loaded)?);
        let definitions = Arc::new(ArcSwap::from_pointee(Definitions::new(config)));
        let told = Mutex::new((config.clone(), Vec::new()));
        let served = watch::Sender::new(());
        Ok(Self {
            queues,
            definitions,
            told,
            sandbox: sandbox.clone(),
            metrics: metrics.clone(),
            policy: Arc::new(policy),
            served,
        })
    }

    /// Takes every job type of a configuration in place of the present ones, or, when one cannot be used, none.
    /// Attempts that run finish as they began. Blocks while compiling.
    pub fn replace(&self, config: &Config) -> Result<(), Vec<HandlerProblem>> {
        let new = job_types(config, &self.sandbox, &self.metrics, &self.policy, |_, _| {})?;
        self.tell(|told| told.0.clone_from(config));
        let old = self.queues.load();
        for (queue, types) in &new {
            let deployed = types.iter().filter(|(_, job)| job.is_deployed());
            for (name, job) in deployed {
                let before = old.get(queue).and_then(|types| types.get(name));
                // Another name, or metering, is for the follower to load.
                if let Some(before) = before.filter(|before| {
                    before.source == job.source && before.limits.fuel.is_some() == job.limits.fuel.is_some()
                }) {
                    job.served.store(before.served.load_full());
                }
            }
        }
        let old = self.queues.swap(Arc::new(new));
        let mut told = std::collections::BTreeSet::new();
        for (queue, types) in &**self.queues.load() {
            for (name, job) in types {
                let before = old.get(queue).and_then(|types| types.get(name)).map(|t| t.served.load_full());
                let served = job.served.load();
                let (Some(module), Some(path)) = (&served.stable, job.path()) else { continue };
                let before = before.as_ref().and_then(|before| before.stable.as_ref());
                if before.is_none_or(|before| before.digest() != module.digest())
                    && told.insert((path.to_owned(), module.digest().to_owned()))
                {
                    let path = path.display().to_string();
                    HandlerSwapped { path: &path, result: Ok(module.digest()) }.emit(&self.metrics);
                }
            }
        }
        Ok(())
    }

    /// Whether this worker could obey a setting.
    pub fn check(&self, setting: &Setting) -> Result<(), String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        setting.apply(&mut told.0.clone())
    }

    /// Takes settings that go before those of the configuration, now and when that is read again.
    pub(crate) fn set(&self, settings: Vec<Setting>) {
        self.tell(|told| told.1 = settings);
    }

    fn tell(&self, what: impl FnOnce(&mut (Config, Vec<Setting>))) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut told);
        let (config, settings) = &*told;
        let mut config = config.clone();
        for setting in settings {
            // What cannot be obeyed was told of when it was set.
            let _ = setting.apply(&mut config);
        }
        self.definitions.store(Arc::new(Definitions::new(&config)));
    }

    /// The limiters as they are now.
    #[must_use]
    pub fn limiters(&self) -> BTreeMap<String, Limiter> {
        self.definitions.load().limiters.clone()
    }

    /// The breakers as they are now.
    #[must_use]
    pub fn breakers(&self) -> BTreeMap<String, Breaker> {
        self.definitions.load().breakers.clone()
    }

    /// Limiters and breakers, replaced with the job types.
    pub(crate) fn definitions(&self) -> Arc<ArcSwap<Definitions>> {
        Arc::clone(&self.definitions)
    }

    /// The job type that serves a job name: its own, or the queue's `*`.
    pub(crate) fn job_type(&self, queue: &str, name: &str) -> Option<Arc<JobType>> {
        let queues = self.queues.load();
        let types = queues.get(queue)?;
        types.get(name).or_else(|| types.get("*")).cloned()
    }

    /// Why the handler that serves a job name would not take this data; `None` if it would, or it is not known here.
    #[must_use]
    pub fn data_problem(&self, queue: &str, name: &str, data: &[u8]) -> Option<String> {
        let served = self.job_type(queue, name)?.served.load_full();
        served.stable.as_ref()?.schema()?.check(data).err()
    }

    /// The JSON Schema of the data of jobs of this name; `None` where their handler has none, or is not known here.
    #[must_use]
    pub fn schema(&self, queue: &str, name: &str) -> Option<serde_json::Value> {
        let served = self.job_type(queue, name)?.served.load_full();
        Some(served.stable.as_ref()?.schema()?.json().clone())
    }

    /// The job types of a queue.
    pub(crate) fn job_types(&self, queue: &str) -> Vec<Arc<JobType>> {
        self.queues.load().get(queue).map(|types| types.values().cloned().collect()).unwrap_or_default()
    }

    /// Warns of job types that can never run in a worker with so many bytes for its jobs.
    pub(crate) fn tell_too_large(&self, capacity: u64) {
        for (queue, types) in &**self.queues.load() {
            for job_type in types.values().filter(|job_type| job_type.limits.memory > capacity) {
                let limit = job_type.limits.memory;
                JobTypeTooLarge { queue, job: &job_type.entry, limit, capacity }.emit();
            }
        }
    }

    /// Job types whose modules are deployed, with their queues.
    pub(crate) fn deployed(&self) -> Vec<(String, Arc<JobType>)> {
        let queues = self.queues.load();
        let of_queue = |(queue, types): (&String, &HashMap<String, Arc<JobType>>)| {
            let deployed = types.values().filter(|job_type| job_type.is_deployed());
            deployed.map(|job_type| (queue.clone(), Arc::clone(job_type))).collect::<Vec<_>>()
        };
        queues.iter().flat_map(of_queue).collect()
    }

    pub(crate) fn some_are_deployed(&self) -> bool {
        self.queues.load().values().flat_map(HashMap::values).any(|job_type| job_type.is_deployed())
    }

    /// Whether every job type of the queue has a module. Without, its jobs wait: to take one would be to fail it.
    #[must_use]
    pub fn is_served(&self, queue: &str) -> bool {
        let queues = self.queues.load();
        let types = queues.get(queue).into_iter().flat_map(HashMap::values);
        types.into_iter().all(|job_type| job_type.served.load().stable.is_some())
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    /// Tells pumps that more may be served.
    pub(crate) fn tell_served(&self) {
        self.served.send_replace(());
    }

    /// Hears of it.
    pub(crate) fn hear_served(&self) -> watch::Receiver<()> {
        self.served.subscribe()
    }

    /// Bytes that an attempt of the queue reserves at least and at most, of a worker that has so many.
    pub(crate) fn needs(&self, queue: &str, capacity: u64) -> (u64, u64) {
        let queues = self.queues.load();
        let types = queues.get(queue).into_iter().flat_map(HashMap::values);
        let needs = types.filter_map(|job_type| job_type.reserve(capacity));
        let bounds = needs.fold(None, |bounds: Option<(u64, u64)>, need| {
            let (least, most) = bounds.unwrap_or((need, need));
            Some((least.min(need), most.max(need)))
        });
        bounds.unwrap_or_default()
    }

    /// The files that handlers were loaded from.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let queues = self.queues.load();
        let mut paths: Vec<_> =
            queues.values().flat_map(HashMap::values).filter_map(|t| t.path().map(Path::to_owned)).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Loads a changed file and swaps it in: attempts that run finish on the old module, the next ones take the new.
    /// A file that cannot be used changes nothing. Blocks while compiling. Answers whether anything was swapped.
    pub fn reload(&self, path: &Path) -> bool {
        let metrics = &self.metrics;
        let shown = path.display().to_string();
        let mut swapped = false;
        // A file may serve many job types; each thing about it is told once.
        let mut told = std::collections::BTreeSet::new();
        let queues = self.queues.load();
        for job in queues.values().flat_map(HashMap::values).filter(|t| t.path() == Some(path)) {
            let served = job.served.load();
            let Some(old) = &served.stable else { continue };
            let result = load_file(&self.sandbox, &self.policy, path, old.metered()).and_then(|module| {
                module.fits(&job.limits).map_err(|error| error.to_string())?;
                Ok(module)
            });
            match result {
                Ok(module) if module.digest() == old.digest() => {}
                Ok(module) => {
                    if told.insert(module.digest().to_owned()) {
                        HandlerSwapped { path: &shown, result: Ok(module.digest()) }.emit(metrics);
                    }
                    job.served.store(Arc::new(Served::file(module)));
                    swapped = true;
                }
                Err(error) => {
                    if told.insert(error.clone()) {
                        HandlerSwapped { path: &shown, result: Err(&error) }.emit(metrics);
                    }
                }
            }
        }
        swapped
    }
}

/// Loads every handler of a configuration, each file once.
fn job_types(
    config: &Config,
    sandbox: &Sandbox,
    metrics: &Metrics,
    policy: &Policy,
    mut loaded: impl FnMut(&Path, &Module),
) -> Result<JobTypes, Vec<HandlerProblem>> {
    let mut problems = Vec::new();
    let mut modules: BTreeMap<(PathBuf, bool), Option<Module>> = BTreeMap::new();
    let mut queues = JobTypes::new();
    for (queue, settings) in &config.queues {
        let types = queues.entry(queue.clone()).or_default();
        for (name, job) in &settings.jobs {
            let mut problem = |place: &str, message: String| {
                problems.push(HandlerProblem { place: place.to_owned(), message });
            };
            let allow = allow(&job.allow, &mut problem);
            let mut load = |path: &Path, metered| match load_file(sandbox, policy, path, metered) {
                Ok(module) => {
                    loaded(path, &module);
                    Some(module)
                }
                Err(error) => {
                    problem(&job.handler_place, error);
                    None
                }
            };
            let served = match &job.handler {
                Handler::Deployed(_) => Served::default(),
                Handler::File(path) => {
                    let key = (path.clone(), job.limits.fuel.is_some());
                    let module =
                        modules.entry(key).or_insert_with_key(|(path, metered)| load(path, *metered));
                    let Some(module) = module else { continue };
                    if let Err(error) = module.fits(&job.limits) {
                        problem(&job.handler_place, error.to_string());
                    }
                    Served::file(module.clone())
                }
            };
            let limits = Arc::new(job.limits.clone());
            let learns = job.admission == Admission::Learned;
            let learned =
                (learns || job.adaptive.is_some()).then(|| Learned::new(job.adaptive, learns, &limits));
            let made = JobType {
                served: ArcSwap::from_pointee(served),
                limits,
                policy: job.policy.clone(),
                allow: Arc::new(allow),
                entry: name.as_str().into(),
                warm: warm(job.isolation, sandbox, metrics, queue, name),
                learned,
                holds_queue: job.holds_queue,
                limiters: job.limiters.clone(),
                breakers: job.breakers.clone(),
                check_data: job.check_data,
                core_dumps: CoreDumps::new(job.core_dumps).map(Arc::new),
                source: job.handler.clone(),
            };
            types.insert(name.clone(), Arc::new(made));
        }
    }
    if problems.is_empty() { Ok(queues) } else { Err(problems) }
}

/// Loads a file that is trusted: by the signatures in the file beside it, `FILE.sig`, where it needs any.
fn load_file(sandbox: &Sandbox, policy: &Policy, path: &Path, metered: bool) -> Result<Module, String> {
    let told = |error: ModuleError| with_suggestion(&error, path);
    let wasm = Sandbox::read(path).map_err(told)?;
    if policy.asks() {
        let signatures = signatures_beside(path).map_err(|error| error.to_string())?;
        policy.check(&digest_of(&wasm), &signatures).map_err(|refusal| refusal.to_string())?;
    }
    sandbox.load_bytes(&path.display().to_string(), &wasm, metered).map_err(told)
}

fn warm(
    isolation: Isolation,
    sandbox: &Sandbox,
    metrics: &Metrics,
    queue: &str,
    job: &str,
) -> Option<Arc<Warm>> {
    let Isolation::Reuse { after_jobs: after_attempts, after } = isolation else { return None };
    let (metrics, queue, job) = (metrics.clone(), queue.to_owned(), job.to_owned());
    let recycled = move |why: gristmill_sandbox::Recycled| {
        InstanceRecycled { queue: &queue, job: &job, reason: why.as_str() }.emit(&metrics);
    };
    Some(sandbox.warm(Recycling { after_attempts, after }, recycled))
}

/// What the configuration allows, as the sandbox takes it.
fn allow(config: &config::Allow, problem: &mut impl FnMut(&str, String)) -> Allow {
    let mut http = Vec::new();
    for config::HttpEntry { host, limiter, breaker } in &config.http {
        match host.parse() {
            Ok(host) => http.push(HttpRule { host, limiter: limiter.clone(), breaker: breaker.clone() }),
            Err(error) => problem(&config.http_place, PatternError::to_string(&error)),
        }
    }
    for directory in config.directories.iter().filter(|directory| !directory.host.is_dir()) {
        let message = format!("`{}` is not a directory; make it, or take it out", directory.host.display());
        problem(&config.directories_place, message);
    }
    let secret = |(name, source): &(String, config::SecretSource)| {
        let source = match source {
            config::SecretSource::Variable(name) => SecretSource::Variable(name.clone()),
            config::SecretSource::File(path) => SecretSource::File(path.clone()),
        };
        Secret { name: name.clone(), source }
    };
    let directory = |config::Directory { host, guest, writable }: &config::Directory| Directory {
        host: host.clone(),
        guest: guest.clone(),
        writable: *writable,
    };
    let writable = config.directories.iter().filter(|directory| directory.writable);
    let writable: Vec<PathBuf> = writable.map(|directory| directory.host.clone()).collect();
    Allow {
        http,
        response_bytes: config.http_response,
        enqueue: config.enqueue.clone(),
        limiters: config.limiters.clone(),
        breakers: config.breakers.clone(),
        env: config.env.clone(),
        secrets: config.secrets.iter().map(secret).collect(),
        directories: config.directories.iter().map(directory).collect(),
        quota: (!writable.is_empty()).then(|| Arc::new(Quota::new(writable, config.disk))),
    }
}

/// Adds the name of a file beside a missing one that was most likely meant.
fn with_suggestion(error: &ModuleError, path: &Path) -> String {
    let near = || {
        let wrong = path.file_name()?.to_str()?;
        let beside = std::fs::read_dir(path.parent()?).ok()?;
        let names: Vec<String> = beside
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name != wrong && Path::new(name).extension().is_some_and(|e| e == "wasm"))
            .collect();
        closest(wrong, names.iter().map(String::as_str))
            .map(|near| format!("{error}; did you mean `{near}`?"))
    };
    match error {
        ModuleError::NotFound { .. } => near().unwrap_or_else(|| error.to_string()),
        _ => error.to_string(),
    }
}
