//! One file a command.

pub(crate) mod check;
pub(crate) mod dev;
pub(crate) mod job;
pub(crate) mod queue;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod worker;
