//! The process: its runtimes, its signals, and the worker in it.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gristmill_control::{Bound, Heartbeat, Identity, Sources};
use gristmill_core::clock::Clock;
use gristmill_core::config::Config;
use gristmill_core::units::{show_duration, show_size};
use gristmill_engine::{Context, Control, Drained, Handlers, Worker};
use gristmill_queue::{Connection, Keys, Monitor, Server};
use gristmill_registry::Policy;
use gristmill_sandbox::{Compiler, Sandbox, Settings};
use gristmill_telemetry::{Metrics, Otlp, OtlpSettings};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tracing_subscriber::EnvFilter;

use crate::arguments::Global;
use crate::failure::Failure;
use crate::settings;

/// For telling the other workers that this one ends.
const LEAVE: std::time::Duration = std::time::Duration::from_secs(1);

/// For the spans and metrics of the last seconds.
const LAST_SPANS: std::time::Duration = std::time::Duration::from_secs(4);

/// Log lines go to stderr; `GRISTMILL_LOG` filters them (`debug`, `warn`).
pub(crate) fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("GRISTMILL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(|| Stderr);
    // Only the first call of a process counts.
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
}

/// Standard error for log lines. One that nobody reads any more loses lines; it must not end the task that logs.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = std::io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let _ = std::io::stderr().flush();
        Ok(())
    }
}

/// The runtime of everything that is not a guest.
pub(crate) fn host_runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_multi_thread().worker_threads(1).thread_name("host").enable_all().build()?)
}

/// The guests' own runtime, so that a computing guest delays no lock renewal.
pub(crate) fn guest_runtime(threads: Option<usize>) -> Result<Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Builder::new_multi_thread()
        .worker_threads(threads.unwrap_or(cores))
        .thread_name("guest")
        .enable_all()
        .build()?)
}

/// This program, to compile a handler in a process of its own.
pub(crate) fn compiler(timeout: std::time::Duration) -> Option<Compiler> {
    let program = std::env::current_exe().ok()?;
    Some(Compiler { program, timeout })
}

/// A sandbox for one attempt at a time, with the worker's cache.
pub(crate) fn small_sandbox(global: &Global, max_memory: u64) -> Result<Sandbox, Failure> {
    let worker = settings::interpret(global, None, true).config.worker;
    let (cache_dir, cache_size) = (worker.cache_dir, worker.cache_size);
    let compiler = compiler(worker.compile_timeout);
    Sandbox::new(Settings { slots: 1, max_memory, cache_dir, cache_size, compiler }).map_err(Failure::usage)
}

/// A sandbox as large as the configuration needs.
pub(crate) fn sandbox(config: &Config) -> Result<Sandbox, Failure> {
    let types = || config.queues.values().flat_map(|q| q.jobs.values());
    let settings = Settings {
        slots: config.queues.values().map(|q| q.concurrency).sum::<usize>().clamp(1, config.shares().slots),
        max_memory: types().map(|t| t.limits.memory).max().unwrap_or(64 << 20),
        cache_dir: config.worker.cache_dir.clone(),
        cache_size: config.worker.cache_size,
        compiler: compiler(config.worker.compile_timeout),
    };
    Sandbox::new(settings).map_err(Failure::new)
}

/// Loads every handler and says so.
pub(crate) fn handlers(config: &Config, sandbox: &Sandbox, metrics: &Metrics) -> Result<Handlers, Failure> {
    Handlers::load(config, sandbox, metrics, policy(config)?, |path, module| {
        let (handler, size, digest) = (path.display(), show_size(module.size()), module.digest());
        tracing::info!(%handler, %size, digest, "handler loaded");
    })
    .map_err(|problems| {
        let line = |p: gristmill_engine::HandlerProblem| format!("{}: {}", p.place, p.message);
        Failure::problems(problems.into_iter().map(line).collect())
    })
}

/// What the configuration says of signatures.
pub(crate) fn policy(config: &Config) -> Result<Policy, Failure> {
    Policy::read(&config.registry).map_err(|error| Failure::problems(vec![error.to_string()]))
}

/// A worker that is ready to run, with what must live as long as it does.
pub(crate) struct Host {
    pub worker: Worker,
    pub handlers: Arc<Handlers>,
    guests: Runtime,
    bound: Bound,
    sources: Sources,
    heartbeat: Heartbeat,
    otlp: Otlp,
    config: Config,
    reread: Reread,
}

/// Reads the configuration anew, as it was read at the start.
pub(crate) type Reread = Box<dyn Fn() -> Result<Config, Failure> + Send + Sync>;

