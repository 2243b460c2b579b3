//! One file a command.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod core_dump;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod handler;
pub(crate) mod job;
pub(crate) mod limiter;
pub(crate) mod monitor;
pub(crate) mod new;
pub(crate) mod queue;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod setting;
pub(crate) mod supervisor;
pub(crate) mod top;
pub(crate) mod worker;
