//! A worker: its queues' pumps and everything beside them, from start to drained.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use gristmill_core::clock::Clock;
use gristmill_core::config::Config;
use gristmill_core::outcome::Interrupt;
use gristmill_core::pressure::Pressure;
use gristmill_queue::{Connection, Keys, Marker, Queue, announce};
use gristmill_sandbox::Sandbox;
use gristmill_telemetry::event::{ReportsCut, WorkerRecycled};
use gristmill_telemetry::{Metrics, Tracer};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::attempt::Executor;
use crate::guards::Guards;
use crate::handlers::Handlers;
use crate::held::{Held, Running};
use crate::ledger::{Ledger, resident_memory};
use crate::lifetime::{Again, Lifetime};
use crate::listener::Listener;
use crate::pump::Pump;
use crate::shares::{self, Shares};
use crate::{canary, deployments, learn, reporter, settings, upkeep};

/// After the interrupts of a drain, settlements get this long to reach Redis.
const LAST_CALLS: Duration = Duration::from_secs(10);

/// What every part of a worker shares.
#[derive(Clone)]
pub struct Context {
    /// The wall clock.
    pub clock: Clock,
    /// Numbers in [0, 1), for jitter.
    pub random: fn() -> f64,
    /// Where events go.
    pub metrics: Metrics,
    /// Where attempts run.
    pub sandbox: Sandbox,
    /// The guests' own runtime.
    pub guests: tokio::runtime::Handle,
    /// Where spans of attempts begin.
    pub tracer: Tracer,
}

/// What a worker does with new jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Takes them.
    Taking,
    /// Leaves them to others; running ones go on.
    Quiet,
    /// Leaves them to others, and ends when the running ones have.
    Draining,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// True when some attempts did not end in time and were handed back, or could not be settled.
    pub timed_out: bool,
    /// Why it drained by itself and is to be started again; `None` when it was told to.
    pub again: Option<Again>,
    /// True when it was ended in the middle of the drain: what ran is left to other workers.
    pub cut_short: bool,
}

/// Steers a running worker. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    phase: watch::Sender<Phase>,
    held: Arc<Vec<(String, Arc<Held>)>>,
}

impl Control {
    /// Starts the drain; there is no way back.
    pub fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Stops taking jobs, or starts again; a drain stays a drain. Answers whether anything changed.
    #[must_use]
    pub fn set_quiet(&self, quiet: bool) -> bool {
        self.phase.send_if_modified(|phase| {
            let next = if quiet { Phase::Quiet } else { Phase::Taking };
            let changes = *phase != Phase::Draining && *phase != next;
            if changes {
                *phase = next;
            }
            changes
        })
    }

    /// What it does now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// What every slot runs.
    #[must_use]
    pub fn running(&self) -> Vec<Running> {
        self.held.iter().flat_map(|(queue, held)| held.running(queue)).collect()
    }
}

/// A worker that is built and not yet started.
pub struct Worker {
    context: Context,
    connection: Connection,
    handlers: Arc<Handlers>,
    config: Arc<Config>,
    id: Arc<str>,
    control: Control,
}

impl Worker {
    /// Puts a worker together; nothing is taken before [`Worker::run`].
    #[must_use]
    pub fn new(config: Config, connection: Connection, handlers: Arc<Handlers>, context: Context) -> Self {
        let id = uuid::Uuid::now_v7().to_string().into();
        let held = config.queues.keys().map(|queue| (queue.clone(), Arc::default())).collect();
        let control = Control { phase: watch::Sender::new(Phase::Taking), held: Arc::new(held) };
        Self { context, connection, handlers, config: Arc::new(config), id, control }
    }

