//! A job's `opts` as BullMQ stores them, read field by field: an odd field loses only itself.

use serde_json::{Map, Value};

use crate::backoff::Backoff;

/// What becomes of a finished job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Stays until somebody removes it.
    All,
    /// Removed with the call that finishes it.
    Remove,
    /// Stays, and older ones beyond these bounds go.
    Bounded {
        /// How many of its state stay.
        count: Option<u64>,
        /// Seconds that one stays.
        age_s: Option<u64>,
        /// At most this many are removed for their age in one call.
        limit: u64,
    },
}

/// Removals for age per finished job when the producer set no `limit`; BullMQ's default.
pub(crate) const AGE_LIMIT: u64 = 1_000;

/// The options that a worker needs; the rest of `opts` is the producer's and stays untouched in Redis.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOptions {
    /// Attempts that the producer allows; `None` where it set none (BullMQ runs such a job once).
    pub attempts: Option<u32>,
    /// Delay between attempts; `None` retries at once.
    pub backoff: Option<Backoff>,
    /// What becomes of the job when completed; `None` leaves it to the worker.
    pub remove_on_complete: Option<Keep>,
    /// What becomes of the job when failed; `None` leaves it to the worker.
    pub remove_on_fail: Option<Keep>,
    /// Delay that the producer asked for, ms. The job hash forgets it when the job becomes due.
    pub delay_ms: u64,
    /// Retries go to the front of the queue.
    pub lifo: bool,
    /// Entries of `stacktrace` kept, newest last; `None` keeps all.
    pub stack_trace_limit: Option<usize>,
    /// Log lines kept in Redis; `None` keeps all.
    pub keep_logs: Option<u64>,
    /// Hard limit of one attempt's wall time; never above that of the job type.
    pub timeout_ms: Option<u64>,
    /// What the producer's telemetry put into `tm` to go with the job, W3C trace context first of all.
    pub headers: Vec<(String, String)>,
    /// Names of fields that were present but unusable.
    pub odd: Vec<&'static str>,
}

impl JobOptions {
    const NONE: Self = Self {
        attempts: None,
        backoff: None,
        remove_on_complete: None,
        remove_on_fail: None,
        delay_ms: 0,
        lifo: false,
        stack_trace_limit: None,
        keep_logs: None,
        timeout_ms: None,
        headers: Vec::new(),
        odd: Vec::new(),
    };

    /// Reads the stored JSON text. Text that is not a JSON object gives the defaults, with `opts` among the odd.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        // What most producers write; parsing it would cost more than the rest of the hand-over.
        if matches!(text, "" | "{}" | r#"{"attempts":0}"#) {
            return Self::NONE;
        }
        match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(map) => Self::from_map(&map),
            Err(_) => Self { odd: vec!["opts"], ..Self::NONE },
        }
    }

    fn from_map(map: &Map<String, Value>) -> Self {
        let mut reader = Reader { map, odd: Vec::new() };
        let options = Self {
            attempts: reader.read("attempts", |v| {
                whole(v).map(|n| u32::try_from(n).unwrap_or(u32::MAX)).map(|n| (n > 0).then_some(n))
            }),
            backoff: reader.read("backoff", backoff),
            remove_on_complete: reader.read("removeOnComplete", keep),
            remove_on_fail: reader.read("removeOnFail", keep),
            delay_ms: reader.read("delay", |v| whole(v).map(Some)).unwrap_or(0),
            lifo: reader.read("lifo", |v| v.as_bool().map(Some)).unwrap_or(false),
            stack_trace_limit: reader.read("stackTraceLimit", |v| {
                whole(v).map(|n| Some(usize::try_from(n).unwrap_or(usize::MAX)))
            }),
            keep_logs: reader.read("kl", |v| whole(v).map(Some)),
            headers: reader.read("tm", |v| v.as_str().map(|text| Some(headers(text)))).unwrap_or_default(),
            timeout_ms: reader.read("timeout", |v| whole(v).map(|ms| (ms > 0).then_some(ms))),
            odd: Vec::new(),
        };
        Self { odd: reader.odd, ..options }
    }
}

struct Reader<'a> {
    map: &'a Map<String, Value>,
    odd: Vec<&'static str>,
}

impl Reader<'_> {
    /// `read` answers `None` for a value it cannot use and `Some(None)` for one that means "not set".
    fn read<T>(&mut self, name: &'static str, read: impl Fn(&Value) -> Option<Option<T>>) -> Option<T> {
        let value = self.map.get(name).filter(|v| !v.is_null())?;
        read(value).unwrap_or_else(|| {
            self.odd.push(name);
            None
        })
    }
}

/// A number that is not negative; producers in Lua and PHP write floats.
fn whole(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be inside 0..2^53"
    )]
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|f| (0.0..9_007_199_254_740_992.0).contains(f)).map(|f| f as u64))
}

/// Headers of one job.
const MAX_HEADERS: usize = 32;
/// Bytes of a header's name, and of its value.
const MAX_HEADER: usize = 1 << 10;

/// A JSON object of texts, as propagators write it; anything else in it is left out.
fn headers(text: &str) -> Vec<(String, String)> {
    let Ok(map) = serde_json::from_str::<Map<String, Value>>(text) else { return Vec::new() };
    let texts = map.into_iter().filter_map(|(name, value)| match value {
        Value::String(value) if name.len() <= MAX_HEADER && value.len() <= MAX_HEADER => Some((name, value)),
        _ => None,
    });
    texts.take(MAX_HEADERS).collect()
}

