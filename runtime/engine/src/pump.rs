//! One queue's pump: brings jobs from Redis to the guests' runtime and their settlements back, several per call.
//!
//! At most two calls are under way: while Redis works on one, the other's jobs run. A call settles what has ended and
//! asks for as many jobs as there are free slots, so under load nothing waits for a timer and nothing is polled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use gristmill_core::settlement::Settlement;
use gristmill_queue::{Code, Marker, Next, Queue, QueueError, Taken, Turn, TurnRequest, Waiter};
use gristmill_sandbox::Interrupter;
use gristmill_telemetry::event::QueueEvent;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::attempt::{Executor, Finished};
use crate::iterate::schedule_next;
use crate::listener::Listener;
use crate::shares::{Claim, Share, Used};
use crate::worker::Phase;

mod rules;
mod state;

use rules::{put_back, timer, unfinishable};
use state::State;

/// Settlements, and jobs taken, per call: more would keep other clients of Redis waiting.
const BATCH: usize = 64;
/// Calls under way at a time.
const CALLS: usize = 2;
/// How long an idle queue goes without a look, should a marker be lost.
const POLL: Duration = Duration::from_secs(5);
/// The longest wait for a limiter, a breaker or a rate limit: it may be reset, or changed, before.
const MAX_LIMITED: Duration = Duration::from_millis(500);
/// How long what was seen of the next job is taken for granted, and how long nobody looks after it was another.
const PEEK: Duration = Duration::from_millis(20);
const MISTAKEN: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// What the pump is made of.
pub(crate) struct Pump {
    pub queue: Queue,
    pub executor: Arc<Executor>,
    /// Its part of the worker's slots.
    pub share: Share,
    pub lock: Duration,
    /// Unique to this process; with a running number it makes each call's token.
    pub worker_id: Arc<str>,
    pub worker_name: Option<String>,
    /// Of BullMQ's per-minute counts.
    pub metrics_minutes: u32,
    /// Jobs that start per ms, where the queue's `meta` has no limit.
    pub rate_limit: Option<(u64, u64)>,
    pub listener: Listener,
    pub phase: watch::Receiver<Phase>,
    /// Something is served that was not before.
    pub served: watch::Receiver<()>,
    /// Running numbers of all pumps of this worker.
    pub calls: Arc<AtomicU64>,
}

/// An attempt, since when it had its slot, and the bytes that were reserved for it.
type Ended = (Finished, Instant, u64);

enum Done {
    Turn {
        settlements: Vec<(Settlement, u64)>,
        claim: Claim,
        since: Instant,
        result: Result<Turn, QueueError>,
    },
    PutBack,
    /// The name of the job that is likely next.
    Peeked(Option<String>),
}

impl Pump {
    /// Runs until the phase is draining and nothing is held any more.
    pub(crate) async fn run(mut self, mut wakes: mpsc::UnboundedReceiver<Marker>) {
        let mut state = State::new(self.share.max());
        let (to_us, mut finished) = mpsc::unbounded_channel::<Ended>();
        let attempts = TaskTracker::new();
        loop {
            self.launch(&mut state);
            self.show(&state);
            let draining = matches!(*self.phase.borrow(), Phase::Draining);
            if draining && state.slots.held() == 0 && state.calls.is_empty() && state.ready.is_empty() {
                break;
            }
            let (timer, paused) = timer(Instant::now(), state.paused_until, state.look_at);
            tokio::select! {
                Some(done) = state.calls.next() => self.finish_call(&mut state, done, &attempts, &to_us),
                Some(ended) = finished.recv() => {
                    self.note_end(&mut state, ended);
                    while let Ok(ended) = finished.try_recv() {
                        self.note_end(&mut state, ended);
                    }
                }
                () = self.share.granted() => {}
                Some(marker) = wakes.recv() => self.wake(&mut state, marker),
                () = tokio::time::sleep_until(timer) => {
                    if !paused {
                        state.hungry = true;
                        state.next_need = None;
                        state.look_at = Instant::now() + POLL;
                    }
                }
                Ok(()) = self.phase.changed() => state.hungry = true,
                Ok(()) = self.served.changed() => state.hungry = true,
            }
        }
        attempts.close();
        attempts.wait().await;
        self.show(&state);
    }

