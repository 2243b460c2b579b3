//! The attribute of `gristmill-sdk`; use it as `#[gristmill::handler]`.

mod handler;

use proc_macro::TokenStream;

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
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(&arguments.into(), &item.into()).into()
}
