//! The way in: settings, loading and running.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gristmill_core::limits::Limits;
use gristmill_core::outcome::Outcome;

use crate::cache::Cache;
use crate::engine::Machine;
use crate::module::{MAX_MODULE_BYTES, Module};
use crate::turns::Line;
use crate::warm::Slots;
use crate::{Attempt, Compiler, ModuleError, Recycled, Recycling, Report, SandboxError, Warm, pool, run};

/// Slots beyond which a pool's counters would not fit.
const MAX_SLOTS: usize = 100_000;

/// What a sandbox is made for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Attempts that run at the same time; at least 1. Each takes 6 memory maps of the process.
    pub slots: usize,
    /// Bytes that the most generous job type allows an attempt; at most 4 GiB. Only address space is reserved for it.
    pub max_memory: u64,
    /// Where compiled handlers are kept; made if missing, and not used if others could write to it.
    pub cache_dir: Option<PathBuf>,
    /// Bytes that they may have together there; beyond that the least recently used are removed.
    pub cache_size: u64,
    /// What compiles handlers into that directory; `None`: this process.
    pub compiler: Option<Compiler>,
}

/// Loads handlers and runs attempts. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    count: u32,
    max_memory: u64,
    cache: Option<Cache>,
    compiler: Option<Compiler>,
    slots: Slots,
    line: Line,
    machines: Mutex<Machines>,
}

/// Metering is compiled in, so metered handlers need an engine of their own; each is made when first needed.
#[derive(Default)]
struct Machines {
    plain: Option<Arc<Machine>>,
    metered: Option<Arc<Machine>>,
}

impl Sandbox {
    /// Checks the settings against the machine. Engines are made when the first handler is loaded.
    pub fn new(settings: Settings) -> Result<Self, SandboxError> {
        let slots = settings.slots;
        let counted = u32::try_from(slots).ok().filter(|_| (1..=MAX_SLOTS).contains(&slots));
        let counted = counted.ok_or(SandboxError::Slots { slots })?;
        pool::check_map_count(counted, 1)?;
        let cache = settings.cache_dir.and_then(|dir| match Cache::open(&dir, settings.cache_size) {
            Ok(cache) => Some(cache),
            Err(reason) => {
                tracing::warn!(directory = %dir.display(), %reason, "handlers are compiled at every start: the cache directory is not used");
                None
            }
        });
        Ok(Self(Arc::new(Inner {
            count: counted,
            max_memory: settings.max_memory,
            cache,
            compiler: settings.compiler,
            slots: Slots::new(slots),
            line: Line::default(),
            machines: Mutex::default(),
        })))
    }

    /// Loads a handler from a file; `metered` makes it count fuel. Compiling takes from a fraction of a second to
    /// many seconds of all cores: call it where blocking is allowed.
    pub fn load(&self, path: &Path, metered: bool) -> Result<Module, ModuleError> {
        self.load_bytes(&path.display().to_string(), &Self::read(path)?, metered)
    }

    /// The bytes of a handler's file, if it is no larger than handlers may be.
    pub fn read(path: &Path) -> Result<Vec<u8>, ModuleError> {
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ModuleError::NotFound { path: path.to_owned() },
            _ => ModuleError::Read { path: path.to_owned(), source },
        };
        let name = path.display().to_string();
        let size = fs::metadata(path).map_err(unreadable)?.len();
        check_size(&name, size)?;
        fs::read(path).map_err(unreadable)
    }

    /// Loads a handler from memory; `name` is for messages. Blocks like [`Sandbox::load`].
    pub fn load_bytes(&self, name: &str, wasm: &[u8], metered: bool) -> Result<Module, ModuleError> {
        check_size(name, wasm.len() as u64)?;
        let machine = self.machine(metered)?;
        let (cache, compiler) = (self.0.cache.as_ref(), self.0.compiler.as_ref());
        Module::make(&machine, cache, compiler, name, wasm, metered, self.0.max_memory)
    }

    /// Room for the instances of one job type that serve several attempts. `recycled` is told of each that is let go.
    pub fn warm(
        &self,
        recycling: Recycling,
        recycled: impl Fn(Recycled) + Send + Sync + 'static,
    ) -> Arc<Warm> {
        let warm = Arc::new(Warm::new(recycling, Box::new(recycled)));
        self.0.slots.register(&warm);
        warm
    }

    /// Drops every resting instance, for its memory.
    pub fn drop_resting(&self) {
        self.0.slots.evict(usize::MAX);
    }

    /// Runs one attempt: in an instance of `attempt.warm` that rests, else in a fresh one, which is gone when this
    /// returns unless it may serve again. Waits for a slot if all are taken; the
    /// attempt's time begins after that. Dropping the future ends the attempt.
    pub async fn run(&self, module: &Module, attempt: Attempt) -> Report {
        run::run(&self.0.slots, &self.0.line, module, attempt).await
    }

    /// Makes an instance and drops it: the outcome is `Returned` if the handler can start within these limits, else it says
    /// what stopped it.
    pub async fn start(&self, module: &Module, limits: &Arc<Limits>) -> Outcome {
        run::start(&self.0.slots, &self.0.line, module, Arc::clone(limits)).await
    }

    /// Instances that exist now.
    #[must_use]
    pub fn live_instances(&self) -> u64 {
        let machines = self.0.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let live = |machine: &Option<Arc<Machine>>| {
            let metrics = machine.as_ref().and_then(|machine| machine.engine.pooling_allocator_metrics());
            metrics.map_or(0, |metrics| metrics.component_instances())
        };
        live(&machines.plain) + live(&machines.metered)
    }

    fn machine(&self, metered: bool) -> Result<Arc<Machine>, SandboxError> {
        let mut machines = self.0.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let Machines { plain, metered: with_fuel } = &mut *machines;
        let (wanted, other) = if metered { (with_fuel, plain) } else { (plain, with_fuel) };
        if let Some(machine) = wanted {
            return Ok(Arc::clone(machine));
        }
        pool::check_map_count(self.0.count, if other.is_some() { 2 } else { 1 })?;
        let machine = Arc::new(Machine::new(self.0.count, self.0.max_memory, metered)?);
        Ok(Arc::clone(wanted.insert(machine)))
    }
}

fn check_size(name: &str, size: u64) -> Result<(), ModuleError> {
    if size <= MAX_MODULE_BYTES {
        return Ok(());
    }
    Err(ModuleError::FileSize { name: name.to_owned(), size })
}
