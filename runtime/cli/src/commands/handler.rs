//! `gristmill handler`: the registry and what is deployed from it.

use std::process::ExitCode;

use gristmill_core::clock::Clock;
use gristmill_core::config::Config;
use gristmill_core::deployment::{Change, Counts, Deployment, Entry, ModuleInfo};
use gristmill_core::units::{closest, show_size};
use gristmill_queue::{Connection, Target};
use serde::Serialize;

use crate::arguments::{ChangeArguments, Global, HandlerCommand, RollbackArguments, TargetArguments};
use crate::commands::setting::who;
use crate::failure::Failure;
use crate::{host, output, settings};

mod push;
mod sign;
mod source;

/// Characters of a digest in tables; enough to tell modules apart.
const SHORT: usize = 19;
/// Digits of a digest that name a module.
const SHORTEST: usize = 6;
/// Entries of a history that are shown.
const HISTORY: usize = 50;

#[derive(Serialize)]
struct Listed {
    modules: Vec<ModuleInfo>,
    deployments: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    queue: String,
    job: String,
    #[serde(flatten)]
    deployment: Deployment,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    history: Vec<Entry>,
}

pub(crate) fn handler(command: HandlerCommand, global: &Global) -> Result<ExitCode, Failure> {
    host::host_runtime()?.block_on(run(command, global))
}

