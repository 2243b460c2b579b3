//! What may be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use gristmill_core::backoff::Backoff;
use gristmill_core::units::{parse_amount, parse_duration, parse_rate, parse_size};

mod handler;
mod monitor;
mod project;
mod shared;

pub(crate) use handler::{
    ChangeArguments, HandlerCommand, PushArguments, RollbackArguments, TargetArguments,
};
pub(crate) use monitor::{
    AlertCommand, ScaleCommand, SupervisorArguments, TopArguments, WorkerArguments, WorkerCommand,
};
pub(crate) use project::{BuildArguments, NewArguments};
pub(crate) use shared::{BreakerCommand, CoreDumpCommand, LimiterCommand, SettingCommand};

/// A worker for BullMQ queues that runs every job in its own WebAssembly sandbox.
#[derive(Debug, Parser)]
#[command(name = "gristmill", version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Configuration file [default: gristmill.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE", env = "GRISTMILL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Redis address; wins over `REDIS_URL` and the file
    #[arg(long, global = true, value_name = "URL")]
    pub redis: Option<String>,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a handler project that builds and passes its own test
    New(NewArguments),
    /// Make the component of a handler project, check and measure it
    Build(BuildArguments),
    /// Run one attempt of a handler, without Redis
    Run(RunArguments),
    /// Serve every handler of a directory and swap it when its file changes
    Dev(DevArguments),
    /// Serve the configured queues; `list`: the workers that are there
    Worker(WorkerArguments),
    /// Start and stop workers on this machine, as many as the queues need
    Supervisor(SupervisorArguments),
    /// Queues, workers and alerts at a glance
    Top(TopArguments),
    /// Check the surroundings, and say what to do
    Doctor,
    /// What is wrong, and saying that you know
    #[command(subcommand)]
    Alert(AlertCommand),
    /// How many workers there should be, and why
    #[command(subcommand)]
    Scale(ScaleCommand),
    /// List the workers that are there
    #[command(hide = true)]
    WorkerList,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Check configuration and handlers; print the effective values and their sources
    Check,
    /// Put handlers into the registry, deploy them, take them back
    #[command(subcommand)]
    Handler(HandlerCommand),
    /// Add, look at and move jobs
    #[command(subcommand)]
    Job(JobCommand),
    /// Add trees of jobs
    #[command(subcommand)]
    Flow(FlowCommand),
    /// Look at queues, pause and clean them
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Make jobs again and again
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Rate limits that workers share, and what they count
    #[command(subcommand)]
    Limiter(LimiterCommand),
    /// Circuit breakers that workers share, and where they stand
    #[command(subcommand)]
    Breaker(BreakerCommand),
    /// What instances held as they broke off, where a job type keeps that
    #[command(subcommand)]
    CoreDump(CoreDumpCommand),
    /// Compile standard input into the cache directory; workers start it
    #[command(hide = true)]
    Compile {
        /// The cache directory
        cache: PathBuf,
        /// Bytes that the most generous job type allows
        max_memory: u64,
        /// Whether fuel is counted
        #[arg(action = clap::ArgAction::Set)]
        metered: bool,
    },
    /// Change what all workers obey, without a restart
    #[command(subcommand)]
    Setting(SettingCommand),
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The handler, a component
    pub file: PathBuf,
    /// The job's data: JSON, or `@FILE` to read it from a file, or `-` for standard input
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub data: String,
    /// The job's name
    #[arg(long, default_value = "run")]
    pub name: String,
    /// Memory limit
    #[arg(long, default_value = "64MiB", value_parser = parse_size)]
    pub memory: u64,
    /// Time limit
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Fuel limit, such as `10G`; without it fuel is not metered
    #[arg(long, value_parser = parse_amount)]
    pub fuel: Option<u64>,
    /// Largest return value
    #[arg(long, default_value = "16MiB", value_parser = parse_size)]
    pub output: u64,
    /// A host that the handler may call, such as `api.example.com` or `127.0.0.1:8080`; may be repeated
    #[arg(long, value_name = "HOST")]
    pub allow_http: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DevArguments {
    /// Where handlers (`*.wasm`) are; one with a `gristmill.toml` is served as that says
    #[arg(default_value = ".")]
    pub directory: PathBuf,
    /// A host that the handlers may call; may be repeated
    #[arg(long, value_name = "HOST")]
    pub allow_http: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Add a job
    Add(Box<AddArguments>),
    /// Show a job: its state, fields and log
    Show {
        /// The queue
        queue: String,
        /// The job's id
        id: String,
    },
    /// List jobs of one state
    List(ListArguments),
    /// Print a job's log
    Logs {
        /// The queue
        queue: String,
        /// The job's id
        id: String,
        /// Lines to leave out at the beginning
        #[arg(long, default_value_t = 0)]
        from: usize,
        /// Lines to print at most
        #[arg(long, default_value_t = 1_000)]
        count: usize,
    },
    /// Let finished jobs run again
    Retry {
        /// The queue
        queue: String,
        /// Ids of jobs
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// Every job that has failed by now
        #[arg(long)]
        all: bool,
        /// Completed jobs in place of failed ones
        #[arg(long)]
        completed: bool,
        /// Forget the attempts that they have made
        #[arg(long, conflicts_with = "all")]
        reset: bool,
    },
    /// Let delayed jobs run now
    Promote {
        /// The queue
        queue: String,
        /// Ids of jobs
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// Every delayed job
        #[arg(long)]
        all: bool,
    },
    /// Remove jobs with their children
    Remove {
        /// The queue
        queue: String,
        /// Ids of jobs
        #[arg(required = true)]
        ids: Vec<String>,
        /// Leave their children
        #[arg(long)]
        keep_children: bool,
    },
    /// Stop a running job, wherever it runs; it fails and is not tried again
    Cancel {
        /// The queue
        queue: String,
        /// The job's id
        id: String,
        /// How long to wait for its end
        #[arg(long, default_value = "10s", value_parser = parse_duration)]
        within: Duration,
    },
    /// Change a job's priority, or a delayed job's delay
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Change {
        /// The queue
        queue: String,
        /// The job's id
        id: String,
        /// Its new priority; 0 is none
        #[arg(long, group = "change", value_parser = clap::value_parser!(u32).range(0..=2_097_151))]
        priority: Option<u32>,
        /// Not before this has passed, from now
        #[arg(long, group = "change", value_parser = parse_duration)]
        delay: Option<Duration>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The queue
    pub queue: String,
    /// waiting, active, prioritized, delayed, waiting-children, completed, failed or paused
    #[arg(long, default_value = "waiting")]
    pub state: String,
    /// Jobs to leave out at the beginning
    #[arg(long, default_value_t = 0)]
    pub from: usize,
    /// Jobs to list at most
    #[arg(long, default_value_t = 20)]
    pub count: usize,
    /// Only jobs that failed for good because they kept trapping
    #[arg(long, conflicts_with = "state")]
    pub poison: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FlowCommand {
    /// Add a tree of jobs, all or none: each waits for its children
    Add {
        /// JSON, or `@FILE`, or `-`: `{"name":…,"queueName":…,"data":…,"opts":…,"children":[…]}`
        flow: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// List a queue's schedulers
    List {
        /// The queue
        queue: String,
    },
    /// Create a scheduler, or change it
    Upsert(Box<UpsertArguments>),
    /// Remove a scheduler and its next job
    Remove {
        /// The queue
        queue: String,
        /// The scheduler's id
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct UpsertArguments {
    /// The queue
    pub queue: String,
    /// The scheduler's id
    pub id: String,
    /// The name of its jobs
    pub name: String,
    /// A cron pattern of five fields, or six with seconds first
    #[arg(long, conflicts_with = "every", required_unless_present = "every")]
    pub pattern: Option<String>,
    /// From one job to the next, such as `15m`
    #[arg(long, value_parser = parse_duration)]
    pub every: Option<Duration>,
    /// Time zone of the pattern, such as `Europe/Berlin` [default: UTC]
    #[arg(long, requires = "pattern")]
    pub zone: Option<String>,
    /// Their data: JSON, or `@FILE`, or `-`
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub data: String,
    /// Their BullMQ options as a JSON object
    #[arg(long, value_name = "JSON")]
    pub options: Option<String>,
    /// Jobs at most
    #[arg(long)]
    pub limit: Option<u64>,
    /// No job before this time, such as `2027-01-01T00:00:00Z`
    #[arg(long, value_name = "TIME")]
    pub start: Option<jiff::Timestamp>,
    /// No job after this time
    #[arg(long, value_name = "TIME")]
    pub end: Option<jiff::Timestamp>,
    /// The first job is now, whatever the pattern says
    #[arg(long, requires = "pattern")]
    pub immediately: bool,
    /// Runs this long after each full interval
    #[arg(long, requires = "every", value_parser = parse_duration)]
    pub offset: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// The queue
    pub queue: String,
    /// The job's name
    pub name: String,
    /// The job's data: JSON, or `@FILE` to read it from a file, or `-` for standard input
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub data: String,
    /// Add it even if its data does not fit the schema of its handler
    #[arg(long)]
    pub unchecked: bool,
    /// Not before this has passed
    #[arg(long, value_parser = parse_duration)]
    pub delay: Option<Duration>,
    /// BullMQ's priority: 1 runs first, 2097151 last
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=2_097_151))]
    pub priority: Option<u32>,
    /// Attempts that it may have
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: Option<u32>,
    /// Delay between attempts, such as `exponential:1s`
    #[arg(long, value_parser = Backoff::parse)]
    pub backoff: Option<Backoff>,
    /// Further BullMQ options as a JSON object, such as `{"deduplication":{"id":"a"}}`
    #[arg(long, value_name = "JSON")]
    pub options: Option<String>,
    /// An id of your own; adding it twice adds it once
    #[arg(long)]
    pub job_id: Option<String>,
    /// To the front of the queue
    #[arg(long)]
    pub lifo: bool,
    /// Wait until it has ended and print what it returned
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List queues with their counts
    List,
    /// Show a queue's counts
    Show {
        /// The queue
        queue: String,
    },
    /// Pause a queue for every worker; running jobs end
    Pause {
        /// The queue
        queue: String,
    },
    /// Resume a paused queue
    Resume {
        /// The queue
        queue: String,
    },
    /// Remove the jobs that wait; a scheduler's next job stays
    Drain {
        /// The queue
        queue: String,
        /// Delayed jobs too
        #[arg(long)]
        delayed: bool,
    },
    /// Remove old jobs of one state
    Clean {
        /// The queue
        queue: String,
        /// completed, failed, wait, paused, active, delayed, prioritized or waiting-children
        #[arg(long, default_value = "completed")]
        state: String,
        /// Only jobs older than this
        #[arg(long, default_value = "0s", value_parser = parse_duration)]
        grace: Duration,
        /// Jobs at most
        #[arg(long, default_value_t = 10_000)]
        limit: u64,
    },
    /// Limit a queue on all workers, BullMQ's included; without options show its limits
    Limit {
        /// The queue
        queue: String,
        /// Jobs that run at the same time
        #[arg(long, conflicts_with = "no_concurrency", value_parser = clap::value_parser!(u64).range(1..))]
        concurrency: Option<u64>,
        /// Lift the limit on concurrency
        #[arg(long)]
        no_concurrency: bool,
        /// Jobs that start per time, such as 100/s or 300/min
        #[arg(long, conflicts_with = "no_rate", value_parser = parse_rate)]
        rate: Option<(u64, Duration)>,
        /// Lift the rate limit
        #[arg(long)]
        no_rate: bool,
        /// Start no job for this long; 0s ends it
        #[arg(long, value_parser = parse_duration)]
        hold: Option<Duration>,
    },
    /// Remove a queue with everything in it; asks first
    Obliterate {
        /// The queue
        queue: String,
        /// Even while jobs are running
        #[arg(long)]
        force: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