/// Where the configuration says that Redis is.
pub(crate) fn server(redis: &gristmill_core::config::Redis) -> Server {
    Server { url: redis.url.clone(), nodes: redis.nodes.clone(), master: redis.master.clone() }
}

/// Connects, binds and compiles; starts nothing. `reread` serves HUP.
pub(crate) async fn build(config: Config, reread: Reread) -> Result<Host, Failure> {
    let clock = Clock::System;
    let metrics = Metrics::new().map_err(Failure::new)?;
    let bound = Bound::bind(config.server.listen).map_err(Failure::usage)?;
    let sandbox = sandbox(&config)?;
    let handlers = Arc::new(handlers(&config, &sandbox, &metrics)?);
    let (connection, facts) = Connection::open_at(&server(&config.redis)).await?;
    for queue in config.queues.keys() {
        connection.check_keys(&Keys::new(&config.redis.prefix, queue))?;
    }
    tracing::info!(redis = connection.address(), version = facts.version, "connected");
    if facts.eviction.as_deref().is_some_and(|policy| policy != "noeviction") {
        let policy = facts.eviction.unwrap_or_default();
        tracing::warn!(
            policy,
            "Redis may drop jobs when its memory is full; set `maxmemory-policy noeviction`"
        );
    }
    let guests = guest_runtime(config.worker.threads)?;
    let identity = identity(&config, bound.address());
    let otlp = otlp(&config, &identity, &metrics)?;
    let context = Context {
        clock: clock.clone(),
        random: rand::random::<f64>,
        metrics: metrics.clone(),
        sandbox,
        guests: guests.handle().clone(),
        tracer: otlp.tracer(),
    };
    let heartbeat = Heartbeat::new(clock);
    let counted = connection.clone();
    let redis = server(&config.redis);
    let prefix = config.redis.prefix.clone();
    let queues = config.queues.keys().cloned().collect();
    let worker = Worker::new(config.clone(), connection, Arc::clone(&handlers), context);
    let control = worker.control();
    let heartbeat_of = heartbeat.clone();
    let sources = Sources {
        metrics,
        control,
        handlers: Arc::clone(&handlers),
        heartbeat: heartbeat_of,
        redis,
        config: Arc::new(config.clone()),
        identity,
        connection: counted,
        prefix,
        queues,
    };
    Ok(Host { worker, handlers, guests, bound, sources, heartbeat, otlp, config, reread })
}

/// What sends traces and metrics to a collector, where the configuration names one.
fn otlp(config: &Config, identity: &Identity, metrics: &Metrics) -> Result<Otlp, Failure> {
    let telemetry = &config.telemetry;
    let Some(endpoint) = telemetry.otlp.clone() else { return Ok(Otlp::default()) };
    let settings = OtlpSettings {
        endpoint,
        traces: telemetry.traces,
        metrics: telemetry.metrics,
        sample: telemetry.sample,
        worker_id: identity.id.clone(),
        worker_name: identity.name.clone(),
    };
    let otlp = Otlp::start(&settings, metrics).map_err(Failure::usage)?;
    tracing::info!(otlp = settings.endpoint, traces = settings.traces, metrics = settings.metrics, "sending");
    Ok(otlp)
}

/// Who this process is among all workers.
fn identity(config: &Config, listen: std::net::SocketAddr) -> Identity {
    let host = sysinfo::System::host_name().unwrap_or_else(|_| "unknown".to_owned());
    let name = config.worker.name.clone().unwrap_or_else(|| format!("{host}-{}", std::process::id()));
    let (id, started_ms) = (uuid::Uuid::now_v7().to_string(), Clock::System.now_ms());
    Identity { id, name, host, started_ms, listen: listen.to_string() }
}

