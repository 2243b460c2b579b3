//! Hashes a text with SHA-256 as often as asked: work for the CPU and nothing else, for trials of limits and speed.

use std::fmt::Write;
use std::num::NonZeroU64;

use gristmill::{Job, JobError, context, metrics, progress};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Rounds between two looks at whether to stop: some ten milliseconds.
const CHUNK: u64 = 20_000;

/// A job's data.
#[derive(Deserialize)]
struct Work {
    /// What the first round hashes.
    text: String,
    /// How often; each further round hashes the digest before.
    #[serde(default = "once")]
    rounds: NonZeroU64,
}

fn once() -> NonZeroU64 {
    NonZeroU64::MIN
}

#[gristmill::handler]
fn hash(_job: Job, work: Work) -> Result<String, JobError> {
    let rounds = work.rounds.get();
    let mut digest = Sha256::digest(&work.text);
    let (mut done, mut shown) = (1, 0);
    while done < rounds {
        if context::cancelled() {
            return Err(stopped(done, rounds));
        }
        let until = rounds.min(done + CHUNK);
        for _ in done..until {
            digest = Sha256::digest(digest);
        }
        done = until;
        let percent = percent(done, rounds);
        if percent > shown {
            shown = percent;
            progress::report(done, rounds);
        }
    }
    if shown < 100 {
        progress::report(rounds, rounds);
    }
    metrics::counter("hash_rounds", rounds, &[]);
    Ok(hex(&digest))
}

/// The soft timeout has passed. An end of our own says how far it came; the hard one could not.
fn stopped(done: u64, rounds: u64) -> JobError {
    let message =
        format!("stopped after {done} of {rounds} rounds: time is up; ask for less, or raise `timeout`");
    JobError::retryable(message).code("out-of-time")
}

fn percent(done: u64, total: u64) -> u128 {
    u128::from(done) * 100 / u128::from(total)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use gristmill::testing;
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;

    fn call(data: impl Serialize) -> Result<Value, JobError> {
        testing::call(hash, testing::job(data))
    }

    #[rstest::rstest]
    // `printf abc | sha256sum`, and its bytes hashed once more.
    #[case(json!({"text": "abc"}), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    #[case(json!({"text": "abc", "rounds": 2}), "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358")]
    #[case(json!({"text": ""}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    fn known_digests(#[case] data: Value, #[case] expected: &str) {
        assert_eq!(call(data), Ok(json!(expected)));
    }

    #[test]
    fn tells_how_far_it_is_at_most_once_a_percent() {
        call(json!({"text": "x", "rounds": 100_000})).unwrap();
        let records = testing::take();
        assert_eq!(records.progress.first(), Some(&json!(20)));
        assert_eq!(records.progress.last(), Some(&json!(100)));
        assert_eq!((records.metrics[0].name.as_str(), records.metrics[0].value), ("hash_rounds", 100_000.0));
    }

    #[test]
    fn stops_when_its_time_is_up() {
        testing::set_context(testing::Context { cancelled: true, ..testing::Context::default() });
        let error = call(json!({"text": "x", "rounds": 1_000_000})).unwrap_err();
        testing::set_context(testing::Context::default());
        assert!(matches!(error, JobError::Retryable(_)), "{error:?}");
        assert!(error.message().starts_with("stopped after 1 of 1000000 rounds"), "{error}");
    }

    #[rstest::rstest]
    #[case(json!({}), "missing field `text`")]
    #[case(json!({"text": "x", "rounds": 0}), "at `rounds`: invalid value: integer `0`")]
    #[case(json!({"text": 7}), "at `text`: invalid type: integer `7`")]
    fn bad_data_is_permanent(#[case] data: Value, #[case] part: &str) {
        let error = call(data).unwrap_err();
        assert!(matches!(error, JobError::Permanent(_)), "{error:?}");
        assert!(error.message().contains(part), "{error}");
    }
}
