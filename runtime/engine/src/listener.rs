//! Waits on the markers of all queues (on a Cluster, of those of one slot) with one blocking connection and wakes their
//! pumps.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gristmill_queue::{Connection, Keys, Marker, Waiter};
use tokio::sync::{Notify, mpsc};

/// One wait; short enough that a lost knock costs little.
const WAIT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// The pumps' handle on the listener.
#[derive(Clone)]
pub(crate) struct Listener {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    queues: HashMap<String, Ears>,
    /// A key of our own that ends the wait under way.
    knock: String,
    changed: Notify,
}

/// What the listener and one pump know of each other.
struct Ears {
    keys: Keys,
    wake: mpsc::UnboundedSender<Marker>,
    /// Set by the pump: it could take a job.
    room: AtomicBool,
    /// Set by the listener: this queue is part of its waits.
    listening: AtomicBool,
}

impl Listener {
    /// On a Cluster all queues have the hash tag `tag`: one wait is for one slot.
    pub(crate) fn new(
        connection: Connection,
        worker_id: &str,
        tag: Option<&str>,
        queues: impl IntoIterator<Item = (Keys, mpsc::UnboundedSender<Marker>)>,
    ) -> Self {
        let ears = |(keys, wake): (Keys, _)| {
            let name = keys.queue().to_owned();
            (name, Ears { keys, wake, room: AtomicBool::new(true), listening: AtomicBool::new(true) })
        };
        let queues = queues.into_iter().map(ears).collect();
        let knock = match tag {
            Some(tag) => format!("gristmill:knock:{{{tag}}}:{worker_id}"),
            None => format!("gristmill:knock:{worker_id}"),
        };
        Self { shared: Arc::new(Shared { connection, queues, knock, changed: Notify::new() }) }
    }

    pub(crate) fn waiter(&self) -> Connection {
        self.shared.connection.clone()
    }

    pub(crate) fn set_room(&self, queue: &str, room: bool) {
        if let Some(ears) = self.shared.queues.get(queue) {
            ears.room.store(room, Ordering::Release);
        }
    }

    /// Asks for the queue's markers again after the listener had let go of them.
    pub(crate) fn listen(&self, queue: &str) {
        let Some(ears) = self.shared.queues.get(queue) else { return };
        if !ears.listening.swap(true, Ordering::AcqRel) {
            self.shared.changed.notify_one();
        }
    }

    /// Waits and wakes for as long as it is polled.
    pub(crate) async fn run(self) {
        let shared = &*self.shared;
        let mut waiter = Waiter::new(shared.connection.clone());
        let mut first = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            let keys = self.keys(first);
            first = first.wrapping_add(1);
            let mut wait = std::pin::pin!(waiter.wait(&keys, WAIT));
            let answer = loop {
                tokio::select! {
                    answer = &mut wait => break answer,
                    // Not dropped but ended from outside: a dropped wait could lose a marker.
                    () = shared.changed.notified() => { let _ = Waiter::knock(&shared.connection, &shared.knock).await; }
                }
            };
            match answer {
                Ok(found) => {
                    pause = FIRST_PAUSE;
                    if let Some((key, marker)) = found {
                        self.pass_on(&key, marker).await;
                    }
                }
                Err(_) => {
                    // The pumps report a Redis that is away; this only waits for it.
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    /// The markers to wait on, starting with another queue each time so that none goes first for ever.
    fn keys(&self, first: usize) -> Vec<String> {
        let shared = &*self.shared;
        let mut keys: Vec<String> = shared
            .queues
            .values()
            .filter(|ears| ears.listening.load(Ordering::Acquire))
            .map(|ears| ears.keys.key("marker"))
            .collect();
        keys.sort();
        let count = keys.len().max(1);
        keys.rotate_left(first % count);
        keys.push(shared.knock.clone());
        keys
    }

    async fn pass_on(&self, key: &str, marker: Marker) {
        let Some(ears) = self.shared.queues.values().find(|ears| ears.keys.key("marker") == key) else {
            return;
        };
        if ears.room.load(Ordering::Acquire) && ears.wake.send(marker).is_ok() {
            return;
        }
        // Not ours to use: others get it back, and this queue stays out of the waits until its pump has room.
        ears.listening.store(false, Ordering::Release);
        let _ = Waiter::put_back(&self.shared.connection, &ears.keys, marker).await;
    }
}
