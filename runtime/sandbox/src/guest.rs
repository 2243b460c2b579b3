//! The state behind one running guest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gristmill_core::clock::Clock;
use gristmill_core::limits::Limits;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::http::Outgoing;
use crate::log::LogSink;
use crate::log::stdio::Stdio;
use crate::memory::MemoryGauge;
use crate::{Allow, Host, Interrupter, Level, Module};

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
    table: ResourceTable,
    pub(crate) allow: Arc<Allow>,
    // Most handlers use neither; making them takes longer than a short attempt's share of the rest.
    wasi: Option<Box<WasiCtx>>,
    http: Option<Box<(WasiHttpCtx, Outgoing)>>,
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
}

impl Times {
    pub(crate) fn new(enqueued_at: u64, scheduled_at: u64, limits: &Limits) -> Self {
        let started = Instant::now();
        let after = |time: Duration| started + time.min(FAR);
        let (soft, hard) = (after(limits.soft_timeout.min(limits.timeout)), after(limits.timeout));
        Self { enqueued_at, scheduled_at, started, soft, hard }
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
    pub(crate) fn new(
        module: Module,
        limits: Arc<Limits>,
        allow: Arc<Allow>,
        host: Arc<dyn Host>,
        interrupter: Interrupter,
        times: Times,
        queue: String,
    ) -> Self {
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
            headers: Vec::new(),
            limits,
            interrupter,
            times,
            table,
            allow,
            wasi: None,
            http: None,
        }
    }

    /// Ms since the Unix epoch.
    pub(crate) fn now_ms() -> u64 {
        Clock::System.now_ms()
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let log = &self.log;
        let ctx = self.wasi.get_or_insert_with(|| Box::new(wasi(log)));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

/// WASI that grants clocks, random bytes and output; files, sockets, names, arguments and environment are empty.
fn wasi(log: &Arc<LogSink>) -> WasiCtx {
    WasiCtx::builder()
        .stdout(Stdio::new(Arc::clone(log), Level::Info))
        .stderr(Stdio::new(Arc::clone(log), Level::Warn))
        .max_random_size(MAX_RANDOM)
        .allow_ip_name_lookup(false)
        .allow_tcp(false)
        .allow_udp(false)
        .build()
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let parts = self.http.get_or_insert_with(|| {
            let mut ctx = WasiHttpCtx::new();
            ctx.set_field_size_limit(MAX_HEADERS);
            Box::new((ctx, Outgoing::new(Arc::clone(&self.allow), Arc::clone(&self.log))))
        });
        let (ctx, hooks) = &mut **parts;
        WasiHttpCtxView { hooks, table: &mut self.table, ctx }
    }
}
