//! Follows the deployments: loads what is deployed, and swaps it in while jobs run.
//!
//! What serves a job type is replaced only by what is loaded and fits. A deployment that Redis has lost, a module that
//! cannot be read, is not trusted, or cannot be compiled here changes nothing: what is served stays.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use gristmill_core::config::Handler;
use gristmill_core::deployment::{Deployment, ModuleInfo};
use gristmill_queue::{Connection, DeploymentChanges, Target};
use gristmill_registry::Policy;
use gristmill_sandbox::{Module, Sandbox};
use gristmill_telemetry::Metrics;
use gristmill_telemetry::event::{DeploymentFollowed, DeploymentRefused, NothingDeployed};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::handlers::{Handlers, JobType};
use crate::served::Trial;

/// How often a worker looks, should a message be lost: every change is obeyed within a second.
const LOOK: Duration = Duration::from_millis(500);
/// How long a module that could not be loaded is left alone.
const RETRY: Duration = Duration::from_secs(15);
/// Modules that are loaded at a time; each is compiled in a process of its own, on all cores.
const LOADS: usize = 2;

/// A module as a job type needs it: its digest, and whether it counts fuel.
type Wanted = (String, bool);
type Found = (Arc<ModuleInfo>, Module);
type Loaded = Result<Found, String>;

struct Follower {
    connection: Connection,
    handlers: Arc<Handlers>,
    sandbox: Sandbox,
    policy: Arc<Policy>,
    metrics: Metrics,
    /// Loaded, or why not and until when that is taken for granted.
    modules: HashMap<Wanted, Result<Found, (String, Instant)>>,
    loading: FuturesUnordered<BoxFuture<'static, (Wanted, Loaded)>>,
    in_work: HashSet<Wanted>,
    room: Arc<Semaphore>,
    /// What was said last of each job type, so that it is said once.
    told: HashMap<(Target, String), String>,
}

