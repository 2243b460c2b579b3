#![doc = include_str!("../README.md")]

pub mod context;
mod error;
mod host;
pub mod http;
mod job;
pub mod log;
pub mod metrics;
pub mod progress;
mod run;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use error::{Failure, JobError};
pub use gristmill_sdk_macros::handler;
pub use job::Job;

/// For the code that [`macro@handler`] makes; nothing here is stable.
#[doc(hidden)]
pub mod __private {
    pub use crate::run::{gives, takes_data, takes_job};

    #[cfg(target_family = "wasm")]
    pub use crate::host::bindings::{
        self, export,
        exports::gristmill::job::handler::{Guest, Job as GuestJob, JobError as GuestError},
    };
    #[cfg(target_family = "wasm")]
    pub use crate::run::run;
}
