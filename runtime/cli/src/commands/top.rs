//! `gristmill top`: queues, workers and alerts at a glance, renewed until Ctrl-C.

use std::io::IsTerminal;
use std::process::ExitCode;

use gristmill_core::alert::Alert;
use gristmill_core::clock::Clock;
use gristmill_core::sample::{Sample, Series};
use gristmill_core::units::{show_duration, show_size};
use gristmill_queue::{Monitor, ScalingRow, WorkerBeat};
use serde::Serialize;

use crate::arguments::{Global, TopArguments};
use crate::commands::monitor::opened;
use crate::failure::Failure;
use crate::{host, output};

/// Clears the screen and goes to its corner.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// What is shown.
#[derive(Serialize)]
struct Glance {
    at_ms: u64,
    queues: Vec<Row>,
    workers: Vec<WorkerBeat>,
    alerts: Vec<Alert>,
}

#[derive(Serialize)]
struct Row {
    queue: String,
    look: Sample,
    desired_workers: Option<u64>,
}

pub(crate) fn top(arguments: &TopArguments, global: &Global) -> Result<ExitCode, Failure> {
    host::host_runtime()?.block_on(async {
        let monitor = opened(global).await?;
        let renewed = std::io::stdout().is_terminal() && !arguments.once && !global.json;
        let mut ticks = tokio::time::interval(arguments.every.max(std::time::Duration::from_millis(200)));
        loop {
            ticks.tick().await;
            let glance = look(&monitor).await?;
            if global.json {
                output::json(&glance)?;
            } else {
                let clear = if renewed { CLEAR } else { "" };
                anstream::println!("{clear}{}", render(&glance));
            }
            if !renewed {
                return Ok(ExitCode::SUCCESS);
            }
        }
    })
}

async fn look(monitor: &Monitor) -> Result<Glance, Failure> {
    let at_ms = Clock::System.now_ms();
    let mut scaling = monitor.scaling().await?;
    let looks = monitor.looks().await?.into_iter();
    let row = |(queue, look): (String, Sample)| {
        let desired = scaling.remove(&queue).map(|row: ScalingRow| row.decision.desired);
        Row { queue, look, desired_workers: desired }
    };
    let queues = looks.map(row).collect();
    let mut alerts: Vec<Alert> = monitor.alerts().await?.into_values().map(|(alert, _)| alert).collect();
    alerts.sort_by_key(|alert| std::cmp::Reverse((alert.severity, alert.raised_ms)));
    Ok(Glance { at_ms, queues, workers: monitor.workers(at_ms).await?, alerts })
}

fn render(glance: &Glance) -> String {
    let mut parts = vec![format!(
        "gristmill  {}   {} queues, {} workers, {} alerts",
        output::time(&glance.at_ms.to_string()),
        glance.queues.len(),
        glance.workers.len(),
        glance.alerts.len()
    )];
    if glance.queues.is_empty() {
        parts.push("no worker has looked at a queue yet".to_owned());
    }
    let millis = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"));
    let queues = glance.queues.iter().map(|row| {
        let look = &row.look;
        let rate = |series| look.value(series).unwrap_or(0.0);
        vec![
            if look.paused { format!("{} (paused)", row.queue) } else { row.queue.clone() },
            look.depths.backlog().to_string(),
            look.depths.active.to_string(),
            look.depths.delayed.to_string(),
            look.depths.failed.to_string(),
            show_duration(std::time::Duration::from_secs(look.oldest_wait_ms / 1_000)),
            format!("{:.0}", rate(Series::CompletedPerMinute) + rate(Series::FailedPerMinute)),
            format!("{:.1} %", rate(Series::ErrorRate)),
            millis(look.p95_ms),
            row.desired_workers.map_or_else(
                || look.staff.workers.to_string(),
                |desired| format!("{} of {desired}", look.staff.workers),
            ),
        ]
    });
    let head =
        ["queue", "waiting", "active", "delayed", "failed", "oldest", "per min", "errors", "P95", "workers"];
    parts.push(output::rendered(&head, queues));
    let workers = glance.workers.iter().map(|worker| {
        let longest = worker.running.iter().min_by_key(|job| job.started_ms);
        let longest = longest.map_or_else(String::new, |job| {
            let since = glance.at_ms.saturating_sub(job.started_ms) / 1_000;
            format!("{} {} ({})", job.queue, job.job, show_duration(std::time::Duration::from_secs(since)))
        });
        vec![
            worker.name.clone(),
            worker.phase.clone(),
            format!("{} of {}", worker.busy, worker.slots),
            show_size(worker.memory_bytes),
            format!("{:.0} %", worker.cpu_percent),
            longest,
        ]
    });
    parts.push(output::rendered(&["worker", "state", "slots", "memory", "CPU", "longest attempt"], workers));
    if !glance.alerts.is_empty() {
        let alerts = glance.alerts.iter().map(|alert| {
            let known =
                alert.acknowledged.as_ref().map_or_else(String::new, |by| format!("known to {}", by.who));
            let queue = alert.queue.clone().unwrap_or_default();
            vec![alert.severity.as_str().to_owned(), queue, alert.summary.clone(), known]
        });
        parts.push(output::rendered(&["alert", "queue", "what", ""], alerts));
    }
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_core::sample::{Depths, Staff};
    use gristmill_core::tally::Tally;

    #[test]
    fn a_glance_has_queues_workers_and_alerts() {
        let mut tally = Tally::default();
        tally.record(true, false, 40_000, None);
        let staff = Staff { workers: 1, ..Staff::default() };
        let depths = Depths { prioritized: 7, ..Depths::default() };
        let look = Sample::new((60_000, 60_000), depths, (65_000, true), &tally, staff);
        let worker =
            WorkerBeat { name: "w1".into(), phase: "taking".into(), slots: 4, ..WorkerBeat::default() };
        let queues = vec![Row { queue: "mail".into(), look, desired_workers: Some(3) }];
        let text = render(&Glance { at_ms: 0, queues, workers: vec![worker], alerts: Vec::new() });
        for wanted in ["mail (paused)", "| 7 ", "1m 5s", "100.0 %", "1 of 3", "| w1 ", "0 of 4"] {
            assert!(text.contains(wanted), "{wanted} in\n{text}");
        }
    }
}
