//! `gristmill:job/progress`.

use std::borrow::Cow;

use gristmill_core::service::MAX_CHECKPOINT;
use gristmill_core::units::{cut, show_size};
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::bindings::gristmill::job::progress::Host;
use crate::guest::Guest;

/// Bytes of a report's message; the rest is cut.
const MAX_MESSAGE: usize = 1 << 10;

impl Guest {
    fn update(&mut self, json: String) {
        if json.len() > self.limits.progress_bytes {
            self.updates.refuse();
        } else if self.updates.take() {
            self.host.progress(json);
        }
    }

    /// Counts a call that waits for Redis.
    fn may_call(&mut self) -> Result<(), String> {
        let max = self.limits.service_calls;
        if self.calls.take() { Ok(()) } else { Err(format!("an attempt may make {max} such calls")) }
    }
}

#[derive(Serialize)]
struct Parts<'a> {
    done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
}

/// The progress value of a report: a whole percentage, or an object of what was given.
fn report(done: u64, total: Option<u64>, message: Option<&str>) -> String {
    match (total, message) {
        (Some(0), None) => "100".to_owned(),
        (Some(total), None) => (u128::from(done) * 100 / u128::from(total)).min(100).to_string(),
        (total, message) => {
            let message = message.map(|message| cut(message, MAX_MESSAGE));
            serde_json::to_string(&Parts { done, total, message }).expect("numbers and text are always JSON")
        }
    }
}

/// The text of a value that may be stored, or why it may not; `what` names it.
fn checked(what: &str, value: Vec<u8>, max: usize) -> Result<String, String> {
    fits(what, value.len(), max)?;
    let text = String::from_utf8(value).map_err(|error| format!("{what} is not UTF-8: {error}"))?;
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("{what} is not JSON: {error}")),
    }
}

fn fits(what: &str, bytes: usize, max: usize) -> Result<(), String> {
    if bytes <= max {
        return Ok(());
    }
    Err(format!("{what} has {bytes} bytes, more than the limit of {}", show_size(max as u64)))
}

impl Host for Guest {
    fn report(&mut self, done: u64, total: Option<u64>, message: Option<String>) -> wasmtime::Result<()> {
        let json = report(done, total, message.as_deref());
        self.update(json);
        Ok(())
    }

    fn set(&mut self, value: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        let json = checked("the progress value", value, self.limits.progress_bytes);
        Ok(json.map(|json| self.update(json)))
    }

    async fn save_checkpoint(&mut self, data: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        Ok(match fits("the checkpoint", data.len(), MAX_CHECKPOINT).and_then(|()| self.may_call()) {
            Ok(()) => self.host.save_checkpoint(data).await,
            Err(why) => Err(why),
        })
    }

    async fn load_checkpoint(&mut self) -> wasmtime::Result<Result<Option<Vec<u8>>, String>> {
        Ok(match self.may_call() {
            Ok(()) => self.host.load_checkpoint().await,
            Err(why) => Err(why),
        })
    }

    async fn update_data(&mut self, data: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        let json = checked("the job's data", data, self.limits.output);
        Ok(match json.and_then(|json| self.may_call().map(|()| json)) {
            Ok(json) => self.host.update_data(json).await,
            Err(why) => Err(why),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(1, Some(3), None, "33")]
    #[case(9, Some(3), None, "100")]
    #[case(0, Some(0), None, "100")]
    #[case(u64::MAX, Some(u64::MAX), None, "100")]
    #[case(5, None, None, r#"{"done":5}"#)]
    #[case(1, Some(2), Some("a \"b\""), r#"{"done":1,"total":2,"message":"a \"b\""}"#)]
    fn reports(
        #[case] done: u64,
        #[case] total: Option<u64>,
        #[case] message: Option<&str>,
        #[case] json: &str,
    ) {
        assert_eq!(report(done, total, message), json);
    }

    #[rstest::rstest]
    #[case(b"[1, {\"a\": null}]", None)]
    #[case(b"", Some("not JSON"))]
    #[case(b"{", Some("not JSON"))]
    #[case(b"1 2", Some("not JSON"))]
    #[case(b"\"\xff\"", Some("not UTF-8"))]
    #[case(b"\"a string that is too long\"", Some("more than the limit of 20 B"))]
    fn checks(#[case] value: &[u8], #[case] refusal: Option<&str>) {
        match (checked("it", value.to_vec(), 20), refusal) {
            (Ok(text), None) => assert_eq!(text.as_bytes(), value),
            (Err(error), Some(part)) => assert!(error.contains(part), "{error}"),
            (other, _) => panic!("{other:?}"),
        }
    }
}
