//! Which queue gets the next slot of a worker.
//!
//! Queues share slot time by weight. Each has a virtual time: the slot time that it was charged, divided by its weight.
//! The next slot goes to the queue with demand, below its maxima, whose virtual time is least. An attempt is charged in
//! advance with the mean of its queue's attempts; that is corrected by what it really took when it ends.
//!
//! An attempt holds a slot and memory. It is charged for that of the two which it takes the larger part of: one that
//! reserves a quarter of the memory costs as much as a quarter of the slots (dominant resource fairness). Where memory
//! is enough for all slots, that is slot time.
//!
//! What the first in order needs and does not find free is not given to those behind it, so that large jobs start too.
//! Memory for reserved slots is kept like the slots themselves.
//!
//! Who was away starts at the clock, which is how far the others are: no credit is hoarded. Nor is debt: what a queue is
//! charged leads the clock by at most [`DEBT_TIME`] or [`DEBT_ATTEMPTS`] of its attempts, by its weight.
//!
//! **The longest wait.** Where memory is enough for all slots, a queue `q` that has demand, and is below its own and its
//! class's maximum, gets a slot within
//!
//! ```text
//! longest + (W × (debt(q) + (held(q) + 1) × longest(q) / weight(q)) + Σ (5 × max(i) + 2) × longest(i)) / open
//! ```
//!
//! where `W` is the sum of the other queues' weights, the sum goes over them, `longest` are the longest attempts,
//! `debt(q)` is what its virtual time leads the clock by, and `open` are the slots that are reserved for nobody. Queues with a reservation wait
//! only for their maxima while they hold less than it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::Class;

/// What an attempt is charged before its queue's first one has ended.
const FIRST_GUESS: Duration = Duration::from_secs(1);
/// The newest attempt's part in the mean.
const NEWEST: f64 = 1.0 / 8.0;
/// How many times longer than the mean what runs may have taken.
const LATE: usize = 4;
/// Slot time by which a queue's charge may lead, however short its attempts are.
pub const DEBT_TIME: Duration = Duration::from_secs(60);
/// Mean attempts by which it may lead, however long they are.
pub const DEBT_ATTEMPTS: u32 = 16;

/// What one queue may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueueShare {
    /// Its class.
    pub class: Class,
    /// Its part in relation to the others'; above zero.
    pub weight: f64,
    /// Slots that it may hold.
    pub max: usize,
    /// Slots that are kept for it; at most `max`.
    pub reserved: usize,
}

/// What the queues of one class may have together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassShare {
    /// Slots that they may hold.
    pub max: usize,
    /// Slots that are kept for them, those of single queues among them; at most `max`.
    pub reserved: usize,
}

/// Shares the slots and the memory of one worker. A slot of a queue *runs* an attempt, or has *ended* and waits for its
/// settlement. What runs has memory: as much as its queue may need from the grant, and what its job reserves once that
/// is known.
#[derive(Debug, Clone)]
pub struct Scheduler {
    slots: usize,
    held: usize,
    /// Free slots that are kept for somebody.
    owed: usize,
    /// Bytes that attempts may reserve together, and those that they have reserved.
    memory: u64,
    used: u64,
    /// Bytes for the slots that are owed.
    kept: u64,
    /// How far the queues are: the greatest virtual time that was least when a slot was granted.
    clock: u128,
    queues: Vec<Entry>,
    groups: [Group; Class::ALL.len()],
}

/// A queue. Virtual times of its class count from [`Group::offset`].
#[derive(Debug, Clone)]
struct Entry {
    share: QueueShare,
    group: usize,
    /// Slots wanted beyond those held.
    demand: usize,
    running: usize,
    ended: usize,
    /// Those that run and whose job is not known yet.
    unknown: usize,
    /// Bytes that one of its jobs reserves at most.
    need: u64,
    /// Bytes that its known jobs have reserved.
    reserved: u64,
    /// Charged so far, in ns of slot time by weight.
    charged: u128,
    /// Mean charge of its attempts, in ns of slot time; `None` before the first has ended.
    mean: Option<f64>,
    /// How many slots' part of the memory `need` is; at least 1.
    cost: f64,
    /// Where it stands in its group's sets while it can use a slot.
    place: Option<u128>,
}

/// A class.
#[derive(Debug, Clone)]
struct Group {
    share: ClassShare,
    held: usize,
    /// Sum of what its queues hold less than is reserved for each.
    unmet: usize,
    /// Bytes that its queues use, and the sum of what must be left for each.
    used: u64,
    kept_for_queues: u64,
    /// What a job of its queues reserves at most.
    need: u64,
    clock: u128,
    /// Added to the virtual times of its queues. Raised when the class was away or at its maximum, so that it comes back
    /// without credit and its queues keep their order.
    offset: u128,
    /// Queues with demand below their own maximum, by virtual time.
    ready: BTreeSet<(u128, usize)>,
    /// Those of them that hold less than is reserved for them.
    unserved: BTreeSet<(u128, usize)>,
}

