//! The host functions of `gristmill:job`. Those of `enqueue`, `state`, `rate-limit` and `circuit-breaker`, and
//! checkpoints, wait for the host's Redis, those of `secrets` for a file; no other waits.

pub(crate) mod circuit_breaker;
mod context;
mod enqueue;
mod log;
mod metrics;
mod progress;
pub(crate) mod rate_limit;
mod secrets;
mod state;

use crate::bindings::gristmill::job::types;
use crate::guest::Guest;

impl types::Host for Guest {}
