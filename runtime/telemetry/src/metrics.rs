//! The metric families of the host, in one registry that is handed in, never global.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gristmill_core::metric::MAX_LABEL_VALUE;
use gristmill_core::sample::Sample;
use gristmill_core::scaling::Decision;
use gristmill_core::tally::Tally;
use gristmill_core::units::cut;
use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, exponential_buckets,
};

use crate::bullmq::{self, Meter, Sent, Series};
use crate::handler_metrics::HandlerMetrics;
use crate::render::render;
use crate::specification::MetricSpec;

/// Every metric of one worker. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    pub(crate) families: Arc<Families>,
    handlers: Arc<HandlerMetrics>,
    /// By queue.
    types: Arc<Mutex<HashMap<String, ByName>>>,
    /// Attempts that ended since the start.
    ended: Arc<AtomicU64>,
    specs: Arc<Vec<MetricSpec>>,
    sent: Sent,
}

/// What attempts of a queue came to, by job name.
pub type QueueTallies = (String, Vec<(String, Tally)>);

/// One queue's job types by job name.
type ByName = HashMap<String, Arc<TypeMetrics>>;

/// Job names of one queue that have series of their own.
const MAX_NAMES: usize = 200;

pub(crate) struct Families {
    pub jobs: IntCounterVec,
    pub attempt_seconds: HistogramVec,
    pub wait_seconds: HistogramVec,
    pub fuel: HistogramVec,
    pub peak_memory: HistogramVec,
    pub soft_limits: IntCounterVec,
    pub poison: IntCounterVec,
    pub denied: IntCounterVec,
    pub recycled: IntCounterVec,
    pub reused: IntCounterVec,
    pub timeout_seconds: GaugeVec,
    pub limit_changes: IntCounterVec,
    pub memory_pressure: IntCounterVec,
    pub slots: IntGaugeVec,
    pub slots_busy: IntGaugeVec,
    pub slot_seconds: CounterVec,
    pub worker_slots: IntGauge,
    pub queue_weight: GaugeVec,
    pub locks_lost: IntCounterVec,
    pub stalled: IntCounterVec,
    pub strangers: IntCounterVec,
    pub odd_options: IntCounterVec,
    pub not_scheduled: IntCounterVec,
    pub redis_errors: IntCounterVec,
    pub panics: IntCounter,
    pub dropped: IntCounterVec,
    pub refused: IntCounterVec,
    pub swaps: IntCounterVec,
    pub deployments: IntCounterVec,
    pub core_dumps: IntCounterVec,
    pub canaries: IntCounterVec,
    pub canary_percent: IntGaugeVec,
    pub limiter_calls: IntCounterVec,
    pub breaker_calls: IntCounterVec,
    pub breaker_state: IntGaugeVec,
    pub queue_jobs: IntGaugeVec,
    /// In the order of [`bullmq::COUNTED`].
    pub bullmq_jobs: Vec<IntCounterVec>,
    pub bullmq_duration: HistogramVec,
    pub bullmq_queue_jobs: IntGaugeVec,
    pub exported: IntCounterVec,
    pub oldest_wait: GaugeVec,
    pub workers: IntGaugeVec,
    pub paused: IntGaugeVec,
    pub desired_workers: IntGaugeVec,
    pub alerts: IntGaugeVec,
    pub notifications: IntCounterVec,
    pub redis_calls: IntCounter,
    pub redis_seconds: Counter,
}

/// One job type's series, looked up once so that an attempt costs no label search.
pub struct TypeMetrics {
    outcomes: Mutex<HashMap<&'static str, IntCounter>>,
    jobs: IntCounterVec,
    soft_limits: IntCounterVec,
    poison: IntCounterVec,
    queue: String,
    job: String,
    pub(crate) attempt_seconds: Histogram,
    pub(crate) wait_seconds: Histogram,
    /// Made with the first metered attempt: most job types do not meter.
    fuel: OnceLock<Histogram>,
    fuels: HistogramVec,
    pub(crate) peak_memory: Histogram,
    /// What attempts came to since it was taken last. Written by attempts, taken by [`Metrics::take_tallies`].
    tally: Mutex<Tally>,
    ended: Arc<AtomicU64>,
    bullmq: Series,
}

impl TypeMetrics {
    pub(crate) fn outcome(&self, outcome: &'static str) -> IntCounter {
        let mut known = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(outcome)
            .or_insert_with(|| {
                self.jobs.with_label_values(&[self.queue.as_str(), self.job.as_str(), outcome])
            })
            .clone()
    }
}

