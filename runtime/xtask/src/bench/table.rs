//! Medians, ratios, and how they are printed.

use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};

use super::Result_;
use super::contender::Kind;
use super::deployments::Deployments;
use super::drain::Drained;
use super::hostile::Hostile;
use super::languages::Language;
use super::latency::Latency;
use super::leak::Leak;
use super::limits::Limits;
use super::monitoring::Monitoring;
use super::sandbox::Sandbox;
use super::scale::Scale;
use super::scheduler::Scheduler;

pub(crate) struct Report {
    pub results: Vec<Result_>,
    pub latencies: Vec<(Kind, Latency)>,
    pub sandbox: Option<Sandbox>,
    pub scale: Option<Scale>,
    pub limits: Option<Limits>,
    pub monitoring: Option<Monitoring>,
    pub deployments: Option<Deployments>,
    pub hostile: Option<Hostile>,
    pub leak: Option<Leak>,
    pub languages: Vec<Language>,
    pub scheduler: Option<Scheduler>,
}

impl Report {
    pub(crate) fn new(results: Vec<Result_>) -> Self {
        Self {
            results,
            latencies: Vec::new(),
            sandbox: None,
            scale: None,
            limits: None,
            monitoring: None,
            deployments: None,
            hostile: None,
            leak: None,
            languages: Vec::new(),
            scheduler: None,
        }
    }

    /// The best setting of a kind by its median jobs/s.
    fn best(&self, kind: Kind, remove: bool) -> Option<&Result_> {
        self.results
            .iter()
            .filter(|r| r.contender.kind == kind && r.contender.remove == remove)
            .max_by(|a, b| a.jobs_per_s().total_cmp(&b.jobs_per_s()))
    }

    fn latency(&self, kind: Kind) -> Option<Latency> {
        self.latencies.iter().find(|(k, _)| *k == kind).map(|(_, l)| *l)
    }
}

impl Result_ {
    fn jobs_per_s(&self) -> f64 {
        median(self.runs.iter().map(|r| r.jobs_per_s))
    }

    fn worker_us(&self) -> f64 {
        median(self.runs.iter().map(|r| r.worker_us))
    }

    fn redis_us(&self) -> f64 {
        median(self.runs.iter().map(|r| r.redis_us))
    }

