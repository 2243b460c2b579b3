//! What a handler asks of the host beyond its own attempt: jobs to add, state to keep. The sandbox passes it on, the
//! engine carries it out.

use serde_json::{Map, Value};

use crate::backoff::MAX_DELAY_MS;
use crate::new_job::NewJobOptions;

/// Bytes of a new job's name.
pub const MAX_JOB_NAME: usize = 1 << 10;
/// Bytes of a checkpoint.
pub const MAX_CHECKPOINT: usize = 256 << 10;
/// Bytes of a state key.
pub const MAX_STATE_KEY: usize = 256;
/// Bytes of a state value.
pub const MAX_STATE_VALUE: usize = 64 << 10;
/// State keys of one job type.
pub const MAX_STATE_KEYS: usize = 1_000;

/// A job that a handler wants added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submission {
    /// Its name.
    pub name: String,
    /// `None`: the queue of the job that asks.
    pub queue: Option<String>,
    /// JSON text, not checked yet.
    pub data: Vec<u8>,
    /// How long it is delayed.
    pub delay_ms: Option<u64>,
    /// BullMQ's deduplication id.
    pub unique_key: Option<String>,
    /// A child of the job that asks.
    pub child: bool,
    /// BullMQ's options as JSON text, not checked yet.
    pub options: Option<String>,
    /// What goes with the job for whoever traces it: the text that BullMQ's clients store as `telemetry.metadata`. What the
    /// options say of it themselves stands.
    pub context: Option<String>,
}

/// A job that was added, or was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Its id.
    pub id: String,
    /// It was there already.
    pub existing: bool,
}

/// BullMQ's key and return value (JSON text) of each child that completed.
pub type ChildResults = Vec<(String, Vec<u8>)>;
/// BullMQ's key and reason of each child that failed.
pub type ChildFailures = Vec<(String, String)>;

/// Why nothing was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnqueueError {
    /// The job type may not add there.
    Denied(String),
    /// A job breaks a rule.
    Invalid(String),
    /// The attempt has added as many as it may.
    QuotaExceeded,
    /// Redis did not answer.
    Unavailable(String),
}

/// Why a state call did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateError {
    /// A key, a time or a number is not what it must be.
    Invalid(String),
    /// The value is over its ceiling.
    TooLarge,
    /// The job type has as many keys as it may.
    QuotaExceeded,
    /// Redis did not answer.
    Unavailable(String),
}

/// Why a limiter was not charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitError {
    /// It has no room now.
    Limited {
        /// The soonest that it may have.
        wait_ms: u64,
    },
    /// Nobody has defined it.
    Unknown,
    /// The job type may not ask it.
    Denied,
    /// A key or a cost is not what it must be.
    Invalid(String),
    /// Redis did not answer.
    Unavailable(String),
}

/// Why a breaker lets no call pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerError {
    /// It is open.
    Open {
        /// The soonest that a probe may pass.
        wait_ms: u64,
    },
    /// Nobody has defined it.
    Unknown,
    /// The job type may not ask it.
    Denied,
    /// A key is not what it must be.
    Invalid(String),
    /// The attempt has made as many calls as it may, or there is no Redis.
    Unavailable(String),
}

/// One step on a job type's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateStep {
    /// Answers the value.
    Get,
    /// Sets it.
    Set {
        /// The new value.
        value: Vec<u8>,
        /// When it is forgotten.
        ttl_ms: Option<u64>,
    },
    /// Forgets it.
    Delete,
    /// Adds to a number.
    Increment {
        /// What is added.
        delta: i64,
        /// When a number that is made by this is forgotten.
        ttl_ms: Option<u64>,
    },
    /// Sets it if it is `expected`.
    CompareAndSet {
        /// `None`: there must be none.
        expected: Option<Vec<u8>>,
        /// The new value.
        value: Vec<u8>,
        /// When it is forgotten.
        ttl_ms: Option<u64>,
    },
}

/// What a state step answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateAnswer {
    /// Of [`StateStep::Get`].
    Value(Option<Vec<u8>>),
    /// Of [`StateStep::Increment`].
    Number(i64),
    /// Of the others: whether anything was changed.
    Changed(bool),
}

