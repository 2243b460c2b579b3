//! Durable state of job types, under keys of our own.

use gristmill_core::service::{MAX_STATE_KEYS, StateAnswer, StateError, StateStep};
use redis::Value;

use crate::Queue;
use crate::error::QueueError;
use crate::script::STATE;
use crate::turn::{integer, text};

impl Queue {
    /// Takes one step, checked already, on the state of a job type: the name that the configuration gives it.
    /// Repeating an increment adds again; a compare-and-set whose answer was lost may answer that it changed nothing.
    pub async fn state(
        &self,
        job_type: &str,
        key: &str,
        step: &StateStep,
        now_ms: u64,
    ) -> Result<Result<StateAnswer, StateError>, QueueError> {
        let (word, value, ttl_ms, expected): (_, &[u8], _, Option<&[u8]>) = match step {
            StateStep::Get => {
                let place =
                    format!("gristmill:{}state:{}:{job_type}:{key}", self.keys.base(), job_type.len());
                return Ok(Ok(StateAnswer::Value(
                    match self.connection.call(redis::cmd("GET").arg(place)).await? {
                        Value::BulkString(value) => Some(value),
                        _ => None,
                    },
                )));
            }
            StateStep::Set { value, ttl_ms } => ("set", value, *ttl_ms, None),
            StateStep::Delete => ("delete", &[], None, None),
            StateStep::Increment { delta, ttl_ms } => {
                ("increment", &delta.to_string().into_bytes()[..], *ttl_ms, None)
            }
            StateStep::CompareAndSet { expected, value, ttl_ms } => {
                ("compare-and-set", value, *ttl_ms, expected.as_deref())
            }
        };
        let mut call = STATE.call(&self.keys, now_ms);
        call.arg(job_type)
            .arg(key)
            .arg(word)
            .arg(value)
            .arg(ttl_ms.map(|ms| ms.to_string()).unwrap_or_default());
        call.arg(u8::from(expected.is_some())).arg(expected.unwrap_or_default()).arg(MAX_STATE_KEYS);
        let Value::Array(parts) = call.send(&self.connection).await? else {
            return Err(self.connection.unfit("a state code"));
        };
        let mut parts = parts.into_iter();
        let code = parts.next().map_or(0, |code| integer(&code));
        Ok(match (code, step) {
            (-1, _) => Err(StateError::QuotaExceeded),
            (-2, _) => Err(StateError::Invalid(format!(
                "`{key}` holds no whole number, or the sum would be too large for one"
            ))),
            (_, StateStep::Increment { .. }) => match parts.next().map(text).unwrap_or_default().parse() {
                Ok(sum) => Ok(StateAnswer::Number(sum)),
                Err(_) => return Err(self.connection.unfit("a sum")),
            },
            (code, _) => Ok(StateAnswer::Changed(code > 0)),
        })
    }
}
