//! What a pump decides without waiting.

use gristmill_core::options::Keep;
use gristmill_core::settlement::{Action, Settlement};
use gristmill_queue::{Code, Taken};
use tokio::time::Instant;

/// When to wake up by ourselves, and whether that is the end of a pause. A pause that is over must not be waited for
/// again: while the next call is under way, that would be at once, over and over.
pub(super) fn timer(now: Instant, paused_until: Instant, look_at: Instant) -> (Instant, bool) {
    if now < paused_until { (paused_until, true) } else { (look_at, false) }
}

/// A job cannot complete while its children have not: it fails, as it does in BullMQ.
pub(super) fn unfinishable(settlement: Settlement, code: Code) -> Settlement {
    let reason = match code {
        Code::ChildrenFailed => "the job cannot complete: some of its children failed",
        _ => "the job cannot complete: some of its children are not finished",
    };
    let stacktrace = serde_json::json!([reason]).to_string();
    let action = Action::Fail { reason: reason.to_owned(), stacktrace, keep: Keep::All, attempts: 1 };
    Settlement { action, ..settlement }
}

/// A job that was taken and cannot start here now: back to where it was, with no attempt used.
pub(super) fn put_back(job: Taken, now_ms: u64) -> (Settlement, u64) {
    let Taken { id, token, .. } = job;
    (Settlement { id, token, action: Action::Release, module: None, repeated: false }, now_ms)
}

#[cfg(test)]
mod tests {
    use super::super::{FIRST_PAUSE, LAST_PAUSE, POLL};
    use super::*;

    #[tokio::test]
    async fn a_pause_that_is_over_is_not_waited_for_again() {
        let now = Instant::now();
        let (soon, later) = (now + FIRST_PAUSE, now + POLL);
        assert_eq!(timer(now, soon, later), (soon, true));
        assert_eq!(timer(soon, soon, later), (later, false));
        assert_eq!(timer(soon + LAST_PAUSE, soon, later), (later, false));
    }
}