impl StateStep {
    /// The word for it in traces.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set { .. } => "set",
            Self::Delete => "delete",
            Self::Increment { .. } => "increment",
            Self::CompareAndSet { .. } => "compare-and-set",
        }
    }

    /// Checks a step against the ceilings before it is sent anywhere.
    pub fn check(&self, key: &str) -> Result<(), StateError> {
        if key.is_empty() || key.len() > MAX_STATE_KEY {
            return Err(StateError::Invalid(format!(
                "a state key has 1 to {MAX_STATE_KEY} bytes, this one {}",
                key.len()
            )));
        }
        let (value, ttl_ms) = match self {
            Self::Get | Self::Delete => return Ok(()),
            Self::Increment { ttl_ms, .. } => (&[][..], ttl_ms),
            Self::Set { value, ttl_ms } | Self::CompareAndSet { value, ttl_ms, .. } => (&value[..], ttl_ms),
        };
        if value.len() > MAX_STATE_VALUE {
            return Err(StateError::TooLarge);
        }
        if ttl_ms.is_some_and(|ms| !(1..=MAX_DELAY_MS).contains(&ms)) {
            return Err(StateError::Invalid(format!("a ttl is 1 to {MAX_DELAY_MS} ms")));
        }
        Ok(())
    }
}

impl Submission {
    /// The job's options with what the submission says itself, checked; every problem in one text.
    pub fn options(&self) -> Result<NewJobOptions, String> {
        let wrong = |problem: String| format!("job `{}`: {problem}", crate::units::cut(&self.name, 64));
        if self.name.is_empty() || self.name.len() > MAX_JOB_NAME {
            return Err(wrong(format!("a job's name has 1 to {MAX_JOB_NAME} bytes")));
        }
        if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&self.data) {
            return Err(wrong(format!("its data is not JSON: {error}")));
        }
        let mut options = match self.options.as_deref().map(str::trim) {
            None | Some("") => Map::new(),
            Some(text) => match serde_json::from_str(text) {
                Ok(Value::Object(options)) => options,
                Ok(_) => return Err(wrong("its options must be a JSON object".to_owned())),
                Err(error) => return Err(wrong(format!("its options are not JSON: {error}"))),
            },
        };
        if let Some(ms) = self.delay_ms {
            options.insert("delay".to_owned(), ms.into());
        }
        if let Some(key) = &self.unique_key {
            let once = options.entry("deduplication").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(once) = once {
                once.insert("id".to_owned(), key.as_str().into());
            }
        }
        if let Some(context) = &self.context
            && !["telemetry", "tm", "omc"].iter().any(|name| options.contains_key(*name))
        {
            options.insert("telemetry".to_owned(), serde_json::json!({ "metadata": context }));
        }
        NewJobOptions::read(&options).map_err(|problems| wrong(problems.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("{}", r#"{"attempts":0,"tm":"{}"}"#)]
    #[case(r#"{"telemetry":{"omitContext":true}}"#, r#"{"attempts":0,"omc":true}"#)]
    #[case(r#"{"tm":"mine"}"#, r#"{"attempts":0,"tm":"mine"}"#)]
    fn a_context_goes_along_unless_the_handler_says_otherwise(#[case] options: &str, #[case] stored: &str) {
        let submission = Submission { context: Some("{}".to_owned()), ..submission(options) };
        assert_eq!(submission.options().unwrap().stored, stored);
    }

    fn submission(options: &str) -> Submission {
        Submission {
            name: "n".to_owned(),
            data: b"{}".to_vec(),
            options: Some(options.to_owned()),
            ..Submission::default()
        }
    }

    #[test]
    fn what_is_said_itself_wins() {
        let mut new = submission(r#"{"delay": 5, "priority": 2, "deduplication": {"ttl": 9}}"#);
        (new.delay_ms, new.unique_key) = (Some(7), Some("k".to_owned()));
        let options = new.options().unwrap();
        assert_eq!((options.delay_ms, options.priority), (7, 2));
        let once = options.deduplication.unwrap();
        assert_eq!((once.id.as_str(), once.ttl_ms), ("k", Some(9)));
    }

    #[rstest::rstest]
    #[case(submission("[1]"), "must be a JSON object")]
    #[case(submission("{"), "not JSON")]
    #[case(submission(r#"{"priority": -1}"#), "priority")]
    #[case(Submission { data: b"x".to_vec(), ..submission("{}") }, "data is not JSON")]
    #[case(Submission { name: String::new(), ..submission("{}") }, "1 to 1024 bytes")]
    fn names_what_is_wrong(#[case] new: Submission, #[case] part: &str) {
        let problem = new.options().unwrap_err();
        assert!(problem.contains(part), "{problem}");
    }

    #[test]
    fn state_has_ceilings() {
        let set = |value: usize, ttl_ms| StateStep::Set { value: vec![0; value], ttl_ms };
        assert_eq!(set(MAX_STATE_VALUE, Some(1)).check("k"), Ok(()));
        assert_eq!(set(MAX_STATE_VALUE + 1, None).check("k"), Err(StateError::TooLarge));
        assert!(matches!(set(0, Some(0)).check("k"), Err(StateError::Invalid(_))));
        assert!(matches!(StateStep::Get.check(""), Err(StateError::Invalid(_))));
        assert!(matches!(StateStep::Get.check(&"k".repeat(257)), Err(StateError::Invalid(_))));
    }
}
