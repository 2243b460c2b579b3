//! What a pump keeps between its calls.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use gristmill_core::settlement::Settlement;
use tokio::time::Instant;

use super::{Done, POLL};
use crate::shares::Used;
use crate::slots::Slots;

/// What one pump knows of its queue.
pub(super) struct State {
    pub slots: Slots,
    /// Ended and not yet in a call.
    pub ready: Vec<(Settlement, u64)>,
    /// What the attempts that ended since the last call had.
    pub used: Vec<Used>,
    pub calls: FuturesUnordered<BoxFuture<'static, Done>>,
    /// The queue may have a job for us.
    pub hungry: bool,
    /// The worker had fewer slots for us than we wanted.
    pub waiting: bool,
    /// A limiter, a breaker or a rate limit lets nothing start before then.
    pub limited: bool,
    /// Bytes that the queue's next job reserves, if that was looked at because its largest one finds no memory.
    pub next_need: Option<u64>,
    /// That is being looked at, or was not true: not again before then.
    pub peek_after: Instant,
    /// When to look at the queue without being woken.
    pub look_at: Instant,
    /// How long the last pause was; `None` while calls succeed.
    pub pause: Option<Duration>,
    pub paused_until: Instant,
}

impl State {
    pub(super) fn new(slots: usize) -> Self {
        let now = Instant::now();
        Self {
            slots: Slots::new(slots),
            ready: Vec::new(),
            used: Vec::new(),
            calls: FuturesUnordered::new(),
            hungry: true,
            waiting: false,
            limited: false,
            next_need: None,
            peek_after: now,
            look_at: now + POLL,
            pause: None,
            paused_until: now,
        }
    }
}
