//! A worker in simulated time, over thousands of seeds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::*;

/// Numbers of one seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn between(&mut self, from: usize, to: usize) -> usize {
        from + usize::try_from(self.below((to - from + 1) as u64)).unwrap()
    }
}

/// A queue of the simulation; times in µs.
struct Line {
    share: QueueShare,
    /// Attempts take from half of this to one and a half of it.
    length: u64,
    /// Mean time between two jobs; 0: there are always jobs.
    every: u64,
    waiting: usize,
    used: u64,
    /// Since when it could use a slot and has got none, and by how much its charge led the clock then, in virtual µs.
    unserved: Option<(u64, f64)>,
}

impl Line {
    fn longest(&self) -> f64 {
        self.length as f64 * 1.5
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    End { since: u64 },
}

struct World {
    scheduler: Scheduler,
    lines: Vec<Line>,
    classes: [ClassShare; 5],
    slots: usize,
    events: BinaryHeap<Reverse<(u64, usize, Event)>>,
    random: Random,
    now: u64,
    checks_waits: bool,
}

impl World {
    fn new(seed: u64, slots: usize, classes: [ClassShare; 5], lines: Vec<Line>, checks_waits: bool) -> Self {
        let mut scheduler = Scheduler::new(slots, 0, |class| classes[class.index()]);
        let mut events = BinaryHeap::new();
        for (n, line) in lines.iter().enumerate() {
            scheduler.add(line.share);
            if line.every > 0 {
                events.push(Reverse((0, n, Event::Arrival)));
            } else {
                scheduler.set_demand(n, usize::MAX);
            }
        }
        let random = Random(!seed);
        Self { scheduler, lines, classes, slots, events, random, now: 0, checks_waits }
    }

    fn demand(&mut self, n: usize) {
        let line = &self.lines[n];
        self.scheduler.set_demand(n, if line.every == 0 { usize::MAX } else { line.waiting });
    }

    fn serve(&mut self) {
        while let Some(n) = self.scheduler.grant() {
            let line = &mut self.lines[n];
            line.waiting = line.waiting.saturating_sub(1);
            let took = line.length / 2 + self.random.below(line.length + 1);
            self.events.push(Reverse((self.now + took, n, Event::End { since: self.now })));
            self.check_wait(n);
        }
        for n in 0..self.lines.len() {
            if self.checks_waits {
                self.note_wait(n);
            }
        }
    }

    fn note_wait(&mut self, n: usize) {
        let share = self.lines[n].share;
        let of_class = |line: &Line| line.share.class == share.class;
        let held = |m: usize| self.scheduler.held_by(m);
        let class: usize = (0..self.lines.len()).filter(|m| of_class(&self.lines[*m])).map(held).sum();
        let unmet: usize = (0..self.lines.len())
            .filter(|m| of_class(&self.lines[*m]))
            .map(|m| self.lines[m].share.reserved.saturating_sub(held(m)))
            .sum();
        let line = &mut self.lines[n];
        let wants = line.every == 0 || line.waiting > 0;
        let could = wants && held(n) < share.max && class + unmet < self.classes[share.class.index()].max;
        let entry = &self.scheduler.queues[n];
        let charged = entry.virtual_time() + self.scheduler.groups[entry.group].offset;
        let debt = charged.saturating_sub(self.scheduler.clock) as f64 / 1e3;
        line.unserved = could.then(|| line.unserved.unwrap_or((self.now, debt)));
    }