impl TypeMetrics {
    /// Counts an attempt for the history.
    pub(crate) fn tally(
        &self,
        (failed, timeout): (bool, bool),
        elapsed: std::time::Duration,
        waited: Option<std::time::Duration>,
    ) {
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.ended.fetch_add(1, Ordering::Relaxed);
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.record(failed, timeout, micros, waited.map(millis));
    }

    pub(crate) fn fuel(&self) -> &Histogram {
        self.fuel.get_or_init(|| self.fuels.with_label_values(&[self.queue.as_str(), self.job.as_str()]))
    }

    /// Counts an attempt under BullMQ's names, by the state that it left its job in.
    pub(crate) fn count_state(&self, state: &'static str, elapsed: std::time::Duration) {
        self.bullmq.count(state, elapsed);
    }

    pub(crate) fn poison(&self) -> IntCounter {
        self.poison.with_label_values(&[self.queue.as_str(), self.job.as_str()])
    }

    /// Rare enough to be looked up each time.
    pub(crate) fn soft_limit(&self, limit: &'static str) -> IntCounter {
        self.soft_limits.with_label_values(&[self.queue.as_str(), self.job.as_str(), limit])
    }
}

impl Metrics {
    /// All families, registered in a registry of their own.
    ///
    /// # Errors
    /// Only when two families share a name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let (families, mut specs) = Families::register(&registry)?;
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        let (families, specs) = (Arc::new(families), Arc::new(specs));
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self {
            registry,
            families,
            handlers: Arc::default(),
            types: Arc::default(),
            ended: Arc::default(),
            specs,
            sent: Sent::default(),
        })
    }

    /// The series of one job type. Names come from producers, so a queue has series of its own for the first
    /// [`MAX_NAMES`] of them only; all further ones share `job="other"`.
    #[must_use]
    pub fn job_type(&self, queue: &str, job: &str) -> Arc<TypeMetrics> {
        let mut queues = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = queues.get(queue).and_then(|types| types.get(job)) {
            return Arc::clone(known);
        }
        let types = queues.entry(queue.to_owned()).or_default();
        let label = if types.len() < MAX_NAMES { cut(job, MAX_LABEL_VALUE) } else { "other".into() };
        if let Some(known) = types.get(&*label) {
            return Arc::clone(known);
        }
        let made = Arc::new(self.make_job_type(queue, &label));
        types.insert(label.into_owned(), Arc::clone(&made));
        made
    }

    fn make_job_type(&self, queue: &str, job: &str) -> TypeMetrics {
        let labels = [queue, job];
        TypeMetrics {
            outcomes: Mutex::default(),
            jobs: self.families.jobs.clone(),
            soft_limits: self.families.soft_limits.clone(),
            poison: self.families.poison.clone(),
            queue: queue.to_owned(),
            job: job.to_owned(),
            attempt_seconds: self.families.attempt_seconds.with_label_values(&labels),
            wait_seconds: self.families.wait_seconds.with_label_values(&labels),
            fuel: OnceLock::new(),
            fuels: self.families.fuel.clone(),
            peak_memory: self.families.peak_memory.with_label_values(&labels),
            tally: Mutex::default(),
            ended: Arc::clone(&self.ended),
            bullmq: Series::new(queue, job, Arc::clone(&self.families), Arc::clone(&self.sent)),
        }
    }

    /// What attempts came to since the last call, by queue and job name; only those that had any.
    #[must_use]
    pub fn take_tallies(&self) -> Vec<QueueTallies> {
        let queues = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        let take = |(name, of): (&String, &Arc<TypeMetrics>)| {
            let mut tally = of.tally.lock().unwrap_or_else(PoisonError::into_inner);
            (tally.attempts() > 0).then(|| (name.clone(), std::mem::take(&mut *tally)))
        };
        let queues =
            queues.iter().map(|(queue, types)| (queue.clone(), types.iter().filter_map(take).collect()));
        queues.filter(|(_, types): &QueueTallies| !types.is_empty()).collect()
    }

    /// Attempts that ended since the start.
    #[must_use]
    pub fn attempts_ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Slots of a queue that hold a job, and those that it may have.
    #[must_use]
    pub fn slots(&self, queue: &str) -> (u64, u64) {
        let value =
            |family: &IntGaugeVec| u64::try_from(family.with_label_values(&[queue]).get()).unwrap_or(0);
        (value(&self.families.slots_busy), value(&self.families.slots))
    }

    /// Says what a queue is like, as it was looked at last by any worker.
    pub fn set_look(&self, queue: &str, look: &Sample) {
        let families = &self.families;
        let labels = [queue];
        families.oldest_wait.with_label_values(&labels).set(look.oldest_wait_ms as f64 / 1e3);
        families
            .workers
            .with_label_values(&labels)
            .set(i64::try_from(look.staff.workers).unwrap_or(i64::MAX));
        families.paused.with_label_values(&labels).set(i64::from(look.paused));
    }

    /// Says how many workers a queue should have.
    pub fn set_scaling(&self, queue: &str, decision: &Decision) {
        let desired = i64::try_from(decision.desired).unwrap_or(i64::MAX);
        self.families.desired_workers.with_label_values(&[queue]).set(desired);
    }

    /// Says how many alerts hold; whatever is not named has none.
    pub fn set_alerts(&self, alerts: &[(String, String, &'static str)]) {
        self.families.alerts.reset();
        for (rule, queue, severity) in alerts {
            self.families.alerts.with_label_values(&[rule.as_str(), queue.as_str(), severity]).set(1);
        }
    }

    /// Counts calls to Redis and the time that their answers took, since the last call of this.
    pub fn add_redis_calls(&self, calls: u64, time: std::time::Duration) {
        self.families.redis_calls.inc_by(calls);
        self.families.redis_seconds.inc_by(time.as_secs_f64());
    }

    /// What handlers record.
    #[must_use]
    pub fn handlers(&self) -> &Arc<HandlerMetrics> {
        &self.handlers
    }

    /// Says how many jobs a queue holds in each state; `queues` lists every queue that still has a value.
    pub fn set_queue_jobs(&self, queues: &[(String, Vec<(&'static str, u64)>)]) {
        for (queue, counts) in queues {
            for (state, count) in counts {
                let gauge = self.families.queue_jobs.with_label_values(&[queue.as_str(), state]);
                gauge.set(i64::try_from(*count).unwrap_or(i64::MAX));
                let gauge = self.families.bullmq_queue_jobs.with_label_values(&[queue.as_str(), state]);
                gauge.set(i64::try_from(*count).unwrap_or(i64::MAX));
                if let Some(meter) = self.sent.get() {
                    meter.set_jobs(queue, state, *count);
                }
            }
        }
    }

    /// Sends BullMQ's metrics of jobs there too, from now on.
    pub(crate) fn send_to(&self, meter: Meter) {
        // One process has one collector.
        let _ = self.sent.set(meter);
    }

    /// Says what the timeout of a job type with adaptive limits is now.
    pub fn set_timeout(&self, queue: &str, job: &str, timeout: std::time::Duration) {
        self.families.timeout_seconds.with_label_values(&[queue, job]).set(timeout.as_secs_f64());
    }

    /// Says how many slots a queue has, and how many hold a job.
    pub fn set_slots(&self, queue: &str, busy: usize, total: usize) {
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.families.slots.with_label_values(&[queue]).set(gauge(total));
        self.families.slots_busy.with_label_values(&[queue]).set(gauge(busy));
    }

    /// Says how many attempts the worker may run at a time.
    pub fn set_worker_slots(&self, slots: usize) {
        self.families.worker_slots.set(i64::try_from(slots).unwrap_or(i64::MAX));
    }

    /// Says what a queue's weight is now.
    pub fn set_weight(&self, queue: &str, weight: f64) {
        self.families.queue_weight.with_label_values(&[queue]).set(weight);
    }

    /// Counts for how long an attempt had a slot.
    pub fn add_slot_time(&self, queue: &str, time: std::time::Duration) {
        self.families.slot_seconds.with_label_values(&[queue]).inc_by(time.as_secs_f64());
    }

    /// Every metric that a worker may show, but for those of handlers and of the process.
    #[must_use]
    pub fn specification(&self) -> &[MetricSpec] {
        &self.specs
    }

    /// Everything in Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for families in [self.registry.gather(), self.handlers.gather()] {
            render(&families, &mut out);
        }
        out
    }
}

impl Families {
    #[expect(clippy::too_many_lines, reason = "one list of all families")]
    fn register(registry: &Registry) -> Result<(Self, Vec<MetricSpec>), prometheus::Error> {
        let specs = RefCell::new(Vec::new());
        let add = |collector: Box<dyn Collector>| {
            specs.borrow_mut().extend(MetricSpec::of(&*collector));
            registry.register(collector)
        };
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            add(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
            add(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| {
            let family =
                HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), &["queue", "job"])?;
            add(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let bullmq_duration = HistogramVec::new(
            HistogramOpts::new("bullmq_job_duration_milliseconds", "Wall time of attempts")
                .buckets(bullmq::BUCKETS.to_vec()),
            &bullmq::LABELS,
        )?;
        add(Box::new(bullmq_duration.clone()))?;
        let panics = IntCounter::new("gristmill_panics_total", "Panics of the host that ended one attempt")?;
        add(Box::new(panics.clone()))?;
        let timeout_seconds = GaugeVec::new(
            Opts::new("gristmill_timeout_seconds", "Timeout of job types with adaptive limits"),
            &["queue", "job"],
        )?;
        add(Box::new(timeout_seconds.clone()))?;
        let queue_weight = GaugeVec::new(
            Opts::new("gristmill_queue_weight", "Weight of a queue where slots are short"),
            &["queue"],
        )?;
        add(Box::new(queue_weight.clone()))?;
        let slot_seconds = CounterVec::new(
            Opts::new("gristmill_slot_seconds_total", "For how long attempts had their slots"),
            &["queue"],
        )?;
        add(Box::new(slot_seconds.clone()))?;
        let worker_slots = IntGauge::new("gristmill_worker_slots", "Attempts of all queues at a time")?;
        add(Box::new(worker_slots.clone()))?;
        let oldest_wait = GaugeVec::new(
            Opts::new(
                "gristmill_oldest_wait_seconds",
                "For how long the oldest job that could run has waited",
            ),
            &["queue"],
        )?;
        add(Box::new(oldest_wait.clone()))?;
        let redis_calls =
            IntCounter::new("gristmill_redis_calls_total", "Calls to Redis that were answered")?;
        add(Box::new(redis_calls.clone()))?;
        let redis_seconds =
            Counter::new("gristmill_redis_call_seconds_total", "Time that answers of Redis took")?;
        add(Box::new(redis_seconds.clone()))?;
        // From 50 µs, what a small handler takes, to a few hours.
        let attempt = exponential_buckets(0.000_05, 4.0, 14)?;
        let wait = exponential_buckets(0.001, 4.0, 13)?;
        let families = Self {
            jobs: counter(
                "gristmill_jobs_total",
                "Attempts by how they ended",
                &["queue", "job", "outcome"],
            )?,
            attempt_seconds: histogram("gristmill_attempt_seconds", "Wall time of attempts", attempt)?,
            wait_seconds: histogram(
                "gristmill_wait_seconds",
                "From when a job could run to its first start",
                wait,
            )?,
            fuel: histogram(
                "gristmill_attempt_fuel",
                "Fuel of metered attempts",
                exponential_buckets(1e4, 10.0, 8)?,
            )?,
            peak_memory: histogram(
                "gristmill_attempt_peak_memory_bytes",
                "Most memory that an attempt had",
                exponential_buckets(262_144.0, 4.0, 8)?,
            )?,
            soft_limits: counter(
                "gristmill_soft_limits_total",
                "Attempts that passed a soft limit",
                &["queue", "job", "limit"],
            )?,
            memory_pressure: counter(
                "gristmill_memory_pressure_total",
                "Times that the worker's own memory passed a limit",
                &["limit"],
            )?,
            poison: counter(
                "gristmill_poison_jobs_total",
                "Jobs failed for good because they kept trapping",
                &["queue", "job"],
            )?,
            denied: counter(
                "gristmill_denied_total",
                "What handlers asked for and were not allowed",
                &["queue", "job", "what"],
            )?,
            recycled: counter(
                "gristmill_instances_recycled_total",
                "Reused instances that were let go",
                &["queue", "job", "reason"],
            )?,
            reused: counter(
                "gristmill_reused_attempts_total",
                "Attempts in an instance that had served before",
                &["queue", "job"],
            )?,
            timeout_seconds,
            limit_changes: counter(
                "gristmill_limit_changes_total",
                "Changes of adaptive limits",
                &["queue", "job", "reason"],
            )?,
            slots: gauge("gristmill_slots", "Attempts that may run at a time", &["queue"])?,
            slots_busy: gauge("gristmill_slots_busy", "Slots that hold a job", &["queue"])?,
            slot_seconds,
            worker_slots,
            queue_weight,
            locks_lost: counter(
                "gristmill_locks_lost_total",
                "Jobs whose lock another worker may have",
                &["queue"],
            )?,
            stalled: counter(
                "gristmill_stalled_jobs_total",
                "Jobs found without a living worker",
                &["queue"],
            )?,
            strangers: counter("gristmill_strangers_total", "Ids in a queue that had no job", &["queue"])?,
            odd_options: counter(
                "gristmill_odd_options_total",
                "Job options that could not be read",
                &["queue", "option"],
            )?,
            not_scheduled: counter(
                "gristmill_not_scheduled_total",
                "Job schedulers whose next job could not be made",
                &["queue"],
            )?,
            redis_errors: counter("gristmill_redis_errors_total", "Failed calls to Redis", &["queue"])?,
            panics,
            dropped: counter(
                "gristmill_dropped_total",
                "What handlers said beyond their ceilings",
                &["queue", "what"],
            )?,
            refused: counter(
                "gristmill_metric_refusals_total",
                "Metric records of handlers that were refused",
                &["queue", "reason"],
            )?,
            swaps: counter("gristmill_handler_swaps_total", "Handlers replaced while running", &["result"])?,
            deployments: counter(
                "gristmill_deployment_changes_total",
                "Deployments that were followed, and versions that could not be served",
                &["queue", "job", "result"],
            )?,
            core_dumps: counter(
                "gristmill_core_dumps_total",
                "Core dumps of attempts that broke off",
                &["queue", "job", "result"],
            )?,
            canaries: counter(
                "gristmill_canary_ends_total",
                "Canaries that were promoted or rolled back by what they came to",
                &["queue", "job", "action"],
            )?,
            canary_percent: gauge(
                "gristmill_canary_percent",
                "Part of the attempts that a canary gets",
                &["queue", "job"],
            )?,
            limiter_calls: counter(
                "gristmill_limiter_calls_total",
                "Jobs, calls and requests that asked a limiter",
                &["limiter", "result"],
            )?,
            breaker_calls: counter(
                "gristmill_breaker_calls_total",
                "Jobs, calls and requests that asked a breaker",
                &["breaker", "result"],
            )?,
            breaker_state: gauge(
                "gristmill_breaker_state",
                "0 closed, 1 half-open, 2 open, as this worker saw it last",
                &["breaker"],
            )?,
            queue_jobs: gauge("bullmq_job_count", "Jobs by queue and state", &["queue", "state"])?,
            bullmq_jobs: bullmq::COUNTED
                .iter()
                .map(|(state, name)| {
                    counter(name, &format!("Attempts that left their jobs {state}"), &bullmq::LABELS)
                })
                .collect::<Result<_, _>>()?,
            bullmq_duration,
            bullmq_queue_jobs: gauge(
                "bullmq_queue_jobs",
                "Jobs by queue and state, under the name of BullMQ's telemetry",
                &["bullmq_queue_name", "bullmq_queue_jobs_state"],
            )?,
            exported: counter(
                "gristmill_otlp_exports_total",
                "Spans, and messages of metrics, that were sent over OTLP",
                &["what", "result"],
            )?,
            oldest_wait,
            workers: gauge("gristmill_workers", "Workers that serve a queue", &["queue"])?,
            paused: gauge("gristmill_queue_paused", "1 while nobody may take a queue's jobs", &["queue"])?,
            desired_workers: gauge(
                "gristmill_desired_workers",
                "Workers that a queue should have",
                &["queue"],
            )?,
            alerts: gauge("gristmill_alerts", "Alerts that hold", &["rule", "queue", "severity"])?,
            notifications: counter(
                "gristmill_notifications_total",
                "Messages about alerts and scaling",
                &["target", "result"],
            )?,
            redis_calls,
            redis_seconds,
        };
        Ok((families, specs.into_inner()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_names_beyond_the_cap_share_one_series() {
        let metrics = Metrics::new().unwrap();
        for n in 0..MAX_NAMES + 50 {
            metrics.job_type("q", &format!("name-{n}")).outcome("completed").inc();
        }
        let page = String::from_utf8(metrics.render()).unwrap();
        let series = page.lines().filter(|l| l.starts_with("gristmill_jobs_total{")).count();
        assert_eq!(series, MAX_NAMES + 1);
        assert!(
            page.contains(r#"gristmill_jobs_total{job="other",outcome="completed",queue="q"} 50"#),
            "{page}"
        );
    }
}
