//! The state behind one running guest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gristmill_core::clock::Clock;
use gristmill_core::limits::Limits;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::files::Files;
use crate::http::Outgoing;
use crate::log::LogSink;
use crate::log::stdio::{Current, Stdio};
use crate::memory::MemoryGauge;
use crate::turns::Place;
use crate::verdict::Ending;
use crate::{Allow, Host, Interrupter, Level, Module, Recycled};

/// Entries of the table of host resources; a stream, a pollable, a header list is one each.
const MAX_RESOURCES: usize = 1_024;
/// Bytes that one call for random bytes may return.
const MAX_RANDOM: u64 = 64 << 10;
/// Bytes of one header list in memory.
const MAX_HEADERS: usize = 64 << 10;
/// Where an unlimited time ends.
const FAR: Duration = Duration::from_hours(24 * 365 * 10);

/// What the host functions of one attempt work on.
pub(crate) struct Guest {
    /// What it is an instance of.
    pub module: Module,
    pub(crate) memory: MemoryGauge,
    pub(crate) log: Arc<LogSink>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) interrupter: Interrupter,
    pub(crate) times: Times,
    pub(crate) updates: Budget,
    pub(crate) records: Budget,
    /// Calls that wait for Redis.
    pub(crate) calls: Budget,
    pub(crate) enqueued: Budget,
    /// The queue of the job, which asks for new ones.
    pub(crate) queue: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) place: Place,
    pub(crate) table: ResourceTable,
    pub(crate) allow: Arc<Allow>,
    // Most handlers use neither; making them takes longer than a short attempt's share of the rest.
    wasi: Option<Box<(WasiCtx, Current)>>,
    http: Option<Box<(WasiHttpCtx, Outgoing)>>,
}

/// What is new with each attempt.
pub(crate) struct Start {
    pub(crate) limits: Arc<Limits>,
    pub(crate) allow: Arc<Allow>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) interrupter: Interrupter,
    pub(crate) times: Times,
    pub(crate) queue: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) place: Place,
}

/// When things happened and when they must end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Ms since the Unix epoch, from the job.
    pub(crate) enqueued_at: u64,
    /// Ms since the Unix epoch, from the job.
    pub(crate) scheduled_at: u64,
    /// When the attempt began.
    pub(crate) started: Instant,
    /// When the guest is told to finish.
    pub(crate) soft: Instant,
    /// When the guest is stopped.
    pub(crate) hard: Instant,
    /// When it is stopped if it computes; at least `hard`.
    pub(crate) computing: Instant,
}

impl Times {
    pub(crate) fn new(enqueued_at: u64, scheduled_at: u64, limits: &Limits) -> Self {
        let started = Instant::now();
        let after = |time: Duration| started + time.min(FAR);
        let (soft, hard) = (after(limits.soft_timeout.min(limits.timeout)), after(limits.timeout));
        let computing = after(limits.computing_timeout.unwrap_or(limits.timeout)).max(hard);
        Self { enqueued_at, scheduled_at, started, soft, hard, computing }
    }
}

/// A number of things that a guest may do.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
    dropped: u32,
}

impl Budget {
    pub(crate) fn new(allowed: u32) -> Self {
        Self { left: allowed, dropped: 0 }
    }

