use proptest::prelude::*;

use super::*;

mod simulation;

const SECOND: Duration = Duration::from_secs(1);
const MEMORY: u64 = 1_000;

fn queue(class: Class, weight: f64, max: usize) -> QueueShare {
    QueueShare { class, weight, max, reserved: 0 }
}

fn open(slots: usize) -> impl Fn(Class) -> ClassShare {
    move |_| ClassShare { max: slots, reserved: 0 }
}

/// A scheduler with these queues of class normal, all flooded.
fn flooded(slots: usize, weights: &[f64]) -> Scheduler {
    let mut scheduler = Scheduler::new(slots, MEMORY, open(slots));
    for (n, weight) in weights.iter().enumerate() {
        scheduler.add(queue(Class::Normal, *weight, slots));
        scheduler.set_demand(n, usize::MAX);
    }
    scheduler
}

fn all_grants(scheduler: &mut Scheduler) -> Vec<usize> {
    std::iter::from_fn(|| scheduler.grant()).collect()
}

fn done(scheduler: &mut Scheduler, queue: usize, used: Duration) {
    end(scheduler, queue, used);
    scheduler.free(queue);
}

/// As if the job had become known only now.
fn end(scheduler: &mut Scheduler, queue: usize, used: Duration) {
    let need = scheduler.queues[queue].need;
    assert!(scheduler.start(queue, need));
    scheduler.end(queue, used, need);
}

#[test]
fn free_slots_are_shared_by_weight() {
    let mut scheduler = flooded(12, &[3.0, 2.0, 1.0]);
    let grants = all_grants(&mut scheduler);
    let count = |n| grants.iter().filter(|granted| **granted == n).count();
    assert_eq!([count(0), count(1), count(2)], [6, 4, 2]);
}

#[test]
fn slot_time_counts_and_not_jobs() {
    let mut scheduler = flooded(1, &[1.0, 1.0]);
    let mut used = [Duration::ZERO; 2];
    for _ in 0..1_000 {
        let queue = scheduler.grant().unwrap();
        let took = if queue == 0 { SECOND } else { SECOND / 10 };
        used[queue] += took;
        done(&mut scheduler, queue, took);
    }
    assert!(used[0].abs_diff(used[1]) <= 2 * SECOND, "{used:?}");
}

#[test]
fn a_slot_that_was_not_used_costs_nothing() {
    let mut scheduler = flooded(1, &[1.0, 1.0]);
    assert_eq!(scheduler.grant(), Some(0));
    scheduler.give_back(0);
    assert_eq!(scheduler.grant(), Some(0), "it is as far as before");
}

#[test]
fn no_credit_is_hoarded_while_a_queue_is_away() {
    let mut scheduler = flooded(4, &[1.0, 1.0]);
    scheduler.set_demand(1, 0);
    for _ in 0..1_000 {
        for queue in all_grants(&mut scheduler) {
            done(&mut scheduler, queue, SECOND);
        }
    }
    scheduler.set_demand(1, usize::MAX);
    let mut jobs = [0; 2];
    for _ in 0..10 {
        for queue in all_grants(&mut scheduler) {
            jobs[queue] += 1;
            done(&mut scheduler, queue, SECOND);
        }
    }
    assert!((19..=22).contains(&jobs[1]), "{jobs:?}");
}

#[test]
fn who_comes_back_is_level_with_the_others() {
    let mut scheduler = flooded(1, &[1.0, 1.0]);
    scheduler.set_demand(1, 0);
    for _ in 0..100 {
        assert_eq!(scheduler.grant(), Some(0));
        done(&mut scheduler, 0, SECOND);
    }
    scheduler.set_demand(1, usize::MAX);
    for expected in [1, 0, 1, 0] {
        assert_eq!(scheduler.grant(), Some(expected));
        done(&mut scheduler, expected, SECOND);
    }
}

