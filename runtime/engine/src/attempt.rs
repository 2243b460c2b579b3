//! One job from taken to settled: checks, the sandbox, and what its outcome means.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use gristmill_core::backoff::MAX_DELAY_MS;
use gristmill_core::breaker::judge;
use gristmill_core::core_dump::CoreDumpInfo;
use gristmill_core::job::Job;
use gristmill_core::limits::Limits;
use gristmill_core::options::JobOptions;
use gristmill_core::outcome::{Interrupt, Outcome, StopReason};
use gristmill_core::retry::{Facts, JobPolicy, decide, refuse};
use gristmill_core::settlement::{Action, Settlement};
use gristmill_core::units::show_size;
use gristmill_queue::{Lock, Queue, Taken};
use gristmill_sandbox::{Attempt, Interrupter, Module, Report};
use gristmill_telemetry::event::{AttemptEnded, InstanceReused, JobRefused, QueueEvent};
use gristmill_telemetry::{AttemptEnd, AttemptFacts, AttemptSpan, TypeMetrics};
use tokio::sync::{mpsc, watch};

use crate::guards::Guards;
use crate::handlers::{Handlers, JobType};
use crate::held::Held;
use crate::ledger::Ledger;
use crate::lifetime::Lifetime;
use crate::reporter::{Message, Voice};
use crate::service::Service;
use crate::worker::{Context, Phase};

mod admission;

/// What an attempt of a queue needs; made once per queue.
pub(crate) struct Executor {
    pub context: Context,
    pub queue: Arc<str>,
    /// The same queue in Redis, for the services of its jobs.
    pub redis: Queue,
    pub handlers: Arc<Handlers>,
    pub ledger: Ledger,
    pub guards: Guards,
    /// Ms since the epoch until which every job of the queue would be held; 0 for none.
    pub held_until: AtomicU64,
    pub lifetime: Lifetime,
    pub phase: watch::Receiver<Phase>,
    pub held: Arc<Held>,
    pub reports: mpsc::UnboundedSender<Message>,
}

/// The end of a taken job, for the pump.
pub(crate) struct Finished {
    pub id: String,
    pub token: Arc<str>,
    /// `None`: the job is not ours any more, nothing is written.
    pub action: Option<Action>,
    /// Digest of the deployed module that served it.
    pub module: Option<Arc<str>>,
    pub at_ms: u64,
}

impl Finished {
    pub(crate) fn settlement(self) -> Option<(Settlement, u64)> {
        let Self { id, token, action, module, at_ms } = self;
        action.map(|action| (Settlement { id, token, action, module, repeated: false }, at_ms))
    }
}

impl Executor {
    /// Bytes that an attempt of this job reserves; none if it cannot run here.
    pub(crate) fn reserve(&self, job_name: &str) -> u64 {
        let job_type = self.handlers.job_type(&self.queue, job_name);
        job_type.and_then(|job_type| job_type.reserve(self.ledger.capacity())).unwrap_or(0)
    }