    /// The bound of the module's documentation, at the queue's grant.
    fn check_wait(&mut self, n: usize) {
        let Some((since, debt)) = self.lines[n].unserved.take() else { return };
        let line = &self.lines[n];
        let others = || self.lines.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, line)| line);
        let weights: f64 = others().map(|line| line.share.weight).sum();
        let ahead = debt + (self.scheduler.held_by(n) + 1) as f64 * line.longest() / line.share.weight;
        let behind: f64 = others().map(|line| (5 * line.share.max + 2) as f64 * line.longest()).sum();
        let reserved: usize = self.lines.iter().map(|line| line.share.reserved).sum();
        let longest = self.lines.iter().map(Line::longest).fold(0.0, f64::max);
        let bound = longest + (weights * ahead + behind) / (self.slots - reserved) as f64;
        let waited = (self.now - since) as f64;
        assert!(waited <= bound, "queue {n} waited {waited} µs, the bound is {bound} µs");
    }

    fn run(&mut self, until: u64) {
        self.serve();
        while let Some(Reverse((at, n, event))) = self.events.pop() {
            if at > until {
                self.events.push(Reverse((at, n, event)));
                break;
            }
            self.now = at;
            match event {
                Event::Arrival => {
                    // Bursts, and then nothing for a while.
                    let jobs = self.random.between(1, 40);
                    self.lines[n].waiting += jobs;
                    let pause = self.random.below(2 * self.lines[n].every * jobs as u64 + 1);
                    self.events.push(Reverse((at + pause, n, Event::Arrival)));
                }
                Event::End { since } => {
                    self.lines[n].used += at - since;
                    assert!(self.scheduler.start(n, 0));
                    self.scheduler.end(n, Duration::from_micros(at - since), 0);
                    self.scheduler.free(n);
                }
            }
            self.demand(n);
            self.serve();
            assert!(self.scheduler.held() <= self.slots);
        }
        self.now = until;
        for Reverse((_, n, event)) in &self.events {
            if let Event::End { since } = event {
                self.lines[*n].used += until - since;
            }
        }
        for n in 0..self.lines.len() {
            self.check_wait(n);
        }
    }
}

fn lines(random: &mut Random, slots: usize, queues: usize) -> Vec<Line> {
    let line = |random: &mut Random| {
        let class = Class::ALL[random.between(0, 4)];
        let weight = [16.0, 8.0, 4.0, 2.0, 1.0][random.between(0, 4)];
        let long = matches!(class, Class::Low | Class::Background) && random.below(2) == 0;
        let length = 5_000 + random.below(if long { 100_000 } else { 15_000 });
        let share = QueueShare { class, weight, max: slots, reserved: 0 };
        Line { share, length, every: 0, waiting: 0, used: 0, unserved: None }
    };
    (0..queues).map(|_| line(random)).collect()
}

#[test]
fn under_saturation_shares_are_within_5_percent_of_the_weights() {
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let slots = random.between(1, 16);
        let queues = random.between(2, 5);
        let lines = lines(&mut random, slots, queues);
        let weights: f64 = lines.iter().map(|line| line.share.weight).sum();
        // Long enough for each that one attempt more or less is far below the tolerance.
        let enough = |line: &Line| 90.0 * line.longest() * weights / line.share.weight / slots as f64;
        let until = lines.iter().map(enough).fold(0.0, f64::max).round();
        let mut world = World::new(seed, slots, [ClassShare { max: slots, reserved: 0 }; 5], lines, false);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time in µs")]
        world.run(until as u64);
        for (n, line) in world.lines.iter().enumerate() {
            let share = line.used as f64 / (slots as f64 * until);
            let fair = line.share.weight / weights;
            assert!(
                (share / fair - 1.0).abs() < 0.05,
                "seed {seed}: queue {n} of weight {} had {share:.4} of {slots} slots, not {fair:.4}",
                line.share.weight
            );
        }
    }
}

#[test]
fn whatever_comes_no_queue_waits_longer_than_its_bound() {
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let slots = random.between(2, 12);
        let queues = random.between(2, 8);
        let mut lines = lines(&mut random, slots, queues);
        let mut left = slots / 2;
        for line in &mut lines {
            line.share.max = random.between(1, slots);
            line.every = if random.below(3) == 0 { 0 } else { 1 + random.below(4 * line.length) };
            if random.below(4) == 0 {
                line.share.reserved = left.min(1);
                left -= line.share.reserved;
            }
        }
        let classes = Class::ALL.map(|class| {
            let kept = lines.iter().filter(|l| l.share.class == class).map(|l| l.share.reserved).sum();
            ClassShare { max: random.between(1, slots).max(kept), reserved: 0 }
        });
        World::new(seed, slots, classes, lines, true).run(3_000_000);
    }
}
