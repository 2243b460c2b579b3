//! Getting a picture from a web server.

use gristmill::JobError;
use gristmill::http::{HttpError, Request, Response};

use crate::bad;

/// The body of a successful response.
pub(crate) fn fetch(url: &str, max: usize) -> Result<Vec<u8>, JobError> {
    let response = match Request::get(url).header("accept", "image/*").max_body(max).send() {
        Err(error @ HttpError::TooLarge { .. }) => return Err(bad(error)),
        response => response?,
    };
    if response.is_success() {
        return Ok(response.body);
    }
    Err(refused(url, &response))
}

/// What a status other than 200 to 299 means for the job.
fn refused(url: &str, response: &Response) -> JobError {
    let status = response.status;
    match status {
        429 => JobError::rate_limited(response.retry_after(), format!("`{url}` answered 429")),
        408 | 500.. => JobError::retryable(format!("`{url}` answered {status}")).code("server-trouble"),
        300..400 => {
            let to = response.header("location").unwrap_or("nowhere");
            bad(format!("`{url}` redirects to `{to}`, which is not followed; give that address"))
        }
        _ => bad(format!("`{url}` answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gristmill::testing;

    use super::*;

    fn answered(status: u16) -> JobError {
        let headers = vec![("retry-after".to_owned(), "7".to_owned())];
        testing::answer(Ok(Response { status, headers, body: Vec::new() }));
        fetch("http://example.com/x", 10).unwrap_err()
    }

    #[test]
    fn a_status_says_whether_trying_again_helps() {
        assert!(matches!(answered(503), JobError::Retryable(_)));
        assert!(matches!(answered(408), JobError::Retryable(_)));
        assert!(matches!(answered(404), JobError::Permanent(_)));
        assert!(answered(302).message().contains("redirects to `nowhere`"));
        let JobError::RateLimited { retry_after, .. } = answered(429) else { panic!("not rate limited") };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_file_that_is_too_large_is_permanent() {
        testing::answer(Err(HttpError::TooLarge { max: 10 }));
        assert!(matches!(fetch("http://example.com/x", 10), Err(JobError::Permanent(_))));
    }
}
