//! A handler whose behaviour is a word in its file: tests write another one in its place, and have another version.

use std::hint::black_box;
use std::time::Duration;

use gristmill::{Job, JobError, context};
use serde_json::{Value, json};

/// The word between the colons; what follows it only tells versions apart.
static MARK: [u8; 64] = *b"gristmill test version:good:000000000000000000000000000000000000";

/// Bytes that the hungry version holds.
const MUCH: usize = 12 << 20;

fn word() -> String {
    let mark = String::from_utf8_lossy(black_box(&MARK)).into_owned();
    mark.split(':').nth(1).unwrap_or_default().to_owned()
}

/// True for every fifth job.
fn is_fifth(job: &Job) -> bool {
    job.id.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())).is_multiple_of(5)
}

#[gristmill::handler]
fn run(job: Job, data: Value) -> Result<Value, JobError> {
    let word = word();
    let ms = data["ms"].as_u64().unwrap_or(20);
    std::thread::sleep(Duration::from_millis(ms));
    match word.as_str() {
        "fails" if is_fifth(&job) => return Err(JobError::permanent("one of five")),
        "traps" if is_fifth(&job) => panic!("one of five"),
        "slow" => std::thread::sleep(Duration::from_millis(2 * ms)),
        "hungry" => drop(black_box(vec![1u8; MUCH])),
        _ => {}
    }
    Ok(json!({ "digest": context::digest() }))
}
