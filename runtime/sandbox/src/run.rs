//! One attempt, from a free slot to its report. This is the hot path: what is done here is done for every job.

use std::sync::Arc;
use std::time::Instant;

use gristmill_core::outcome::{Outcome, Stop, StopReason};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::exports::gristmill::job::handler::Job;
use crate::guest::{Guest, Times};
use crate::verdict::{self, Ending};
use crate::{Attempt, Host, Interrupter, Module, Report, Warning};

/// Handles of the component model that one guest may hold.
const MAX_HANDLES: usize = 1_024;
/// Bytes that one host call may be given, beside what the return value may have.
const HOST_CALL: usize = 1 << 20;

pub(crate) async fn run(free: &Semaphore, module: &Module, attempt: Attempt) -> Report {
    let Attempt { job, limits, allow, host, interrupter } = attempt;
    let slot = slot(free, &interrupter).await;
    let times = Times::new(job.enqueued_at_ms, job.scheduled_at_ms, &limits);
    if let Some(reason) = interrupter.reason() {
        return unstarted(Outcome::Interrupted(reason), times);
    }
    if limits.fuel.is_some() && !module.metered() {
        let message =
            format!("`{}` was loaded without metering, but its job type limits fuel", module.name());
        return unstarted(
            Outcome::Stopped(Stop { reason: StopReason::Handler, message, backtrace: None }),
            times,
        );
    }

    let fuel = module.metered().then(|| limits.fuel.unwrap_or(u64::MAX));
    let host_call = HOST_CALL.max(limits.output).saturating_add(HOST_CALL / 4);
    let mut guest = Guest::new(
        module.clone(),
        Arc::clone(&limits),
        allow,
        host,
        interrupter.clone(),
        times,
        job.queue.clone(),
    );
    guest.headers = job.headers;
    let mut store = Store::new(module.pre().engine(), guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(host_call);
    store.set_max_component_handles(MAX_HANDLES);
    // Armed before anything of the guest runs: instantiation may call its start function.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| Ok(on_tick(store.data_mut())));
    if let Some(fuel) = fuel {
        store.set_fuel(fuel).expect("the engine of a metered module has fuel");
    }

    let job = Job {
        id: job.id,
        name: job.name,
        queue: job.queue,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        data: job.data,
    };
    let warned = Arc::clone(&store.data().host);
    let ending = call(module, &mut store, &job, times, &interrupter, &*warned).await;

    let consumed = fuel.map(|fuel| fuel.saturating_sub(store.get_fuel().unwrap_or(0)));
    let guest = store.data_mut();
    if guest.memory.passed_soft() {
        guest.host.warn(Warning::Memory);
    }
    guest.log.finish();
    let outcome = verdict::outcome(ending, guest);
    let report = Report {
        outcome,
        elapsed: times.started.elapsed(),
        fuel: consumed,
        peak_memory: guest.memory.peak(),
        dropped_lines: guest.log.dropped(),
        dropped_updates: guest.updates.dropped(),
        dropped_records: guest.records.dropped(),
    };
    drop(store);
    drop(slot);
    report
}

/// A pool has no queue of its own: without a free slot instantiation would fail.
async fn slot<'a>(free: &'a Semaphore, interrupter: &Interrupter) -> Option<SemaphorePermit<'a>> {
    if let Ok(slot) = free.try_acquire() {
        return Some(slot);
    }
    tokio::select! {
        slot = free.acquire() => slot.ok(),
        _ = interrupter.interrupted() => None,
    }
}

/// Instantiates and calls the guest until it is done, its time is up or somebody interrupts.
async fn call(
    module: &Module,
    store: &mut Store<Guest>,
    job: &Job,
    times: Times,
    interrupter: &Interrupter,
    host: &dyn Host,
) -> Ending {
    let guest = async {
        let worker = module.pre().instantiate_async(&mut *store).await?;
        worker.gristmill_job_handler().call_run(store, job).await
    };
    let mut guest = std::pin::pin!(guest);
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
                if Instant::now() >= times.hard {
                    break Ending::TimedOut;
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

/// Called in the middle of the guest's computation at each epoch.
fn on_tick(guest: &mut Guest) -> UpdateDeadline {
    if guest.memory.passed_soft() {
        guest.host.warn(Warning::Memory);
    }
    if guest.interrupter.reason().is_some() || Instant::now() >= guest.times.hard {
        return UpdateDeadline::Interrupt;
    }
    UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
}

fn unstarted(outcome: Outcome, times: Times) -> Report {
    Report {
        outcome,
        elapsed: times.started.elapsed(),
        fuel: None,
        peak_memory: 0,
        dropped_lines: 0,
        dropped_updates: 0,
        dropped_records: 0,
    }
}