/// The same for a class: what it may not have is nothing that it is owed once it weighs less.
#[test]
fn the_maximum_of_a_class_leaves_no_credit_behind() {
    let mut scheduler = Scheduler::new(4, MEMORY, |class| ClassShare {
        max: if class == Class::Low { 1 } else { 4 },
        reserved: 0,
    });
    for (n, class) in [Class::Low, Class::Normal].into_iter().enumerate() {
        scheduler.add(queue(class, 1.0, 4));
        scheduler.set_demand(n, usize::MAX);
    }
    let low = |scheduler: &mut Scheduler, turns: usize| {
        let mut jobs = 0;
        for _ in 0..turns {
            for queue in all_grants(scheduler) {
                jobs += usize::from(queue == 0);
                done(scheduler, queue, SECOND);
            }
        }
        jobs
    };
    assert_eq!(low(&mut scheduler, 1_000), 1_000);
    scheduler.set_weight(0, 0.1);
    let jobs = low(&mut scheduler, 100);
    assert!((30..=45).contains(&jobs), "{jobs}");
}

/// A queue that its maximum held back far behind the clock has no claim on all slots once it may have more, and one that
/// comes later does not wait for it.
#[test]
fn a_maximum_leaves_no_credit_behind() {
    let mut scheduler = flooded(4, &[1.0, 1.0]);
    scheduler.set_max(0, 1);
    let turn = |scheduler: &mut Scheduler| {
        let grants = all_grants(scheduler);
        for queue in &grants {
            done(scheduler, *queue, SECOND);
        }
        grants
    };
    for _ in 0..1_000 {
        assert_eq!(turn(&mut scheduler).iter().filter(|queue| **queue == 0).count(), 1);
    }
    scheduler.set_max(0, 4);
    let jobs = (0..10).flat_map(|_| turn(&mut scheduler)).filter(|queue| *queue == 0).count();
    assert!((19..=23).contains(&jobs), "{jobs}");
}

#[test]
fn debt_is_bounded() {
    let mut scheduler = flooded(1, &[1.0, 1.0]);
    assert_eq!(scheduler.grant(), Some(0));
    done(&mut scheduler, 0, Duration::from_hours(10));
    let others = std::iter::from_fn(|| {
        let queue = scheduler.grant()?;
        done(&mut scheduler, queue, SECOND);
        (queue == 1).then_some(())
    });
    assert!((50..=62).contains(&others.take(1_000).count()));
}

#[test]
fn a_slot_that_ended_is_taken_again_only_in_its_turn() {
    let mut scheduler = flooded(2, &[1.0, 1.0]);
    assert_eq!(all_grants(&mut scheduler), [0, 1]);
    end(&mut scheduler, 0, 10 * SECOND);
    assert!(!scheduler.retake(0), "the other one is behind");
    assert_eq!((scheduler.held_by(0), scheduler.held()), (1, 2), "it stays held until it is freed");
    end(&mut scheduler, 1, SECOND);
    assert!(scheduler.retake(1));
    assert_eq!((scheduler.held_by(1), scheduler.held()), (1, 2));
    scheduler.undo_retake(1);
    scheduler.free(1);
    assert_eq!(scheduler.grant(), Some(1));
    scheduler.free(0);
    scheduler.set_demand(1, 0);
    assert_eq!(scheduler.grant(), Some(0));
}

#[test]
fn weights_and_slots_change_while_it_runs() {
    let mut scheduler = flooded(8, &[1.0, 1.0]);
    assert_eq!(all_grants(&mut scheduler).len(), 8);
    scheduler.set_slots(2);
    for _ in 0..6 {
        assert_eq!(scheduler.grant(), None);
        let queue = usize::from(scheduler.held_by(0) == 0);
        done(&mut scheduler, queue, SECOND);
    }
    assert_eq!((scheduler.held(), scheduler.free_slots()), (2, 0));
    scheduler.set_slots(9);
    scheduler.set_weight(0, 6.0);
    let grants = all_grants(&mut scheduler);
    assert!(grants.iter().filter(|queue| **queue == 0).count() >= 5, "{grants:?}");
}

