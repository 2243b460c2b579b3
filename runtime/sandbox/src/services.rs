//! The host functions of `gristmill:job`. None of them waits.

mod context;
mod log;
mod metrics;
mod progress;

use crate::bindings::gristmill::job::types;
use crate::guest::Guest;

impl types::Host for Guest {}