    /// Runs one job to its end. Always answers: a panic of ours ends this attempt and nothing else.
    pub(crate) async fn execute(&self, taken: Taken, interrupter: Interrupter) -> Finished {
        let id = taken.id.clone();
        let lock = Arc::clone(&taken.token);
        let mut module = None;
        let result = AssertUnwindSafe(self.attempt(taken, interrupter, &mut module)).catch_unwind().await;
        let action = result.unwrap_or_else(|panic| {
            let message = panic
                .downcast_ref::<&str>()
                .map(|s| (*s).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            QueueEvent::Panicked { id: &id, message: &message }.emit(&self.queue, &self.context.metrics);
            let facts = Facts {
                attempts_made: 0,
                started_before: 0,
                options: &JobOptions::parse(""),
                stacktrace: None,
            };
            Some(refuse("the host failed in this attempt (a bug)", false, &facts, &JobPolicy::default(), 0.0))
        });
        self.held.end(&id, &lock);
        self.lifetime.count();
        Finished { id, token: lock, action, module, at_ms: self.context.clock.now_ms() }
    }

    /// `module` is set to the digest of the deployed module, once it is known.
    async fn attempt(
        &self,
        mut taken: Taken,
        interrupter: Interrupter,
        module: &mut Option<Arc<str>>,
    ) -> Option<Action> {
        // May be large, and goes to the guest as it is.
        let data = std::mem::take(&mut taken.data);
        let options = JobOptions::parse(&taken.opts);
        for option in &options.odd {
            QueueEvent::OddOption { id: &taken.id, option }.emit(&self.queue, &self.context.metrics);
        }
        let facts = Facts {
            attempts_made: taken.attempts_made,
            started_before: taken.started_before,
            options: &options,
            stacktrace: taken.stacktrace.as_deref(),
        };
        let job_type = self.handlers.job_type(&self.queue, &taken.name);
        if let Some((reason, retry)) = refusal(&taken, &data, job_type.as_deref(), self.ledger.capacity()) {
            let of = self.context.metrics.job_type(&self.queue, &taken.name);
            let none = JobPolicy::default();
            let policy = job_type.as_ref().map_or(&none, |t| &t.policy);
            return Some(self.refuse(&taken, &of, (&reason, retry), &facts, policy));
        }
        let job_type = job_type?;
        self.run(&taken, data, &job_type, &facts, interrupter, module).await
    }

    async fn run(
        &self,
        taken: &Taken,
        data: Vec<u8>,
        job_type: &JobType,
        facts: &Facts<'_>,
        interrupter: Interrupter,
        served_by: &mut Option<Arc<str>>,
    ) -> Option<Action> {
        let now_ms = self.context.clock.now_ms();
        // Redis keeps the delay of the first start only; how long a retry was to wait is gone once it is due.
        let first_start = taken.started_before == 0;
        let due_ms = taken.timestamp_ms.saturating_add(facts.options.delay_ms);
        let scheduled_at_ms = if first_start { due_ms } else { now_ms };
        let waited = first_start.then(|| Duration::from_millis(now_ms.saturating_sub(due_ms)));
        let number = taken.attempts_made.saturating_add(1);
        let limits = limits_of(facts.options, job_type);
        let of = self.context.metrics.job_type(&self.queue, &taken.name);
        let voice = Arc::new(self.voice(taken, job_type, (&limits, &of), facts.options.keep_logs));
        let mut attempt = Attempt {
            job: Job {
                id: taken.id.clone(),
                name: taken.name.clone(),
                queue: self.queue.to_string(),
                attempt: number,
                max_attempts: facts.max_attempts(&job_type.policy),
                data,
                enqueued_at_ms: taken.timestamp_ms,
                scheduled_at_ms,
                headers: facts.options.headers.clone(),
            },
            limits: Arc::clone(&limits),
            allow: Arc::clone(&job_type.allow),
            host: Arc::<Voice>::clone(&voice),
            interrupter,
            warm: job_type.warm.clone(),
        };
        let served = job_type.served.load_full();
        let pinned = taken.module.as_deref().filter(|_| job_type.policy.pin);
        // A queue is taken from only while all of its job types are served.
        let Some((module, version)) = served.choose(pinned, (self.context.random)()) else {
            return Some(Action::Release);
        };
        if let Some(problem) = data_problem(job_type, module, &attempt.job.data) {
            // It would not fit in another attempt either.
            return Some(self.refuse(taken, &of, (&problem, false), facts, &job_type.policy));
        }
        self.wait_for_memory(&attempt).await;
        // Right before the start, so that what waits for memory has not been charged.
        let passed = match Box::pin(self.admit(taken, &attempt, job_type)).await {
            Ok(passed) => passed,
            Err(action) => {
                voice.flush().await;
                return Some(action);
            }
        };
        if served.deployed {
            *served_by = Some(module.digest().into());
        }
        let span = self.trace(&mut attempt.job, &voice);
        let mut report = self.context.sandbox.run(module, attempt).await;
        served.record(version, &report);
        if !passed.is_empty() {
            Box::pin(self.guards.leave_all(passed, judge(&report.outcome))).await;
        }
        learn(job_type, &report);
        self.hold_queue(job_type, &report.outcome).await;
        if report.reused {
            InstanceReused { queue: &self.queue, job: &job_type.entry }.emit(&self.context.metrics);
        }

        self.note_dropped(&taken.id, &voice, &report);
        note_delay(&voice, &report.outcome);
        if report.outcome != Outcome::Interrupted(Interrupt::LockLost) {
            voice.flush().await;
        }
        if report.outcome.failed() {
            Box::pin(self.explain(&mut report, (&taken.id, number), job_type, module)).await;
        }
        let action = decide(&report.outcome, facts, &job_type.policy, (self.context.random)());
        span.end(&AttemptEnd {
            outcome: report.outcome.label(),
            reason: reason_of(action.as_ref()),
            module: module.digest(),
            peak_memory: report.peak_memory,
            fuel: report.fuel,
        });
        AttemptEnded {
            of: &of,
            queue: &self.queue,
            id: &taken.id,
            outcome: report.outcome.label(),
            state: action.as_ref().and_then(Action::counted_state),
            reason: reason_of(action.as_ref()),
            code: code_of(&report.outcome),
            elapsed: report.elapsed,
            waited,
            fuel: report.fuel,
            peak_memory: report.peak_memory,
        }
        .emit();
        action
    }
}

impl Executor {
    /// Ends a job that cannot run; `retry` says whether it may be tried again.
    fn refuse(
        &self,
        taken: &Taken,
        of: &TypeMetrics,
        (reason, retry): (&str, bool),
        facts: &Facts<'_>,
        policy: &JobPolicy,
    ) -> Action {
        let action = refuse(reason, retry, facts, policy, (self.context.random)());
        let state = action.counted_state();
        JobRefused { of, queue: &self.queue, id: &taken.id, reason, state }.emit();
        action
    }

