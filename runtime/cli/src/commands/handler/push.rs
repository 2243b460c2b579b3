//! `gristmill handler push`: checks a handler as a worker would, stores it, deploys it.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gristmill_core::clock::Clock;
use gristmill_core::config::{Config, Handler, JobType};
use gristmill_core::deployment::{
    Canary, Change, Deployment, ModuleInfo, Refusal, digest_of, is_handler_name, short,
};
use gristmill_core::limits::Limits;
use gristmill_core::outcome::Outcome;
use gristmill_core::units::show_size;
use gristmill_queue::{Connection, Target};
use gristmill_registry::{Signature, SigningKey};
use gristmill_sandbox::{Module, Sandbox, Settings};
use indicatif::{ProgressBar, ProgressStyle};

use super::source::{self, Source};
use super::{target, told};
use crate::arguments::{Global, PushArguments};
use crate::commands::setting::who;
use crate::failure::Failure;
use crate::host;

/// Modules that no deployment needs are kept this long: whoever pushes may not have deployed yet.
const KEPT_MS: u64 = 24 * 3_600_000;
/// How long one may push a file before another may: one that was killed leaves its turn.
const TURN_MS: u64 = 60_000;
/// How often it is looked whether the turn is free.
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn push(
    arguments: &PushArguments,
    config: &Config,
    global: &Global,
) -> Result<ExitCode, Failure> {
    let target = target(&arguments.change, config)?;
    let job_type = config.queues.get(&target.queue).and_then(|queue| queue.jobs.get(&target.job));
    let Source { name: own, wasm, signatures: found } = source::read(&arguments.file).await?;
    let name = name(arguments, &own, job_type, &target)?;
    let digest = digest_of(&wasm);
    let signatures = signatures(arguments, found, &digest)?;
    // What is not trusted is not even compiled.
    host::policy(config)?.check_texts(&digest, &signatures).map_err(Failure::usage)?;
    let module = check(arguments, &wasm, config, job_type).await?;
    let now_ms = Clock::System.now_ms();
    let info = ModuleInfo {
        digest: module.digest().to_owned(),
        name,
        version: arguments.version.as_deref().map(short),
        size: module.size(),
        wit: module.wit_version().to_owned(),
        imports: module.imports().to_vec(),
        by: who(),
        at_ms: now_ms,
        schema: module.schema().map(|schema| schema.json().clone()),
        signatures,
    };
    tell_of_imports(&info, job_type);
    let (connection, _) = Connection::open_at(&host::server(&config.redis)).await?;
    let me = format!("{} {} {now_ms}", who(), std::process::id());
    in_turn(&connection, &info.digest, &me).await?;
    let done = deploy(arguments, &connection, &info, &wasm, &target, &me, global).await;
    // It would be over by itself.
    let _ = connection.end_push_turn(&info.digest, &me).await;
    done
}

/// Waits until nobody else pushes this file.
async fn in_turn(connection: &Connection, digest: &str, me: &str) -> Result<(), Failure> {
    let mut looks = tokio::time::interval(LOOK);
    for look in 0.. {
        looks.tick().await;
        if connection.take_push_turn(digest, me, TURN_MS).await? {
            break;
        }
        if look == 10 {
            anstream::eprintln!("somebody else pushes this file; waiting for that");
        }
    }
    Ok(())
}

