//! Slot bookkeeping of one queue: never more jobs held than slots, whatever is in flight.

/// Counts of one queue. A job holds its slot from the call that may take it until its settlement is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slots {
    total: usize,
    /// Jobs that we hold, those whose settlement is under way included.
    held: usize,
    /// Jobs that calls under way may bring beyond those that they settle.
    reserved: usize,
}

impl Slots {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, held: 0, reserved: 0 }
    }

    /// Jobs that a call may ask for when it also settles `settle` jobs: a script settles before it takes. What other
    /// calls under way settle does not count: they may fail.
    pub(crate) fn room(&self, settle: usize) -> usize {
        self.total.saturating_sub(self.held.saturating_sub(settle) + self.reserved)
    }

    pub(crate) fn begin(&mut self, settle: usize, take: usize) {
        self.reserved += take.saturating_sub(settle);
    }

    /// A call has ended: of `settle` settlements `settled` are written, and `taken` jobs came of the `take` asked for.
    pub(crate) fn end(&mut self, settle: usize, settled: usize, take: usize, taken: usize) {
        self.reserved -= take.saturating_sub(settle);
        self.held = self.held - settled + taken;
    }

    /// A held job is not ours any more, without a settlement.
    pub(crate) fn abandon(&mut self) {
        self.held -= 1;
    }

    /// Another total from now on; what is held beyond a smaller one ends as it would.
    pub(crate) fn set_total(&mut self, total: usize) {
        self.total = total;
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn settling_makes_room_in_the_same_call() {
        let mut slots = Slots::new(2);
        slots.begin(0, 2);
        assert_eq!(slots.room(0), 0);
        slots.end(0, 0, 2, 2);
        assert_eq!((slots.room(0), slots.room(2)), (0, 2));
        slots.begin(2, 2);
        assert_eq!(slots.room(0), 0);
        slots.end(2, 2, 2, 1);
        assert_eq!((slots.held(), slots.room(0)), (1, 1));
    }

    proptest! {
        /// Calls overlap, fail, and bring fewer jobs than asked for.
        #[test]
        fn never_more_held_than_slots(total in 1usize..20, steps in prop::collection::vec((0usize..20, 0usize..20, 0usize..20, any::<bool>()), 1..80)) {
            let mut slots = Slots::new(total);
            let mut calls: Vec<(usize, usize)> = Vec::new();
            for (settle, take, got, end) in steps {
                if end && !calls.is_empty() {
                    let (settle, take) = calls.remove(0);
                    let failed = got == 0;
                    slots.end(settle, if failed { 0 } else { settle }, take, if failed { 0 } else { got.min(take) });
                } else if calls.len() < 2 {
                    let settling: usize = calls.iter().map(|(settle, _)| settle).sum();
                    let settle = settle.min(slots.held - settling);
                    let take = take.min(slots.room(settle));
                    slots.begin(settle, take);
                    calls.push((settle, take));
                }
                prop_assert!(slots.held <= slots.total, "{slots:?}");
            }
        }
    }
}