    /// Takes one; false when none is left, which counts as dropped.
    pub(crate) fn take(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            self.refuse();
            return false;
        };
        self.left = left;
        true
    }

    /// Takes as many, or none.
    pub(crate) fn take_all(&mut self, count: usize) -> bool {
        let left = u32::try_from(count).ok().and_then(|count| self.left.checked_sub(count));
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Counts one as dropped.
    pub(crate) fn refuse(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    pub(crate) fn dropped(&self) -> u32 {
        self.dropped
    }
}

impl Guest {
    pub(crate) fn new(module: Module, start: Start) -> Self {
        let Start { limits, allow, host, interrupter, times, queue, headers, place } = start;
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self {
            module,
            memory: MemoryGauge::new(limits.memory, limits.soft_memory),
            log: Arc::new(LogSink::new(Arc::clone(&host), limits.log_lines, limits.log_line_bytes)),
            host,
            updates: Budget::new(limits.progress_updates),
            records: Budget::new(limits.metric_records),
            calls: Budget::new(limits.service_calls),
            enqueued: Budget::new(limits.enqueued_jobs),
            queue,
            headers,
            place,
            limits,
            interrupter,
            times,
            table,
            allow,
            wasi: None,
            http: None,
        }
    }

    /// Makes a resting instance ready for its next attempt: all is new but its memory, its streams and its handles.
    pub(crate) fn begin(&mut self, start: Start) {
        let fresh = Self::new(self.module.clone(), start);
        let Self { memory, table, wasi, http, .. } = std::mem::replace(self, fresh);
        (self.memory, self.table, self.wasi, self.http) = (memory, table, wasi, http);
        self.memory.begin();
        if let Some((_, stdio)) = self.wasi.as_deref_mut() {
            stdio.set(Arc::clone(&self.log));
        }
        if let Some((_, outgoing)) = self.http.as_deref_mut() {
            outgoing.begin(Arc::clone(&self.log), Arc::clone(&self.host));
        }
    }

    /// Why this instance must not serve another attempt, after one that ended so.
    pub(crate) fn unfit(&self, ending: &Ending) -> Option<Recycled> {
        if !matches!(ending, Ending::Done(Ok(_))) || self.memory.denied() {
            return Some(Recycled::Ended);
        }
        if self.memory.is_past_soft() {
            return Some(Recycled::Memory);
        }
        self.http.as_ref().is_some_and(|parts| parts.1.is_open()).then_some(Recycled::Leftovers)
    }

    /// Its file system, for the linker.
    pub(crate) fn files(&mut self) -> Files<'_> {
        let quota = self.allow.quota.clone();
        let host = Arc::clone(&self.host);
        Files { view: self.filesystem(), quota, host }
    }

    /// Ms since the Unix epoch.
    pub(crate) fn now_ms() -> u64 {
        Clock::System.now_ms()
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (log, allow) = (&self.log, &self.allow);
        let parts = self.wasi.get_or_insert_with(|| {
            let current = Current::new(Arc::clone(log));
            Box::new((wasi(&current, allow), current))
        });
        WasiCtxView { ctx: &mut parts.0, table: &mut self.table }
    }
}

/// WASI that grants clocks, random bytes, output, and the environment and directories of the job type; sockets, names
/// and arguments are empty.
fn wasi(log: &Current, allow: &Allow) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder
        .stdout(Stdio::new(log.clone(), Level::Info))
        .stderr(Stdio::new(log.clone(), Level::Warn))
        .max_random_size(MAX_RANDOM)
        .allow_ip_name_lookup(false)
        .allow_tcp(false)
        .allow_udp(false)
        .envs(&allow.env);
    for directory in &allow.directories {
        // Looked at when the worker started; one that is gone since is missing for the guest.
        let opened = builder.preopened_dir(&directory.host, &directory.guest, directory.permissions());
        if let Err(error) = opened {
            tracing::warn!(directory = %directory.host.display(), error = format!("{error:#}"), "a directory of a job type cannot be opened");
        }
    }
    builder.build()
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let parts = self.http.get_or_insert_with(|| {
            let mut ctx = WasiHttpCtx::new();
            ctx.set_field_size_limit(MAX_HEADERS);
            let (log, host) = (Arc::clone(&self.log), Arc::clone(&self.host));
            Box::new((ctx, Outgoing::new(Arc::clone(&self.allow), log, host)))
        });
        let (ctx, hooks) = &mut **parts;
        WasiHttpCtxView { hooks, table: &mut self.table, ctx }
    }
}
