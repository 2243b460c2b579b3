//! An e-mail's texts, before and after rendering.

use gristmill::JobError;
use minijinja::{Environment, Error, UndefinedBehavior, Value};
use serde::{Deserialize, Serialize};

use crate::bad;

/// Bytes of a subject; mail programs show less.
const MAX_SUBJECT: usize = 998;

/// Texts in the language of Jinja.
#[derive(Deserialize)]
pub(crate) struct Template {
    subject: String,
    /// Values are escaped in it.
    #[serde(default)]
    html: Option<String>,
    /// Values stand in it as they are.
    #[serde(default)]
    text: Option<String>,
}

/// What is sent.
#[derive(Debug, Serialize)]
pub(crate) struct Mail {
    pub(crate) subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Template {
    /// Puts the values in. A name without a value is an error: nobody wants mail that begins with "Dear ,".
    pub(crate) fn render(&self, values: &Value) -> Result<Mail, JobError> {
        let mut jinja = Environment::new();
        jinja.set_undefined_behavior(UndefinedBehavior::Strict);
        // The ending of a template's name says whether values are escaped.
        let render = |name: &str, text: &str| {
            jinja.render_named_str(name, text, values).map_err(|error| unfit(name, &error))
        };
        let subject = render("subject.txt", &self.subject)?;
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        if subject.is_empty() || subject.len() > MAX_SUBJECT {
            return Err(bad(format!(
                "the subject has {} bytes; it can have 1 to {MAX_SUBJECT}",
                subject.len()
            )));
        }
        if self.html.is_none() && self.text.is_none() {
            return Err(bad("`template` has neither `html` nor `text`; it needs one of them, or both"));
        }
        let html = self.html.as_ref().map(|html| render("template.html", html)).transpose()?;
        let text = self.text.as_ref().map(|text| render("text.txt", text)).transpose()?;
        Ok(Mail { subject, html, text })
    }
}

fn unfit(name: &str, error: &Error) -> JobError {
    let part = match name {
        "subject.txt" => "subject",
        "template.html" => "html",
        _ => "text",
    };
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    bad(format!("`template.{part}` cannot be rendered{line}: {}{detail}", error.kind()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(subject: &str, html: &str, values: serde_json::Value) -> Result<Mail, JobError> {
        let template = Template { subject: subject.to_owned(), html: Some(html.to_owned()), text: None };
        template.render(&serde_json::from_value(values).unwrap())
    }

    #[test]
    fn values_are_escaped_in_html_alone() {
        let mail = render("{{ a }}", "{{ a }}", json!({"a": "<b>&\"'"})).unwrap();
        assert_eq!(mail.subject, "<b>&\"'");
        let html = mail.html.unwrap();
        assert!(!html.contains('<') && html.contains("&amp;"), "{html}");
    }

    #[test]
    fn loops_and_filters_work() {
        let html = "{% for item in items %}<li>{{ item.name|upper }}: {{ item.count }}</li>{% endfor %}";
        let values = json!({"items": [{"name": "flour", "count": 2}, {"name": "bran", "count": 1}]});
        let expected = "<li>FLOUR: 2</li><li>BRAN: 1</li>";
        assert_eq!(render("x", html, values).unwrap().html.as_deref(), Some(expected));
    }

    #[test]
    fn one_of_html_and_text_is_enough() {
        let template = |html, text| Template { subject: "x".to_owned(), html, text };
        let mail = template(None, Some("hi".to_owned())).render(&Value::UNDEFINED).unwrap();
        assert_eq!((mail.html, mail.text.as_deref()), (None, Some("hi")));
        let error = template(None, None).render(&Value::UNDEFINED).unwrap_err();
        assert!(error.message().contains("neither `html` nor `text`"), "{error}");
    }

    #[test]
    fn a_subject_is_one_line() {
        let mail = render("Order\r\nBcc: {{ a }}", "", json!({"a": "x@example.com"})).unwrap();
        assert_eq!(mail.subject, "Order Bcc: x@example.com");
    }

    #[rstest::rstest]
    #[case("", "", "the subject has 0 bytes; it can have 1 to 998")]
    #[case("x", "a\n{{ nobody }}", "`template.html` cannot be rendered in line 2: undefined value")]
    #[case("{{ a.b }}", "", "`template.subject` cannot be rendered in line 1: undefined value")]
    #[case(
        "x",
        "{% if %}",
        "`template.html` cannot be rendered in line 1: syntax error: unexpected end of block"
    )]
    #[case("x", "{{ a|dance }}", "unknown filter: filter dance is unknown")]
    fn what_does_not_render_is_permanent_and_named(
        #[case] subject: &str,
        #[case] html: &str,
        #[case] part: &str,
    ) {
        let error = render(subject, html, json!({"a": {}})).unwrap_err();
        assert!(matches!(error, JobError::Permanent(_)), "{error:?}");
        assert!(error.message().contains(part), "{error}");
    }
}
