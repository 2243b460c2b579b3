//! One attempt, from a free slot to its report. This is the hot path: what is done here is done for every job.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gristmill_core::core_dump::MAX_CORE_DUMP_BYTES;
use gristmill_core::job::Job as QueueJob;
use gristmill_core::limits::Limits;
use gristmill_core::metric::MetricRecord;
use gristmill_core::outcome::{Outcome, Stop, StopReason};
use wasmtime::{Store, UpdateDeadline, WasmCoreDump};

use crate::bindings::Worker;
use crate::bindings::exports::gristmill::job::handler::Job;
use crate::engine::TICK;
use crate::guest::{Guest, Start, Times};
use crate::turns::{Line, Place};
use crate::verdict::{self, Ending};
use crate::warm::{Instance, Slots};
use crate::{Allow, Attempt, Host, Interrupter, Level, Module, Report, Warning};

/// Handles of the component model that one guest may hold.
const MAX_HANDLES: usize = 1_024;
/// Bytes that one host call may be given, beside what the return value may have.
const HOST_CALL: usize = 1 << 20;

pub(crate) async fn run(slots: &Slots, line: &Line, module: &Module, attempt: Attempt) -> Report {
    let Attempt { job, limits, allow, host, interrupter, warm } = attempt;
    if limits.fuel.is_some() && !module.metered() {
        let message =
            format!("`{}` was loaded without metering, but its job type limits fuel", module.name());
        let stop = Stop { reason: StopReason::Handler, message, backtrace: None };
        return unstarted(Outcome::Stopped(stop));
    }
    let rested = warm.as_ref().and_then(|warm| warm.take(module.digest()));
    let reused = rested.is_some();
    let (rested, slot, attempts, made) = match rested {
        Some(Instance { store, worker, slot, attempts, made, .. }) => {
            (Some((store, worker)), slot, attempts, made)
        }
        None => (None, slots.take(&interrupter).await, 0, Instant::now()),
    };
    if let Some(reason) = interrupter.reason().filter(|_| !reused) {
        return unstarted(Outcome::Interrupted(reason));
    }
    let times = Times::new(job.enqueued_at_ms, job.scheduled_at_ms, &limits);
    let QueueJob { id, name, queue, attempt, max_attempts, data, headers, .. } = job;
    let job = Job { id, name, queue: queue.clone(), attempt, max_attempts, data };
    let place = line.place();
    let start = Start {
        limits: Arc::clone(&limits),
        allow,
        host,
        interrupter: interrupter.clone(),
        times,
        queue,
        headers,
        place: place.clone(),
    };
    let (mut store, mut worker) = match rested {
        Some((mut store, worker)) => {
            store.data_mut().begin(start);
            (store, worker)
        }
        None => (store(module, start), None),
    };
    let fuel = arm(&mut store, module, &limits);

    let warned = Arc::clone(&store.data().host);
    let mut computing = Duration::ZERO;
    let ending = call(
        module,
        &mut store,
        &mut worker,
        Some(&job),
        times,
        &interrupter,
        &*warned,
        &place,
        &mut computing,
    )
    .await;

    let elapsed = times.started.elapsed();
    let consumed = fuel.map(|fuel| fuel.saturating_sub(store.get_fuel().unwrap_or(0)));
    let guest = store.data_mut();
    if guest.memory.passed_soft() {
        guest.host.warn(Warning::Memory);
    }
    guest.log.finish();
    let unfit = guest.unfit(&ending);
    let core_dump = core_dump(&ending, &mut store, module);
    let guest = store.data_mut();
    let outcome = verdict::outcome(ending, guest);
    let mut report = Report {
        last_lines: if outcome.failed() { guest.log.last_lines() } else { Vec::new() },
        outcome,
        elapsed,
        waited: elapsed.saturating_sub(computing),
        fuel: consumed,
        peak_memory: guest.memory.peak(),
        reused,
        core_dump,
        dropped_lines: guest.log.dropped(),
        dropped_updates: guest.updates.dropped(),
        dropped_records: guest.records.dropped(),
    };
    match warm {
        Some(warm) => {
            let digest = module.digest().to_owned();
            let instance = Instance { store, worker, digest, attempts: attempts + 1, made, slot };
            match unfit.or_else(|| warm.verdict(&instance)) {
                Some(why) => warm.let_go(instance, why),
                None => warm.rest(instance),
            }
            // Looked at after resting: whoever waits either sees the instance or is seen here.
            if slots.wanted() {
                slots.evict(1);
            }
        }
        // In this order: a free slot is taken at once, and the pool must have room then.
        None => {
            drop(store);
            report.elapsed = times.started.elapsed();
            drop(slot);
        }
    }
    report
}

/// Makes an instance and drops it: `Returned` if that went well within the limits.
pub(crate) async fn start(slots: &Slots, line: &Line, module: &Module, limits: Arc<Limits>) -> Outcome {
    let interrupter = Interrupter::default();
    let slot = slots.take(&interrupter).await;
    let times = Times::new(0, 0, &limits);
    let place = line.place();
    let start = Start {
        limits: Arc::clone(&limits),
        allow: Arc::new(Allow::default()),
        host: Arc::new(Nobody),
        interrupter: interrupter.clone(),
        times,
        queue: String::new(),
        headers: Vec::new(),
        place: place.clone(),
    };
    let mut store = store(module, start);
    arm(&mut store, module, &limits);
    let (mut worker, mut computing) = (None, Duration::ZERO);
    let ending =
        call(module, &mut store, &mut worker, None, times, &interrupter, &Nobody, &place, &mut computing)
            .await;
    let outcome = verdict::outcome(ending, store.data());
    drop(store);
    drop(slot);
    outcome
}

