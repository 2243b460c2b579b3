//! `gristmill run`: one attempt, without Redis.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use gristmill_core::clean::clean_lines;
use gristmill_core::clock::Clock;
use gristmill_core::job::Job;
use gristmill_core::limits::Limits;
use gristmill_core::metric::MetricRecord;
use gristmill_core::outcome::{Failure as JobFailure, Outcome};
use gristmill_core::units::{show_duration, show_size};
use gristmill_sandbox::{Allow, Attempt, Host, Interrupter, Level, Report};
use serde::Serialize;

use crate::arguments::{Global, RunArguments};
use crate::failure::{FAILED, Failure};
use crate::{host, output, settings};

/// Shows what the handler says as it says it.
#[derive(Default)]
struct Terminal {
    metrics: Mutex<Vec<MetricRecord>>,
}

impl Host for Terminal {
    fn log(&self, level: Level, line: String) {
        anstream::eprintln!("{:>5} {line}", level.as_str());
    }

    fn progress(&self, json: String) {
        anstream::eprintln!("progress {json}");
    }

    fn metric(&self, record: MetricRecord) {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

/// The bounds of a configured job type.
const MAX_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);
const MAX_MEMORY: u64 = 4 << 30;

#[derive(Serialize)]
struct Shown<'a> {
    outcome: &'static str,
    returned: Option<&'a serde_json::value::RawValue>,
    reason: Option<String>,
    seconds: f64,
    fuel: Option<u64>,
    peak_memory_bytes: u64,
}

pub(crate) fn run(arguments: RunArguments, global: &Global) -> Result<ExitCode, Failure> {
    let data = settings::read_json(&arguments.data)?;
    if arguments.timeout.is_zero() || arguments.timeout > MAX_TIMEOUT {
        return Err(Failure::usage("`--timeout` must be more than 0 and at most `24h`"));
    }
    if arguments.memory == 0 || arguments.memory > MAX_MEMORY || arguments.output == 0 {
        return Err(Failure::usage("`--memory` must be at most `4GiB`, and it and `--output` more than 0"));
    }
    let limits = Limits {
        memory: arguments.memory,
        timeout: arguments.timeout,
        soft_timeout: arguments.timeout * 8 / 10,
        fuel: arguments.fuel,
        output: usize::try_from(arguments.output).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let allow = Allow::http(arguments.allow_http.iter().map(String::as_str));
    let allow = allow.map_err(|e| Failure::problems(e.iter().map(ToString::to_string).collect()))?;
    let sandbox = host::small_sandbox(global, limits.memory)?;
    let module = sandbox.load(&arguments.file, limits.fuel.is_some()).map_err(Failure::usage)?;
    module.fits(&limits).map_err(Failure::usage)?;

    let now = Clock::System.now_ms();
    let job = Job {
        id: "run".into(),
        name: arguments.name,
        queue: "run".into(),
        attempt: 1,
        max_attempts: 1,
        data: data.into_bytes(),
        enqueued_at_ms: now,
        scheduled_at_ms: now,
        headers: Vec::new(),
    };
    let terminal = Arc::new(Terminal::default());
    let attempt = Attempt {
        job,
        limits: Arc::new(limits),
        allow: Arc::new(allow),
        host: Arc::<Terminal>::clone(&terminal),
        interrupter: Interrupter::default(),
        warm: None,
    };
    let guests = host::guest_runtime(None)?;
    let report = guests
        .block_on(guests.spawn(async move { sandbox.run(&module, attempt).await }))
        .map_err(|error| Failure::new(format!("the host failed in this attempt (a bug): {error}")))?;
    guests.shutdown_background();
    for record in terminal.metrics.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let labels: Vec<String> =
            record.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        anstream::eprintln!("metric {}{{{}}} {}", record.name, labels.join(","), record.value);
    }
    show(&report, global.json)
}

fn show(report: &Report, json: bool) -> Result<ExitCode, Failure> {
    let returned = match &report.outcome {
        Outcome::Returned(output) => Some(output.as_deref().unwrap_or(b"null")),
        _ => None,
    };
    let reason = reason(&report.outcome);
    let dropped = [
        ("log lines", report.dropped_lines),
        ("progress updates", report.dropped_updates),
        ("metric records", report.dropped_records),
    ];
    for (what, count) in dropped.into_iter().filter(|(_, count)| *count > 0) {
        anstream::eprintln!(" warn {count} more {what} were dropped: the attempt's ceiling was reached");
    }
    if json {
        let returned = returned.map(serde_json::from_slice).transpose().map_err(Failure::new)?;
        output::json(&Shown {
            outcome: report.outcome.label(),
            returned,
            reason: reason.clone(),
            seconds: report.elapsed.as_secs_f64(),
            fuel: report.fuel,
            peak_memory_bytes: report.peak_memory,
        })?;
    } else if let Some(returned) = returned {
        output::text(&String::from_utf8_lossy(returned));
    }
    let fuel = report.fuel.map(|fuel| format!(", {fuel} fuel")).unwrap_or_default();
    anstream::eprintln!(
        "{} in {}{fuel}, peak memory {}",
        report.outcome.label(),
        show_duration(report.elapsed),
        show_size(report.peak_memory)
    );
    if let Some(reason) = reason {
        anstream::eprintln!("{}", clean_lines(&reason));
    }
    Ok(if returned.is_some() { ExitCode::SUCCESS } else { FAILED.into() })
}

/// What would become `failedReason`, with its details.
fn reason(outcome: &Outcome) -> Option<String> {
    let told = |failure: &JobFailure| match &failure.detail {
        Some(detail) => format!("{}\n{detail}", failure.message),
        None => failure.message.clone(),
    };
    match outcome {
        Outcome::Returned(_) | Outcome::WaitForChildren | Outcome::Interrupted(_) => None,
        Outcome::Retryable(failure) | Outcome::Permanent(failure) => Some(told(failure)),
        Outcome::RateLimited { retry_after, message } => {
            let after =
                retry_after.map(|d| format!("retry after {}: ", show_duration(d))).unwrap_or_default();
            Some(format!("{after}{message}"))
        }
        Outcome::Deferred { delay, reason } => Some(format!("again in {}: {reason}", show_duration(*delay))),
        Outcome::Stopped(stop) => {
            let backtrace = stop.backtrace.as_ref().map(|b| format!("\n{b}")).unwrap_or_default();
            Some(format!("{}{backtrace}", stop.failed_reason()))
        }
    }
}