    /// The handle to steer it with.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Runs until drained.
    pub async fn run(self) -> Drained {
        let worker = &self.config.worker;
        let queue = |name: &String| Queue::new(self.connection.clone(), &self.config.redis.prefix, name);
        let queues: Vec<Queue> = self.config.queues.keys().map(queue).collect();
        let held: Vec<Arc<Held>> = self.control.held.iter().map(|(_, held)| Arc::clone(held)).collect();
        let (wakes, woken): (Vec<_>, Vec<_>) = queues.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let keys = queues.iter().map(|q| q.keys().clone());
        let listeners = self.listeners(keys.clone().zip(wakes));

        let ledger = Ledger::new(worker.memory, resident_memory());
        self.handlers.tell_too_large(ledger.capacity());
        let mut beside = JoinSet::new();
        beside.spawn(ledger.clone().watch(self.context.metrics.clone(), self.context.sandbox.clone()));
        beside.spawn(learn::run(self.context.clone(), Arc::clone(&self.handlers), queues.clone()));
        self.follow_deployments(&mut beside);
        let definitions = self.handlers.definitions();
        let guards = Guards::new(self.connection.clone(), definitions, self.context.metrics.clone());
        let lifetime = Lifetime::new(worker.recycle_after_jobs, worker.recycle_after);
        beside.spawn(announce(self.connection.clone(), keys.collect(), worker.name.clone()));
        let (context, every) = (self.context.clone(), worker.stalled_interval);
        beside.spawn(upkeep::find_stalled(context, queues.clone(), every, worker.max_stalled_count));
        let named = queues.iter().map(|queue| (queue.keys().queue_key(), queue.name().to_owned()));
        let named = named.zip(held.iter().cloned()).collect();
        let (context, connection) = (self.context.clone(), self.connection.clone());
        beside.spawn(upkeep::obey_cancellations(context, connection, named));
        let pairs = queues.iter().cloned().zip(held.iter().cloned()).collect();
        let mut renewal = JoinSet::new();
        renewal.spawn(upkeep::renew(self.context.clone(), pairs, worker.lock_duration));
        let mut listening = JoinSet::new();
        for listener in listeners.values() {
            listening.spawn(listener.clone().run());
        }

        let mut pumps = JoinSet::new();
        let mut reporters = JoinSet::new();
        let calls = Arc::new(AtomicU64::new(0));
        let slots = Shares::new(&self.config, ledger.capacity());
        self.context.metrics.set_worker_slots(self.config.shares().slots);
        let config = Arc::clone(&self.config);
        beside.spawn(settings::follow(
            self.connection.clone(),
            Arc::clone(&self.handlers),
            Arc::clone(&slots),
            self.context.metrics.clone(),
        ));
        let (metrics, clock) = (self.context.metrics.clone(), self.context.clock.clone());
        beside.spawn(shares::age(metrics, clock, Arc::clone(&slots), config, queues.clone()));
        for (n, ((queue, held), woken)) in queues.iter().zip(&held).zip(woken).enumerate() {
            let (reports, reported) = mpsc::unbounded_channel();
            let metrics = self.context.metrics.clone();
            reporters.spawn(reporter::run(queue.clone(), self.context.clock.clone(), metrics, reported));
            let executor = Arc::new(Executor {
                context: self.context.clone(),
                queue: queue.name().into(),
                redis: queue.clone(),
                handlers: Arc::clone(&self.handlers),
                ledger: ledger.clone(),
                guards: guards.clone(),
                held_until: AtomicU64::new(0),
                lifetime: lifetime.clone(),
                phase: self.control.phase.subscribe(),
                held: Arc::clone(held),
                reports,
            });
            let section = &self.config.queues[queue.name()];
            let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let pump = Pump {
                queue: queue.clone(),
                executor,
                share: slots.of(n),
                rate_limit: section.rate_limit.map(|(jobs, time)| (jobs, millis(time))),
                lock: worker.lock_duration,
                worker_id: Arc::clone(&self.id),
                worker_name: worker.name.clone(),
                metrics_minutes: worker.metrics_minutes,
                listener: listeners[&self.group(queue.keys())].clone(),
                phase: self.control.phase.subscribe(),
                served: self.handlers.hear_served(),
                calls: Arc::clone(&calls),
            };
            pumps.spawn(pump.run(woken));
        }

        let mut phase = self.control.phase.subscribe();
        let mut pressure = ledger.pressure();
        // The senders live in `self.control` and in the ledger, so a wait ends with its condition and not before.
        let again = tokio::select! {
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => None,
            _ = pressure.wait_for(|(level, _)| *level == Pressure::Hard) => Some(Again::Memory),
            again = lifetime.over() => Some(again),
        };
        if let Some(reason) = again {
            WorkerRecycled { reason: reason.as_str() }.emit();
        }
        self.control.drain();
        listening.shutdown().await;
        self.wake_others(&queues).await;
        let timed_out = self.drain(&mut pumps, &held).await;
        renewal.shutdown().await;
        self.last_reports(reporters).await;
        beside.shutdown().await;
        Drained { timed_out, again, cut_short: false }
    }

    /// Resting instances keep the voices of their last attempts. Without them and the pumps every sender is gone: what is left
    /// to write is written.
    async fn last_reports(&self, mut reporters: JoinSet<()>) {
        self.context.sandbox.drop_resting();
        let written = async { while reporters.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_CALLS, written).await.is_err() {
            ReportsCut.emit();
        }
    }

    fn follow_deployments(&self, beside: &mut JoinSet<()>) {
        beside.spawn(deployments::follow(
            self.connection.clone(),
            Arc::clone(&self.handlers),
            self.context.sandbox.clone(),
            self.context.metrics.clone(),
        ));
        beside.spawn(canary::watch(
            self.context.clone(),
            self.connection.clone(),
            Arc::clone(&self.handlers),
        ));
    }

    /// Queues that one wait can be for: all of them, or on a Cluster those of one hash tag.
    fn group(&self, keys: &Keys) -> Option<String> {
        keys.hash_tag().filter(|_| self.connection.is_cluster()).map(str::to_owned)
    }

    fn listeners(
        &self,
        queues: impl Iterator<Item = (Keys, mpsc::UnboundedSender<Marker>)>,
    ) -> BTreeMap<Option<String>, Listener> {
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (keys, wake) in queues {
            groups.entry(self.group(&keys)).or_default().push((keys, wake));
        }
        let listener = |(tag, queues): (Option<String>, Vec<_>)| {
            let listener = Listener::new(self.connection.clone(), &self.id, tag.as_deref(), queues);
            (tag, listener)
        };
        groups.into_iter().map(listener).collect()
    }

    /// A marker that our last wait took wakes another worker instead.
    async fn wake_others(&self, queues: &[Queue]) {
        for queue in queues {
            let marker = Marker::Now;
            // A server that is away has no marker of ours.
            let _ = gristmill_queue::Waiter::put_back(&self.connection, queue.keys(), marker).await;
        }
    }

    async fn drain(&self, pumps: &mut JoinSet<()>, held: &[Arc<Held>]) -> bool {
        let timeout = self.config.worker.shutdown_timeout;
        let finished = async { while pumps.join_next().await.is_some() {} };
        if tokio::time::timeout(timeout, finished).await.is_ok() {
            return false;
        }
        for held in held {
            held.interrupt_all(Interrupt::Drained);
        }
        let last = async { while pumps.join_next().await.is_some() {} };
        // Whatever cannot be settled now is found by another worker's stalled check.
        let _ = tokio::time::timeout(LAST_CALLS, last).await;
        pumps.abort_all();
        true
    }
}