impl Entry {
    fn held(&self) -> usize {
        self.running + self.ended
    }

    fn unmet(&self) -> usize {
        self.share.reserved.saturating_sub(self.held())
    }

    fn memory(&self) -> u64 {
        self.reserved + self.unknown as u64 * self.need
    }

    /// Memory that must be left for it.
    fn kept(&self) -> u64 {
        (self.share.reserved as u64 * self.need).saturating_sub(self.memory())
    }

    /// Virtual time of this much slot time, in ns.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time; the cast saturates")]
    fn virtual_ns(&self, ns: f64) -> u128 {
        (ns / self.share.weight) as u128
    }

    fn mean(&self) -> f64 {
        self.mean.unwrap_or(nanos(FIRST_GUESS) * self.cost)
    }

    /// Of this many attempts of mean charge.
    fn advance(&self, attempts: usize) -> u128 {
        self.virtual_ns(attempts as f64 * self.mean())
    }

    /// With what its attempts are charged in advance.
    fn virtual_time(&self) -> u128 {
        self.charged + self.advance(self.running)
    }
}

impl Group {
    /// Free slots that must be left for this class.
    fn owed(&self) -> usize {
        self.share.reserved.saturating_sub(self.held).max(self.unmet)
    }

    /// Memory that must be left for this class.
    fn kept(&self) -> u64 {
        self.kept_at(self.used, self.kept_for_queues)
    }

    fn kept_at(&self, used: u64, kept_for_queues: u64) -> u64 {
        (self.share.reserved as u64 * self.need).saturating_sub(used).max(kept_for_queues)
    }

    /// Whether slots are kept for any queue of the class, beyond those of single queues.
    fn keeps(&self) -> bool {
        self.share.reserved > self.held + self.unmet
    }
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

impl Scheduler {
    /// A worker with so many slots, and so many bytes for its attempts; `class` says what each class may have.
    ///
    /// Where the memory of all reserved slots and that of the largest job do not fit together, the largest job may wait
    /// for ever.
    #[must_use]
    pub fn new(slots: usize, memory: u64, class: impl Fn(Class) -> ClassShare) -> Self {
        let group = |share| Group {
            share,
            held: 0,
            unmet: 0,
            used: 0,
            kept_for_queues: 0,
            need: 0,
            clock: 0,
            offset: 0,
            ready: BTreeSet::new(),
            unserved: BTreeSet::new(),
        };
        let groups = Class::ALL.map(|name| group(class(name)));
        let owed = groups.iter().map(Group::owed).sum();
        let queues = Vec::new();
        Self { slots, held: 0, owed, memory, used: 0, kept: 0, clock: 0, queues, groups }
    }

    /// Adds a queue without demand, whose jobs need no memory; queues are numbered from 0 in the order in which they are
    /// added.
    pub fn add(&mut self, share: QueueShare) {
        let number = self.queues.len();
        self.queues.push(Entry {
            share: QueueShare { reserved: 0, ..share },
            group: share.class.index(),
            demand: 0,
            running: 0,
            ended: 0,
            unknown: 0,
            need: 0,
            reserved: 0,
            charged: 0,
            mean: None,
            cost: 1.0,
            place: None,
        });
        self.change(number, |entry| entry.share = share);
    }

    /// Bytes that a job of the queue reserves at most; more than the worker has counts as all of it.
    pub fn set_need(&mut self, queue: usize, bytes: u64) {
        let bytes = bytes.min(self.memory);
        if self.queues[queue].need == bytes {
            return;
        }
        let cost = self.cost(bytes);
        self.change(queue, |entry| {
            entry.need = bytes;
            entry.cost = cost;
        });
        let number = self.queues[queue].group;
        let need = self.queues.iter().filter(|e| e.group == number).map(|e| e.need).max().unwrap_or(0);
        let group = &mut self.groups[number];
        self.kept -= group.kept();
        group.need = need;
        self.kept += group.kept();
    }

    /// How many slots' part of the memory this is; at least 1.
    fn cost(&self, bytes: u64) -> f64 {
        (bytes as f64 * self.slots as f64 / self.memory as f64).max(1.0)
    }