#[test]
fn reserved_slots_wait_for_their_queue_and_class() {
    let mut scheduler = Scheduler::new(4, MEMORY, |class| ClassShare {
        max: 4,
        reserved: usize::from(class == Class::Critical),
    });
    scheduler.add(QueueShare { reserved: 1, ..queue(Class::Low, 1.0, 4) });
    scheduler.add(queue(Class::Normal, 1.0, 4));
    scheduler.add(queue(Class::Critical, 1.0, 4));
    scheduler.set_demand(1, 9);
    assert_eq!(all_grants(&mut scheduler), [1, 1]);
    assert!(!scheduler.has_chance(1) && scheduler.has_chance(0) && scheduler.has_chance(2));
    scheduler.set_demand(2, 9);
    assert_eq!(all_grants(&mut scheduler), [2]);
    scheduler.set_demand(0, 9);
    assert_eq!(all_grants(&mut scheduler), [0]);
}

#[test]
fn a_class_keeps_room_below_its_maximum_for_its_reservations() {
    let mut scheduler = Scheduler::new(8, MEMORY, |_| ClassShare { max: 3, reserved: 0 });
    scheduler.add(queue(Class::Low, 1.0, 8));
    scheduler.add(QueueShare { reserved: 2, ..queue(Class::Low, 1.0, 8) });
    scheduler.set_demand(0, 9);
    assert_eq!(all_grants(&mut scheduler), [0]);
    scheduler.set_demand(1, 9);
    assert_eq!(all_grants(&mut scheduler), [1, 1]);
}

/// A scheduler with 16 slots and flooded queues whose jobs need so many of 1 000 bytes.
fn hungry(reserved: [usize; 3], needs: [u64; 3]) -> Scheduler {
    let mut scheduler = Scheduler::new(16, MEMORY, open(16));
    for (n, need) in needs.into_iter().enumerate() {
        scheduler.add(QueueShare { reserved: reserved[n], ..queue(Class::Normal, 1.0, 16) });
        scheduler.set_need(n, need);
        scheduler.set_demand(n, usize::MAX);
    }
    scheduler
}

#[test]
fn slots_without_memory_are_not_given_away() {
    let mut scheduler = hungry([0; 3], [300, 300, 300]);
    assert_eq!(all_grants(&mut scheduler), [0, 1, 2]);
    assert!(!scheduler.has_chance(0));
    assert!(scheduler.start(0, 100));
    assert_eq!(all_grants(&mut scheduler), [0], "its job needs less than those of the queue may");
    assert!(scheduler.start(1, 300));
    scheduler.end(1, 2 * SECOND, 300);
    assert_eq!(all_grants(&mut scheduler), [2], "the memory of an ended attempt is free, its slot is not");
    assert_eq!(scheduler.held_by(1), 1);
}

/// A queue whose next job is known to be small has a slot where its largest would not fit; another one that comes in its
/// place is not let in.
#[test]
fn the_next_job_of_a_queue_counts_where_it_is_known() {
    let mut scheduler = hungry([0; 3], [600, 0, 0]);
    (1..3).for_each(|queue| scheduler.set_demand(queue, 0));
    assert_eq!(all_grants(&mut scheduler), [0]);
    assert!(scheduler.start(0, 600));
    assert!(scheduler.lacks_memory(0) && !scheduler.lacks_memory(1));
    scheduler.set_need(0, 10);
    assert_eq!(scheduler.grant(), Some(0));
    scheduler.set_demand(0, 0);
    assert!(!scheduler.start(0, 600), "600 of 1 000 are used");
    assert_eq!((scheduler.used, scheduler.held_by(0)), (600, 2));
    scheduler.end(0, Duration::ZERO, 0);
    scheduler.free(0);
    assert_eq!(scheduler.held_by(0), 1);
}

#[test]
fn a_large_job_is_not_overtaken_for_ever() {
    let mut scheduler = hungry([0; 3], [10, 900, 10]);
    let mut held = Vec::new();
    let mut large = 0;
    for _ in 0..1_000 {
        held.extend(all_grants(&mut scheduler));
        let oldest = held.remove(0);
        large += usize::from(oldest == 1);
        done(&mut scheduler, oldest, SECOND);
    }
    assert!(
        (20..=80).contains(&large),
        "a third of the memory's time is 1 job of 29, and {large} of 1 000 ran"
    );
}

