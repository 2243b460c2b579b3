//! The worker's engine: takes jobs, runs each in the sandbox, settles them.
//!
//! One [`pump`] per queue moves jobs between Redis and the guests' runtime; beside it run the listener (one blocking
//! connection for all queues), the reporters (log lines and progress), and the upkeep (lock renewal, stalled check).
//! All of them live on the host's runtime; guests have threads of their own, so a computing guest delays none of it.

mod attempt;
mod canary;
mod core_dumps;
mod deployments;
mod guards;
mod handlers;
mod held;
mod iterate;
mod learn;
mod ledger;
mod lifetime;
mod listener;
mod pump;
mod reporter;
mod served;
mod service;
mod settings;
mod shares;
mod slots;
mod upkeep;
mod worker;

pub use handlers::{HandlerProblem, Handlers};
pub use held::Running;
pub use ledger::resident_memory;
pub use lifetime::Again;
pub use worker::{Context, Control, Drained, Phase, Worker};