    /// Slots that the queue wants now beyond those that it holds; each grant takes one off.
    pub fn set_demand(&mut self, queue: usize, slots: usize) {
        let entry = &self.queues[queue];
        if entry.demand == slots {
            return;
        }
        let idle = entry.demand == 0 && entry.held() == 0;
        let group = &mut self.groups[entry.group];
        if idle && group.held == 0 && group.ready.is_empty() {
            group.offset = group.offset.max(self.clock.saturating_sub(group.clock));
        }
        let start = if idle { group.clock } else { 0 };
        self.change(queue, |entry| {
            entry.demand = slots;
            entry.charged = entry.charged.max(start);
        });
    }

    /// Gives the next slot away: to whom, or `None` while no queue may have one.
    pub fn grant(&mut self) -> Option<usize> {
        let queue = self.pick()?;
        self.give(queue);
        Some(queue)
    }

    /// The job of a slot that was given is known: it reserves so many bytes. `false` if it needs more than was reckoned
    /// with and that is not free: then it has the slot without memory, and is to be put back.
    pub fn start(&mut self, queue: usize, bytes: u64) -> bool {
        let need = self.queues[queue].need;
        let fits = bytes <= need || self.used - need + bytes <= self.memory;
        self.change(queue, |entry| {
            entry.unknown -= 1;
            entry.reserved += if fits { bytes } else { 0 };
        });
        fits
    }

    /// An attempt that had reserved so many bytes has ended after it had its slot for so long. Its memory is free; the
    /// slot is held until it is freed, or taken again.
    pub fn end(&mut self, queue: usize, used: Duration, bytes: u64) {
        let charge = nanos(used) * self.cost(bytes);
        let clock = self.groups[self.queues[queue].group].clock;
        self.change(queue, |entry| {
            let debt = nanos(DEBT_TIME).max(f64::from(DEBT_ATTEMPTS) * entry.mean());
            let most = entry.charged.max(clock + entry.virtual_ns(debt));
            entry.charged = (entry.charged + entry.virtual_ns(charge)).min(most);
            let mean = entry.mean.unwrap_or(charge);
            entry.mean = Some(mean + (charge - mean) * NEWEST);
            entry.reserved -= bytes;
            entry.running -= 1;
            entry.ended += 1;
        });
    }

    /// Whether the queue may go on with a slot whose attempt has ended: if that slot were free, it would get it.
    pub fn retake(&mut self, queue: usize) -> bool {
        self.free(queue);
        let ours = self.pick() == Some(queue);
        if ours {
            self.give(queue);
        } else {
            self.change(queue, |entry| entry.ended += 1);
        }
        ours
    }

    /// A slot that was taken again belongs to the attempt that had ended: its settlement was not written.
    pub fn undo_retake(&mut self, queue: usize) {
        self.change(queue, |entry| {
            entry.unknown -= 1;
            entry.running -= 1;
            entry.ended += 1;
        });
    }

    /// A slot whose attempt has ended is free.
    pub fn free(&mut self, queue: usize) {
        self.change(queue, |entry| entry.ended -= 1);
    }

    /// A slot was not used: it is free, and nothing is charged for it.
    pub fn give_back(&mut self, queue: usize) {
        self.change(queue, |entry| {
            entry.unknown -= 1;
            entry.running -= 1;
        });
    }

    /// Changes the queue's weight, above zero; what it was charged stays.
    pub fn set_weight(&mut self, queue: usize, weight: f64) {
        self.change(queue, |entry| entry.share.weight = weight);
    }

    /// Changes how many slots the queue may hold. It keeps what it has until that comes back.
    pub fn set_max(&mut self, queue: usize, max: usize) {
        self.change(queue, |entry| entry.share.max = max);
    }

    /// Changes the worker's slots. Fewer take effect as slots come back.
    pub fn set_slots(&mut self, slots: usize) {
        self.slots = slots;
    }

    /// Slots that the queue holds.
    #[must_use]
    pub fn held_by(&self, queue: usize) -> usize {
        self.queues[queue].held()
    }

    /// Slots that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Slots that nobody holds.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        self.slots.saturating_sub(self.held)
    }

    /// Whether the queue would get a slot now if nobody else wanted one.
    #[must_use]
    pub fn has_chance(&self, queue: usize) -> bool {
        let entry = &self.queues[queue];
        let group = &self.groups[entry.group];
        let below = entry.held() < entry.share.max && group.held < group.share.max && self.free_slots() > 0;
        below && (self.is_open_to_all(group) || entry.unmet() > 0) && self.fits(queue)
    }

    /// Whether only memory keeps the queue from another slot: a smaller job might have one.
    #[must_use]
    pub fn lacks_memory(&self, queue: usize) -> bool {
        let entry = &self.queues[queue];
        let group = &self.groups[entry.group];
        entry.held() < entry.share.max
            && group.held < group.share.max
            && self.free_slots() > 0
            && !self.fits(queue)
    }

