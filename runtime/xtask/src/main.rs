//! The project's chores. `cargo xtask demo`, `test`, `bench`, `guests`, `dashboard`.

mod bench;
mod dashboard;
mod demo;
mod deploy;
mod guests;
mod hostile;
mod registry;
mod rig;
mod scheduling;
mod sdk;
mod steps;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Build everything and show it at work on a private Redis
    Demo(demo::DemoArguments),
    /// Prove what a fresh clone must prove
    Test(test::TestArguments),
    /// Measure against BullMQ's own workers
    Bench(bench::BenchArguments),
    /// Build the handlers and the test guests into `target/guests`
    Guests,
    /// Build the dashboard's files, or check that those that are committed are up to date
    Dashboard(dashboard::DashboardArguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Demo(arguments) => demo::demo(&arguments),
        Chore::Test(arguments) => test::test(&arguments),
        Chore::Bench(arguments) => bench::bench(&arguments),
        Chore::Guests => guests::build(),
        Chore::Dashboard(arguments) => dashboard::dashboard(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The causes are for people; a backtrace of this program is not.
            steps::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
