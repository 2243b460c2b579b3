//! What a producer may say of a new job: BullMQ's options, checked by BullMQ's rules and written as BullMQ stores them.

use serde_json::{Map, Value};

use crate::units::closest;

/// BullMQ's highest priority number.
pub const MAX_PRIORITY: u64 = (1 << 21) - 1;

/// BullMQ stores these options under short names.
const SHORT: [(&str, &str); 6] = [
    ("deduplication", "de"),
    ("failParentOnFailure", "fpof"),
    ("continueParentOnFailure", "cpof"),
    ("ignoreDependencyOnFailure", "idof"),
    ("removeDependencyOnFailure", "rdof"),
    ("keepLogs", "kl"),
];

const KNOWN: [&str; 19] = [
    "attempts",
    "backoff",
    "delay",
    "priority",
    "lifo",
    "jobId",
    "timestamp",
    "removeOnComplete",
    "removeOnFail",
    "stackTraceLimit",
    "sizeLimit",
    "timeout",
    "deduplication",
    "failParentOnFailure",
    "continueParentOnFailure",
    "ignoreDependencyOnFailure",
    "removeDependencyOnFailure",
    "keepLogs",
    "telemetry",
];

/// One job at a time under an id of the producer's choice.
#[expect(clippy::struct_excessive_bools, reason = "BullMQ's options, which combine freely")]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deduplication {
    /// Not empty.
    pub id: String,
    /// How long the id stays taken, ms; `None` until the job has ended.
    pub ttl_ms: Option<u64>,
    /// Every further job prolongs the time.
    pub extend: bool,
    /// A further job takes the place of one that is delayed.
    pub replace: bool,
    /// The newest job that comes while the first one runs is kept and added afterwards.
    pub keep_last_if_active: bool,
    /// A further job moves the time of one that is delayed.
    pub reschedule: bool,
}

/// What a child's final failure means for its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildPolicy {
    /// The parent fails.
    FailParent,
    /// The parent runs at once.
    ContinueParent,
    /// The parent does not wait for it; it sees the reason.
    Ignore,
    /// The parent does not wait for it.
    Remove,
}

impl ChildPolicy {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::FailParent, "failParentOnFailure", "fpof"),
        (Self::ContinueParent, "continueParentOnFailure", "cpof"),
        (Self::Ignore, "ignoreDependencyOnFailure", "idof"),
        (Self::Remove, "removeDependencyOnFailure", "rdof"),
    ];

    /// Its short name in the job's `parent` field, which is what counts when the child fails.
    #[must_use]
    pub fn short(self) -> &'static str {
        Self::ALL.iter().find(|(policy, ..)| *policy == self).map_or("", |(.., short)| short)
    }
}

/// A producer's options, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewJobOptions {
    /// An id of the producer's choice.
    pub custom_id: Option<String>,
    /// When the job counts as added; `None` is now.
    pub timestamp_ms: Option<u64>,
    /// Ms after that.
    pub delay_ms: u64,
    /// 0 is none; 1 runs first; at most [`MAX_PRIORITY`].
    pub priority: u32,
    /// To the front of the queue.
    pub lifo: bool,
    /// One at a time.
    pub deduplication: Option<Deduplication>,
    /// For a child.
    pub policy: Option<ChildPolicy>,
    /// Bytes of data that the producer allows.
    pub size_limit: Option<u64>,
    /// The JSON object to store as `opts`; options that are not BullMQ's stay as they are.
    pub stored: String,
}

impl NewJobOptions {
    /// Reads BullMQ's options by their long names. Every problem is reported, each with its path.
    pub fn read(options: &Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut reader = Reader { options, problems: Vec::new() };
        let read = reader.read();
        if reader.problems.is_empty() { Ok(read) } else { Err(reader.problems) }
    }

    /// The same for JSON text; empty text has no options.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        if text.trim().is_empty() {
            return Self::read(&Map::new());
        }
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(options)) => Self::read(&options),
            Ok(_) => Err(vec!["the options must be a JSON object".to_owned()]),
            Err(error) => Err(vec![format!("the options are not JSON: {error}")]),
        }
    }
}

