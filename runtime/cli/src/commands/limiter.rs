//! `gristmill limiter` and `gristmill breaker`: what they count, and forgetting it.

use std::process::ExitCode;
use std::time::Duration;

use gristmill_core::config::Config;
use gristmill_core::limiter::MAX_KEY;
use gristmill_core::units::{closest, show_duration};
use gristmill_queue::{
    BreakerCall, BreakerStep, Connection, LimitCall, LimiterSlice, LimiterView, read_settings,
};
use serde_json::json;

use crate::arguments::{BreakerCommand, Global, LimiterCommand};
use crate::failure::Failure;
use crate::{host, output, settings};

/// The configuration with the settings that go before it.
async fn opened(global: &Global) -> Result<(Connection, Config), Failure> {
    let mut config = settings::accept(settings::read(global, true)?)?;
    let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
    for setting in read_settings(&connection.settings().await?) {
        let _ = setting.apply(&mut config);
    }
    Ok((connection, config))
}

fn unknown<T>(noun: &str, name: &str, known: &std::collections::BTreeMap<String, T>) -> Failure {
    let hint = closest(name, known.keys().map(String::as_str)).map_or_else(
        || format!("hint: define it as `[{noun}s.{name}]`"),
        |near| format!("hint: did you mean `{near}`?"),
    );
    Failure::usage(format!("no {noun} is called `{name}`\n{hint}"))
}

pub(crate) fn limiter(command: LimiterCommand, global: &Global) -> Result<ExitCode, Failure> {
    host::host_runtime()?.block_on(run_limiter(command, global))
}

async fn run_limiter(command: LimiterCommand, global: &Global) -> Result<ExitCode, Failure> {
    let (connection, config) = opened(global).await?;
    let limiters = &config.limiters;
    let known = |name: &str, key: &str| {
        if key.len() > MAX_KEY {
            return Err(Failure::usage(format!("a key has at most {MAX_KEY} bytes")));
        }
        limiters.get(name).ok_or_else(|| unknown("limiter", name, limiters))
    };
    match command {
        LimiterCommand::List => list(&connection, &config, global.json).await,
        LimiterCommand::Show { limiter: name, key } => {
            let call = LimitCall { limiter: known(&name, &key)?, name: &name, key: &key, cost: 1 };
            show(&call, &call.view(&connection).await?, global.json)
        }
        LimiterCommand::Reset { limiter: name, key } => {
            let call = LimitCall { limiter: known(&name, &key)?, name: &name, key: &key, cost: 1 };
            let keys = call.view(&connection).await?.keys;
            call.reset(&connection).await?;
            if key.is_empty() && keys > 0 {
                anstream::eprintln!(
                    "the count that jobs without a key share is forgotten; about {keys} keys keep theirs: give `--key`"
                );
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Units allowed and calls refused in the last so many slices of ten minutes.
fn lately(slices: &[LimiterSlice], now_ms: u64, count: u64) -> (u64, u64) {
    let from = now_ms.saturating_sub(count * 600_000);
    let recent = slices.iter().filter(|slice| slice.from_ms >= from);
    recent.fold((0, 0), |(allowed, refused), slice| {
        (allowed + slice.allowed, refused + slice.refused.values().sum::<u64>())
    })
}

async fn list(connection: &Connection, config: &Config, as_json: bool) -> Result<ExitCode, Failure> {
    let mut views = Vec::new();
    for (name, limiter) in &config.limiters {
        let call = LimitCall { name, limiter, key: "", cost: 1 };
        views.push((name, limiter, call.view(connection).await?));
    }
    if as_json {
        let row = |(name, limiter, view): &(&String, &gristmill_core::limiter::Limiter, LimiterView)| json!({ "limiter": name, "algorithm": limiter.algorithm.as_str(), "tiers": view.tiers, "keys": view.keys });
        output::json(&views.iter().map(row).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = gristmill_core::clock::Clock::System.now_ms();
    let rows = views.iter().flat_map(|(name, limiter, view)| {
        let (allowed, refused) = lately(&view.slices, now, 6);
        view.tiers.iter().enumerate().map(move |(at, tier)| {
            let first = |text: String| if at == 0 { text } else { String::new() };
            [
                first((*name).clone()),
                first(limiter.algorithm.as_str().to_owned()),
                tier.tier.clone(),
                format!("{} of {}", tier.used, tier.limit),
                first(allowed.to_string()),
                first(refused.to_string()),
                first(view.keys.to_string()),
            ]
        })
    });
    output::table(["limiter", "algorithm", "tier", "used", "allowed 1h", "refused 1h", "keys"], rows);
    Ok(ExitCode::SUCCESS)
}

fn show(call: &LimitCall<'_>, view: &LimiterView, as_json: bool) -> Result<ExitCode, Failure> {
    if as_json {
        let (limiter, key) = (call.name, call.key);
        let algorithm = call.limiter.algorithm.as_str();
        output::json(&json!({
            "limiter": limiter, "algorithm": algorithm, "key": key,
            "tiers": view.tiers, "slices": view.slices, "keys": view.keys,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::table(
        ["tier", "used", "limit"],
        view.tiers.iter().map(|tier| [tier.tier.clone(), tier.used.to_string(), tier.limit.to_string()]),
    );
    let rows = view.slices.iter().rev().take(36).map(|slice| {
        let refused = slice
            .refused
            .iter()
            .map(|(ms, count)| format!("{count} by {}", show_duration(Duration::from_millis(*ms))));
        [
            output::time(&slice.from_ms.to_string()),
            slice.allowed.to_string(),
            refused.collect::<Vec<_>>().join(", "),
        ]
    });
    output::table(["ten minutes from", "allowed", "refused"], rows);
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn breaker(command: BreakerCommand, global: &Global) -> Result<ExitCode, Failure> {
    host::host_runtime()?.block_on(run_breaker(command, global))
}

async fn run_breaker(command: BreakerCommand, global: &Global) -> Result<ExitCode, Failure> {
    let (connection, config) = opened(global).await?;
    match command {
        BreakerCommand::List => {
            let mut views = Vec::new();
            for (name, breaker) in &config.breakers {
                views.push((name, BreakerCall { name, breaker, key: "" }.view(&connection).await?));
            }
            if global.json {
                let row = |(name, view): &(&String, _)| json!({ "breaker": name, "view": view });
                output::json(&views.iter().map(row).collect::<Vec<_>>())?;
                return Ok(ExitCode::SUCCESS);
            }
            let rows = views.iter().map(|(name, view)| {
                [
                    (*name).clone(),
                    view.state.as_str().to_owned(),
                    view.until_ms.map(|ms| output::time(&ms.to_string())).unwrap_or_default(),
                    format!("{} of {}", view.failures, view.calls),
                    view.opened.to_string(),
                ]
            });
            output::table(["breaker", "state", "until", "failed", "opened"], rows);
            Ok(ExitCode::SUCCESS)
        }
        BreakerCommand::Reset { breaker, key } => {
            let found = config.breakers.get(&breaker);
            let known = found.ok_or_else(|| unknown("breaker", &breaker, &config.breakers))?;
            let call = BreakerCall { name: &breaker, breaker: known, key: &key };
            call.step(&connection, BreakerStep::Reset).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