    /// Also false while a job type has no module: others may have one, and markers are for them.
    fn taking(&self) -> bool {
        *self.phase.borrow() == Phase::Taking && self.executor.handlers.is_served(self.queue.name())
    }

    fn show(&self, state: &State) {
        let room = self.taking() && state.slots.room(0) > 0 && !state.waiting && !state.limited;
        self.listener.set_room(self.queue.name(), room);
        self.executor.context.metrics.set_slots(self.queue.name(), state.slots.held(), state.slots.total());
    }

    /// Starts as many calls as there is reason for.
    fn launch(&self, state: &mut State) {
        let max = self.share.max();
        if max != state.slots.total() {
            state.hungry |= max > state.slots.total();
            state.slots.set_total(max);
        }
        let taking = self.taking() && !self.is_held(state);
        if !taking {
            self.stop_waiting(state);
        }
        if Instant::now() < state.paused_until {
            return;
        }
        while state.calls.len() < CALLS {
            let settle = state.ready.len().min(BATCH);
            let eager = taking && (state.hungry || state.waiting);
            // A second call pays only when there is enough for it to do.
            let small = settle < BATCH / 4 && !state.calls.is_empty();
            if small && !eager {
                return;
            }
            // Taking while settling costs almost nothing, so it is always tried.
            let wanted = eager || (taking && settle > 0);
            let want = if wanted { state.slots.room(settle).min(BATCH) } else { 0 };
            let claim = match state.next_need {
                // Only the next job is known, and it is smaller than others may be.
                Some(need) if eager => self.share.claim(&mut state.used, settle, want.min(1), || need, true),
                _ => self.share.claim(&mut state.used, settle, want, || self.needs().1, eager),
            };
            let take = claim.take();
            state.waiting = eager && take < want;
            if take > 0 {
                state.next_need = None;
            } else if eager && want > 0 {
                // We stand in line already, until a look that is under way finds nothing.
                self.peek(state);
            } else if want > 0 {
                // Nobody else looks for us: from now on we stand in line.
                state.hungry = true;
            }
            if take == 0 && (settle == 0 || small) {
                return;
            }
            let settlements: Vec<_> = state.ready.drain(..settle).collect();
            state.slots.begin(settle, take);
            if take > 0 {
                state.hungry = false;
                state.limited = false;
                state.look_at = Instant::now() + POLL;
            }
            state.calls.push(self.call(settlements, claim));
        }
    }

    /// Bytes that a job of the queue reserves at least and at most.
    fn needs(&self) -> (u64, u64) {
        self.executor.handlers.needs(self.queue.name(), self.executor.ledger.capacity())
    }

    /// Looks which job is next, where the largest of the queue finds no memory and another might.
    fn peek(&self, state: &mut State) {
        let now = Instant::now();
        let (least, most) = self.needs();
        if state.next_need.is_some() || least == most || !self.share.lacks_memory() {
            return;
        }
        if now < state.peek_after {
            state.look_at = state.look_at.min(state.peek_after);
            return;
        }
        state.peek_after = now + PEEK;
        let queue = self.queue.clone();
        state.calls.push(Box::pin(async move { Done::Peeked(queue.next_name().await.ok().flatten()) }));
    }

    /// Lets others have what we waited for.
    fn stop_waiting(&self, state: &mut State) {
        if std::mem::take(&mut state.waiting) {
            self.share.withdraw();
        }
    }

    /// Whether every job of the queue would be held back; then it is looked at again when that is over.
    fn is_held(&self, state: &mut State) -> bool {
        let until = self.executor.held_until.load(Ordering::Relaxed);
        let left = until.saturating_sub(self.executor.context.clock.now_ms());
        if left == 0 {
            return false;
        }
        state.hungry = false;
        // As if Redis had said so: markers are for other workers until then.
        state.limited = true;
        state.look_at = Instant::now() + Duration::from_millis(left).min(POLL);
        true
    }

