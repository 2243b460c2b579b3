//! Between the bytes of the host and the types of the handler.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Job, JobError};

/// Compiles only for the job.
#[doc(hidden)]
pub fn takes_job<J: IsJob>() {}

/// Compiles only for types that job data can become.
#[doc(hidden)]
pub fn takes_data<T: DeserializeOwned>() {}

/// Compiles only for results that the host can take.
#[doc(hidden)]
pub fn gives<R: IsResult>() {}

/// The type of a handler's first argument.
#[doc(hidden)]
#[diagnostic::on_unimplemented(message = "a handler's first argument is `gristmill::Job`, not `{Self}`")]
pub trait IsJob {}

impl IsJob for Job {}

/// The type that a handler returns.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a handler returns `Result<R, gristmill::JobError>` with a serializable `R`, not `{Self}`"
)]
pub trait IsResult {}

impl<R: Serialize> IsResult for Result<R, JobError> {}

/// The typed form of a job's data, from JSON; data of another form is a permanent error that names the place. The handler's
/// own data comes through this already.
///
/// ```
/// let error = gristmill::parse::<Vec<u8>>(b"[1, 2, 300]").unwrap_err();
/// assert!(error.message().contains("at `[2]`"), "{error}");
/// ```
pub fn parse<T: DeserializeOwned>(data: &[u8]) -> Result<T, JobError> {
    serde_json::from_slice(data).map_err(|error| misfit::<T>(data, &error))
}

#[cold]
fn misfit<T: DeserializeOwned>(data: &[u8], error: &serde_json::Error) -> JobError {
    // Only a second, slower reading knows the path.
    let mut reader = serde_json::Deserializer::from_slice(data);
    let message = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) if error.path().iter().next().is_some() => {
            format!("at `{}`: {}", error.path(), error.inner())
        }
        _ => error.to_string(),
    };
    JobError::permanent(format!("the job's data does not fit this handler: {message}")).code("bad-data")
}

/// The return value as JSON text.
pub(crate) fn serialize<R: Serialize>(value: &R) -> Result<Vec<u8>, JobError> {
    serde_json::to_vec(value).map_err(|error| {
        JobError::permanent(format!("the return value cannot be written as JSON: {error}"))
            .code("bad-return-value")
    })
}

#[cfg(target_family = "wasm")]
mod guest {
    use std::time::Duration;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::{parse, serialize};
    use crate::host::bindings::exports::gristmill::job::handler::{Job as GuestJob, JobError as GuestError};
    use crate::host::bindings::gristmill::job::types::{Deferral, Failure as GuestFailure, Throttle};
    use crate::{Failure, Job, JobError};

    /// Calls the handler with what the host gave.
    #[doc(hidden)]
    pub fn run<T: DeserializeOwned, R: Serialize>(
        job: GuestJob,
        handler: fn(Job, T) -> Result<R, JobError>,
    ) -> Result<Option<Vec<u8>>, GuestError> {
        let job = Job::new(job.id, job.name, job.queue, job.attempt, job.max_attempts, job.data);
        let returned =
            parse(&job.data).and_then(|data| handler(job, data)).and_then(|value| serialize(&value));
        returned.map(Some).map_err(to_guest)
    }

    fn to_guest(error: JobError) -> GuestError {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let failure =
            |said: Failure| GuestFailure { message: said.message, code: said.code, detail: said.detail };
        match error {
            JobError::Retryable(said) => GuestError::Retryable(failure(said)),
            JobError::Permanent(said) => GuestError::Permanent(failure(said)),
            JobError::RateLimited { retry_after, message } => {
                GuestError::RateLimited(Throttle { retry_after: retry_after.map(millis), message })
            }
            JobError::Deferred { delay, reason } => {
                GuestError::Deferred(Deferral { delay: millis(delay), reason })
            }
            JobError::WaitForChildren => GuestError::WaitForChildren,
        }
    }
}

#[cfg(target_family = "wasm")]
pub use guest::run;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Order {
        #[expect(dead_code, reason = "only its type matters")]
        items: Vec<u32>,
    }

    #[rstest::rstest]
    #[case(r#"{"items":[1,"two"]}"#, "at `items[1]`: invalid type: string \"two\", expected u32")]
    #[case(r#"{"item":[]}"#, "missing field `items` at line 1")]
    #[case("{", "EOF while parsing an object at line 1 column 1")]
    #[case("", "EOF while parsing a value at line 1 column 0")]
    fn data_that_does_not_fit_is_permanent_and_names_the_place(#[case] data: &str, #[case] part: &str) {
        let error = parse::<Order>(data.as_bytes()).unwrap_err();
        let JobError::Permanent(failure) = error else { panic!("{error:?}") };
        assert!(failure.message.contains(part), "{}", failure.message);
        assert_eq!(failure.code.unwrap(), "bad-data");
    }

    #[test]
    fn a_value_without_json_form_is_permanent() {
        let maps = std::collections::HashMap::from([(vec![1], 1)]);
        assert!(matches!(serialize(&maps), Err(JobError::Permanent(_))));
    }
}
