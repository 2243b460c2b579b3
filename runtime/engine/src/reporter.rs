//! Writes what running jobs say (log lines, progress) to Redis, many at a time, in order.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gristmill_core::breaker::Guarded;
use gristmill_core::clock::Clock;
use gristmill_core::limits::Limits;
use gristmill_core::metric::MetricRecord;
use gristmill_core::service::{
    Added, BreakerError, ChildFailures, ChildResults, EnqueueError, LimitError, StateAnswer, StateError,
    StateStep, Submission,
};
use gristmill_core::units::{show_duration, show_size};
use gristmill_queue::{ErrorKind, Queue, Report};
use gristmill_sandbox::{Answer, Denied, Host, Level, RequestTrace, Warning};
use gristmill_telemetry::event::{AccessDenied, QueueEvent, SoftLimit};
use gristmill_telemetry::{AttemptSpan, CallSpan, Metrics, TypeMetrics};
use tokio::sync::{mpsc, oneshot};

use crate::core_dumps::CoreDumps;
use crate::service::Service;

/// Messages written with one call.
const BATCH: usize = 512;
/// How often a call is tried before its lines are given up; the job itself is never given up.
const TRIES: u32 = 20;

pub(crate) enum Message {
    Said {
        id: Arc<str>,
        keep_logs: Option<u64>,
        what: Said,
    },
    /// Answered once everything before it is written.
    Flush(oneshot::Sender<()>),
}

pub(crate) enum Said {
    Line(String),
    Progress(String),
}

/// A job's voice: what the sandbox calls while the guest runs.
pub(crate) struct Voice {
    pub id: Arc<str>,
    pub name: String,
    pub queue: Arc<str>,
    pub keep_logs: Option<u64>,
    pub to: mpsc::UnboundedSender<Message>,
    pub metrics: Metrics,
    pub spoke: AtomicBool,
    pub service: Service,
    /// The attempt's ceilings, for saying which it has passed.
    pub limits: Arc<Limits>,
    /// Its job type's series.
    pub of: Arc<TypeMetrics>,
    /// Whether its job type keeps core dumps.
    pub core_dumps: Option<Arc<CoreDumps>>,
    /// Where what the guest leaves behind is told to Redis.
    pub guests: tokio::runtime::Handle,
    /// Begun right before the guest runs; a job that is held back leaves none.
    pub span: OnceLock<AttemptSpan>,
}

/// A request's span, for the sandbox.
struct Request(CallSpan);

impl RequestTrace for Request {
    fn headers(&self) -> Vec<(String, String)> {
        self.0.headers()
    }

    fn responded(self: Box<Self>, answer: Result<u16, &str>) {
        self.0.responded(answer);
    }
}

impl Voice {
    fn span(&self) -> AttemptSpan {
        self.span.get().cloned().unwrap_or_default()
    }

    /// A call of the guest with a span of its own, which says what was asked of what.
    fn traced<'a, T, E: Debug>(
        &'a self,
        call: &'static str,
        about: Option<(&'static str, String)>,
        answer: impl Future<Output = Result<T, E>> + Send + 'a,
    ) -> Answer<'a, Result<T, E>> {
        let span = self.span().call(call, about);
        Box::pin(async move { span.ended(answer.await) })
    }

    fn say(&self, what: Said) {
        self.spoke.store(true, Ordering::Relaxed);
        // A closed channel means that the worker has ended; then nobody can write it any more.
        let _ = self.to.send(Message::Said { id: Arc::clone(&self.id), keep_logs: self.keep_logs, what });
    }

    /// A line of the host's own in the job's log.
    pub(crate) fn note(&self, line: String) {
        self.say(Said::Line(line));
    }

    /// Waits until everything said is in Redis, so that it is there before the job ends.
    pub(crate) async fn flush(&self) {
        if self.spoke.load(Ordering::Relaxed) {
            let (done, written) = oneshot::channel();
            let _ = self.to.send(Message::Flush(done));
            let _ = written.await;
        }
    }
}

impl Host for Voice {
    fn log(&self, level: Level, line: String) {
        // Lines of plain output stay as they are; those of the log interface carry their level.
        let line = if level == Level::Info { line } else { format!("[{}] {line}", level.as_str()) };
        self.say(Said::Line(line));
    }

    fn progress(&self, json: String) {
        self.say(Said::Progress(json));
    }

    fn metric(&self, record: MetricRecord) {
        if let Err(why) = self.metrics.handlers().record(&self.queue, &self.name, record) {
            QueueEvent::MetricRefused { why }.emit(&self.queue, &self.metrics);
        }
    }

    fn wants_core_dump(&self) -> bool {
        self.core_dumps.as_ref().is_some_and(|dumps| dumps.claim(self.service.clock.now_ms()))
    }

