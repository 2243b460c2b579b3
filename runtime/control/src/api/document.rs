//! The document's answers to what cannot be done: they are the same for every call.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};

/// Answers that every call may give, beside those of its own.
const ERRORS: [(&str, &str); 7] = [
    ("400", "a parameter or the body does not fit; nothing was done"),
    ("401", "a token is needed, or the one given is nobody's"),
    ("403", "the token's role is not enough, or another site asks"),
    ("408", "the call took too long; what it had begun may be done"),
    ("429", "too many calls; `Retry-After` says when to ask again"),
    ("502", "Redis refused what was asked of it"),
    ("503", "Redis does not answer"),
];
const TOO_LARGE: (&str, &str) = ("413", "the body is too large; nothing was done");

/// Adds these answers, and the form that all errors have.
pub(super) fn with_errors(mut document: OpenApi) -> OpenApi {
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.patch, &mut path.delete];
        operations.into_iter().flatten().for_each(complete);
    }
    document
}

fn complete(operation: &mut Operation) {
    let too_large = operation.request_body.is_some().then_some(TOO_LARGE);
    let responses = &mut operation.responses.responses;
    for (status, description) in ERRORS.into_iter().chain(too_large) {
        let known = responses.entry(status.to_owned());
        known.or_insert_with(|| ResponseBuilder::new().description(description).build().into());
    }
    for (status, response) in responses {
        if let (RefOr::T(response), true) = (response, status.starts_with(['4', '5'])) {
            let form = Content::new(Some(Ref::from_schema_name("Problems")));
            response.content.insert("application/json".to_owned(), form.into());
        }
    }
}
