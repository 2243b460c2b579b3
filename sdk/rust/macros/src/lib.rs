//! The attribute of `gristmill-sdk`; use it as `#[gristmill::handler]`.

mod handler;

use proc_macro::TokenStream;

/// Makes a function the handler of its component; `gristmill-sdk` documents it.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(&arguments.into(), &item.into()).into()
}