#[test]
fn memory_is_kept_for_reserved_slots() {
    let mut scheduler = hungry([0, 0, 2], [400, 100, 100]);
    scheduler.set_demand(2, 0);
    let grants = all_grants(&mut scheduler);
    assert_eq!(grants.iter().filter(|queue| **queue == 0).count(), 1, "{grants:?}");
    assert!(scheduler.used + 200 <= MEMORY, "{grants:?}");
    scheduler.set_demand(2, 9);
    assert!(all_grants(&mut scheduler).starts_with(&[2, 2]), "whoever else waits for memory");
}

proptest! {
    /// Whatever jobs need, no more is used than there is, nobody starves, and memory that would do for the first in turn
    /// is not left unused.
    #[test]
    fn memory_is_shared_by_weight(
        needs in prop::collection::vec(1u64..800, 2..5),
        weights in prop::collection::vec(1u32..8, 4),
        picks in prop::collection::vec((0usize..64, 1u64..2_000), 4_000),
    ) {
        let mut scheduler = Scheduler::new(16, MEMORY, open(16));
        for (n, need) in needs.iter().enumerate() {
            scheduler.add(queue(Class::Normal, f64::from(weights[n]), 16));
            scheduler.set_need(n, *need);
            scheduler.set_demand(n, usize::MAX);
        }
        let mut charges = vec![0.0; needs.len()];
        let mut held: Vec<usize> = Vec::new();
        for (pick, ms) in picks {
            held.extend(all_grants(&mut scheduler));
            let used: u64 = held.iter().map(|queue| needs[*queue]).sum();
            prop_assert_eq!(scheduler.used, used);
            prop_assert!(used <= MEMORY && held.len() <= 16);
            let free = MEMORY - used;
            prop_assert!(held.len() == 16 || needs.iter().any(|need| *need > free), "{} free", free);
            let queue = held.swap_remove(pick % held.len());
            charges[queue] += ms as f64 * (needs[queue] as f64 * 16.0 / 1_000.0).max(1.0);
            done(&mut scheduler, queue, Duration::from_millis(ms));
        }
        let total: f64 = charges.iter().sum();
        let weight: u32 = weights[..needs.len()].iter().sum();
        for (n, charge) in charges.iter().enumerate() {
            let (share, fair) = (charge / total, f64::from(weights[n]) / f64::from(weight));
            prop_assert!((share / fair - 1.0).abs() < 0.2, "queue {}: {} of {}: {:?} {:?}", n, share, fair, charges, weights);
        }
    }
}

#[rstest::rstest]
#[case(0, 1.0)]
#[case(15, 1.0)]
#[case(20, 1.0 + 7.0 / 3.0)]
#[case(30, 8.0)]
#[case(3_000, 8.0)]
fn waiting_jobs_make_a_queue_heavier(#[case] oldest_s: u64, #[case] expected: f64) {
    let factor = ageing(Duration::from_secs(oldest_s), Duration::from_secs(30));
    assert!((factor - expected).abs() < 1e-9, "{factor}");
}

#[derive(Debug, Clone)]
enum Step {
    Demand(usize, usize),
    Next,
    End(usize, u64),
    Retake(usize),
    Undo(usize),
    Free(usize),
    Known(usize, u64),
    GiveBack(usize),
    Weight(usize, u32),
    Max(usize, usize),
    Slots(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0usize..6, 0usize..9).prop_map(|(q, n)| Step::Demand(q, n)),
        8 => Just(Step::Next),
        3 => (0usize..6, 0u64..100_000).prop_map(|(q, ms)| Step::End(q, ms)),
        2 => (0usize..6).prop_map(Step::Retake),
        1 => (0usize..6).prop_map(Step::Undo),
        2 => (0usize..6).prop_map(Step::Free),
        3 => (0usize..6, 0u64..100).prop_map(|(q, part)| Step::Known(q, part)),
        2 => (0usize..6).prop_map(Step::GiveBack),
        1 => (0usize..6, 1u32..64).prop_map(|(q, w)| Step::Weight(q, w)),
        1 => (0usize..6, 0usize..9).prop_map(|(q, n)| Step::Max(q, n)),
        1 => (0usize..12).prop_map(Step::Slots),
    ];
    prop::collection::vec(step, 1..200)
}