struct Reader<'a> {
    options: &'a Map<String, Value>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn read(&mut self) -> NewJobOptions {
        self.suggest_names();
        let priority = self.whole("priority", MAX_PRIORITY).unwrap_or(0);
        self.whole("attempts", u64::from(u32::MAX));
        self.whole("stackTraceLimit", u64::from(u32::MAX));
        self.whole("keepLogs", u64::from(u32::MAX));
        self.whole("timeout", u64::MAX);
        self.check_backoff();
        self.check_keep("removeOnComplete");
        self.check_keep("removeOnFail");
        self.check_telemetry();
        NewJobOptions {
            custom_id: self.text("jobId").filter(|id| !id.is_empty()),
            timestamp_ms: self.whole("timestamp", crate::backoff::MAX_DELAY_MS * 20),
            delay_ms: self.whole("delay", crate::backoff::MAX_DELAY_MS).unwrap_or(0),
            priority: u32::try_from(priority).unwrap_or(0),
            lifo: self.flag(self.options, "lifo", ""),
            deduplication: self.deduplication(),
            policy: self.policy(),
            size_limit: self.whole("sizeLimit", u64::MAX),
            stored: self.stored(),
        }
    }

    /// An option that is not BullMQ's is kept, unless it looks like a slip of the pen.
    fn suggest_names(&mut self) {
        // BullMQ's clients turn these into something else before a job is stored; here they would do nothing.
        for (name, instead) in
            [("repeat", "make a job scheduler"), ("parent", "add a flow, or a child from a handler")]
        {
            if self.value(name).is_some() {
                self.problems.push(format!("options: `{name}` cannot be given with a job; {instead}"));
            }
        }
        for name in self.options.keys().filter(|name| !KNOWN.contains(&name.as_str())) {
            let lower = name.to_lowercase();
            let meant = KNOWN.iter().find(|known| known.to_lowercase() == lower).copied().or_else(|| {
                let near = closest(name, KNOWN)?;
                (strsim::levenshtein(name, near) <= 2).then_some(near)
            });
            if let Some(meant) = meant {
                self.problems.push(format!("options: unknown option `{name}`; did you mean `{meant}`?"));
            }
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.options.get(name).filter(|value| !value.is_null())
    }

    fn expect(&mut self, path: &str, expected: &str, value: &Value) {
        let shown = crate::units::cut(&value.to_string(), 64).into_owned();
        self.problems.push(format!("options.{path}: expected {expected}, got {shown}"));
    }

    fn whole(&mut self, name: &str, max: u64) -> Option<u64> {
        let value = self.value(name)?.clone();
        self.number(name, &value, max)
    }

    fn number(&mut self, path: &str, value: &Value, max: u64) -> Option<u64> {
        let read = value.as_u64().filter(|n| *n <= max);
        if read.is_none() {
            let expected = match max {
                u64::MAX => "a whole number of at least 0".to_owned(),
                max => format!("a whole number from 0 to {max}"),
            };
            self.expect(path, &expected, value);
        }
        read
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let value = self.value(name)?.clone();
        let read = value.as_str().map(ToOwned::to_owned);
        if read.is_none() {
            self.expect(name, "a text", &value);
        }
        read
    }

    fn flag(&mut self, of: &Map<String, Value>, name: &str, path: &str) -> bool {
        let Some(value) = of.get(name).filter(|v| !v.is_null()) else { return false };
        value.as_bool().unwrap_or_else(|| {
            self.expect(&format!("{path}{name}"), "true or false", value);
            false
        })
    }

    fn deduplication(&mut self) -> Option<Deduplication> {
        let value = self.value("deduplication")?.clone();
        let Some(map) = value.as_object() else {
            self.expect("deduplication", "an object with `id`", &value);
            return None;
        };
        let id = map.get("id").and_then(Value::as_str).unwrap_or_default();
        if id.is_empty() || id.len() > 512 {
            self.problems.push("options.deduplication.id: expected a text of 1 to 512 bytes".to_owned());
        }
        let ttl_ms = map.get("ttl").filter(|v| !v.is_null()).and_then(|ttl| {
            self.number("deduplication.ttl", ttl, crate::backoff::MAX_DELAY_MS).filter(|ttl| *ttl > 0)
        });
        let mut flag = |name| self.flag(map, name, "deduplication.");
        Some(Deduplication {
            id: id.to_owned(),
            ttl_ms,
            extend: flag("extend"),
            replace: flag("replace"),
            keep_last_if_active: flag("keepLastIfActive"),
            reschedule: flag("reschedule"),
        })
    }

    fn policy(&mut self) -> Option<ChildPolicy> {
        let mut chosen = Vec::new();
        for (policy, name, _) in ChildPolicy::ALL {
            if self.flag(self.options, name, "") {
                chosen.push((policy, name));
            }
        }
        if chosen.len() > 1 {
            let names: Vec<_> = chosen.iter().map(|(_, name)| format!("`{name}`")).collect();
            self.problems.push(format!("options: {} exclude each other; choose one", names.join(" and ")));
        }
        chosen.first().map(|(policy, _)| *policy)
    }

    fn check_backoff(&mut self) {
        let Some(value) = self.value("backoff").cloned() else { return };
        if value.is_number() {
            self.number("backoff", &value, crate::backoff::MAX_DELAY_MS);
            return;
        }
        let Some(map) = value.as_object() else {
            return self.expect("backoff", "milliseconds or an object with `type` and `delay`", &value);
        };
        if map.get("type").and_then(Value::as_str).is_none_or(str::is_empty) {
            self.problems
                .push("options.backoff.type: expected `fixed`, `exponential` or a worker's own".to_owned());
        }
        if let Some(delay) = map.get("delay").filter(|v| !v.is_null()) {
            self.number("backoff.delay", delay, crate::backoff::MAX_DELAY_MS);
        }
        if let Some(jitter) = map.get("jitter").filter(|v| !v.is_null())
            && !jitter.as_f64().is_some_and(|j| (0.0..=1.0).contains(&j))
        {
            self.expect("backoff.jitter", "a number from 0 to 1", jitter);
        }
    }

    fn check_keep(&mut self, name: &str) {
        let Some(value) = self.value(name).cloned() else { return };
        match &value {
            Value::Bool(_) => {}
            Value::Number(n) if n.as_i64().is_some_and(|n| n >= -1) => {}
            Value::Object(map) => {
                for field in ["age", "count", "limit"] {
                    if let Some(number) = map.get(field).filter(|v| !v.is_null()) {
                        self.number(&format!("{name}.{field}"), number, u64::MAX);
                    }
                }
            }
            _ => self.expect(
                name,
                "true, false, a number of jobs, or an object with `age` and `count`",
                &value,
            ),
        }
    }

    fn check_telemetry(&mut self) {
        let Some(value) = self.value("telemetry").cloned() else { return };
        let Some(map) = value.as_object() else {
            return self.expect("telemetry", "an object with `metadata` or `omitContext`", &value);
        };
        if let Some(metadata) = map.get("metadata").filter(|v| !v.is_null() && !v.is_string()) {
            self.expect("telemetry.metadata", "a text", metadata);
        }
        self.flag(map, "omitContext", "telemetry.");
    }

    fn stored(&self) -> String {
        let mut stored = Map::new();
        if !self.options.contains_key("attempts") {
            stored.insert("attempts".to_owned(), 0.into());
        }
        for (name, value) in self.options.iter().filter(|(_, value)| !value.is_null()) {
            if name == "telemetry" {
                for (long, short) in [("metadata", "tm"), ("omitContext", "omc")] {
                    if let Some(part) = value.get(long).filter(|part| !part.is_null()) {
                        stored.insert(short.to_owned(), part.clone());
                    }
                }
                continue;
            }
            let short = SHORT.iter().find(|(long, _)| long == name).map_or(name.as_str(), |(_, short)| short);
            let value = match (name.as_str(), value) {
                // BullMQ's workers know the object alone.
                ("backoff", Value::Number(delay)) => serde_json::json!({ "type": "fixed", "delay": delay }),
                (_, value) => value.clone(),
            };
            stored.insert(short.to_owned(), value);
        }
        Value::Object(stored).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> NewJobOptions {
        NewJobOptions::parse(text).unwrap()
    }

    #[test]
    fn options_are_checked_and_stored_by_their_short_names() {
        let options = read(
            r#"{"delay":5,"priority":3,"jobId":"a","backoff":100,"keepLogs":4,"failParentOnFailure":true,
                "deduplication":{"id":"d","ttl":1000,"extend":true},"mine":{"x":[]}}"#,
        );
        assert_eq!((options.delay_ms, options.priority, options.custom_id.as_deref()), (5, 3, Some("a")));
        assert_eq!(options.policy, Some(ChildPolicy::FailParent));
        let deduplication = options.deduplication.unwrap();
        assert_eq!((deduplication.ttl_ms, deduplication.extend), (Some(1_000), true));
        let stored: Value = serde_json::from_str(&options.stored).unwrap();
        assert_eq!(
            stored,
            serde_json::json!({
                "attempts": 0, "delay": 5, "priority": 3, "jobId": "a", "kl": 4, "fpof": true, "mine": {"x": []},
                "backoff": {"type": "fixed", "delay": 100}, "de": {"id": "d", "ttl": 1000, "extend": true},
            })
        );
    }

    #[rstest::rstest]
    #[case(r#"{"delay":"5s"}"#, "options.delay: expected a whole number from 0")]
    #[case(r#"{"priority":2097152}"#, "options.priority: expected a whole number from 0 to 2097151")]
    #[case(r#"{"backoff":{"delay":1}}"#, "options.backoff.type")]
    #[case(r#"{"backoff":{"type":"fixed","jitter":2}}"#, "options.backoff.jitter")]
    #[case(r#"{"deduplication":{}}"#, "options.deduplication.id")]
    #[case(r#"{"removeOnFail":"yes"}"#, "options.removeOnFail")]
    #[case(r#"{"atempts":3}"#, "did you mean `attempts`?")]
    #[case(r#"{"removeoncomplete":3}"#, "did you mean `removeOnComplete`?")]
    #[case(r#"{"failParentOnFailure":true,"ignoreDependencyOnFailure":true}"#, "exclude each other")]
    #[case("[]", "must be a JSON object")]
    #[case("{", "not JSON")]
    fn bad_options_are_named(#[case] text: &str, #[case] problem: &str) {
        let problems = NewJobOptions::parse(text).unwrap_err();
        assert!(problems.iter().any(|p| p.contains(problem)), "{problems:?}");
    }

    #[test]
    fn no_options_are_attempts_alone() {
        assert_eq!(read("").stored, r#"{"attempts":0}"#);
    }
}
