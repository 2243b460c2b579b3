#![doc = include_str!("../README.md")]

pub mod circuit_breaker;
pub mod context;
pub mod enqueue;
mod error;
mod host;
pub mod http;
mod job;
pub mod log;
pub mod metrics;
pub mod progress;
pub mod rate_limit;
mod run;
pub mod secrets;
pub mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use error::{Failure, JobError};
/// Makes a function the handler of its component.
///
/// The function takes the job and its data and returns a result: `fn(Job, T) -> Result<R, JobError>`, with `T` any
/// type that serde can deserialize and `R` any that it can serialize. It stays an ordinary function, so tests call it
/// directly. A component has one handler.
///
/// ```
/// use gristmill::{Job, JobError};
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     items: Vec<u32>,
/// }
///
/// #[gristmill::handler]
/// fn total(_job: Job, order: Order) -> Result<u32, JobError> {
///     Ok(order.items.iter().sum())
/// }
/// ```
///
/// Other signatures do not compile, and say why:
///
/// ```compile_fail
/// #[gristmill::handler]
/// async fn total(job: gristmill::Job, data: String) -> Result<u32, gristmill::JobError> {
///     Ok(1)
/// }
/// ```
///
/// ```compile_fail
/// #[gristmill::handler]
/// fn total(data: String, job: gristmill::Job) -> Result<u32, gristmill::JobError> {
///     Ok(1)
/// }
/// ```
///
/// ```compile_fail
/// #[gristmill::handler]
/// fn total(job: gristmill::Job, data: String) -> Result<u32, String> {
///     Ok(1)
/// }
/// ```
pub use gristmill_sdk_macros::handler;
pub use job::Job;
pub use run::parse;

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