/// Counts of one queue, kept beside the scheduler.
#[derive(Debug, Clone)]
struct Model {
    class: usize,
    max: usize,
    reserved: usize,
    demand: usize,
    running: usize,
    ended: usize,
    retaken: usize,
    /// What one of its jobs may need, and what those that are known have reserved.
    need: u64,
    known: Vec<u64>,
}

impl Model {
    fn held(&self) -> usize {
        self.running + self.ended
    }

    /// Those that run and whose job is not known.
    fn unknown(&self) -> usize {
        self.running - self.known.len()
    }

    fn used(&self) -> u64 {
        self.known.iter().sum::<u64>() + self.unknown() as u64 * self.need
    }
}

/// What must be left free for others when this queue gets a slot, by the definition and without shortcuts.
fn may_have(models: &[Model], shares: &[ClassShare], (slots, memory): (usize, u64), queue: usize) -> bool {
    has_slot(models, shares, slots, queue) && fits(models, shares, memory, queue)
}

fn has_slot(models: &[Model], shares: &[ClassShare], slots: usize, queue: usize) -> bool {
    let mut after = models.to_vec();
    after[queue].running += 1;
    let need = |models: &[Model], class: usize| {
        let own = || models.iter().filter(|m| m.class == class);
        let held: usize = own().map(Model::held).sum();
        let unmet: usize = own().map(|m| m.reserved.saturating_sub(m.held())).sum();
        (held, unmet, shares[class].reserved.saturating_sub(held).max(unmet))
    };
    let class = models[queue].class;
    let (held, unmet, before) = need(models, class);
    let (_, unmet_after, now) = need(&after, class);
    let total: usize = after.iter().map(Model::held).sum();
    let owed: usize = (0..shares.len()).map(|class| need(&after, class).2).sum();
    let below = after[queue].held() <= models[queue].max && held < shares[class].max;
    let roomy = held + unmet < shares[class].max || unmet_after < unmet;
    below && roomy && total <= slots && (total + owed <= slots || now < before)
}

