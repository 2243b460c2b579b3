//! `gristmill doctor`: what of the surroundings may hurt, and what to do.

use std::process::ExitCode;

use gristmill_core::clock::Clock;
use gristmill_core::config::Config;
use gristmill_core::units::show_size;
use gristmill_queue::{Connection, Monitor, ServerReport};
use gristmill_telemetry::Metrics;
use serde::Serialize;

use crate::arguments::Global;
use crate::failure::{Failure, config_errors};
use crate::{host, output, settings};

/// Round trips that are timed; the median counts.
const PINGS: usize = 21;
/// A median above this delays every job.
const SLOW_US: u64 = 5_000;
/// Clocks that differ by more shift delays and due times.
const SKEW_MS: u64 = 1_000;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    Warning,
    Failed,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    what: &'static str,
    outcome: Outcome,
    found: String,
    advice: Option<String>,
}

fn check(what: &'static str, outcome: Outcome, found: impl Into<String>, advice: Option<&str>) -> Check {
    Check { what, outcome, found: found.into(), advice: advice.map(str::to_owned) }
}

pub(crate) fn doctor(global: &Global) -> Result<ExitCode, Failure> {
    let loaded = settings::read(global, true)?;
    let mut checks = Vec::new();
    let problems = config_errors(&loaded);
    checks.push(match problems.first() {
        None => check("configuration", Outcome::Ok, format!("{} queues", loaded.config.queues.len()), None),
        Some(first) => {
            let found = format!("{} problems, such as {first}", problems.len());
            check("configuration", Outcome::Failed, found, Some("`gristmill check` lists all"))
        }
    });
    checks.push(handlers(&loaded.config));
    checks.push(cache(&loaded.config));
    checks.extend(memory(&loaded.config));
    host::host_runtime()?.block_on(redis(&loaded.config, &mut checks));
    let worst = checks.iter().map(|check| check.outcome).max().unwrap_or(Outcome::Ok);
    if global.json {
        output::json(&checks)?;
    } else {
        let rows = checks.into_iter().map(|check| {
            let outcome = match check.outcome {
                Outcome::Ok => "ok",
                Outcome::Warning => "warning",
                Outcome::Failed => "failed",
            };
            [check.what.to_owned(), outcome.to_owned(), check.found, check.advice.unwrap_or_default()]
        });
        output::table(["check", "outcome", "found", "what to do"], rows);
    }
    Ok(if worst == Outcome::Failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn handlers(config: &Config) -> Check {
    let loaded = Metrics::new().map_err(Failure::new).and_then(|metrics| {
        let sandbox = host::sandbox(config)?;
        host::handlers(config, &sandbox, &metrics).map(drop)
    });
    let types = config.queues.values().map(|queue| queue.jobs.len()).sum::<usize>();
    match loaded {
        Ok(()) => check("handlers", Outcome::Ok, format!("{types} job types"), None),
        Err(failure) => {
            let lines = failure.into_lines();
            let found = lines.first().cloned().unwrap_or_default();
            check("handlers", Outcome::Failed, found, Some("`gristmill check` lists all problems"))
        }
    }
}

fn cache(config: &Config) -> Check {
    let Some(directory) = &config.worker.cache_dir else {
        let advice = "set `worker.cache_dir`: each start compiles every handler";
        return check("compile cache", Outcome::Warning, "none", Some(advice));
    };
    let shown = directory.display().to_string();
    match std::fs::metadata(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            check("compile cache", Outcome::Ok, format!("{shown}, to be made at the first start"), None)
        }
        Err(error) => {
            let advice = "let this user read and write it, or set `worker.cache_dir`";
            check("compile cache", Outcome::Failed, format!("{shown}: {error}"), Some(advice))
        }
        Ok(found) => {
            use std::os::unix::fs::PermissionsExt;
            if found.permissions().mode() & 0o022 == 0 {
                return check("compile cache", Outcome::Ok, shown, None);
            }
            let advice = "`chmod go-w` it: it holds code that workers run, and they do not use it so";
            check("compile cache", Outcome::Warning, format!("others may write to {shown}"), Some(advice))
        }
    }
}

/// The memory that the machine or the cgroup leaves.
fn memory(config: &Config) -> Vec<Check> {
    let Ok(mut system) = sysinfo::System::new() else { return Vec::new() };
    system.refresh_memory();
    let pid = sysinfo::get_current_pid().ok();
    let refresh = sysinfo::ProcessRefreshKind::nothing();
    if let Some(pid) = pid {
        system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::Some(&[pid]), false, refresh);
    }
    let cgroup = pid.and_then(|pid| system.process(pid)?.cgroup_limits()).map(|limits| limits.total_memory);
    let total = system.total_memory();
    let there = cgroup.unwrap_or(total).min(total);
    let hard = config.worker.memory.hard;
    let found = format!(
        "`worker.memory_hard_limit` is {}, and there are {}{}",
        show_size(hard),
        show_size(there),
        if there < total { " in this cgroup" } else { "" }
    );
    vec![if hard <= there {
        check("memory", Outcome::Ok, found, None)
    } else {
        let advice = "lower `worker.memory_hard_limit`; the worker keeps to the lower one, so fewer jobs run";
        check("memory", Outcome::Warning, found, Some(advice))
    }]
}

