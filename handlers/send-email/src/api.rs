//! The e-mail API: one request, and what its answer means for the job.

use gristmill::JobError;
use gristmill::http::{HttpError, Request, Response};
use serde::Deserialize;

use crate::{Sent, bad};

/// Characters of an API's answer that a failure shows.
const SHOWN: usize = 300;

/// Posts the e-mail.
pub(crate) fn send(request: Request) -> Result<Sent, JobError> {
    let endpoint = request.uri.clone();
    let response = match request.send() {
        // An API key with a line break in it, say.
        Err(error @ HttpError::Header { .. }) => return Err(bad(error)),
        response => response?,
    };
    if response.is_success() {
        return Ok(Sent { id: id(&response), status: response.status });
    }
    Err(refused(&endpoint, &response))
}

/// The e-mail's id, a text or a number. An API that answers otherwise has sent the e-mail all the same.
fn id(response: &Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        id: serde_json::Value,
    }
    match response.json::<Answer>().ok()?.id {
        serde_json::Value::String(id) => Some(id),
        serde_json::Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn refused(endpoint: &str, response: &Response) -> JobError {
    let status = response.status;
    let says = response.text();
    let said: String = says.chars().take(SHOWN).collect();
    let message = format!("the e-mail API at `{endpoint}` answered {status}: {}", said.trim());
    match status {
        429 => JobError::rate_limited(response.retry_after(), message),
        408 | 500.. => JobError::retryable(message).code("api-trouble"),
        // An attempt before this one is still under way there.
        409 if says.contains("concurrent_idempotent_requests") => {
            JobError::retryable(message).code("api-trouble")
        }
        _ => JobError::permanent(message).code("api-refused"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gristmill::testing;

    use super::*;

    fn answered(status: u16, headers: &[(&str, &str)], body: &str) -> JobError {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        testing::answer(Ok(Response { status, headers, body: body.into() }));
        match send(Request::post("http://api.example/mails")) {
            Err(error) => error,
            Ok(sent) => panic!("sent with {}", sent.status),
        }
    }

    #[rstest::rstest]
    #[case(500, "retryable")]
    #[case(503, "retryable")]
    #[case(408, "retryable")]
    #[case(400, "permanent")]
    #[case(401, "permanent")]
    #[case(409, "permanent")]
    #[case(422, "permanent")]
    #[case(302, "permanent")]
    #[case(429, "limited")]
    fn a_status_says_whether_trying_again_helps(#[case] status: u16, #[case] expected: &str) {
        let kind = match answered(status, &[], "no") {
            JobError::Retryable(_) => "retryable",
            JobError::Permanent(_) => "permanent",
            JobError::RateLimited { .. } => "limited",
            _ => "other",
        };
        assert_eq!(kind, expected);
    }

    #[rstest::rstest]
    #[case(&[("Retry-After", "30")], Some(Duration::from_secs(30)))]
    #[case(&[("retry-after", "soon")], None)]
    #[case(&[], None)]
    fn waits_as_long_as_the_api_says(#[case] headers: &[(&str, &str)], #[case] expected: Option<Duration>) {
        let JobError::RateLimited { retry_after, .. } = answered(429, headers, "") else {
            panic!("not limited")
        };
        assert_eq!(retry_after, expected);
    }

    #[test]
    fn a_request_under_way_is_tried_again() {
        let error = answered(409, &[], r#"{"name":"concurrent_idempotent_requests"}"#);
        assert!(matches!(error, JobError::Retryable(_)), "{error:?}");
    }

    #[test]
    fn failures_tell_what_the_api_said() {
        let error = answered(422, &[], r#"{"message":"Invalid `to` field"}"#);
        let expected =
            r#"the e-mail API at `http://api.example/mails` answered 422: {"message":"Invalid `to` field"}"#;
        assert_eq!(error.message(), expected);
    }

    #[test]
    fn trouble_of_the_network_is_retryable_and_a_closed_door_is_not() {
        testing::answer(Err(HttpError::Timeout { host: "api.example".to_owned() }));
        assert!(matches!(send(Request::post("http://api.example")), Err(JobError::Retryable(_))));
        testing::answer(Err(HttpError::Denied { host: "api.example".to_owned() }));
        assert!(matches!(send(Request::post("http://api.example")), Err(JobError::Permanent(_))));
    }

    #[test]
    fn ids_are_texts_or_numbers() {
        let id = |body: &str| id(&Response::new(200, body));
        assert_eq!(id(r#"{"id":"a"}"#).as_deref(), Some("a"));
        assert_eq!(id(r#"{"id":7}"#).as_deref(), Some("7"));
        assert_eq!(id("queued"), None);
    }
}