/// Follows for as long as it is polled.
pub(crate) async fn follow(
    connection: Connection,
    handlers: Arc<Handlers>,
    sandbox: Sandbox,
    metrics: Metrics,
) {
    let mut changes = DeploymentChanges::new(connection.clone());
    let mut follower = Follower {
        policy: handlers.policy(),
        connection,
        handlers,
        sandbox,
        metrics,
        modules: HashMap::new(),
        loading: FuturesUnordered::new(),
        in_work: HashSet::new(),
        room: Arc::new(Semaphore::new(LOADS)),
        told: HashMap::new(),
    };
    let (mut deployments, mut known) = (BTreeMap::new(), false);
    loop {
        if follower.handlers.some_are_deployed() {
            // While Redis is away, what was seen last holds.
            if let Ok(seen) = follower.connection.deployments().await {
                deployments.extend(seen);
                known = true;
            }
            if known {
                follower.apply(&deployments);
            }
        }
        tokio::select! {
            Some((wanted, loaded)) = follower.loading.next() => follower.take(wanted, loaded),
            heard = changes.next(), if follower.handlers.some_are_deployed() => {
                if heard.is_err() {
                    tokio::time::sleep(LOOK).await;
                }
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

impl Follower {
    fn take(&mut self, wanted: Wanted, loaded: Loaded) {
        self.in_work.remove(&wanted);
        self.modules.insert(wanted, loaded.map_err(|why| (why, Instant::now() + RETRY)));
    }

    /// Swaps in what is loaded, and begins to load what is not.
    fn apply(&mut self, deployments: &BTreeMap<Target, Deployment>) {
        let mut needed = HashSet::new();
        for (queue, job_type) in self.handlers.deployed() {
            let target = Target { queue, job: job_type.entry.to_string() };
            let Some(deployment) = deployments.get(&target) else {
                let serves = job_type.served.load().stable.is_some();
                if !serves && self.told.insert((target.clone(), String::new()), String::new()).is_none() {
                    NothingDeployed { queue: &target.queue, job: &target.job }.emit();
                }
                continue;
            };
            let metered = job_type.limits.fuel.is_some();
            let mut digests = vec![deployment.stable.clone()];
            digests.extend(deployment.canary.as_ref().map(|canary| canary.digest.clone()));
            let found: Vec<_> = digests
                .into_iter()
                .map(|digest| {
                    needed.insert((digest.clone(), metered));
                    self.find(&target, &job_type, (digest, metered))
                })
                .collect();
            if let Some(Some(stable)) = found.first() {
                self.serve(&target, &job_type, deployment, stable.clone(), found.get(1).cloned().flatten());
            }
        }
        self.modules.retain(|wanted, _| needed.contains(wanted));
    }

    /// The module if it is loaded and fits the job type; else it is being loaded, or was refused.
    fn find(&mut self, target: &Target, job_type: &JobType, wanted: Wanted) -> Option<Module> {
        let now = Instant::now();
        let known = self.modules.get(&wanted).filter(|known| match known {
            Ok(_) => true,
            Err((_, until)) => now < *until,
        });
        let why = match known {
            None => {
                self.load(wanted);
                return None;
            }
            Some(Err((why, _))) => why.clone(),
            Some(Ok((info, module))) => match fits(info, module, job_type) {
                Ok(()) => return Some(module.clone()),
                Err(why) => why,
            },
        };
        let told = self.told.insert((target.clone(), wanted.0.clone()), why.clone());
        if told.as_ref() != Some(&why) {
            let serves = job_type.served.load().stable.is_some();
            let (queue, job, digest) = (&*target.queue, &*target.job, &*wanted.0);
            DeploymentRefused { queue, job, digest, reason: &why, serves }.emit(&self.metrics);
        }
        None
    }

    fn load(&mut self, wanted: Wanted) {
        if !self.in_work.insert(wanted.clone()) {
            return;
        }
        let (connection, sandbox) = (self.connection.clone(), self.sandbox.clone());
        let (policy, room) = (Arc::clone(&self.policy), Arc::clone(&self.room));
        self.loading.push(Box::pin(async move {
            let _room = room.acquire_owned().await;
            let (digest, metered) = wanted.clone();
            let loaded = load(&connection, sandbox, &policy, &digest, metered).await;
            (wanted, loaded)
        }));
    }

    fn serve(
        &mut self,
        target: &Target,
        job_type: &JobType,
        deployment: &Deployment,
        stable: Module,
        canary: Option<Module>,
    ) {
        let before = job_type.served.load_full();
        let part = deployment.canary.as_ref().map(|canary| canary.percent);
        let canary = canary.zip(part);
        let same_trial = match (&before.trial, &canary) {
            (None, None) => true,
            // Each revision with a canary begins a trial of its own: what came to before does not count for it.
            (Some(trial), Some((module, _))) => {
                trial.module.digest() == module.digest() && trial.revision == deployment.revision
            }
            _ => false,
        };
        let same = before.stable.as_ref().map(Module::digest) == Some(stable.digest());
        if same && same_trial {
            return;
        }
        let trial = canary.map(|(module, percent)| Trial::new(module, percent, deployment.revision));
        DeploymentFollowed {
            queue: &target.queue,
            job: &target.job,
            revision: deployment.revision,
            stable: stable.digest(),
            canary: trial.as_ref().map(|trial| (trial.module.digest(), trial.percent)),
        }
        .emit(&self.metrics);
        job_type.served.store(Arc::new(before.next(stable, trial, job_type.policy.pin)));
        self.told.retain(|(known, _), _| known != target);
        self.handlers.tell_served();
    }
}

fn fits(info: &ModuleInfo, module: &Module, job_type: &JobType) -> Result<(), String> {
    if let Handler::Deployed(name) = &job_type.source
        && *name != info.name
    {
        return Err(format!("it is the handler `{}`, and the configuration names `{name}`", info.name));
    }
    module.fits(&job_type.limits).map_err(|error| error.to_string())
}

async fn load(
    connection: &Connection,
    sandbox: Sandbox,
    policy: &Policy,
    digest: &str,
    metered: bool,
) -> Loaded {
    let (info, wasm) = connection.module(digest).await.map_err(|error| error.to_string())?;
    // What is not trusted is not even compiled.
    policy.check_texts(&info.digest, &info.signatures).map_err(|refusal| refusal.to_string())?;
    let name = match &info.version {
        Some(version) => format!("{} {version}", info.name),
        None => info.name.clone(),
    };
    // Compiling blocks.
    let loaded = tokio::task::spawn_blocking(move || sandbox.load_bytes(&name, &wasm, metered)).await;
    let module = loaded.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    Ok((Arc::new(info), module))
}