/// Stores the module and changes the deployment.
async fn deploy(
    arguments: &PushArguments,
    connection: &Connection,
    info: &ModuleInfo,
    wasm: &[u8],
    target: &Target,
    me: &str,
    global: &Global,
) -> Result<ExitCode, Failure> {
    // Not the time of the file's: it may have waited for its turn.
    let now_ms = Clock::System.now_ms();
    has_one_name(connection, info, target).await?;
    let change = match arguments.canary {
        None => Change::Deploy { digest: info.digest.clone() },
        Some(percent) => Change::Try(Canary {
            digest: info.digest.clone(),
            percent,
            since_ms: now_ms,
            promote_after_ms: arguments
                .promote_after
                .map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
        }),
    };
    // What would be refused is refused before megabytes are sent.
    let before = connection.deployment(target).await?;
    let next = Deployment::change(before.as_ref(), &change);
    if let (Err(Refusal::Already(_)), None, Some(now)) = (&next, arguments.canary, &before) {
        // What Redis may have lost of it is there again.
        store(connection, info, wasm).await?;
        anstream::eprintln!("it is the stable version already");
        told(target, now, global)?;
        return Ok(ExitCode::SUCCESS);
    }
    next.map_err(|refusal| Failure::new(format!("{target}: {refusal}")))?;
    store(connection, info, wasm).await?;
    if !connection.take_push_turn(&info.digest, me, TURN_MS).await? {
        return Err(Failure::new(format!(
            "{target}: pushing took so long that somebody else began; try again"
        )));
    }
    let changed = connection
        .change_deployment(target, &change, (&info.by, &arguments.change.reason), None, now_ms)
        .await
        .map_err(Failure::new)?;
    forget_old(connection, info, now_ms).await?;
    if !global.json {
        let version = info.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        anstream::println!("{}{version}: {}, {}", info.name, info.digest, show_size(info.size));
    }
    if let Some(deployment) = changed {
        told(target, &deployment, global)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A version has one name. Were it renamed, the job types that it serves under the old one would be served no more.
async fn has_one_name(connection: &Connection, info: &ModuleInfo, target: &Target) -> Result<(), Failure> {
    let modules = connection.modules().await?;
    let Some(known) = modules.get(&info.digest).filter(|known| known.name != info.name) else {
        return Ok(());
    };
    let deployments = connection.deployments().await?;
    let of =
        |(_, deployment): &(&Target, &Deployment)| deployment.digests().any(|digest| digest == info.digest);
    let Some((serves, _)) = deployments.iter().find(of) else { return Ok(()) };
    let (old, new) = (&known.name, &info.name);
    Err(Failure::usage(format!(
        "this file serves {serves} as the handler `{old}`, so it cannot be `{new}` for {target}\n\
         hint: configure `handler = \"{old}\"` there too, or push a build of its own"
    )))
}

/// Those that came with it, and one made now if a key is given.
fn signatures(
    arguments: &PushArguments,
    mut found: Vec<Signature>,
    digest: &str,
) -> Result<Vec<String>, Failure> {
    if let Some(path) = &arguments.key {
        found.push(SigningKey::read(path).map_err(Failure::usage)?.sign(digest));
    }
    Ok(found.iter().map(ToString::to_string).collect())
}

/// The handler's name: said, or configured, or its own.
fn name(
    arguments: &PushArguments,
    own: &str,
    job_type: Option<&JobType>,
    target: &Target,
) -> Result<String, Failure> {
    let configured = match job_type.map(|job_type| &job_type.handler) {
        Some(Handler::Deployed(name)) => Some(name),
        Some(Handler::File(path)) => {
            return Err(Failure::usage(format!(
                "{target} is served by the file `{}`; give it the name of a deployed handler in the configuration",
                path.display()
            )));
        }
        None => None,
    };
    match (&arguments.name, configured) {
        (Some(said), Some(configured)) if said != configured => Err(Failure::usage(format!(
            "the configuration names the handler `{configured}` for {target}, not `{said}`"
        ))),
        (Some(name), _) | (None, Some(name)) => Ok(name.clone()),
        (None, None) => {
            if is_handler_name(own) {
                return Ok(own.to_owned());
            }
            Err(Failure::usage(format!("`{own}` is no name for a handler; give one with `--name`")))
        }
    }
}

/// Compiles the file in a process of its own, and starts it once within the limits of its job type.
async fn check(
    arguments: &PushArguments,
    wasm: &[u8],
    config: &Config,
    job_type: Option<&JobType>,
) -> Result<Module, Failure> {
    let limits = Arc::new(job_type.map_or_else(Limits::default, |job_type| job_type.limits.clone()));
    let metered = limits.fuel.is_some();
    let settings = Settings {
        slots: 1,
        max_memory: limits.memory,
        cache_dir: config.worker.cache_dir.clone(),
        cache_size: config.worker.cache_size,
        compiler: host::compiler(config.worker.compile_timeout),
    };
    let sandbox = Sandbox::new(settings).map_err(Failure::usage)?;
    let file = arguments.file.display().to_string();
    let module = sandbox.load_bytes(&file, wasm, metered).map_err(Failure::usage)?;
    module.fits(&limits).map_err(Failure::usage)?;
    let outcome = sandbox.start(&module, &limits).await;
    if let Outcome::Stopped(stop) = &outcome {
        return Err(Failure::usage(format!("handler `{file}` cannot start: {}", stop.failed_reason())));
    }
    Ok(module)
}

/// JavaScript and Python import everything there is, so an import that nothing grants is a hint and no fault.
fn tell_of_imports(info: &ModuleInfo, job_type: Option<&JobType>) {
    let Some(allow) = job_type.map(|job_type| &job_type.allow) else { return };
    let granted = [
        ("wasi:http/", allow.http.is_empty(), "http"),
        ("gristmill:job/enqueue@", allow.enqueue.is_empty(), "enqueue"),
        ("gristmill:job/rate-limit@", allow.limiters.is_empty(), "limiters"),
        ("gristmill:job/circuit-breaker@", allow.breakers.is_empty(), "breakers"),
        ("gristmill:job/secrets@", allow.secrets.is_empty(), "secrets"),
    ];
    let imports = |interface: &str| info.imports.iter().any(|import| import.starts_with(interface));
    let missing: Vec<&str> = granted
        .iter()
        .filter(|(interface, missing, _)| *missing && imports(interface))
        .map(|(.., key)| *key)
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        tracing::info!(
            missing,
            "the handler may ask for what `allow` of its job type does not grant; that is refused then"
        );
    }
}

async fn store(connection: &Connection, info: &ModuleInfo, wasm: &[u8]) -> Result<(), Failure> {
    let bar = ProgressBar::new(info.size);
    if let Ok(style) = ProgressStyle::with_template("pushing {bar:30} {bytes} of {total_bytes}") {
        bar.set_style(style);
    }
    let stored = connection.put_module(info, wasm, |done| bar.set_position(done as u64)).await;
    bar.finish_and_clear();
    stored.map_err(Failure::new)
}

/// Modules of the same handler that no deployment may come to need.
async fn forget_old(connection: &Connection, info: &ModuleInfo, now_ms: u64) -> Result<(), Failure> {
    let deployments = connection.deployments().await?;
    let needed: HashSet<&str> = deployments.values().flat_map(Deployment::digests).collect();
    for (digest, known) in connection.modules().await? {
        let old = now_ms.saturating_sub(known.at_ms) > KEPT_MS;
        if known.name == info.name && old && !needed.contains(digest.as_str()) {
            connection.remove_module(&digest).await?;
        }
    }
    Ok(())
}
