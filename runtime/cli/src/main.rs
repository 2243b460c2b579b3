//! `gristmill`: a worker for BullMQ queues that runs every job in its own WebAssembly sandbox.

mod arguments;
mod commands;
mod failure;
mod host;
mod output;
mod project;
mod settings;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::arguments::{Arguments, Command, WorkerCommand};
use crate::failure::Failure;

fn main() -> ExitCode {
    // Two providers in one process make rustls refuse; we have one, and name it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match run(arguments) {
        Ok(code) => code,
        Err(failure) => {
            anstream::eprintln!("{failure}");
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { command, global } = arguments;
    host::log_to_stderr();
    match command {
        Command::Run(run) => commands::run::run(run, &global),
        Command::Dev(dev) => commands::dev::dev(&dev, &global),
        Command::Worker(arguments) => match arguments.command {
            Some(WorkerCommand::List) => commands::monitor::workers(&global),
            None => commands::worker::worker(arguments.listen, &global),
        },
        Command::WorkerList => commands::monitor::workers(&global),
        Command::Supervisor(arguments) => commands::supervisor::supervisor(&arguments, &global),
        Command::Top(arguments) => commands::top::top(&arguments, &global),
        Command::Doctor => commands::doctor::doctor(&global),
        Command::Alert(alert) => commands::monitor::alert(alert, &global),
        Command::Scale(scale) => commands::monitor::scale(scale, &global),
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "gristmill", &mut out);
            std::io::Write::write_all(&mut std::io::stdout(), &out)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check => commands::check::check(&global),
        Command::New(arguments) => commands::new::new(&arguments, &global),
        Command::Build(arguments) => commands::build::build(&arguments, &global),
        Command::Handler(handler) => commands::handler::handler(handler, &global),
        Command::Job(job) => commands::job::job(job, &global),
        Command::Flow(flow) => commands::job::flow(&flow, &global),
        Command::Queue(queue) => commands::queue::queue(queue, &global),
        Command::Schedule(schedule) => commands::schedule::schedule(schedule, &global),
        Command::Limiter(limiter) => commands::limiter::limiter(limiter, &global),
        Command::CoreDump(command) => commands::core_dump::core_dump(command, &global),
        Command::Breaker(breaker) => commands::limiter::breaker(breaker, &global),
        Command::Compile { cache, max_memory, metered } => {
            let compiled = gristmill_sandbox::compile(&cache, max_memory, metered);
            Ok(compiled.map_or_else(
                |error| {
                    anstream::eprintln!("{error}");
                    ExitCode::FAILURE
                },
                |()| ExitCode::SUCCESS,
            ))
        }
        Command::Setting(setting) => commands::setting::setting(setting, &global),
    }
}

/// Help and version are data on stdout; everything else is a usage error.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed stdout or stderr leaves nobody to tell.
    let _ = error.print();
    if error.use_stderr() { failure::USAGE.into() } else { ExitCode::SUCCESS }
}
