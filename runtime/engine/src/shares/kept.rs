//! How much of what is reserved the worker's memory allows.

use gristmill_core::config::{self, Class, Config};
use gristmill_telemetry::event::ReservationsCut;

/// Bytes that a job of the queue reserves at most; job types that no job can run of do not count.
pub(super) fn need(queue: &config::Queue, memory: u64) -> u64 {
    queue.jobs.values().map(|job| job.limits.memory).filter(|bytes| *bytes <= memory).max().unwrap_or(0)
}

/// Reserved slots, cut in proportion where their memory would leave none for the largest job of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keep {
    /// Bytes that all reserved slots need, and that they may have.
    wanted: u64,
    room: u64,
}

impl Keep {
    /// Says so where it has to cut.
    pub(super) fn new(config: &Config, shares: &config::Shares, memory: u64) -> Self {
        let of_class = |class: Class| {
            let own = || config.queues.values().filter(move |queue| queue.class == class);
            let largest = own().map(|queue| need(queue, memory)).max().unwrap_or(0);
            let of_queues: u64 = own().map(|queue| queue.reserved as u64 * need(queue, memory)).sum();
            of_queues.max(shares.classes[class.index()].reserved as u64 * largest)
        };
        let wanted = Class::ALL.into_iter().map(of_class).sum();
        let largest = config.queues.values().map(|queue| need(queue, memory)).max().unwrap_or(0);
        let keep = Self { wanted, room: memory.saturating_sub(largest) };
        if keep.cuts() {
            ReservationsCut { wanted, largest, memory }.emit();
        }
        keep
    }

    fn cuts(self) -> bool {
        self.wanted > self.room
    }

    /// Slots of so many reserved ones.
    pub(super) fn of(self, reserved: usize) -> usize {
        if !self.cuts() {
            return reserved;
        }
        let kept = u128::from(self.room) * reserved as u128 / u128::from(self.wanted);
        usize::try_from(kept).unwrap_or(reserved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_slots_leave_room() {
        for (wanted, room, reserved, kept) in
            [(100, 100, 4, 4), (200, 100, 4, 2), (101, 100, 4, 3), (101, 0, 4, 0)]
        {
            assert_eq!(Keep { wanted, room }.of(reserved), kept, "{wanted} of {room}");
        }
    }
}
