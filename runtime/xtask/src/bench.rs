//! `cargo xtask bench`: BullMQ's workers and ours in turn on the same private Redis.
//!
//! Each round drains a full queue with every contender, in an order that turns with the round, and with ours before and
//! after each of the others: a machine's speed changes within a minute, so only runs side by side are compared. Medians
//! and ratios of all rounds are printed. Absolute figures belong to the machine, ratios of one run to the software.

mod ceiling;
mod contender;
mod deployments;
mod drain;
mod hostile;
mod languages;
mod latency;
mod leak;
mod limits;
mod monitoring;
pub(crate) mod process;
mod sandbox;
mod scale;
mod scheduler;
pub(crate) mod table;
mod viewer;

use anyhow::Result;
use clap::{Args, ValueEnum};
use gristmill_queue::PrivateRedis;

use crate::guests;
use crate::steps::{build_host, need_node, need_redis, say, target};
use contender::{Contender, Kind};
use drain::Drained;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct BenchArguments {
    /// Nothing but this part
    #[arg(conflicts_with_all = ["throughput_only", "scale_only", "hostile_only", "leak_only", "limits_only", "deployments_only", "scheduler_only"])]
    part: Option<Part>,
    /// End with one line of JSON on stdout
    #[arg(long)]
    json: bool,
    /// Rounds of the throughput benchmark
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only contenders whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Leave out latency, sandbox, scale, limiters and hostile guests
    #[arg(long)]
    throughput_only: bool,
    /// Only scale: long queues, many active jobs, adding in bulk
    #[arg(long, conflicts_with = "throughput_only")]
    scale_only: bool,
    /// Only hostile guests: how late they are stopped, and what a healthy queue keeps beside them
    #[arg(long, conflicts_with_all = ["throughput_only", "scale_only"])]
    hostile_only: bool,
    /// Only what a million jobs that leak leave in the worker
    #[arg(long, conflicts_with_all = ["throughput_only", "scale_only", "hostile_only"])]
    leak_only: bool,
    /// Only what limiters cost
    #[arg(long, conflicts_with_all = ["throughput_only", "scale_only", "hostile_only", "leak_only"])]
    limits_only: bool,
    /// Only swaps of handlers and starts of a worker with many
    #[arg(long, conflicts_with_all = ["throughput_only", "scale_only", "hostile_only", "leak_only", "limits_only"])]
    deployments_only: bool,
    /// Only what a decision of the scheduler costs
    #[arg(long, conflicts_with_all = ["throughput_only", "scale_only", "hostile_only", "leak_only"])]
    scheduler_only: bool,
    /// Jobs that leak
    #[arg(long, default_value_t = 1_000_000)]
    leak_jobs: usize,
}

/// Parts that have a name of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What an attempt costs in every language, with its SDK: needs npm, pip and clang
    Sdk,
    /// What monitoring costs, `/metrics` of many queues under load, pages of a very long queue
    Monitoring,
}

/// What one contender did over all rounds.
pub(crate) struct Result_ {
    pub contender: Contender,
    pub runs: Vec<Drained>,
    /// What ours did right before and right after each run of another; empty for ours.
    pub beside: Vec<Drained>,
}

/// The contenders at the settings that were found best for each.
fn contenders() -> Vec<Contender> {
    let mut all = Vec::new();
    for remove in [true, false] {
        for (kind, concurrency, jobs) in [
            (Kind::Gristmill, 200, 40_000),
            (Kind::Node, 100, 20_000),
            (Kind::Node, 200, 20_000),
            (Kind::Sandboxed, 2, 3_000),
            (Kind::Official, 100, 25_000),
            (Kind::Official, 200, 25_000),
            (Kind::Ceiling, 32, 60_000),
        ] {
            all.push(Contender { kind, concurrency, jobs, remove });
        }
    }
    all
}

