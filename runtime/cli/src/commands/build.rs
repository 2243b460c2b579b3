//! `gristmill build`: the component of a handler project, checked and measured.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gristmill_core::limits::Limits;
use gristmill_core::outcome::Outcome;
use gristmill_core::units::{show_duration, show_size};
use gristmill_sandbox::{Module, Sandbox};
use serde::Serialize;

use crate::arguments::{BuildArguments, Global};
use crate::failure::Failure;
use crate::project::Project;
use crate::{host, output};

/// Starts of an instance of which the median is told.
const STARTS: usize = 30;

#[derive(Serialize)]
struct Built {
    file: PathBuf,
    language: &'static str,
    size: u64,
    digest: String,
    wit: String,
    imports: Vec<String>,
    memory: u64,
    compile_seconds: f64,
    cold_start_seconds: f64,
    warm_start_seconds: f64,
}

pub(crate) fn build(arguments: &BuildArguments, global: &Global) -> Result<ExitCode, Failure> {
    let project = Project::open(&arguments.directory)?;
    let here = std::env::current_dir().map_err(Failure::new)?;
    let output = match &arguments.output {
        Some(path) => here.join(path),
        None => project.target(&format!("{}.wasm", project.name)),
    };
    let began = Instant::now();
    project.build(&output)?;
    anstream::eprintln!("==> built in {}", show_duration(began.elapsed()));
    let built = measure(&project, &output, arguments.memory, global)?;
    if global.json {
        output::json(&built)?;
    } else {
        show(&built, output.strip_prefix(&here).unwrap_or(&output));
    }
    Ok(ExitCode::SUCCESS)
}

/// Loads the component as a worker does, which checks it, and starts it a few times.
fn measure(project: &Project, file: &Path, memory: u64, global: &Global) -> Result<Built, Failure> {
    let sandbox = host::small_sandbox(global, memory)?;
    let began = Instant::now();
    let module = sandbox.load(file, false).map_err(Failure::new)?;
    let compiled = began.elapsed();
    let limits = Arc::new(Limits { memory, ..Limits::default() });
    module.fits(&limits).map_err(Failure::usage)?;
    let guests = host::guest_runtime(None)?;
    let (cold, mut warm) = guests.block_on(async {
        let cold = start(&sandbox, &module, &limits).await?;
        let mut warm = Vec::with_capacity(STARTS);
        for _ in 0..STARTS {
            warm.push(start(&sandbox, &module, &limits).await?);
        }
        Ok::<_, Failure>((cold, warm))
    })?;
    guests.shutdown_background();
    warm.sort_unstable();
    Ok(Built {
        file: file.to_owned(),
        language: project.language.title(),
        size: module.size(),
        digest: module.digest().to_owned(),
        wit: module.wit_version().to_owned(),
        imports: module.imports().to_vec(),
        memory: module.start_memory(),
        compile_seconds: compiled.as_secs_f64(),
        cold_start_seconds: cold.as_secs_f64(),
        warm_start_seconds: warm[warm.len() / 2].as_secs_f64(),
    })
}

async fn start(sandbox: &Sandbox, module: &Module, limits: &Arc<Limits>) -> Result<Duration, Failure> {
    let began = Instant::now();
    match sandbox.start(module, limits).await {
        Outcome::Returned(_) => Ok(began.elapsed()),
        Outcome::Stopped(stop) => Err(Failure::new(format!("the handler does not start: {}", stop.message))),
        other => Err(Failure::new(format!("the handler does not start: {}", other.label()))),
    }
}

fn show(built: &Built, file: &Path) {
    let time = |seconds: f64| show_duration(Duration::from_secs_f64(seconds));
    let rows = [
        ["file".to_owned(), file.display().to_string()],
        ["size".to_owned(), show_size(built.size)],
        ["digest".to_owned(), built.digest.clone()],
        ["wit".to_owned(), built.wit.clone()],
        ["imports".to_owned(), built.imports.join("\n")],
        ["memory at its start".to_owned(), show_size(built.memory)],
        ["compiled, or read from the cache, in".to_owned(), time(built.compile_seconds)],
        ["first start".to_owned(), time(built.cold_start_seconds)],
        [format!("start, median of {STARTS}"), time(built.warm_start_seconds)],
    ];
    output::table(["handler", built.language], rows);
}