async fn redis(config: &Config, checks: &mut Vec<Check>) {
    let connection = match Connection::open_at(&host::server(&config.redis)).await {
        Ok((connection, _)) => connection,
        Err(error) => {
            let advice = "start it, or set `redis.url` or `REDIS_URL`";
            checks.push(check("Redis", Outcome::Failed, error.to_string(), Some(advice)));
            return;
        }
    };
    match connection.report(PINGS).await {
        Ok(report) => checks.extend(judge(&report, Clock::System.now_ms())),
        Err(error) => {
            let advice = "its user needs `INFO`, `TIME` and `PING`";
            checks.push(check("Redis", Outcome::Failed, error.to_string(), Some(advice)));
        }
    }
    let monitor = Monitor::new(connection, &config.redis.prefix);
    if let Ok(workers) = monitor.workers(Clock::System.now_ms()).await {
        let mut versions: Vec<_> = workers.iter().map(|worker| worker.version.clone()).collect();
        versions.sort();
        versions.dedup();
        let found = format!("{} workers, versions: {}", workers.len(), versions.join(", "));
        checks.push(match (workers.len(), versions.len()) {
            (0, _) => {
                check("workers", Outcome::Warning, "none is there", Some("`gristmill worker` starts one"))
            }
            (_, 1) => check("workers", Outcome::Ok, found, None),
            _ => check("workers", Outcome::Warning, found, Some("roll all out to one version")),
        });
    }
}

/// What a server says of itself, judged.
fn judge(report: &ServerReport, now_ms: u64) -> Vec<Check> {
    let field = |name: &str| report.fields.get(name).map_or("", String::as_str);
    let number = |name: &str| field(name).parse::<u64>().unwrap_or(0);
    let mut checks = vec![check("Redis", Outcome::Ok, format!("version {}", field("redis_version")), None)];
    checks.push(match field("maxmemory_policy") {
        "noeviction" | "" => check("eviction", Outcome::Ok, "noeviction", None),
        other => {
            let advice =
                "`CONFIG SET maxmemory-policy noeviction`: any other policy drops jobs when memory is full";
            check("eviction", Outcome::Failed, other, Some(advice))
        }
    });
    let (used, most) = (number("used_memory"), number("maxmemory"));
    let found =
        if most == 0 { show_size(used) } else { format!("{} of {}", show_size(used), show_size(most)) };
    checks.push(if most > 0 && used > most / 10 * 9 {
        check("Redis memory", Outcome::Warning, found, Some("give it more, or keep fewer finished jobs"))
    } else {
        check("Redis memory", Outcome::Ok, found, None)
    });
    let saves = field("rdb_last_bgsave_status") == "ok" && number("rdb_last_save_time") > 0;
    checks.push(match (field("aof_enabled"), saves) {
        ("1", _) if field("aof_last_write_status") == "err" => check(
            "persistence",
            Outcome::Failed,
            "the append-only file cannot be written",
            Some("free its disk"),
        ),
        ("1", _) => check("persistence", Outcome::Ok, "append-only file", None),
        _ => {
            let advice =
                "`CONFIG SET appendonly yes`: without it the jobs of the last minutes go with the server";
            check("persistence", Outcome::Warning, "no append-only file", Some(advice))
        }
    });
    let latency = format!("{:.2} ms in the median", report.median_us as f64 / 1e3);
    checks.push(if report.median_us > SLOW_US {
        let advice = "run workers near the server: each job waits for several round trips";
        check("latency", Outcome::Warning, latency, Some(advice))
    } else {
        check("latency", Outcome::Ok, latency, None)
    });
    let skew = report.time_ms.abs_diff(now_ms);
    checks.push(if skew > SKEW_MS {
        let found = format!("{skew} ms between this machine and the server");
        check("clock", Outcome::Warning, found, Some("keep both in time with NTP: delays are by this clock"))
    } else {
        check("clock", Outcome::Ok, format!("within {skew} ms of the server's"), None)
    });
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(fields: &[(&str, &str)], median_us: u64, time_ms: u64) -> Vec<(&'static str, Outcome)> {
        let fields = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let report = ServerReport { fields, median_us, time_ms };
        judge(&report, 10_000).into_iter().map(|check| (check.what, check.outcome)).collect()
    }

    #[test]
    fn a_server_that_keeps_its_jobs_is_fine_and_one_that_drops_them_is_not() {
        let good = [("redis_version", "7.0.15"), ("maxmemory_policy", "noeviction"), ("aof_enabled", "1")];
        assert!(judged(&good, 100, 10_500).iter().all(|(_, outcome)| *outcome == Outcome::Ok));
        let bad = [
            ("maxmemory_policy", "allkeys-lru"),
            ("used_memory", "95"),
            ("maxmemory", "100"),
            ("aof_enabled", "0"),
        ];
        let found = judged(&bad, 9_000, 20_000);
        let of = |what| found.iter().find(|(known, _)| *known == what).unwrap().1;
        assert_eq!(of("eviction"), Outcome::Failed);
        for what in ["Redis memory", "persistence", "latency", "clock"] {
            assert_eq!(of(what), Outcome::Warning, "{what}");
        }
    }
}