/// Nobody hears what a start function says.
struct Nobody;

impl Host for Nobody {
    fn log(&self, _: Level, _: String) {}
    fn progress(&self, _: String) {}
    fn metric(&self, _: MetricRecord) {}
}

/// A store for a fresh instance.
fn store(module: &Module, start: Start) -> Store<Guest> {
    let mut store = Store::new(module.pre().engine(), Guest::new(module.clone(), start));
    store.limiter(|guest| &mut guest.memory);
    store.set_max_component_handles(MAX_HANDLES);
    store.epoch_deadline_callback(|mut store| Ok(on_tick(store.data_mut())));
    store
}

/// Arms what holds for one attempt, before anything of the guest runs: instantiation may call its start function. The
/// fuel that it was given, if it is metered.
fn arm(store: &mut Store<Guest>, module: &Module, limits: &Limits) -> Option<u64> {
    store.set_hostcall_fuel(HOST_CALL.max(limits.output).saturating_add(HOST_CALL / 4));
    store.set_epoch_deadline(1);
    let fuel = module.metered().then(|| limits.fuel.unwrap_or(u64::MAX))?;
    store.set_fuel(fuel).expect("the engine of a metered module has fuel");
    Some(fuel)
}

/// Instantiates, if that is not done, and calls the guest, if there is a job, until it is done, its time is up or somebody
/// interrupts.
/// `computing` is how long the guest, and host functions that do not wait, had a thread.
#[expect(clippy::too_many_arguments, reason = "the parts of one attempt, borrowed apart")]
async fn call(
    module: &Module,
    store: &mut Store<Guest>,
    worker: &mut Option<Worker>,
    job: Option<&Job>,
    times: Times,
    interrupter: &Interrupter,
    host: &dyn Host,
    place: &Place,
    computing: &mut Duration,
) -> Ending {
    let guest = async {
        let worker = match worker {
            Some(worker) => worker,
            None => worker.insert(module.pre().instantiate_async(&mut *store).await?),
        };
        match job {
            Some(job) => worker.gristmill_job_handler().call_run(store, job).await,
            None => Ok(Ok(None)),
        }
    };
    let mut guest = std::pin::pin!(guest);
    let mut guest = poll_fn(|cx| {
        let (polled, took) = place.poll(|| guest.as_mut().poll(cx));
        *computing += took;
        polled
    });
    let mut alarm = std::pin::pin!(tokio::time::sleep_until(times.soft.into()));
    let mut breaks = std::pin::pin!(interrupter.interrupted());
    // Where both limits are the same there is nothing to warn of.
    let mut warn_of_time = times.soft < times.hard;
    let ending = loop {
        tokio::select! {
            // The guest first: most are done before anything else needs to be set up, and a guest that computes past
            // its time then ends by its epoch, which knows where it was.
            biased;
            done = &mut guest => break Ending::Done(done),
            () = &mut alarm => {
                let now = Instant::now();
                if now >= times.hard {
                    // Its fuel bounds what computes; whether it still does is looked at again and again.
                    let computes = place.is_in_line();
                    if now >= times.computing || !computes {
                        break Ending::TimedOut { computes };
                    }
                    alarm.as_mut().reset((now + TICK).min(times.computing).into());
                    continue;
                }
                host.warn(Warning::Time);
                warn_of_time = false;
                alarm.as_mut().reset(times.hard.into());
            }
            reason = &mut breaks => break Ending::Interrupted(reason),
        }
    };
    // On a busy machine an attempt may pass both limits before anybody looks.
    if warn_of_time && Instant::now() >= times.soft {
        host.warn(Warning::Time);
    }
    ending
}

/// Called in the middle of the guest's computation at each epoch, and when it goes on after it was in line.
fn on_tick(guest: &mut Guest) -> UpdateDeadline {
    if guest.memory.passed_soft() {
        guest.host.warn(Warning::Memory);
    }
    let (interrupter, until) = (guest.interrupter.clone(), guest.times.computing);
    let over = move || interrupter.reason().is_some() || Instant::now() >= until;
    if over() {
        return UpdateDeadline::Interrupt;
    }
    if !guest.place.has_had_its_share() {
        return UpdateDeadline::Continue(1);
    }
    // With no epoch in between, this is called again at once when the guest goes on: its time may be up by then.
    UpdateDeadline::YieldCustom(0, Box::pin(guest.place.clone().next(over)))
}

/// What the instance holds, if it broke off where it stands and the host wants to see it.
fn core_dump(ending: &Ending, store: &mut Store<Guest>, module: &Module) -> Option<Vec<u8>> {
    let Ending::Done(Err(error)) = ending else { return None };
    let dump = error.downcast_ref::<WasmCoreDump>()?;
    let guest = store.data();
    let fits = guest.memory.peak() <= MAX_CORE_DUMP_BYTES;
    if !fits || guest.interrupter.reason().is_some() || !guest.host.wants_core_dump() {
        return None;
    }
    let file = dump.serialize(store, module.name());
    (file.len() as u64 <= MAX_CORE_DUMP_BYTES).then_some(file)
}

fn unstarted(outcome: Outcome) -> Report {
    Report {
        outcome,
        elapsed: Duration::ZERO,
        waited: Duration::ZERO,
        fuel: None,
        peak_memory: 0,
        reused: false,
        last_lines: Vec::new(),
        core_dump: None,
        dropped_lines: 0,
        dropped_updates: 0,
        dropped_records: 0,
    }
}
