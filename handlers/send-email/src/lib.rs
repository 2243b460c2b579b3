//! Renders an e-mail from templates and gives it to an e-mail API, that of Resend unless the job names another.

mod api;
mod template;

use std::collections::BTreeMap;

use gristmill::http::Request;
use gristmill::{Job, JobError, metrics};
use serde::{Deserialize, Serialize};

use crate::template::{Mail, Template};

/// Most e-mail APIs refuse more.
const MAX_RECIPIENTS: usize = 50;

/// A job's data.
#[derive(Deserialize)]
struct Order {
    /// `Name <address>` or an address.
    from: String,
    to: Recipients,
    #[serde(default)]
    reply_to: Option<String>,
    template: Template,
    /// What the templates may name.
    #[serde(default)]
    values: BTreeMap<String, minijinja::Value>,
    #[serde(default = "resend")]
    endpoint: String,
    /// Sent as bearer token. It lies in Redis with the job.
    #[serde(default)]
    api_key: Option<String>,
}

fn resend() -> String {
    "https://api.resend.com/emails".to_owned()
}

/// One address or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an address or a list of addresses")]
enum Recipients {
    One(String),
    Several(Vec<String>),
}

/// What the API is sent.
#[derive(Serialize)]
struct Body<'a> {
    from: &'a str,
    to: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<&'a str>,
    #[serde(flatten)]
    mail: &'a Mail,
}

/// What the job returns.
#[derive(Serialize)]
struct Sent {
    /// The API's own name of the e-mail, if it gave one.
    id: Option<String>,
    /// The API's HTTP status.
    status: u16,
}

#[gristmill::handler]
fn send_email(job: Job, order: Order) -> Result<Sent, JobError> {
    let to = match order.to {
        Recipients::One(address) => vec![address],
        Recipients::Several(addresses) => addresses,
    };
    check(&order.from, &to)?;
    let mail = order.template.render(&order.values.into())?;
    let body = Body { from: &order.from, to: &to, reply_to: order.reply_to.as_deref(), mail: &mail };

    let mut request = Request::post(&order.endpoint)
        .header("accept", "application/json")
        .header("idempotency-key", idempotency_key(&job))
        .header("user-agent", concat!("gristmill-send-email/", env!("CARGO_PKG_VERSION")))
        .max_body(1 << 20)
        .json(&body)?;
    if let Some(key) = &order.api_key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let sent = api::send(request)?;
    gristmill::info!(status = sent.status, recipients = to.len(), "sent \"{}\"", mail.subject);
    metrics::counter("emails_sent", 1, &[]);
    Ok(sent)
}

/// The API sends one e-mail for a key however often it is asked. Job ids count from 1 in every queue, hence its name.
fn idempotency_key(job: &Job) -> String {
    let text = format!("{}/{}", job.queue, job.id);
    // A header takes no more than this.
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect()
}

fn check(from: &str, to: &[String]) -> Result<(), JobError> {
    if to.is_empty() || to.len() > MAX_RECIPIENTS {
        let message = format!("`to` has {} addresses; it can have 1 to {MAX_RECIPIENTS}", to.len());
        return Err(bad(message));
    }
    let unfit = |address: &&str| !address.contains('@') || address.contains(char::is_control);
    match std::iter::once(from).chain(to.iter().map(String::as_str)).find(unfit) {
        Some(address) => Err(bad(format!("`{}` is not an e-mail address", address.escape_default()))),
        None => Ok(()),
    }
}

/// Data that no further attempt will make better.
pub(crate) fn bad(message: impl std::fmt::Display) -> JobError {
    JobError::permanent(message).code("bad-email")
}

#[cfg(test)]
mod tests {
    use gristmill::http::Response;
    use gristmill::testing;
    use serde_json::{Value, json};

    use super::*;

    fn order() -> Value {
        json!({
            "from": "Shop <orders@shop.example>",
            "to": "ada@example.com",
            "template": {
                "subject": "Order {{ number }}",
                "html": "<p>Dear {{ name }}</p>",
                "text": "Dear {{ name }}"
            },
            "values": {"number": 17, "name": "Ada & Co <ltd>"},
        })
    }

    fn with(key: &str, value: Value) -> Value {
        let mut order = order();
        order[key] = value;
        order
    }

    fn call(data: Value) -> Result<Value, JobError> {
        testing::call(send_email, testing::job(data))
    }

    #[test]
    fn renders_and_posts() {
        testing::answer(Ok(Response::new(200, r#"{"id":"m-1"}"#)));
        assert_eq!(call(with("api_key", json!("re_1"))), Ok(json!({"id": "m-1", "status": 200})));
        let records = testing::take();
        let request = &records.requests[0];
        assert_eq!(
            (request.method.as_str(), request.uri.as_str()),
            ("POST", "https://api.resend.com/emails")
        );
        let header = |name: &str| request.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(header("idempotency-key"), Some("test/1"));
        assert_eq!(header("authorization"), Some("Bearer re_1"));
        let expected = json!({
            "from": "Shop <orders@shop.example>",
            "to": ["ada@example.com"],
            "subject": "Order 17",
            "html": "<p>Dear Ada &amp; Co &lt;ltd&gt;</p>",
            "text": "Dear Ada & Co <ltd>",
        });
        assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), expected);
        assert_eq!(records.metrics[0].name, "emails_sent");
    }

    #[test]
    fn goes_to_the_endpoint_of_the_job_without_a_key() {
        testing::answer(Ok(Response::new(202, "accepted")));
        let data = with("endpoint", json!("http://127.0.0.1:9/mails"));
        assert_eq!(call(data), Ok(json!({"id": null, "status": 202})));
        let request = testing::take().requests.remove(0);
        assert_eq!(request.uri, "http://127.0.0.1:9/mails");
        assert!(request.headers.iter().all(|(name, _)| name != "authorization"));
    }

    #[test]
    fn keys_fit_a_header() {
        let mut job = testing::job(order());
        job.id = "order\r\n17 é".to_owned();
        assert_eq!(idempotency_key(&job), "test/order__17__");
    }

    #[rstest::rstest]
    #[case(json!([]), "`to` has 0 addresses")]
    #[case(json!(7), "at `to`: expected an address or a list of addresses")]
    #[case(json!("nobody"), "`nobody` is not an e-mail address")]
    #[case(json!(["ada@example.com\r\nbcc: x@example.com"]), r"\r\nbcc: x@example.com` is not an e-mail address")]
    fn bad_recipients_are_permanent(#[case] to: Value, #[case] part: &str) {
        let error = call(with("to", to)).unwrap_err();
        assert!(matches!(error, JobError::Permanent(_)), "{error:?}");
        assert!(error.message().contains(part), "{error}");
        assert!(testing::take().requests.is_empty());
    }

    #[test]
    fn a_template_that_does_not_render_is_permanent_and_sends_nothing() {
        let error = call(with("values", json!({"number": 17}))).unwrap_err();
        assert!(matches!(error, JobError::Permanent(_)), "{error:?}");
        assert!(testing::take().requests.is_empty());
    }
}