    fn cpu_us(&self) -> f64 {
        median(self.runs.iter().map(|r| r.worker_us + r.redis_us))
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn print(table: &Table) {
    #[expect(clippy::print_stdout, reason = "the tables are this chore's data")]
    {
        println!("{table}");
    }
}

pub(crate) fn new_table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(head);
    table
}

pub(crate) fn print_throughput(report: &Report) {
    let mut table =
        new_table(&["contender", "jobs/s", "worker µs/job", "Redis µs/job", "together", "resident MiB"]);
    for result in &report.results {
        table.add_row([
            result.contender.name(),
            format!("{:.0}", result.jobs_per_s()),
            format!("{:.1}", result.worker_us()),
            format!("{:.1}", result.redis_us()),
            format!("{:.1}", result.cpu_us()),
            format!("{:.0}", median(result.runs.iter().map(|r| r.resident_mib))),
        ]);
    }
    print(&table);
}

pub(crate) fn print_latency(report: &Report) {
    let mut table = new_table(&["pick-up when idle, 50 jobs/s", "p50 ms", "p99 ms"]);
    for (kind, latency) in &report.latencies {
        table.add_row([kind.name().to_owned(), format!("{:.2}", latency.p50), format!("{:.2}", latency.p99)]);
    }
    print(&table);
}

pub(crate) fn print_sandbox(report: &Report) {
    let Some(sandbox) = &report.sandbox else { return };
    let mut table = new_table(&["sandbox", "figure"]);
    for (name, micros) in &sandbox.attempts {
        table.add_row([name.clone(), format!("{micros:.1} µs")]);
    }
    table.add_row([
        format!("{} attempts waiting in a host call", sandbox.parked),
        format!(
            "{:.0} MiB resident; {:.0} MiB with shared pages counted once",
            sandbox.parked_rss_mib, sandbox.parked_pss_mib
        ),
    ]);
    print(&table);
}

pub(crate) fn print_scale(report: &Report) {
    let Some(scale) = report.scale else { return };
    let mut table = new_table(&["scale", "figure"]);
    for row in scale.rows() {
        table.add_row(row);
    }
    print(&table);
}

pub(crate) fn print_limits(report: &Report) {
    let Some(limits) = report.limits else { return };
    let mut table = new_table(&["limiters", "figure"]);
    for row in limits.rows() {
        table.add_row(row);
    }
    print(&table);
}

pub(crate) fn print_monitoring(report: &Report) {
    let Some(monitoring) = &report.monitoring else { return };
    let mut table = new_table(&["monitoring", "figure"]);
    for row in monitoring.rows() {
        table.add_row(row);
    }
    print(&table);
}

pub(crate) fn print_deployments(report: &Report) {
    let Some(deployments) = report.deployments else { return };
    let mut table = new_table(&["deployments", "figure"]);
    for row in deployments.rows() {
        table.add_row(row);
    }
    print(&table);
}

pub(crate) fn print_hostile(report: &Report) {
    let Some(hostile) = &report.hostile else { return };
    let mut table = new_table(&["past the deadline of hostile attempts", "median ms", "p99 ms", "worst ms"]);
    for (name, late) in &hostile.late {
        table.add_row([
            format!("{name}, {} attempts", late.count),
            format!("{:.2}", late.median),
            format!("{:.2}", late.p99),
            format!("{:.2}", late.worst),
        ]);
    }
    print(&table);
    let mut table = new_table(&["a healthy queue", "alone", "beside hostile guests", "ratio"]);
    for row in hostile.rows() {
        table.add_row(row);
    }
    print(&table);
}

pub(crate) fn print_leak(report: &Report) {
    let Some(leak) = &report.leak else { return };
    let mut table = new_table(&["a handler that leaks", "figure"]);
    for row in leak.rows() {
        table.add_row(row);
    }
    print(&table);
}

pub(crate) fn print_scheduler(report: &Report) {
    let Some(scheduler) = &report.scheduler else { return };
    let mut table = new_table(&["queues", "ns to give a slot away", "ns to take it back"]);
    for row in scheduler.rows() {
        table.add_row(row);
    }
    print(&table);
}

pub(crate) fn print_languages(report: &Report) {
    let mut table = new_table(&["one attempt", "fresh, µs of CPU", "reused, µs of CPU", "waiting, KiB"]);
    for language in &report.languages {
        table.add_row(language.row());
    }
    print(&table);
}

/// The median of the ratios of runs side by side: a machine that is slow for some time is so for both.
fn ratio(theirs: &Result_, figure: impl Fn(&Drained) -> f64) -> f64 {
    median(theirs.beside.iter().zip(&theirs.runs).map(|(ours, theirs)| figure(ours) / figure(theirs)))
}

/// Ours over each of the others', best setting against best setting.
fn ratios(report: &Report) -> Vec<(String, f64)> {
    let mut ratios = Vec::new();
    for remove in [true, false] {
        let kept = if remove { "removed" } else { "kept" };
        for kind in [Kind::Node, Kind::Sandboxed, Kind::Official, Kind::Ceiling] {
            let Some(theirs) = report.best(kind, remove).filter(|theirs| !theirs.beside.is_empty()) else {
                continue;
            };
            ratios.push((
                format!("throughput over {}, {kept}", kind.name()),
                ratio(theirs, |run| run.jobs_per_s),
            ));
            if kind != Kind::Ceiling {
                ratios.push((
                    format!("CPU per job over {}, {kept}", kind.name()),
                    ratio(theirs, |run| run.worker_us + run.redis_us),
                ));
            }
        }
    }
    if let (Some(ours), Some(node)) = (report.latency(Kind::Gristmill), report.latency(Kind::Node)) {
        ratios.push(("pick-up p50 over bullmq-node".to_owned(), ours.p50 / node.p50));
        ratios.push(("pick-up p99 over bullmq-node".to_owned(), ours.p99 / node.p99));
    }
    ratios
}

pub(crate) fn print_ratios(report: &Report) {
    let mut table = new_table(&["gristmill's", "ratio"]);
    for (name, ratio) in ratios(report) {
        table.add_row([name, format!("{ratio:.2}")]);
    }
    print(&table);
}

pub(crate) fn print_json(report: &Report) {
    let all = ratios(report);
    // The main figures are those of jobs that are removed when completed, as long-running queues have them.
    let ratio =
        |start: &str| all.iter().find(|(n, _)| n.starts_with(start)).map_or(Value::Null, |(_, r)| json!(r));
    let mut medians = Map::new();
    for result in &report.results {
        let figures = json!({
            "jobs_per_s": result.jobs_per_s(),
            "worker_us_per_job": result.worker_us(),
            "redis_us_per_job": result.redis_us(),
            "rounds": result.runs.len(),
        });
        medians.insert(result.contender.name(), figures);
    }
    let latencies: Map<String, Value> = report
        .latencies
        .iter()
        .map(|(kind, l)| (kind.name().to_owned(), json!({ "p50_ms": l.p50, "p99_ms": l.p99 })))
        .collect();
    let sandbox = report.sandbox.as_ref().map(|s| {
        let attempts: Map<String, Value> = s.attempts.iter().map(|(n, us)| (n.clone(), json!(us))).collect();
        json!({ "attempt_us": attempts, "parked": s.parked, "parked_rss_mib": s.parked_rss_mib,
            "parked_pss_mib": s.parked_pss_mib })
    });
    let object = json!({
        "throughput_ratio": ratio("throughput over bullmq-node, "),
        "cpu_ratio": ratio("CPU per job over bullmq-node, "),
        "ratios": all.iter().map(|(n, r)| (n.clone(), json!(r))).collect::<Map<_, _>>(),
        "medians": medians,
        "pick_up": latencies,
        "sandbox": sandbox,
        "scale": report.scale.map(Scale::json),
        "limits": report.limits.map(Limits::json),
        "monitoring": report.monitoring.as_ref().map(Monitoring::json),
        "deployments": report.deployments.map(Deployments::json),
        "hostile": report.hostile.as_ref().map(Hostile::json),
        "languages": report.languages.iter().map(Language::json).collect::<Vec<_>>(),
        "leak": report.leak.as_ref().map(Leak::json),
        "scheduler": report.scheduler.as_ref().map(Scheduler::json),
    });
    #[expect(clippy::print_stdout, reason = "the object is this chore's data")]
    {
        println!("{object}");
    }
}