    fn call(&self, settlements: Vec<(Settlement, u64)>, claim: Claim) -> BoxFuture<'static, Done> {
        let (queue, lock, worker) = (self.queue.clone(), self.lock, self.worker_name.clone());
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let token: Arc<str> = format!("{}:{number}", self.worker_id).into();
        let clock = self.executor.context.clock.clone();
        let (metrics_minutes, rate_limit) = (self.metrics_minutes, self.rate_limit);
        let gates = self.executor.guards.gates(queue.name());
        let since = Instant::now();
        Box::pin(async move {
            let request = TurnRequest {
                settlements: &settlements,
                take: claim.take(),
                token,
                lock,
                worker: worker.as_deref(),
                metrics_minutes,
                rate_limit,
                gates: gates.as_deref(),
                now_ms: clock.now_ms(),
            };
            let result = queue.turn(&request).await;
            Done::Turn { settlements, claim, since, result }
        })
    }

    fn finish_call(
        &self,
        state: &mut State,
        done: Done,
        attempts: &TaskTracker,
        to_us: &mpsc::UnboundedSender<Ended>,
    ) {
        let (mut settlements, claim, since, result) = match done {
            Done::Turn { settlements, claim, since, result } => (settlements, claim, since, result),
            Done::PutBack => return,
            Done::Peeked(name) => {
                // Where none waits, one may be due: a call finds out, and a large one is put back.
                let need = name.map_or_else(|| self.needs().0, |name| self.executor.reserve(&name));
                state.next_need = Some(need);
                return;
            }
        };
        let (count, take) = (settlements.len(), claim.take());
        let metrics = &self.executor.context.metrics;
        let turn = match result {
            Ok(turn) => turn,
            Err(error) => {
                state.slots.end(count, 0, take, 0);
                let _ = self.share.finish(claim, count, 0, &[]);
                self.stop_waiting(state);
                for (settlement, _) in &mut settlements {
                    settlement.repeated = true;
                }
                settlements.append(&mut state.ready);
                state.ready = settlements;
                let first = state.pause.is_none();
                let pause = state.pause.map_or(FIRST_PAUSE, |p| (p * 2).min(LAST_PAUSE));
                state.pause = Some(pause);
                state.paused_until = Instant::now() + pause;
                state.hungry = true;
                QueueEvent::RedisFailed { error: &error, first }.emit(self.queue.name(), metrics);
                return;
            }
        };
        if state.pause.take().is_some() {
            QueueEvent::RedisBack.emit(self.queue.name(), metrics);
        }
        let mut settled = 0;
        for ((settlement, at), code) in settlements.into_iter().zip(&turn.codes) {
            match code {
                Code::ChildrenPending | Code::ChildrenFailed => {
                    state.ready.push((unfinishable(settlement, *code), at));
                }
                Code::Done | Code::NotOurs | Code::NotAJob => {
                    settled += 1;
                    let told = self.executor.held.is_lost(&settlement.id, &settlement.token);
                    if *code != Code::Done && !settlement.repeated && !told {
                        QueueEvent::LockLost { id: &settlement.id }.emit(self.queue.name(), metrics);
                    }
                    self.executor.held.forget(&settlement.id, &settlement.token);
                }
            }
        }
        state.slots.end(count, settled, take, turn.jobs.len());
        let counts = self.share.counts();
        let reserve = |job: &Taken| if counts { self.executor.reserve(&job.name) } else { 0 };
        let memory: Vec<u64> = turn.jobs.iter().map(reserve).collect();
        let refused = self.share.finish(claim, count, settled, &memory);
        if !turn.strangers.is_empty() {
            QueueEvent::Strangers { ids: &turn.strangers }.emit(self.queue.name(), metrics);
        }
        self.executor.guards.count_taken(self.queue.name(), turn.jobs.len(), turn.gate.as_deref());
        if !refused.is_empty() {
            state.peek_after = Instant::now() + MISTAKEN;
        }
        for (number, (job, memory)) in turn.jobs.into_iter().zip(memory).enumerate() {
            if refused.contains(&number) {
                // Somebody else took the job that we saw: this one waits in the queue, where it was.
                state.ready.push(put_back(job, self.executor.context.clock.now_ms()));
                state.used.push(Used { slot: Duration::ZERO, memory: 0 });
            } else {
                self.start(job, (since, memory), attempts, to_us);
            }
        }
        if let Some(trouble) = &turn.trouble {
            self.stop_waiting(state);
            QueueEvent::TakeFailed { trouble }.emit(self.queue.name(), metrics);
        } else if take > 0 {
            self.plan(state, turn.next);
        }
    }

    /// When to take again.
    fn plan(&self, state: &mut State, next: Next) {
        let wait = match next {
            Next::More => {
                state.hungry = true;
                return;
            }
            Next::Empty(due_ms) => due_ms.map(|due| {
                let now = self.executor.context.clock.now_ms();
                Duration::from_millis(due.saturating_sub(now).max(1))
            }),
            Next::Limited(ms) => {
                // Others are not limited, maybe: markers are theirs until we look again.
                state.limited = true;
                Some(Duration::from_millis(ms.max(1)).min(MAX_LIMITED))
            }
            Next::Paused | Next::Maxed => None,
        };
        self.stop_waiting(state);
        state.look_at = Instant::now() + wait.unwrap_or(POLL).min(POLL);
        if state.slots.room(0) > 0 && !state.limited {
            self.listener.listen(self.queue.name());
        }
    }

    fn start(
        &self,
        job: Taken,
        (slot_since, memory): (Instant, u64),
        attempts: &TaskTracker,
        to_us: &mpsc::UnboundedSender<Ended>,
    ) {
        let interrupter = Interrupter::default();
        let since = self.executor.context.clock.now_ms();
        self.executor.held.take(&job.id, &job.name, &job.token, &interrupter, since);
        let (executor, to_us, queue) = (Arc::clone(&self.executor), to_us.clone(), self.queue.clone());
        let attempt = async move {
            let finished = match schedule_next(&queue, &executor.context, &job).await {
                Some(finished) => finished,
                None => executor.execute(job, interrupter).await,
            };
            // Our receiver lives until every attempt has ended.
            let _ = to_us.send((finished, slot_since, memory));
        };
        attempts.spawn_on(attempt, &self.executor.context.guests);
    }

    fn note_end(&self, state: &mut State, (ended, since, memory): Ended) {
        let used = Used { slot: since.elapsed(), memory };
        self.executor.context.metrics.add_slot_time(self.queue.name(), used.slot);
        let (id, token) = (ended.id.clone(), Arc::clone(&ended.token));
        match ended.settlement() {
            Some(settlement) => {
                state.ready.push(settlement);
                state.used.push(used);
            }
            None => {
                self.executor.held.forget(&id, &token);
                state.slots.abandon();
                self.share.abandon(used);
            }
        }
    }

    fn wake(&self, state: &mut State, marker: Marker) {
        let room = self.taking() && state.slots.room(0) > 0 && !state.limited;
        if !room || !self.share.has_chance() {
            let (waiter, keys) = (self.listener.waiter(), self.queue.keys().clone());
            state.calls.push(Box::pin(async move {
                // Lost, a marker costs another worker a few seconds; it looks by itself.
                let _ = Waiter::put_back(&waiter, &keys, marker).await;
                Done::PutBack
            }));
        }
        if !room {
            return;
        }
        // Without a slot for us now, we stand in line for one.
        match marker {
            Marker::Now => {
                state.hungry = true;
                state.next_need = None;
            }
            Marker::Due(at_ms) => {
                let now = self.executor.context.clock.now_ms();
                let due = Instant::now() + Duration::from_millis(at_ms.saturating_sub(now));
                state.look_at = state.look_at.min(due);
            }
        }
    }
}
