//! Which module serves which job type, and replacing it while jobs run.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use gristmill_core::config::{self, Admission, Config, Isolation};
use gristmill_core::limits::Limits;
use gristmill_core::retry::JobPolicy;
use gristmill_core::units::closest;
use gristmill_sandbox::{
    Allow, Directory, Module, ModuleError, Quota, Recycling, Sandbox, Secret, SecretSource, Warm,
};
use gristmill_telemetry::Metrics;
use gristmill_telemetry::event::{HandlerSwapped, InstanceRecycled};

use crate::learn::Learned;

/// A job type that can run: its module and its policy.
pub(crate) struct JobType {
    pub module: ArcSwap<Module>,
    pub limits: Arc<Limits>,
    pub policy: JobPolicy,
    pub allow: Arc<Allow>,
    /// The name that the configuration gives it: a job's name, or `*`.
    pub entry: Arc<str>,
    /// Where its instances rest, if they serve several attempts.
    pub warm: Option<Arc<Warm>>,
    /// What its attempts used, if limits or reservations follow that.
    pub learned: Option<Learned>,
    path: PathBuf,
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
    sandbox: Sandbox,
    metrics: Metrics,
}

impl Handlers {
    /// Loads every handler of the configuration, each file once. Blocks while compiling; `loaded` is told of each file.
    pub fn load(
        config: &Config,
        sandbox: &Sandbox,
        metrics: &Metrics,
        loaded: impl FnMut(&Path, &Module),
    ) -> Result<Self, Vec<HandlerProblem>> {
        let queues = ArcSwap::from_pointee(job_types(config, sandbox, metrics, loaded)?);
        Ok(Self { queues, sandbox: sandbox.clone(), metrics: metrics.clone() })
    }

    /// Takes every job type of a configuration in place of the present ones, or, when one cannot be used, none.
    /// Attempts that run finish as they began. Blocks while compiling.
    pub fn replace(&self, config: &Config) -> Result<(), Vec<HandlerProblem>> {
        let new = job_types(config, &self.sandbox, &self.metrics, |_, _| {})?;
        let old = self.queues.swap(Arc::new(new));
        let mut told = std::collections::BTreeSet::new();
        for (queue, types) in &**self.queues.load() {
            for (name, job) in types {
                let before = old.get(queue).and_then(|types| types.get(name)).map(|t| t.module.load_full());
                let module = job.module.load();
                if before.is_none_or(|before| before.digest() != module.digest())
                    && told.insert((job.path.clone(), module.digest().to_owned()))
                {
                    let path = job.path.display().to_string();
                    HandlerSwapped { path: &path, result: Ok(module.digest()) }.emit(&self.metrics);
                }
            }
        }
        Ok(())
    }

    /// The job type that serves a job name: its own, or the queue's `*`.
    pub(crate) fn job_type(&self, queue: &str, name: &str) -> Option<Arc<JobType>> {
        let queues = self.queues.load();
        let types = queues.get(queue)?;
        types.get(name).or_else(|| types.get("*")).cloned()
    }

    /// The job types of a queue.
    pub(crate) fn job_types(&self, queue: &str) -> Vec<Arc<JobType>> {
        self.queues.load().get(queue).map(|types| types.values().cloned().collect()).unwrap_or_default()
    }

    /// The files that handlers were loaded from.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let queues = self.queues.load();
        let mut paths: Vec<_> =
            queues.values().flat_map(|types| types.values().map(|t| t.path.clone())).collect();
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
        for job in queues.values().flat_map(HashMap::values).filter(|t| t.path == path) {
            let old = job.module.load();
            let result = self.sandbox.load(path, old.metered()).and_then(|module| {
                module.fits(&job.limits)?;
                Ok(module)
            });
            match result {
                Ok(module) if module.digest() == old.digest() => {}
                Ok(module) => {
                    if told.insert(module.digest().to_owned()) {
                        HandlerSwapped { path: &shown, result: Ok(module.digest()) }.emit(metrics);
                    }
                    job.module.store(Arc::new(module));
                    swapped = true;
                }
                Err(error) => {
                    if told.insert(error.to_string()) {
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
            let key = (job.handler.clone(), job.limits.fuel.is_some());
            let module =
                modules.entry(key).or_insert_with_key(|(path, metered)| match sandbox.load(path, *metered) {
                    Ok(module) => {
                        loaded(path, &module);
                        Some(module)
                    }
                    Err(error) => {
                        problem(&job.handler_place, with_suggestion(&error, path));
                        None
                    }
                });
            let Some(module) = module else { continue };
            if let Err(error) = module.fits(&job.limits) {
                problem(&job.handler_place, error.to_string());
            }
            let limits = Arc::new(job.limits.clone());
            let learns = job.admission == Admission::Learned;
            let learned =
                (learns || job.adaptive.is_some()).then(|| Learned::new(job.adaptive, learns, &limits));
            let made = JobType {
                module: ArcSwap::from_pointee(module.clone()),
                limits,
                policy: job.policy.clone(),
                allow: Arc::new(allow),
                entry: name.as_str().into(),
                warm: warm(job.isolation, sandbox, metrics, queue, name),
                learned,
                path: job.handler.clone(),
            };
            types.insert(name.clone(), Arc::new(made));
        }
    }
    if problems.is_empty() { Ok(queues) } else { Err(problems) }
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
    let http = Allow::http(config.http.iter().map(String::as_str));
    let http = http.map_err(|errors| errors.iter().for_each(|e| problem(&config.http_place, e.to_string())));
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
        response_bytes: config.http_response,
        enqueue: config.enqueue.clone(),
        env: config.env.clone(),
        secrets: config.secrets.iter().map(secret).collect(),
        directories: config.directories.iter().map(directory).collect(),
        quota: (!writable.is_empty()).then(|| Arc::new(Quota::new(writable, config.disk))),
        ..http.unwrap_or_default()
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