    /// Whether there is memory for one more job of the queue, beside what is kept for others.
    fn fits(&self, queue: usize) -> bool {
        let entry = &self.queues[queue];
        let group = &self.groups[entry.group];
        let kept_for_it = entry.kept().saturating_sub(entry.need);
        let kept_for_queues = group.kept_for_queues - entry.kept() + kept_for_it;
        let kept = group.kept_at(group.used + entry.need, kept_for_queues);
        self.used + entry.need + self.kept - group.kept() + kept <= self.memory
    }

    /// Whether the class may have a slot that is reserved for no queue of it.
    fn is_open_to_all(&self, group: &Group) -> bool {
        let roomy = group.share.max.saturating_sub(group.held) > group.unmet;
        roomy && (self.free_slots() > self.owed || group.keeps())
    }

    fn pick(&self) -> Option<usize> {
        if self.free_slots() == 0 {
            return None;
        }
        let below = || self.groups.iter().filter(|group| group.held < group.share.max);
        let least = |set: &BTreeSet<(u128, usize)>, group: &Group| {
            set.first().map(|(place, queue)| (place + group.offset, *queue))
        };
        let in_turn = below().filter_map(|group| {
            let set = if self.is_open_to_all(group) { &group.ready } else { &group.unserved };
            least(set, group)
        });
        let (_, queue) = in_turn.min()?;
        if self.fits(queue) {
            return Some(queue);
        }
        // It waits for memory. Only what is kept for others is not its own.
        let kept = below().filter_map(|group| {
            let set = if group.keeps() { &group.ready } else { &group.unserved };
            least(set, group)
        });
        kept.filter(|(_, queue)| self.fits(*queue)).min().map(|(_, queue)| queue)
    }

    fn give(&mut self, queue: usize) {
        let entry = &self.queues[queue];
        let group = &mut self.groups[entry.group];
        let fair_in_class = group.share.max.saturating_sub(group.held) > group.unmet;
        let fair = fair_in_class && self.slots.saturating_sub(self.held) > self.owed;
        // What runs may have taken longer than it was charged. Beyond that, one attempt is all the credit that a maximum
        // leaves behind.
        let credit = entry.advance(LATE * entry.running + 1);
        let charged = entry.charged.max(group.clock.saturating_sub(credit));
        if fair_in_class {
            group.clock = group.clock.max(charged);
        }
        if fair {
            group.offset = group.offset.max(self.clock.saturating_sub(charged + credit));
            self.clock = self.clock.max(charged + group.offset);
        }
        self.change(queue, |entry| {
            entry.charged = charged;
            entry.demand -= 1;
            entry.running += 1;
            entry.unknown += 1;
        });
    }

    /// Changes a queue and everything that is counted and ordered by it.
    fn change(&mut self, queue: usize, with: impl FnOnce(&mut Entry)) {
        let entry = &mut self.queues[queue];
        let group = &mut self.groups[entry.group];
        let (held, unmet, owed) = (entry.held(), entry.unmet(), group.owed());
        let (used, kept_for_it, kept) = (entry.memory(), entry.kept(), group.kept());
        with(entry);
        self.held = self.held + entry.held() - held;
        group.held = group.held + entry.held() - held;
        group.unmet = group.unmet + entry.unmet() - unmet;
        group.used = group.used + entry.memory() - used;
        group.kept_for_queues = group.kept_for_queues + entry.kept() - kept_for_it;
        self.owed = self.owed + group.owed() - owed;
        self.used = self.used + entry.memory() - used;
        self.kept = self.kept + group.kept() - kept;

        let wants = entry.demand > 0 && entry.held() < entry.share.max;
        let place = wants.then(|| entry.virtual_time());
        if place != entry.place
            && let Some(old) = entry.place
        {
            group.ready.remove(&(old, queue));
        }
        if let Some(old) = entry.place.filter(|_| unmet > 0) {
            group.unserved.remove(&(old, queue));
        }
        if let Some(new) = place {
            if place != entry.place {
                group.ready.insert((new, queue));
            }
            if entry.unmet() > 0 {
                group.unserved.insert((new, queue));
            }
        }
        entry.place = place;
    }
}

/// How many times its weight a queue has whose oldest waiting job is this old and should start within `target`: 1 up to
/// half of it, from there rising to [`MOST_AGEING`] at the target, and staying there.
#[must_use]
pub fn ageing(oldest: Duration, target: Duration) -> f64 {
    if target.is_zero() {
        return MOST_AGEING;
    }
    let part = oldest.as_secs_f64() / target.as_secs_f64();
    1.0 + (MOST_AGEING - 1.0) * ((part - 0.5) * 2.0).clamp(0.0, 1.0)
}

/// What ageing multiplies a weight with at most.
pub const MOST_AGEING: f64 = 8.0;

#[cfg(test)]
mod tests;
