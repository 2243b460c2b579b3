//! From a function to a component's export.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, ItemFn, ReturnType, Signature, Type, TypePath};

const SHAPE: &str = "a handler is `fn(job: Job, data: T) -> Result<R, JobError>`";

/// The function with its export, or with the errors that say why it cannot be one.
pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> TokenStream {
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        return compile_error(Span::call_site(), "`#[gristmill::handler]` goes on a function", item);
    };
    if !arguments.is_empty() {
        return compile_error(arguments.span(), "`#[gristmill::handler]` takes no arguments", item);
    }
    match checked(&function.sig) {
        // Without the function, code that calls it would add errors of its own.
        Err(error) => {
            let error = error.into_compile_error();
            quote! { #error #item }
        }
        Ok(()) => export(&function),
    }
}

fn compile_error(span: Span, message: &str, item: &TokenStream) -> TokenStream {
    let error = Error::new(span, message).into_compile_error();
    quote! { #error #item }
}

fn checked(signature: &Signature) -> Result<(), Error> {
    let refuse = |span: Span, why: &str| Err(Error::new(span, format!("{SHAPE}; {why}")));
    if let Some(token) = &signature.asyncness {
        return refuse(token.span(), "not `async`: the host already runs other jobs while this one waits");
    }
    if let Some(token) = &signature.unsafety {
        return refuse(token.span(), "not `unsafe`");
    }
    if let Some(abi) = &signature.abi {
        return refuse(abi.span(), "without `extern`");
    }
    if let Some(parameter) = signature.generics.params.first() {
        return refuse(parameter.span(), "not generic: the host needs one type for the job's data");
    }
    let mut inputs = signature.inputs.iter();
    match (inputs.next(), inputs.next(), inputs.next()) {
        (Some(FnArg::Receiver(receiver)), ..) => {
            return refuse(receiver.span(), "a free function, not a method");
        }
        (Some(_), Some(FnArg::Typed(data)), None) if matches!(*data.ty, Type::Reference(_)) => {
            return refuse(
                data.ty.span(),
                "its data is a value of its own, not a reference; write `String` for `&str`",
            );
        }
        (Some(_), Some(_), None) => {}
        (_, _, Some(extra)) => return refuse(extra.span(), "it takes two arguments"),
        _ => {
            return refuse(signature.paren_token.span.span(), "it takes two arguments, the job and its data");
        }
    }
    match &signature.output {
        ReturnType::Default => {
            refuse(signature.ident.span(), "it returns a result; write `-> Result<(), JobError>`")
        }
        ReturnType::Type(_, ty) if !is_named(ty, "Result") => refuse(ty.span(), "it returns a `Result`"),
        ReturnType::Type(..) => Ok(()),
    }
}

/// Whether the last part of the type's path is `name`, or an alias that ends in it.
fn is_named(ty: &Type, name: &str) -> bool {
    let Type::Path(TypePath { path, .. }) = ty else {
        return false;
    };
    path.segments.last().is_some_and(|segment| segment.ident.to_string().ends_with(name))
}

fn export(function: &ItemFn) -> TokenStream {
    let name: &Ident = &function.sig.ident;
    let (ReturnType::Type(_, output), inputs) = (&function.sig.output, &function.sig.inputs) else {
        return quote! { #function };
    };
    let types: Vec<_> = inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(input) => Some(&input.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let (Some(job), Some(data)) = (types.first(), types.get(1)) else {
        return quote! { #function };
    };
    // Spans put the errors of the checks on the types in question.
    let takes_job = quote_spanned! { job.span() => ::gristmill::__private::takes_job::<#job>(); };
    let takes_data = quote_spanned! { data.span() => ::gristmill::__private::takes_data::<#data>(); };
    let gives = quote_spanned! { output.span() => ::gristmill::__private::gives::<#output>(); };
    quote! {
        #[allow(clippy::needless_pass_by_value)]
        #function

        #[allow(dead_code, unsafe_code, missing_docs, clippy::all, clippy::pedantic)]
        const _: () = {
            fn check() {
                #takes_job
                #takes_data
                #gives
            }

            #[cfg(not(target_family = "wasm"))]
            const _: fn(#job, #data) -> #output = #name;

            #[cfg(target_family = "wasm")]
            struct Handler;

            #[cfg(target_family = "wasm")]
            impl ::gristmill::__private::Guest for Handler {
                fn run(
                    job: ::gristmill::__private::GuestJob,
                ) -> ::core::result::Result<
                    ::core::option::Option<::std::vec::Vec<u8>>,
                    ::gristmill::__private::GuestError,
                > {
                    ::gristmill::__private::run(job, #name)
                }
            }

            #[cfg(target_family = "wasm")]
            ::gristmill::__private::export!(Handler with_types_in ::gristmill::__private::bindings);
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(item: &TokenStream) -> String {
        expand(&TokenStream::new(), item).to_string()
    }

    #[test]
    fn keeps_the_function_and_exports_it() {
        let text =
            expanded(&quote! { fn resize(job: Job, image: Image) -> Result<Image, JobError> { todo!() } });
        assert!(text.contains("fn resize (job : Job , image : Image)"), "{text}");
        assert!(text.contains("export !"), "{text}");
        assert!(!text.contains("compile_error"), "{text}");
    }

    #[test]
    fn says_what_is_wrong() {
        let cases = [
            (quote! { async fn f(job: Job, data: T) -> Result<R, JobError> {} }, "not `async`"),
            (quote! { unsafe fn f(job: Job, data: T) -> Result<R, JobError> {} }, "not `unsafe`"),
            (quote! { extern "C" fn f(job: Job, data: T) -> Result<R, JobError> {} }, "without `extern`"),
            (quote! { fn f<T>(job: Job, data: T) -> Result<R, JobError> {} }, "not generic"),
            (quote! { fn f(&self, data: T) -> Result<R, JobError> {} }, "a free function"),
            (quote! { fn f(job: Job) -> Result<R, JobError> {} }, "the job and its data"),
            (quote! { fn f() -> Result<R, JobError> {} }, "the job and its data"),
            (quote! { fn f(job: Job, data: T, more: U) -> Result<R, JobError> {} }, "it takes two arguments"),
            (quote! { fn f(job: Job, data: &str) -> Result<R, JobError> {} }, "write `String` for `&str`"),
            (quote! { fn f(job: Job, data: T) {} }, "-> Result<(), JobError>"),
            (quote! { fn f(job: Job, data: T) -> R {} }, "it returns a `Result`"),
            (quote! { struct S; }, "goes on a function"),
        ];
        for (item, message) in cases {
            let text = expanded(&item);
            assert!(text.contains("compile_error") && text.contains(message), "{message}: {text}");
        }
        let text = expand(&quote! { retries = 3 }, &quote! { fn f(j: Job, d: T) -> Result<R, JobError> {} })
            .to_string();
        assert!(text.contains("takes no arguments"), "{text}");
    }
}