fn backoff(value: &Value) -> Option<Option<Backoff>> {
    if let Some(delay_ms) = whole(value) {
        return Some((delay_ms > 0).then_some(Backoff::Fixed { delay_ms, jitter: 0.0 }));
    }
    let map = value.as_object()?;
    let kind = map.get("type")?.as_str()?;
    let delay_ms = map.get("delay").map_or(Some(0), whole)?;
    let jitter = map.get("jitter").filter(|v| !v.is_null()).map_or(Some(0.0), Value::as_f64)?;
    let jitter = (0.0..=1.0).contains(&jitter).then_some(jitter)?;
    Some(Some(match kind {
        "fixed" => Backoff::Fixed { delay_ms, jitter },
        "exponential" => Backoff::Exponential { delay_ms, jitter },
        other => Backoff::Unknown(crate::units::cut(other, 64).into_owned()),
    }))
}

fn keep(value: &Value) -> Option<Option<Keep>> {
    match value {
        Value::Bool(true) => Some(Some(Keep::Remove)),
        Value::Bool(false) => Some(Some(Keep::All)),
        Value::Number(n) if n.as_f64() == Some(-1.0) => Some(Some(Keep::All)),
        Value::Number(_) => whole(value).map(|count| Some(bounded(Some(count), None, AGE_LIMIT))),
        Value::Object(map) => {
            let field =
                |name| map.get(name).filter(|v| !v.is_null()).map_or(Some(None), |v| whole(v).map(Some));
            // -1 is BullMQ's word for "any number".
            let count = match map.get("count").and_then(Value::as_f64) {
                Some(n) if n < 0.0 => None,
                _ => field("count")?,
            };
            let (age_s, limit) = (field("age")?, field("limit")?.unwrap_or(AGE_LIMIT));
            if count.is_none() && age_s.is_none() && map.get("count").is_none() {
                return None;
            }
            Some(Some(if count.is_none() && age_s.is_none() {
                Keep::All
            } else {
                bounded(count, age_s, limit)
            }))
        }
        _ => None,
    }
}

fn bounded(count: Option<u64>, age_s: Option<u64>, limit: u64) -> Keep {
    if count == Some(0) { Keep::Remove } else { Keep::Bounded { count, age_s, limit } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_node_writes() {
        let options = JobOptions::parse(
            r#"{"attempts":3,"backoff":{"type":"exponential","delay":1000,"jitter":0.5},"removeOnComplete":{"age":3600,"count":10},"removeOnFail":5,"kl":20,"stackTraceLimit":2,"lifo":true,"timeout":1500}"#,
        );
        assert_eq!(options.attempts, Some(3));
        assert_eq!(options.backoff, Some(Backoff::Exponential { delay_ms: 1_000, jitter: 0.5 }));
        let keep = Keep::Bounded { count: Some(10), age_s: Some(3_600), limit: 1_000 };
        assert_eq!(options.remove_on_complete, Some(keep));
        assert_eq!(options.remove_on_fail, Some(Keep::Bounded { count: Some(5), age_s: None, limit: 1_000 }));
        assert_eq!((options.keep_logs, options.stack_trace_limit, options.lifo), (Some(20), Some(2), true));
        assert_eq!(options.timeout_ms, Some(1_500));
        assert!(options.odd.is_empty());
    }

    #[rstest::rstest]
    #[case(r#"{"attempts":"x","backoff":{"type":5},"removeOnFail":true}"#, &["attempts", "backoff"])]
    #[case(r#"{"removeOnComplete":{},"removeOnFail":true}"#, &["removeOnComplete"])]
    #[case(r#"{"backoff":{"type":"fixed","delay":1,"jitter":7},"removeOnFail":true}"#, &["backoff"])]
    fn an_odd_field_loses_only_itself(#[case] text: &str, #[case] odd: &[&str]) {
        let options = JobOptions::parse(text);
        assert_eq!(options.odd, odd);
        assert_eq!(options.remove_on_fail, Some(Keep::Remove));
    }

    #[rstest::rstest]
    #[case("true", Some(Keep::Remove))]
    #[case("false", Some(Keep::All))]
    #[case("0", Some(Keep::Remove))]
    #[case("-1", Some(Keep::All))]
    #[case("2.0", Some(Keep::Bounded { count: Some(2), age_s: None, limit: 1_000 }))]
    #[case(r#"{"count":-1}"#, Some(Keep::All))]
    #[case(r#"{"count":0,"age":5}"#, Some(Keep::Remove))]
    #[case("null", None)]
    fn keep_policies(#[case] value: &str, #[case] expected: Option<Keep>) {
        let options = JobOptions::parse(&format!(r#"{{"removeOnComplete":{value}}}"#));
        assert_eq!((options.remove_on_complete, options.odd), (expected, vec![]));
    }

    #[rstest::rstest]
    #[case(r#"{"tm":"{\"traceparent\":\"00-1-2-01\",\"n\":5}"}"#, &[("traceparent", "00-1-2-01")])]
    #[case(r#"{"tm":"no JSON"}"#, &[])]
    #[case("{}", &[])]
    fn telemetry_becomes_headers(#[case] opts: &str, #[case] expected: &[(&str, &str)]) {
        let headers = JobOptions::parse(opts).headers;
        assert_eq!(headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn text_that_is_no_object_gives_the_defaults() {
        for text in ["[]", "nonsense", "\"x\""] {
            assert_eq!(JobOptions::parse(text).odd, ["opts"]);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,200}") {
            let _ = JobOptions::parse(&text);
        }
    }
}
