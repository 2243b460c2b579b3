//! Whose turn it is to compute.
//!
//! A guest that has computed for a whole epoch stands in line, and as many as the runtime has threads have a turn at a
//! time. So the runtime's own queue stays short whatever guests do: who has just started, or has waited in a host function,
//! goes before those in line, and who is past its deadline is stopped as soon as a thread is free instead of once all
//! others have had their turn.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::TICK;

/// How long a guest has the thread before an epoch sends it into the line. Less than an epoch, because a turn begins a
/// little after one and must end with the next.
const SHARE: Duration = TICK.checked_div(2).expect("a number");

/// The guests of one runtime that compute for long, first come, first served.
#[derive(Default)]
pub(crate) struct Line(OnceLock<Arc<Semaphore>>);

impl Line {
    /// A place for one guest. To be called on the runtime that runs it.
    pub(crate) fn place(&self) -> Place {
        let turns =
            self.0.get_or_init(|| Arc::new(Semaphore::new(Handle::current().metrics().num_workers())));
        let seat = Seat { turn: None, since: Instant::now(), in_line: false };
        Place { turns: Arc::clone(turns), seat: Arc::new(Mutex::new(seat)) }
    }
}

/// What one guest has of the line. Clones are the same guest's.
#[derive(Clone)]
pub(crate) struct Place {
    turns: Arc<Semaphore>,
    seat: Arc<Mutex<Seat>>,
}

struct Seat {
    /// Given back, and so passed on, when the guest leaves the thread.
    turn: Option<OwnedSemaphorePermit>,
    /// When the guest got the thread.
    since: Instant,
    /// It waits for its turn, and for nothing else.
    in_line: bool,
}

impl Place {
    /// Lets the guest compute until it waits for something; its turn, if it had one, is over then. Answers how long it had
    /// the thread as well.
    pub(crate) fn poll<T>(&self, guest: impl FnOnce() -> T) -> (T, Duration) {
        let begun = Instant::now();
        self.seat().since = begun;
        let polled = guest();
        self.seat().turn = None;
        (polled, begun.elapsed())
    }

    /// Whether the guest computes, though it has no thread now.
    pub(crate) fn is_in_line(&self) -> bool {
        self.seat().in_line
    }

    /// Whether the guest has had the thread for so long that others must have it.
    pub(crate) fn has_had_its_share(&self) -> bool {
        self.seat().since.elapsed() >= SHARE
    }

    /// Waits for the guest's next turn, or until there is nothing to wait for any more.
    pub(crate) async fn next(self, over: impl Fn() -> bool) {
        let mut turn = pin!(Arc::clone(&self.turns).acquire_owned());
        let turn = poll_fn(|cx| match turn.as_mut().poll(cx) {
            Poll::Ready(turn) => Poll::Ready(turn.ok()),
            Poll::Pending if over() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        self.seat().in_line = true;
        let turn = turn.await;
        if turn.is_some() {
            // Everybody who is not in line goes first, and timers are looked at.
            tokio::task::yield_now().await;
        }
        let mut seat = self.seat();
        (seat.turn, seat.in_line) = (turn, false);
    }

    fn seat(&self) -> std::sync::MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::task::{Context, Waker};

    use super::*;

    fn poll<F: Future + ?Sized>(place: &Place, guest: std::pin::Pin<&mut F>) -> bool {
        place.poll(|| guest.poll(&mut Context::from_waker(Waker::noop()))).0.is_ready()
    }

    #[tokio::test]
    async fn turns_are_passed_on_in_order() {
        let line = Line::default();
        let places = [line.place(), line.place(), line.place()];
        let turns = [const { AtomicU32::new(0) }; 3];
        // Each computes for ever: it stands in line again after each turn.
        let mut guests: Vec<_> = std::iter::zip(&places, &turns)
            .map(|(place, turns)| {
                Box::pin(async move {
                    loop {
                        place.clone().next(|| false).await;
                        turns.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for _ in 0..30 {
            for (place, guest) in places.iter().zip(&mut guests) {
                assert!(!poll::<dyn Future<Output = ()>>(place, guest.as_mut()));
                assert_eq!(place.turns.available_permits(), 0, "a runtime of one thread has one turn");
            }
        }
        let turns: Vec<_> = turns.iter().map(|turns| turns.load(Ordering::Relaxed)).collect();
        let (most, least) = (turns.iter().max().unwrap(), turns.iter().min().unwrap());
        assert!(*least >= 5 && most - least <= 1, "{turns:?}");
    }

    #[tokio::test]
    async fn who_is_past_its_time_does_not_wait() {
        let line = Line::default();
        let _taken = Arc::clone(&line.place().turns).acquire_owned().await.unwrap();
        let place = line.place();
        let over = AtomicBool::new(false);
        let mut late = pin!(place.clone().next(|| over.load(Ordering::Relaxed)));
        assert!(!poll(&place, late.as_mut()));
        over.store(true, Ordering::Relaxed);
        assert!(poll(&place, late.as_mut()));
    }

    #[tokio::test]
    async fn who_goes_away_keeps_no_turn() {
        let line = Line::default();
        let place = line.place();
        let mut guest = Box::pin(place.clone().next(|| false));
        assert!(!poll(&place, guest.as_mut()), "it has a turn and lets others go first");
        assert_eq!(place.turns.available_permits(), 0);
        drop(guest);
        assert_eq!(place.turns.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_share_begins_when_the_guest_gets_the_thread() {
        let place = Line::default().place();
        place.seat().since = Instant::now().checked_sub(SHARE).unwrap();
        assert!(place.has_had_its_share());
        assert!(!place.poll(|| place.has_had_its_share()).0);
    }
}
