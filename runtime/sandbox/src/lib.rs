//! One attempt of a job in one fresh WebAssembly component instance, with its limits armed.
//!
//! [`Sandbox::load`] compiles a handler once (or takes it from the disk cache) and links it to the host
//! functions; [`Sandbox::run`] makes an instance of it, calls its `run`, and drops it. Whatever the guest does
//! ends in a [`Report`]: guests are hostile, so nothing they do is an error or a panic of ours.
//!
//! Three clocks stop a guest: epochs when it computes, a timer around the call when it waits in a host
//! function, and fuel where the job type asks for metering. Memory, tables, handles, log lines, progress,
//! metrics, random bytes, connections and the return value each have a ceiling.

mod attempt;
mod bindings;
mod cache;
mod engine;
mod error;
mod guest;
mod host;
mod http;
mod interrupt;
mod log;
mod memory;
mod module;
mod pool;
mod run;
mod sandbox;
mod services;
mod verdict;

pub use attempt::{Attempt, Report};
pub use error::{ErrorKind, ModuleError, SandboxError};
pub use host::{Answer, Host, Level, Warning};
pub use http::allow::{Allow, HostPattern, PatternError};
pub use interrupt::Interrupter;
pub use module::{MAX_MODULE_BYTES, Module};
pub use sandbox::{Sandbox, Settings};
