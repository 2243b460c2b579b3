//! One attempt of a job in one WebAssembly component instance, a fresh one unless its type says otherwise, with its
//! limits armed.
//!
//! [`Sandbox::load`] compiles a handler once (or takes it from the disk cache) and links it to the host
//! functions; [`Sandbox::run`] makes an instance of it, calls its `run`, and drops it. Whatever the guest does
//! ends in a [`Report`]: guests are hostile, so nothing they do is an error or a panic of ours.
//!
//! Three clocks stop a guest: epochs when it computes, a timer around the call when it waits in a host
//! function, and fuel where the job type asks for metering. Memory, tables, handles, log lines, progress,
//! metrics, random bytes, connections and the return value each have a ceiling.

mod allow;
mod attempt;
mod bindings;
mod cache;
mod compile;
mod engine;
mod error;
mod files;
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
mod turns;
mod verdict;
mod warm;

pub use allow::{Allow, HttpRule, Secret, SecretSource};
pub use attempt::{Attempt, Report};
pub use compile::{Compiler, compile};
pub use error::{ErrorKind, ModuleError, SandboxError};
pub use files::{Directory, Quota};
pub use host::{Answer, Denied, Host, Level, RequestTrace, Warning};
pub use http::allow::{HostPattern, PatternError};
pub use interrupt::Interrupter;
pub use module::{MAX_MODULE_BYTES, Module};
pub use sandbox::{Sandbox, Settings};
pub use warm::{Recycled, Recycling, Warm};