/// Memory that is used, and kept for others, once this queue has another slot.
fn fits(models: &[Model], shares: &[ClassShare], memory: u64, queue: usize) -> bool {
    let mut after = models.to_vec();
    after[queue].running += 1;
    let kept: u64 = (0..shares.len())
        .map(|class| {
            let own = || after.iter().filter(|m| m.class == class);
            let of_queue = |m: &Model| (m.reserved as u64 * m.need).saturating_sub(m.used());
            let largest = own().map(|m| m.need).max().unwrap_or(0);
            let used: u64 = own().map(Model::used).sum();
            let of_class = (shares[class].reserved as u64 * largest).saturating_sub(used);
            of_class.max(own().map(of_queue).sum())
        })
        .sum();
    after.iter().map(Model::used).sum::<u64>() + kept <= memory
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn slots_maxima_and_reservations_hold(
        slots in 4usize..12,
        classes in prop::collection::vec((2usize..12, 0usize..2), 5),
        queues in prop::collection::vec((0usize..5, 1usize..9, 0usize..2, 0u64..200), 6),
        steps in steps(),
        shrinks in any::<bool>(),
    ) {
        // For what is reserved, and the largest job beside it.
        let kept = classes.iter().map(|c| c.1).sum::<usize>() + queues.iter().map(|q| q.2).sum::<usize>();
        let memory = (kept as u64 + 1) * 200;
        let mut left = slots;
        let mut shares = Vec::new();
        for (max, reserved) in classes {
            // At most three of the slots, so that queues have some too.
            let reserved = reserved.min(left.saturating_sub(slots - 3));
            left -= reserved;
            shares.push(ClassShare { max, reserved });
        }
        let mut scheduler = Scheduler::new(slots, memory, |class| shares[class.index()]);
        let mut models = Vec::new();
        for (q, (class, max, reserved, need)) in queues.into_iter().enumerate() {
            let in_class: usize = models.iter().filter(|m: &&Model| m.class == class).map(|m| m.reserved).sum();
            let reserved = reserved.min(left).min(max).min(shares[class].max - in_class);
            left -= reserved;
            scheduler.add(QueueShare { class: Class::ALL[class], weight: 1.0, max, reserved });
            models.push(Model { class, max, reserved, demand: 0, running: 0, ended: 0, retaken: 0, need, known: Vec::new() });
            scheduler.set_need(q, need);
        }
        let mut slots = slots;
        for step in steps {
            match step {
                Step::Demand(q, n) => {
                    scheduler.set_demand(q, n);
                    models[q].demand = n;
                }
                Step::Next => match scheduler.grant() {
                    Some(q) => {
                        prop_assert!(models[q].demand > 0, "{q} wanted none");
                        prop_assert!(may_have(&models, &shares, (slots, memory), q), "{q} got one: {models:?}");
                        models[q].demand -= 1;
                        models[q].running += 1;
                    }
                    None => {
                        let could: Vec<_> = (0..6)
                            .filter(|q| models[*q].demand > 0 && has_slot(&models, &shares, slots, *q))
                            .collect();
                        let all_fit = could.iter().all(|q| fits(&models, &shares, memory, *q));
                        prop_assert!(could.is_empty() || !all_fit, "a slot idles beside {could:?}: {models:?}");
                    }
                },
                Step::Known(q, part) if models[q].unknown() > 0 => {
                    let bytes = models[q].need * part / 100;
                    prop_assert!(scheduler.start(q, bytes));
                    models[q].known.push(bytes);
                    models[q].retaken = models[q].retaken.min(models[q].unknown());
                }
                Step::End(q, ms) if !models[q].known.is_empty() => {
                    let bytes = models[q].known.swap_remove(0);
                    scheduler.end(q, Duration::from_millis(ms), bytes);
                    models[q].running -= 1;
                    models[q].ended += 1;
                }
                Step::Retake(q) if models[q].ended > 0 => {
                    let mut without = models.clone();
                    without[q].ended -= 1;
                    if scheduler.retake(q) {
                        prop_assert!(models[q].demand > 0);
                        prop_assert!(may_have(&without, &shares, (slots, memory), q), "{q} took one again: {models:?}");
                        models[q] = Model { demand: models[q].demand - 1, running: models[q].running + 1, retaken: models[q].retaken + 1, ..without[q].clone() };
                    }
                }
                Step::Undo(q) if models[q].retaken > 0 => {
                    scheduler.undo_retake(q);
                    models[q].retaken -= 1;
                    models[q].running -= 1;
                    models[q].ended += 1;
                }
                Step::Free(q) if models[q].ended > 0 => {
                    scheduler.free(q);
                    models[q].ended -= 1;
                }
                Step::GiveBack(q) if models[q].unknown() > models[q].retaken => {
                    scheduler.give_back(q);
                    models[q].running -= 1;
                }
                Step::Weight(q, weight) => scheduler.set_weight(q, f64::from(weight)),
                Step::Max(q, max) => {
                    let max = max.max(models[q].reserved);
                    scheduler.set_max(q, max);
                    models[q].max = max;
                }
                Step::Slots(n) if shrinks => {
                    scheduler.set_slots(n);
                    slots = n;
                }
                _ => {}
            }
            let held: usize = models.iter().map(Model::held).sum();
            prop_assert_eq!(scheduler.held(), held);
            let used = models.iter().map(Model::used).sum::<u64>();
            prop_assert_eq!(scheduler.used, used);
            prop_assert!(used + scheduler.kept <= memory || shrinks);
            for (q, model) in models.iter().enumerate() {
                prop_assert_eq!(scheduler.held_by(q), model.held());
            }
            if shrinks {
                continue;
            }
            prop_assert!(held <= slots);
            // Whoever holds less than is reserved for it gets it, whatever the others do.
            let mut later = scheduler.clone();
            (0..models.len()).for_each(|q| later.set_demand(q, 20));
            while later.grant().is_some() {}
            for (q, model) in models.iter().enumerate() {
                prop_assert!(later.held_by(q) >= model.reserved, "{q} did not get what is kept for it: {models:?}");
            }
            for (class, share) in shares.iter().enumerate() {
                let in_class = || models.iter().enumerate().filter(|(_, m)| m.class == class);
                let held: usize = in_class().map(|(q, _)| later.held_by(q)).sum();
                let full = in_class().all(|(q, m)| later.held_by(q) >= m.max);
                prop_assert!(held <= share.max && (held >= share.reserved || full), "class {class}: {models:?}");
            }
        }
    }
}
