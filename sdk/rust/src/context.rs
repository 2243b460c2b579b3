//! About the attempt that is running. Cheap; never waits.

use std::time::{Duration, SystemTime};

use crate::host;

fn time(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// When the producer added the job.
#[must_use]
pub fn enqueued_at() -> SystemTime {
    time(host::enqueued_at())
}

/// When the job was due: [`enqueued_at`] plus its delay. For a later start (a retry, a deferral), when that began.
#[must_use]
pub fn scheduled_at() -> SystemTime {
    time(host::scheduled_at())
}

/// When the host stops this attempt; `None` when nothing limits its time.
#[must_use]
pub fn deadline() -> Option<SystemTime> {
    host::deadline().map(time)
}

/// Time left until the soft timeout, zero once it has passed; `None` when nothing limits the attempt's time. The hard
/// stop at [`deadline`] comes later: the time between is for putting things in order.
#[must_use]
pub fn remaining() -> Option<Duration> {
    host::remaining().map(Duration::from_millis)
}

/// True once the attempt's result is no longer wanted: the soft timeout has passed, the job was cancelled, or the
/// worker stops.
#[must_use]
pub fn cancelled() -> bool {
    host::cancelled()
}

/// The value of one of the job's headers; names are compared without regard to case.
#[must_use]
pub fn header(name: &str) -> Option<String> {
    host::header(name)
}

/// All headers of the job, in the producer's order.
#[must_use]
pub fn headers() -> Vec<(String, String)> {
    host::headers()
}

/// W3C `traceparent` that the producer put into the job, for calls that belong to its trace.
#[must_use]
pub fn traceparent() -> Option<String> {
    host::traceparent()
}

/// W3C `tracestate` that goes with [`traceparent`].
#[must_use]
pub fn tracestate() -> Option<String> {
    host::tracestate()
}

/// Digest of the component that runs, `sha256:` and 64 hexadecimal digits: which version serves this attempt.
#[must_use]
pub fn digest() -> String {
    host::digest()
}
