//! What attempts of a job type used, counted by all its workers together, under keys of our own.

use gristmill_core::sketch::Sketch;
use redis::Value;

use crate::Queue;
use crate::error::QueueError;
use crate::turn::text;

/// What attempts used, each as a sketch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wall time, in µs.
    pub time: Sketch,
    /// Units of fuel, where it was metered.
    pub fuel: Sketch,
    /// Most bytes of memory at one time.
    pub memory: Sketch,
}

impl Usage {
    /// Adds all counts of another.
    pub fn merge(&mut self, other: &Self) {
        self.time.merge(&other.time);
        self.fuel.merge(&other.fuel);
        self.memory.merge(&other.memory);
    }

    /// The sketches by the letter that their fields start with.
    fn sketches(&self) -> [(char, &Sketch); 3] {
        [('t', &self.time), ('f', &self.fuel), ('m', &self.memory)]
    }
}

impl Queue {
    fn usage_key(&self, job_type: &str, slice: u64) -> String {
        format!("gristmill:{}usage:{}:{job_type}:{slice}", self.keys.base(), job_type.len())
    }

    /// Adds to the counts of one slice of time, which are forgotten `ttl_ms` after the last addition. Repeating it adds
    /// again: the sketches then count some attempts twice.
    pub async fn add_usage(
        &self,
        job_type: &str,
        slice: u64,
        usage: &Usage,
        ttl_ms: u64,
    ) -> Result<(), QueueError> {
        let key = self.usage_key(job_type, slice);
        let mut pipeline = redis::pipe();
        for (letter, sketch) in usage.sketches() {
            for (bucket, count) in sketch.counts() {
                pipeline.cmd("HINCRBY").arg(&key).arg(format!("{letter}{bucket}")).arg(count);
            }
        }
        pipeline.cmd("PEXPIRE").arg(&key).arg(ttl_ms);
        self.connection.call_all(&pipeline).await.map(drop)
    }

    /// The counts of each of these slices.
    pub async fn usage(
        &self,
        job_type: &str,
        slices: std::ops::RangeInclusive<u64>,
    ) -> Result<Vec<Usage>, QueueError> {
        let mut pipeline = redis::pipe();
        for slice in slices {
            pipeline.cmd("HGETALL").arg(self.usage_key(job_type, slice));
        }
        Ok(self.connection.call_all(&pipeline).await?.into_iter().map(read).collect())
    }
}

fn read(answer: Value) -> Usage {
    let mut usage = Usage::default();
    for (field, count) in pairs(answer) {
        let sketches = [&mut usage.time, &mut usage.fuel, &mut usage.memory];
        count_into(&text(field), text(count).parse().unwrap_or(0), sketches);
    }
    usage
}

/// The fields of a hash with their values.
pub(crate) fn pairs(answer: Value) -> Vec<(Value, Value)> {
    match answer {
        Value::Array(parts) => {
            let mut parts = parts.into_iter();
            std::iter::from_fn(|| parts.next().zip(parts.next())).collect()
        }
        Value::Map(pairs) => pairs,
        _ => Vec::new(),
    }
}

/// Adds a field such as `t12` to the sketch of its letter: time, fuel, memory. Whatever is none is passed over.
pub(crate) fn count_into(field: &str, count: u64, [time, fuel, memory]: [&mut Sketch; 3]) {
    let sketch = match field.as_bytes().first() {
        Some(b't') => time,
        Some(b'f') => fuel,
        Some(b'm') => memory,
        _ => return,
    };
    if let Some(bucket) = field.get(1..).and_then(|digits| digits.parse().ok()) {
        sketch.add(bucket, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Connection, PrivateRedis};

    #[tokio::test]
    async fn workers_add_to_one_sketch() {
        let server = PrivateRedis::start().await.unwrap();
        let (connection, _) = Connection::open(&server.url()).await.unwrap();
        let queue = Queue::new(connection, "bull", "q");
        let mut usage = Usage::default();
        for time in [10, 1_000, 1_000_000] {
            usage.time.record(time);
        }
        usage.memory.record(0);
        queue.add_usage("*", 7, &usage, 60_000).await.unwrap();
        queue.add_usage("*", 7, &usage, 60_000).await.unwrap();
        let found = queue.usage("*", 6..=7).await.unwrap();
        let mut twice = usage.clone();
        twice.merge(&usage);
        assert_eq!(found, [Usage::default(), twice]);
        assert_eq!(queue.usage("other", 7..=7).await.unwrap(), [Usage::default()]);
    }
}