    /// What the attempt's guest speaks to.
    fn voice(
        &self,
        taken: &Taken,
        job_type: &JobType,
        (limits, of): (&Arc<Limits>, &Arc<TypeMetrics>),
        keep_logs: Option<u64>,
    ) -> Voice {
        Voice {
            id: taken.id.as_str().into(),
            name: taken.name.clone(),
            queue: Arc::clone(&self.queue),
            keep_logs,
            to: self.reports.clone(),
            metrics: self.context.metrics.clone(),
            spoke: AtomicBool::new(false),
            service: Service {
                queue: self.redis.clone(),
                job: Lock { id: taken.id.clone(), token: Arc::clone(&taken.token) },
                job_type: Arc::clone(&job_type.entry),
                guards: self.guards.clone(),
                clock: self.context.clock.clone(),
            },
            limits: Arc::clone(limits),
            of: Arc::clone(of),
            core_dumps: job_type.core_dumps.clone(),
            guests: self.context.guests.clone(),
            span: OnceLock::new(),
        }
    }

    /// Begins the attempt's span; what the guest sends along with calls of its own goes on with it.
    fn trace(&self, job: &mut Job, voice: &Voice) -> AttemptSpan {
        let (queue, id, name, attempt) = (&*self.queue, &*job.id, &*job.name, job.attempt);
        let facts = AttemptFacts { queue, id, name, attempt, headers: &job.headers };
        let span = self.context.tracer.attempt(&facts);
        let ours = span.headers();
        job.headers.retain(|(name, _)| !ours.iter().any(|(our, _)| our.eq_ignore_ascii_case(name)));
        job.headers.extend(ours);
        // Begun once in an attempt.
        let _ = voice.span.set(span.clone());
        span
    }

    /// While the process is over its soft limit. Ended from outside meanwhile, the attempt says so itself.
    async fn wait_for_memory(&self, attempt: &Attempt) {
        let mut phase = self.phase.clone();
        tokio::select! {
            biased;
            () = self.ledger.relief(attempt.limits.memory) => {}
            _ = attempt.interrupter.interrupted() => {}
            // What has not begun goes back at once.
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => {
                attempt.interrupter.interrupt(Interrupt::Drained);
            }
        }
    }