impl Host {
    /// Where metrics and health answer.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.bound.address()
    }

    /// Runs until a signal has drained the worker. `ready` is called once signals are obeyed.
    pub(crate) async fn run(self, ready: impl FnOnce()) -> Result<Drained, Failure> {
        let Self { worker, handlers, guests, bound, sources, heartbeat, otlp, config, reread } = self;
        let control = worker.control();
        let hurry = Arc::new(Notify::new());
        let reload = Arc::new(Reload { handlers, config, reread });
        let told = Arc::new(AtomicBool::new(false));
        let signals = tokio::spawn(obey_signals(control, reload, Arc::clone(&hurry), Arc::clone(&told))?);
        let beat = tokio::spawn(heartbeat.run());
        let monitor = Monitor::new(sources.connection.clone(), &sources.prefix);
        let id = sources.identity.id.clone();
        bound.serve(sources).map_err(Failure::new)?;
        ready();
        let mut drained = tokio::select! {
            drained = worker.run() => drained,
            () = hurry.notified() => {
                tracing::warn!("ended at once; jobs that were running are found by another worker");
                Drained { timed_out: true, again: None, cut_short: true }
            }
        };
        // Whoever ends a worker that is just about to start anew means it.
        if told.load(Ordering::Relaxed) {
            drained.again = None;
        }
        // Whoever looks at workers need not wait until this one is missed; nor need the one that looks after all next.
        let leave = async {
            let _ = monitor.leave(&id).await;
            let _ = monitor.step_down(&id).await;
        };
        let _ = tokio::time::timeout(LEAVE, leave).await;
        let _ = tokio::task::spawn_blocking(move || otlp.shutdown(LAST_SPANS)).await;
        signals.abort();
        beat.abort();
        // A guest that does not yield within its epoch must not keep the process.
        guests.shutdown_background();
        Ok(drained)
    }
}

/// TERM and INT drain, a second INT ends at once; TSTP takes no more jobs, CONT takes them again; HUP reads the
/// configuration and changed handlers; TTIN says what every slot runs.
fn obey_signals(
    control: Control,
    reload: Arc<Reload>,
    hurry: Arc<Notify>,
    told: Arc<AtomicBool>,
) -> Result<impl Future<Output = ()>, Failure> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    // Numbers of Linux and macOS, which tokio has no names for.
    let (tstp_number, cont_number, ttin_number) =
        if cfg!(target_os = "macos") { (18, 19, 21) } else { (20, 18, 21) };
    let mut tstp = signal(SignalKind::from_raw(tstp_number))?;
    let mut cont = signal(SignalKind::from_raw(cont_number))?;
    let mut ttin = signal(SignalKind::from_raw(ttin_number))?;
    let mut hup = signal(SignalKind::hangup())?;
    Ok(async move {
        let mut interrupted = false;
        loop {
            tokio::select! {
                _ = term.recv() => {
                    tracing::info!("draining: no new jobs, running ones may finish");
                    told.store(true, Ordering::Relaxed);
                    control.drain();
                }
                _ = int.recv() => {
                    if std::mem::replace(&mut interrupted, true) {
                        hurry.notify_one();
                    }
                    tracing::info!("draining: no new jobs, running ones may finish; again to end at once");
                    told.store(true, Ordering::Relaxed);
                    control.drain();
                }
                _ = tstp.recv() => {
                    if control.set_quiet(true) {
                        tracing::info!("no new jobs until CONT; running ones go on");
                    }
                }
                _ = cont.recv() => {
                    if control.set_quiet(false) {
                        tracing::info!("taking jobs again");
                    }
                }
                _ = hup.recv() => {
                    let reload = Arc::clone(&reload);
                    // Compiling blocks; what comes of it is logged.
                    drop(tokio::task::spawn_blocking(move || reload.run()));
                }
                _ = ttin.recv() => show_running(&control),
            }
        }
    })
}

/// What HUP does.
struct Reload {
    handlers: Arc<Handlers>,
    /// As the worker was started.
    config: Config,
    reread: Reread,
}

impl Reload {
    /// Takes up what can be taken up while jobs run; a configuration that is not whole changes nothing.
    fn run(&self) {
        let config = match (self.reread)() {
            Ok(config) => config,
            Err(failure) => return tracing::error!("the old configuration stays: {failure}"),
        };
        let waiting = self.config.needs_restart(&config);
        if !waiting.places.is_empty() {
            tracing::warn!(settings = waiting.places.join(", "), "these changes need a restart");
        }
        if waiting.too_large {
            return tracing::error!("the old job types stay: one needs more memory than the worker laid out");
        }
        match self.handlers.replace(&config) {
            Ok(()) => tracing::info!("configuration read again"),
            Err(problems) => {
                for problem in problems {
                    tracing::error!("the old job types stay: {}: {}", problem.place, problem.message);
                }
            }
        }
    }
}

fn show_running(control: &Control) {
    let now = Clock::System.now_ms();
    let running = control.running();
    tracing::info!(slots = running.len(), "running now");
    for job in running {
        let since = show_duration(std::time::Duration::from_millis(now.saturating_sub(job.since_ms)));
        tracing::info!(queue = job.queue, id = job.id, name = job.name, %since, "slot");
    }
}