    fn warn(&self, warning: Warning) {
        let (word, what) = match warning {
            Warning::Time => {
                ("time", format!("its soft timeout of {}", show_duration(self.limits.soft_timeout)))
            }
            Warning::Memory => {
                ("memory", format!("its soft memory limit of {}", show_size(self.limits.soft_memory)))
            }
        };
        self.note(format!("[warn] the attempt has passed {what}"));
        SoftLimit { of: &self.of, queue: &self.queue, id: &self.id, limit: word }.emit();
    }

    fn denied(&self, what: Denied) {
        let (queue, job, id) = (&*self.queue, &*self.service.job_type, &*self.id);
        AccessDenied { queue, job, id, what: what.as_str() }.emit(&self.metrics);
    }

    fn request(&self, method: &str, host: &str, port: u16) -> Option<Box<dyn RequestTrace>> {
        let span = self.span();
        span.traces().then(|| Box::new(Request(span.request(method, host, port))) as Box<dyn RequestTrace>)
    }

    fn acquire(&self, limiter: String, key: String, cost: u64) -> Answer<'_, Result<(), LimitError>> {
        let about = Some(("gristmill.limiter", limiter.clone()));
        self.traced("acquire", about, async move { self.service.guards.acquire(&limiter, &key, cost).await })
    }

    fn enter(&self, breaker: String, key: String) -> Answer<'_, Result<Option<u64>, BreakerError>> {
        let about = Some(("gristmill.breaker", breaker.clone()));
        self.traced("enter", about, async move {
            let entered = self.service.guards.enter(&breaker, &key).await?;
            Ok(entered.map(|passed| passed.epoch))
        })
    }

    fn leave(&self, breaker: String, key: String, epoch: u64, how: Guarded) {
        let guards = self.service.guards.clone();
        self.guests.spawn(async move { guards.leave(&breaker, &key, epoch, how).await });
    }

    fn enqueue(&self, mut jobs: Vec<Submission>) -> Answer<'_, Result<Vec<Added>, EnqueueError>> {
        let named: Vec<_> =
            jobs.iter().map(|job| (job.queue.as_deref().unwrap_or(&self.queue), &*job.name)).collect();
        let span = self.span().add(&named);
        if let Some(context) = span.metadata() {
            for job in &mut jobs {
                job.context = Some(context.clone());
            }
        }
        Box::pin(async move { span.ended(self.service.enqueue(jobs).await) })
    }

    fn children(&self) -> Answer<'_, Result<ChildResults, EnqueueError>> {
        self.traced("children", None, self.service.children())
    }

    fn failed_children(&self) -> Answer<'_, Result<ChildFailures, EnqueueError>> {
        self.traced("failed-children", None, self.service.failed_children())
    }

    fn state(&self, key: String, step: StateStep) -> Answer<'_, Result<StateAnswer, StateError>> {
        let about = Some(("gristmill.step", step.as_str().to_owned()));
        self.traced("state", about, async move { self.service.state(&key, &step).await })
    }

    fn save_checkpoint(&self, data: Vec<u8>) -> Answer<'_, Result<(), String>> {
        self.traced("save-checkpoint", None, async move { self.service.save_checkpoint(&data).await })
    }

    fn load_checkpoint(&self) -> Answer<'_, Result<Option<Vec<u8>>, String>> {
        self.traced("load-checkpoint", None, self.service.load_checkpoint())
    }

    fn update_data(&self, json: String) -> Answer<'_, Result<(), String>> {
        self.traced("update-data", None, async move { self.service.update_data(&json).await })
    }
}

/// Runs until every sender is gone.
pub(crate) async fn run(
    queue: Queue,
    clock: Clock,
    metrics: Metrics,
    mut from: mpsc::UnboundedReceiver<Message>,
) {
    let mut messages = Vec::with_capacity(BATCH);
    while from.recv_many(&mut messages, BATCH).await > 0 {
        let mut reports: Vec<Report> = Vec::new();
        let mut flushed = Vec::new();
        for message in messages.drain(..) {
            match message {
                Message::Flush(done) => flushed.push(done),
                Message::Said { id, keep_logs, what } => {
                    if reports.last().is_none_or(|last| *last.id != *id) {
                        reports.push(Report { id: id.to_string(), keep_logs, ..Report::default() });
                    }
                    if let Some(report) = reports.last_mut() {
                        match what {
                            Said::Line(line) => report.lines.push(line),
                            Said::Progress(json) => report.progress.push(json),
                        }
                    }
                }
            }
        }
        if !reports.is_empty() {
            write(&queue, &clock, &metrics, &reports).await;
        }
        for done in flushed {
            let _ = done.send(());
        }
    }
}

async fn write(queue: &Queue, clock: &Clock, metrics: &Metrics, reports: &[Report]) {
    for attempt in 0..TRIES {
        let Err(error) = queue.report(reports, clock.now_ms()).await else { return };
        // The pump, which meets the same server, is the one that warns.
        let first = error.kind() != ErrorKind::Unavailable;
        QueueEvent::RedisFailed { error: &error, first }.emit(queue.name(), metrics);
        if error.kind() != ErrorKind::Unavailable {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50 << attempt.min(5))).await;
    }
}
