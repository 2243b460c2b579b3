//! The host functions of `gristmill:job`. Those of `enqueue` and `state`, and checkpoints, wait for the host's Redis,
//! those of `secrets` for a file; no other waits.

mod context;
mod enqueue;
mod log;
mod metrics;
mod progress;
mod secrets;
mod state;

use crate::bindings::gristmill::job::types;
use crate::guest::Guest;

impl types::Host for Guest {}
