//! What the tests share: a sandbox, the scripted handler, and a host that remembers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use gristmill_core::job::Job;
use gristmill_core::limits::Limits;
use gristmill_core::metric::MetricRecord;
use gristmill_core::outcome::{Outcome, Stop};
use gristmill_core::service::{Added, EnqueueError, StateAnswer, StateError, StateStep, Submission};
use gristmill_sandbox::{
    Allow, Answer, Attempt, Denied, Host, Interrupter, Level, Module, Report, Sandbox, Settings, Warm,
};
use serde_json::{Value, json};

/// The pool is smaller than the number of attempts in some tests, so that a leaked slot shows.
pub(crate) const SLOTS: usize = 32;
pub(crate) const MAX_MEMORY: u64 = 128 << 20;

static SANDBOX: LazyLock<Sandbox> =
    LazyLock::new(|| sandbox(Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cwasm"))));
static SCRIPTED: LazyLock<Module> = LazyLock::new(|| SANDBOX.load(&guest("scripted"), false).unwrap());
static METERED: LazyLock<Module> = LazyLock::new(|| SANDBOX.load(&guest("scripted"), true).unwrap());

pub(crate) fn sandbox(cache_dir: Option<PathBuf>) -> Sandbox {
    Sandbox::new(Settings {
        slots: SLOTS,
        max_memory: MAX_MEMORY,
        cache_dir,
        cache_size: 1 << 30,
        compiler: None,
    })
    .unwrap()
}

/// The sandbox of most tests; compiled handlers stay between runs.
pub(crate) fn shared() -> &'static Sandbox {
    &SANDBOX
}

pub(crate) fn scripted() -> &'static Module {
    &SCRIPTED
}

/// A guest program that `cargo xtask guests` has built.
pub(crate) fn guest(name: &str) -> PathBuf {
    let dir = std::env::var_os("GRISTMILL_GUESTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"), PathBuf::from);
    let path = dir.join(format!("{name}.wasm"));
    assert!(path.exists(), "`{}` is missing; run `cargo xtask guests` to build it", path.display());
    path
}

/// Remembers what a guest says.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) logs: Mutex<Vec<(Level, String)>>,
    pub(crate) progress: Mutex<Vec<String>>,
    pub(crate) metrics: Mutex<Vec<MetricRecord>>,
    pub(crate) enqueued: Mutex<Vec<Submission>>,
    pub(crate) denied: Mutex<Vec<Denied>>,
    pub(crate) checkpoint: Mutex<Option<Vec<u8>>>,
}

impl Recorder {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.logs.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }
}

impl Host for Recorder {
    fn log(&self, level: Level, line: String) {
        self.logs.lock().unwrap().push((level, line));
    }

    fn progress(&self, json: String) {
        self.progress.lock().unwrap().push(json);
    }

    fn metric(&self, record: MetricRecord) {
        self.metrics.lock().unwrap().push(record);
    }

    fn denied(&self, what: Denied) {
        self.denied.lock().unwrap().push(what);
    }

    fn enqueue(&self, jobs: Vec<Submission>) -> Answer<'_, Result<Vec<Added>, EnqueueError>> {
        let added = jobs.iter().map(|job| Added { id: job.name.clone(), existing: false }).collect();
        self.enqueued.lock().unwrap().extend(jobs);
        Box::pin(std::future::ready(Ok(added)))
    }

    fn save_checkpoint(&self, data: Vec<u8>) -> Answer<'_, Result<(), String>> {
        *self.checkpoint.lock().unwrap() = Some(data);
        Box::pin(std::future::ready(Ok(())))
    }

    fn load_checkpoint(&self) -> Answer<'_, Result<Option<Vec<u8>>, String>> {
        Box::pin(std::future::ready(Ok(self.checkpoint.lock().unwrap().clone())))
    }

    /// A server that never answers.
    fn state(&self, _: String, _: StateStep) -> Answer<'_, Result<StateAnswer, StateError>> {
        Box::pin(std::future::pending())
    }
}

/// An attempt to run and the host that it will talk to.
pub(crate) struct Trial {
    pub(crate) module: Module,
    pub(crate) steps: Value,
    pub(crate) limits: Limits,
    pub(crate) allow: Allow,
    pub(crate) interrupter: Interrupter,
    pub(crate) warm: Option<Arc<Warm>>,
    pub(crate) host: Arc<Recorder>,
}

/// A trial of the scripted handler, which gives it 10 s.
pub(crate) fn script(steps: Value) -> Trial {
    trial(scripted().clone(), steps)
}

/// A trial of the scripted handler, counting fuel.
pub(crate) fn metered(steps: Value) -> Trial {
    trial(METERED.clone(), steps)
}

pub(crate) fn trial(module: Module, steps: Value) -> Trial {
    let time = Duration::from_secs(10);
    Trial {
        module,
        steps,
        limits: Limits { timeout: time, soft_timeout: time, ..Limits::default() },
        allow: Allow::default(),
        interrupter: Interrupter::default(),
        warm: None,
        host: Arc::default(),
    }
}

impl Trial {
    pub(crate) fn limits(mut self, set: impl FnOnce(&mut Limits)) -> Self {
        set(&mut self.limits);
        self
    }

    pub(crate) fn timeout(self, millis: u64) -> Self {
        self.limits(|limits| limits.timeout = Duration::from_millis(millis))
    }

    pub(crate) fn attempt(&self) -> Attempt {
        Attempt {
            job: Job {
                id: "41".to_owned(),
                name: "trial".to_owned(),
                queue: "trials".to_owned(),
                attempt: 1,
                max_attempts: 3,
                data: serde_json::to_vec(&json!({ "steps": self.steps })).unwrap(),
                enqueued_at_ms: 1_700_000_000_000,
                scheduled_at_ms: 1_700_000_001_000,
                headers: Vec::new(),
            },
            limits: Arc::new(self.limits.clone()),
            allow: Arc::new(self.allow.clone()),
            host: Arc::<Recorder>::clone(&self.host),
            interrupter: self.interrupter.clone(),
            warm: self.warm.clone(),
        }
    }

    pub(crate) async fn run(&self) -> Report {
        shared().run(&self.module, self.attempt()).await
    }

    /// Runs it and expects the host to have ended it.
    pub(crate) async fn stopped(&self) -> Stop {
        match self.run().await.outcome {
            Outcome::Stopped(stop) => stop,
            other => panic!("not stopped: {other:?}"),
        }
    }

    /// Runs it and expects a value.
    pub(crate) async fn returned(&self) -> Value {
        match self.run().await.outcome {
            Outcome::Returned(value) => {
                value.map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap())
            }
            other => panic!("nothing returned: {other:?}"),
        }
    }
}