pub(crate) fn bench(arguments: &BenchArguments) -> Result<()> {
    if arguments.scheduler_only {
        let mut report = table::Report::new(Vec::new());
        report.scheduler = Some(scheduler::measure()?);
        table::print_scheduler(&report);
        if arguments.json {
            table::print_json(&report);
        }
        return Ok(());
    }
    if arguments.part == Some(Part::Sdk) {
        let mut report = table::Report::new(Vec::new());
        report.languages = languages::measure()?;
        table::print_languages(&report);
        if arguments.json {
            table::print_json(&report);
        }
        return Ok(());
    }
    need_redis()?;
    if arguments.hostile_only || arguments.leak_only || arguments.deployments_only {
        return worker_only(arguments);
    }
    need_node()?;
    guests::build()?;
    build_host(true)?;
    let release = target().join("release");
    let programs = contender::Programs {
        gristmill: release.join("gristmill"),
        official: release.join("bench-official"),
    };

    let chosen: Vec<Contender> = contenders()
        .into_iter()
        .filter(|c| arguments.only.as_ref().is_none_or(|only| c.name().contains(only.as_str())))
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let redis = PrivateRedis::start().await?;
        if arguments.scale_only {
            let mut report = table::Report::new(Vec::new());
            report.scale = Some(scale::measure(arguments.rounds).await?);
            table::print_scale(&report);
            if arguments.json {
                table::print_json(&report);
            }
            return Ok(());
        }
        if arguments.part == Some(Part::Monitoring) {
            let mut report = table::Report::new(Vec::new());
            report.monitoring = Some(monitoring::measure(&redis, &programs, arguments.rounds).await?);
            table::print_monitoring(&report);
            if arguments.json {
                table::print_json(&report);
            }
            return Ok(());
        }
        if arguments.limits_only {
            let mut report = table::Report::new(Vec::new());
            report.limits = Some(limits::measure(&redis, &programs, arguments.rounds).await?);
            table::print_limits(&report);
            if arguments.json {
                table::print_json(&report);
            }
            return Ok(());
        }
        let results = throughput(&redis, &programs, chosen, arguments.rounds).await?;
        let mut report = table::Report::new(results);
        table::print_throughput(&report);
        if !arguments.throughput_only {
            for kind in [Kind::Gristmill, Kind::Node] {
                say(&format!("pick-up latency of {}", kind.name()));
                report.latencies.push((kind, latency::measure(&redis, &programs, kind).await?));
            }
            table::print_latency(&report);
            report.sandbox = Some(sandbox::measure()?);
            table::print_sandbox(&report);
            report.scale = Some(scale::measure(arguments.rounds).await?);
            table::print_scale(&report);
            report.limits = Some(limits::measure(&redis, &programs, arguments.rounds).await?);
            table::print_limits(&report);
            report.monitoring = Some(monitoring::measure(&redis, &programs, arguments.rounds).await?);
            table::print_monitoring(&report);
            report.hostile = Some(hostile::measure(&programs.gristmill, arguments.rounds).await?);
            table::print_hostile(&report);
            report.deployments = Some(deployments::measure(&programs.gristmill, arguments.rounds).await?);
            table::print_deployments(&report);
        }
        table::print_ratios(&report);
        if arguments.json {
            table::print_json(&report);
        }
        Ok(())
    })
}

/// Needs no other contender.
fn worker_only(arguments: &BenchArguments) -> Result<()> {
    guests::build()?;
    let binary = build_host(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = table::Report::new(Vec::new());
    if arguments.deployments_only {
        report.deployments = Some(runtime.block_on(deployments::measure(&binary, arguments.rounds))?);
        table::print_deployments(&report);
    } else if arguments.leak_only {
        report.leak = Some(runtime.block_on(leak::measure(&binary, arguments.leak_jobs))?);
        table::print_leak(&report);
    } else {
        report.hostile = Some(runtime.block_on(hostile::measure(&binary, arguments.rounds))?);
        table::print_hostile(&report);
    }
    if arguments.json {
        table::print_json(&report);
    }
    Ok(())
}

async fn throughput(
    redis: &PrivateRedis,
    programs: &contender::Programs,
    chosen: Vec<Contender>,
    rounds: usize,
) -> Result<Vec<Result_>> {
    let mut results: Vec<Result_> = chosen
        .into_iter()
        .map(|contender| Result_ { contender, runs: Vec::new(), beside: Vec::new() })
        .collect();
    for round in 0..rounds {
        let run = async |contender: Contender| {
            let drained = drain::measure(redis, programs, contender).await?;
            say(&format!(
                "round {} of {rounds}: {} {:.0} jobs/s, {:.1} µs worker, {:.1} µs Redis",
                round + 1,
                contender.name(),
                drained.jobs_per_s,
                drained.worker_us,
                drained.redis_us
            ));
            anyhow::Ok(drained)
        };
        for remove in [true, false] {
            let (ours, mut others): (Vec<_>, Vec<_>) = results
                .iter_mut()
                .filter(|result| result.contender.remove == remove)
                .partition(|result| result.contender.kind == Kind::Gristmill);
            let mut ours = ours.into_iter().next();
            let mut before = None;
            if let Some(ours) = &mut ours {
                before = Some(run(ours.contender).await?);
                ours.runs.extend(before);
            }
            // Another contender goes first each round.
            let count = others.len().max(1);
            others.rotate_left(round % count);
            for other in others {
                other.runs.push(run(other.contender).await?);
                let (Some(ours), Some(first)) = (&mut ours, before) else { continue };
                let after = run(ours.contender).await?;
                ours.runs.push(after);
                other.beside.push(first.mean(after));
                before = Some(after);
            }
        }
    }
    Ok(results)
}