async fn run(command: HandlerCommand, global: &Global) -> Result<ExitCode, Failure> {
    let config = settings::accept(settings::read(global, true)?)?;
    match &command {
        HandlerCommand::Push(arguments) => return push::push(arguments, &config, global).await,
        HandlerCommand::Publish { file, to } => return source::publish(file, to, &config).await,
        HandlerCommand::Keygen { name } => return sign::keygen(name),
        HandlerCommand::Sign { file, key } => return sign::sign(file, key),
        HandlerCommand::Verify { file, key } => return sign::verify(file, key, &config, global),
        _ => {}
    }
    let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
    match command {
        HandlerCommand::Push(_)
        | HandlerCommand::Publish { .. }
        | HandlerCommand::Keygen { .. }
        | HandlerCommand::Sign { .. }
        | HandlerCommand::Verify { .. } => {}
        HandlerCommand::List => list(&connection, global).await?,
        HandlerCommand::Show(arguments) => show(&connection, &arguments, global).await?,
        HandlerCommand::Promote(arguments) => {
            let target = target(&arguments, &config)?;
            change(&connection, &target, &Change::Promote, &arguments.reason, global).await?;
        }
        HandlerCommand::Rollback(RollbackArguments { change: arguments, to }) => {
            let target = target(&arguments, &config)?;
            let to = match to {
                Some(start) => Some(version(&connection, &target, &start, &config).await?),
                None => None,
            };
            change(&connection, &target, &Change::RollBack { to }, &arguments.reason, global).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is meant, which must be a deployed job type where a configuration is at hand.
fn target(arguments: &ChangeArguments, config: &Config) -> Result<Target, Failure> {
    let (queue, job) = (&arguments.queue, &arguments.job);
    gristmill_queue::check_queue_name(queue).map_err(Failure::usage)?;
    if !config.queues.is_empty() {
        let hint = |near: Option<&str>| near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        let Some(section) = config.queues.get(queue) else {
            let near = hint(closest(queue, config.queues.keys().map(String::as_str)));
            return Err(Failure::usage(format!("no queue of the configuration is called `{queue}`{near}")));
        };
        if !section.jobs.contains_key(job) {
            let near = hint(closest(job, section.jobs.keys().map(String::as_str)));
            return Err(Failure::usage(format!("queue `{queue}` has no job type `{job}`{near}")));
        }
    }
    Ok(Target { queue: queue.clone(), job: job.clone() })
}

async fn change(
    connection: &Connection,
    target: &Target,
    change: &Change,
    reason: &str,
    global: &Global,
) -> Result<(), Failure> {
    let by = who();
    let changed = connection
        .change_deployment(target, change, (&by, reason), None, Clock::System.now_ms())
        .await
        .map_err(Failure::new)?;
    if let Some(deployment) = changed {
        told(target, &deployment, global)?;
    }
    Ok(())
}

/// What a change led to.
fn told(target: &Target, deployment: &Deployment, global: &Global) -> Result<(), Failure> {
    if global.json {
        return output::json(&row(target, deployment.clone(), Vec::new()));
    }
    let stable = &deployment.stable;
    anstream::println!("{target}: {stable} is stable (revision {})", deployment.revision);
    if let Some(canary) = &deployment.canary {
        anstream::println!("{} is tried on {} % of the attempts", canary.digest, canary.percent);
    }
    Ok(())
}

fn row(target: &Target, deployment: Deployment, history: Vec<Entry>) -> Row {
    Row { queue: target.queue.clone(), job: target.job.clone(), deployment, history }
}

/// The version of the deployed handler whose digest begins so.
async fn version(
    connection: &Connection,
    target: &Target,
    start: &str,
    config: &Config,
) -> Result<String, Failure> {
    let found = find(connection, start).await?;
    // Workers would refuse it, and go on with what they have.
    host::policy(config)?.check_texts(&found.digest, &found.signatures).map_err(Failure::usage)?;
    connection.check_handler(target, &found).await.map_err(Failure::new)?;
    Ok(found.digest)
}

/// The module whose digest begins so.
async fn find(connection: &Connection, start: &str) -> Result<ModuleInfo, Failure> {
    let modules = connection.modules().await?.into_values();
    one_of(modules, start, |info| &info.digest, ("module", "gristmill handler list"))
}

/// The one whose digest begins so; what they are called, and what lists them, for errors.
pub(crate) fn one_of<T>(
    all: impl IntoIterator<Item = T>,
    start: &str,
    digest: impl Fn(&T) -> &str,
    (noun, listed): (&str, &str),
) -> Result<T, Failure> {
    let bare = |digest: &str| digest.strip_prefix("sha256:").unwrap_or(digest).to_owned();
    let start = bare(start);
    if start.len() < SHORTEST {
        return Err(Failure::usage(format!(
            "`{start}` is too little of a digest; give {SHORTEST} digits or more"
        )));
    }
    let mut found = all.into_iter().filter(|one| bare(digest(one)).starts_with(&start));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::new(format!("no {noun} begins with `{start}`; `{listed}` shows them"))),
        (Some(_), Some(_)) => {
            Err(Failure::new(format!("several of them begin with `{start}`; give more of it")))
        }
    }
}

async fn list(connection: &Connection, global: &Global) -> Result<(), Failure> {
    let mut modules: Vec<_> = connection.modules().await?.into_values().collect();
    modules.sort_by_key(|info| std::cmp::Reverse(info.at_ms));
    let deployments = connection.deployments().await?;
    if global.json {
        let deployments = deployments.into_iter().map(|(target, found)| row(&target, found, Vec::new()));
        return output::json(&Listed { modules, deployments: deployments.collect() });
    }
    let rows = deployments.iter().map(|(target, deployment)| {
        let canary = deployment.canary.as_ref();
        let canary = canary.map(|canary| format!("{} ({} %)", short(&canary.digest), canary.percent));
        [
            target.queue.clone(),
            target.job.clone(),
            short(&deployment.stable),
            canary.unwrap_or_default(),
            deployment.revision.to_string(),
        ]
    });
    output::table(["queue", "job type", "stable", "canary", "revision"], rows);
    let rows = modules.iter().map(|info| {
        [
            short(&info.digest),
            info.name.clone(),
            info.version.clone().unwrap_or_default(),
            show_size(info.size),
            info.wit.clone(),
            info.by.clone(),
            output::time(&info.at_ms.to_string()),
            info.signatures.len().to_string(),
        ]
    });
    output::table(["module", "handler", "version", "size", "wit", "pushed by", "at", "signatures"], rows);
    Ok(())
}

async fn show(connection: &Connection, arguments: &TargetArguments, global: &Global) -> Result<(), Failure> {
    let queue = match (&arguments.queue, &arguments.digest) {
        (Some(queue), _) => queue,
        (None, start) => {
            let info = find(connection, start.as_deref().unwrap_or_default()).await?;
            if global.json {
                return output::json(&info);
            }
            let rows = [
                ["digest".to_owned(), info.digest],
                ["handler".to_owned(), info.name],
                ["version".to_owned(), info.version.unwrap_or_default()],
                ["size".to_owned(), show_size(info.size)],
                ["wit".to_owned(), info.wit],
                ["imports".to_owned(), info.imports.join("\n")],
                ["pushed by".to_owned(), info.by],
                ["at".to_owned(), output::time(&info.at_ms.to_string())],
                ["signatures".to_owned(), info.signatures.join("\n")],
            ];
            output::table(["module", ""], rows);
            return Ok(());
        }
    };
    let target = Target { queue: queue.clone(), job: arguments.job.clone() };
    let deployment = connection.deployment(&target).await?;
    let deployment = deployment.ok_or_else(|| Failure::new(format!("nothing is deployed for {target}")))?;
    let history = connection.deployment_history(&target, HISTORY).await?;
    if global.json {
        return output::json(&row(&target, deployment, history));
    }
    told(&target, &deployment, global)?;
    if deployment.canary.is_some() {
        let came = connection.canary_counts(&target, deployment.revision).await?;
        let row = |name: &str, counts: &Counts| {
            [
                name.to_owned(),
                counts.attempts.to_string(),
                counts.failed.to_string(),
                counts.trapped.to_string(),
                format!("{:.1} ms", counts.time.quantile(0.95) / 1e3),
                format!("{:.1} MiB", counts.memory.quantile(0.95) / f64::from(1 << 20)),
            ]
        };
        let rows = [row("stable", &came.stable), row("canary", &came.canary)];
        output::table(
            ["since the trial began", "attempts", "failed", "trapped", "P95 time", "P95 memory"],
            rows,
        );
    }
    let rows = history.into_iter().map(|entry| {
        [
            entry.revision.to_string(),
            output::time(&entry.at_ms.to_string()),
            entry.action,
            short(&entry.digest),
            entry.by,
            entry.reason,
        ]
    });
    output::table(["revision", "at", "change", "module", "by", "reason"], rows);
    Ok(())
}

pub(crate) fn short(digest: &str) -> String {
    digest.chars().take(SHORT).collect()
}