    /// Says what a failed attempt used, and keeps its core dump. The job ends after that, so that what its stack trace says
    /// is there.
    async fn explain(
        &self,
        report: &mut Report,
        (id, attempt): (&str, u32),
        job_type: &JobType,
        module: &Module,
    ) {
        let explanation = report.explanation();
        report.outcome.explain(&explanation);
        let (Some(file), Some(dumps), Outcome::Stopped(stop)) =
            (report.core_dump.take(), &job_type.core_dumps, &report.outcome)
        else {
            return;
        };
        let info = CoreDumpInfo {
            digest: String::new(),
            size: file.len() as u64,
            queue: self.queue.to_string(),
            job: job_type.entry.to_string(),
            id: id.to_owned(),
            attempt,
            module: module.digest().to_owned(),
            reason: stop.failed_reason(),
            at_ms: self.context.clock.now_ms(),
        };
        let line = dumps.keep(file, info, self.redis.connection(), &self.context.metrics).await;
        report.outcome.explain(&line);
    }

    /// As BullMQ's `rateLimit`: nothing of the queue starts for the time that the handler named.
    async fn hold_queue(&self, job_type: &JobType, outcome: &Outcome) {
        if let Outcome::RateLimited { retry_after: Some(time), .. } = outcome
            && job_type.holds_queue
        {
            let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, MAX_DELAY_MS);
            // Unheard, only this job waits.
            let _ = self.redis.hold(ms).await;
        }
    }

    /// Counts and tells what the guest said beyond its ceilings.
    fn note_dropped(&self, id: &str, voice: &Voice, report: &Report) {
        let dropped = [
            ("log lines", report.dropped_lines),
            ("progress updates", report.dropped_updates),
            ("metric records", report.dropped_records),
        ];
        for (what, count) in dropped.into_iter().filter(|(_, count)| *count > 0) {
            QueueEvent::Dropped { id, what, count }.emit(&self.queue, &self.context.metrics);
            voice.note(format!("[warn] {count} more {what} were dropped: the attempt's ceiling was reached"));
        }
    }
}

/// Why a job's data does not fit the schema of the handler that would run it.
fn data_problem(job_type: &JobType, module: &Module, data: &[u8]) -> Option<String> {
    let schema = module.schema().filter(|_| job_type.check_data)?;
    let problem = schema.check(data).err()?;
    Some(format!("data: the job's data does not fit the handler's schema: {problem}"))
}

fn limits_of(options: &JobOptions, job_type: &JobType) -> Arc<Limits> {
    match (options.timeout_ms, &job_type.learned) {
        // What the producer says of this job goes before what was learned of others.
        (Some(ms), _) => Arc::new(job_type.limits.within(Duration::from_millis(ms))),
        (None, Some(learned)) => learned.limits(),
        (None, None) => Arc::clone(&job_type.limits),
    }
}

fn learn(job_type: &JobType, report: &Report) {
    if let Some(learned) = job_type.learned.as_ref().filter(|_| teaches(&report.outcome)) {
        learned.record(report.elapsed, report.fuel, report.peak_memory);
    }
}

/// Whether what an attempt used says what its type needs. One that a learned limit ended counts at that limit: too many
/// of them raise it.
fn teaches(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Returned(_) => true,
        Outcome::Stopped(stop) => matches!(stop.reason, StopReason::Timeout | StopReason::Fuel),
        _ => false,
    }
}

fn code_of(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Retryable(failure) | Outcome::Permanent(failure) => failure.code.as_deref(),
        _ => None,
    }
}

fn reason_of(action: Option<&Action>) -> Option<&str> {
    match action? {
        Action::Fail { reason, .. } | Action::Retry { reason, .. } => Some(reason),
        _ => None,
    }
}

/// Why a job ends without running, and whether it may be tried again.
fn refusal(taken: &Taken, data: &[u8], job_type: Option<&JobType>, capacity: u64) -> Option<(String, bool)> {
    if let Some(reason) = &taken.deferred_failure {
        return Some((reason.clone(), false));
    }
    if job_type.is_none() {
        let reason = format!("handler: no handler serves the job name `{}` on this worker", taken.name);
        return Some((reason, true));
    }
    let memory = job_type.map_or(0, |t| t.limits.memory);
    if memory > capacity {
        let (memory, capacity) = (show_size(memory), show_size(capacity));
        let reason = format!("memory: the job type may use {memory}, this worker has {capacity} for jobs");
        return Some((reason, false));
    }
    let max_starts = job_type.and_then(|t| t.policy.max_starts);
    if max_starts.is_some_and(|max| taken.started_before >= max) {
        return Some(("job started more than allowable limit".to_owned(), false));
    }
    let checked = serde_json::from_slice::<&serde_json::value::RawValue>(data);
    checked.err().map(|error| (format!("data: the job's data is not JSON: {error}"), false))
}

/// A job that only waits leaves no `failedReason`, so its log says why.
fn note_delay(voice: &Voice, outcome: &Outcome) {
    let (what, why) = match outcome {
        Outcome::RateLimited { message, .. } => ("rate limited", message),
        Outcome::Deferred { reason, .. } => ("deferred", reason),
        _ => return,
    };
    if !why.is_empty() {
        voice.note(format!("{what}: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use gristmill_core::clock::Clock;
    use gristmill_core::config::{Input, load};
    use gristmill_queue::{Connection, PrivateRedis};
    use gristmill_registry::Policy;
    use gristmill_sandbox::{Sandbox, Settings};
    use gristmill_telemetry::Metrics;

    use super::*;

    fn taken() -> Taken {
        Taken {
            id: "1".into(),
            name: "n".into(),
            data: b"{}".to_vec(),
            opts: String::new(),
            timestamp_ms: 0,
            attempts_made: 0,
            started_before: 0,
            deferred_failure: Some("child failed".into()),
            stacktrace: None,
            scheduler: None,
            held: 0,
            module: None,
            token: "t".into(),
        }
    }

    /// The server ends with the test.
    async fn executor(random: fn() -> f64) -> (Executor, PrivateRedis) {
        let server = PrivateRedis::start().await.unwrap();
        let (connection, _) = Connection::open(&server.url()).await.unwrap();
        let sandbox = Sandbox::new(Settings {
            slots: 1,
            max_memory: 1 << 20,
            cache_dir: None,
            cache_size: 0,
            compiler: None,
        })
        .unwrap();
        let config = load(&Input { queues_optional: true, ..Input::default() }).config;
        let metrics = Metrics::new().unwrap();
        let Ok(handlers) = Handlers::load(&config, &sandbox, &metrics, Policy::default(), |_, _| {}) else {
            panic!("no handler is configured")
        };
        let context = Context {
            clock: Clock::Manual(Arc::default()),
            random,
            metrics: metrics.clone(),
            sandbox,
            guests: tokio::runtime::Handle::current(),
            tracer: gristmill_telemetry::Tracer::default(),
        };
        let reports = mpsc::unbounded_channel().0;
        let executor = Executor {
            context,
            queue: "q".into(),
            redis: Queue::new(connection.clone(), "bull", "q"),
            guards: Guards::new(connection, handlers.definitions(), metrics),
            held_until: AtomicU64::new(0),
            handlers: Arc::new(handlers),
            ledger: Ledger::new(config.worker.memory, 0),
            lifetime: Lifetime::new(None, None),
            phase: watch::channel(Phase::Taking).1,
            held: Arc::default(),
            reports,
        };
        (executor, server)
    }

    #[test]
    fn what_a_learned_limit_ends_can_raise_it() {
        let stopped = |reason| {
            Outcome::Stopped(gristmill_core::outcome::Stop {
                reason,
                message: String::new(),
                backtrace: None,
            })
        };
        assert!(teaches(&Outcome::Returned(None)));
        assert!(teaches(&stopped(StopReason::Timeout)) && teaches(&stopped(StopReason::Fuel)));
        assert!(!teaches(&stopped(StopReason::Trap)) && !teaches(&Outcome::WaitForChildren));
    }

    #[tokio::test]
    async fn a_deferred_failure_fails_without_running() {
        let (executor, _server) = executor(|| 0.0).await;
        let finished = executor.execute(taken(), Interrupter::default()).await;
        assert!(matches!(finished.action, Some(Action::Fail { ref reason, .. }) if reason == "child failed"));
    }

    #[tokio::test]
    async fn a_panic_of_ours_ends_one_attempt() {
        let (executor, _server) = executor(|| panic!("a bug of the host")).await;
        let finished = executor.execute(taken(), Interrupter::default()).await;
        assert!(
            matches!(finished.action, Some(Action::Fail { ref reason, .. }) if reason.contains("the host failed"))
        );
        let page = String::from_utf8(executor.context.metrics.render()).unwrap();
        assert!(page.contains("gristmill_panics_total 1"), "{page}");
    }
}
