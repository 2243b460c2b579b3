//! A day of load, in seconds of injected time: ebb and flow, bursts, a backlog that only has priorities (which is a backlog
//! like any other to the rule), and an hour in which a service that the jobs call is slow.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers of a simulation")]

use std::collections::VecDeque;

use super::*;

const SLOTS: u64 = 10;
/// A worker needs this long from the decision to its first job.
const START_S: u64 = 20;
/// A job that waits longer has missed its target.
const TARGET_S: u64 = 30;
const DAY_S: u64 = 24 * 3_600;

/// A generator of numbers in [0, 1), the same for a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

struct Day {
    worker_hours: f64,
    jobs: u64,
    missed: u64,
    /// Times at which the number went the other way than before, in seconds, and whether it went down.
    reversals: Vec<(u64, bool)>,
    most: u64,
}

/// Lives through a day with some way to decide.
fn live(seed: u64, mut decide: impl FnMut(&Signals, u64) -> u64) -> Day {
    let mut random = Random(seed);
    let bursts: Vec<u64> = (0..6).map(|_| (random.next() * DAY_S as f64) as u64).collect();
    let slow_from = 13 * 3_600 + (random.next() * 3_600.0) as u64;
    let mut day = Day { worker_hours: 0.0, jobs: 0, missed: 0, reversals: Vec::new(), most: 0 };
    let mut queue: VecDeque<(u64, u64)> = VecDeque::new();
    let (mut workers, mut desired, mut starting) = (1u64, 1u64, VecDeque::<u64>::new());
    let (mut waits, mut ended_minute, mut room) = (0u64, VecDeque::<u64>::new(), 0.0f64);
    let mut direction = None;
    for now in 0..DAY_S {
        let hour = now as f64 / 3_600.0;
        let tide = 0.5 - 0.5 * (std::f64::consts::TAU * (hour - 3.0) / 24.0).cos();
        let mut rate = 5.0 + 120.0 * tide;
        // Bursts of tiny and of many jobs; the prioritized ones come at night and all at once.
        rate += bursts.iter().filter(|at| (**at..**at + 120).contains(&now)).count() as f64 * 200.0;
        let night = if now == 3 * 3_600 { 5_000 } else { 0 };
        let came = night + (rate + random.next()) as u64;
        let mean_ms = if (slow_from..slow_from + 1_800).contains(&now) { 600.0 } else { 200.0 };
        if came > 0 {
            queue.push_back((now, came));
            waits += came;
            day.jobs += came;
        }
        while starting.front().is_some_and(|at| *at <= now) {
            starting.pop_front();
            workers += 1;
        }
        room = (room + (workers * SLOTS) as f64 * 1_000.0 / mean_ms)
            .min((workers * SLOTS) as f64 * 1e4 / mean_ms);
        let mut ended = 0;
        while let Some((at, count)) = queue.front_mut() {
            let done = (*count).min(room as u64);
            if done == 0 {
                break;
            }
            room -= done as f64;
            ended += done;
            waits -= done;
            day.missed += if now - *at > TARGET_S { done } else { 0 };
            *count -= done;
            if *count == 0 {
                queue.pop_front();
            }
        }
        if queue.is_empty() {
            room = 0.0;
        }
        ended_minute.push_back(ended);
        if ended_minute.len() > 60 {
            ended_minute.pop_front();
        }
        day.worker_hours += (workers + starting.len() as u64) as f64 / 3_600.0;
        day.most = day.most.max(workers);
        if now % 15 != 0 {
            continue;
        }
        let ended_per_minute = ended_minute.iter().sum::<u64>() as f64;
        let used = (ended as f64 * mean_ms / 1e3 / (workers * SLOTS) as f64).min(1.0);
        let signals = Signals {
            workers,
            slots: workers * SLOTS,
            backlog: waits,
            active: ((workers * SLOTS) as f64 * used) as u64,
            oldest_wait_ms: queue.front().map_or(0, |(at, _)| (now - at) * 1_000),
            cpu_percent: 20.0 * used,
            memory_percent: 20.0,
            mean_ms: (ended_per_minute > 0.0).then_some(mean_ms),
            ended_per_minute,
        };
        let wanted = decide(&signals, now * 1_000);
        if wanted != desired {
            let down = wanted < desired;
            if direction.is_some_and(|before| before != down) {
                day.reversals.push((now, down));
            }
            direction = Some(down);
        }
        for _ in desired..wanted {
            starting.push_back(now + START_S);
        }
        for _ in wanted..desired {
            if starting.pop_back().is_none() {
                workers -= 1;
            }
        }
        desired = wanted;
    }
    day
}

const RANGE: Range = Range { min: 1, max: 12 };

fn ours(seed: u64) -> Day {
    let policy = ScalingPolicy::default();
    let mut progress = Progress::default();
    live(seed, |signals, now_ms| {
        let decision = decide(&policy, RANGE, signals, &progress, now_ms);
        progress = decision.progress;
        decision.desired
    })
}

/// What depth alone can do with the same marks, steps and cooldowns.
fn by_depth(seed: u64) -> Day {
    let policy = ScalingPolicy::default();
    let (mut desired, mut changed, mut calm) = (RANGE.min, 0, None);
    live(seed, |signals, now_ms| {
        let steps = match signals.backlog as f64 / policy.up.depth as f64 {
            ratio if ratio >= 4.0 => 3,
            ratio if ratio >= 2.0 => 2,
            ratio if ratio >= 1.0 => 1,
            _ => 0,
        };
        calm = (signals.backlog <= policy.down.depth).then(|| calm.unwrap_or(now_ms));
        if steps > 0 && now_ms - changed >= policy.up_cooldown_ms && desired < RANGE.max {
            (desired, changed) = ((desired + steps).min(RANGE.max), now_ms);
        } else if calm.is_some_and(|since| now_ms - since >= policy.down_cooldown_ms)
            && now_ms - changed >= policy.down_cooldown_ms
            && desired > RANGE.min
        {
            (desired, changed) = (desired - 1, now_ms);
        }
        desired
    })
}

#[test]
#[expect(clippy::print_stdout, reason = "what the day came to, for whoever runs it with `--nocapture`")]
fn a_day_costs_fewer_worker_hours_than_by_depth_and_misses_no_more_targets() {
    let policy = ScalingPolicy::default();
    let (mut hours, mut missed) = ([0.0; 2], [0; 2]);
    for seed in 1..=12 {
        let (ours, depth) = (ours(seed), by_depth(seed));
        println!(
            "seed {seed}: ours {:.1} h, {} of {} missed, {} reversals, at most {}; by depth {:.1} h, {} missed, {} reversals, at most {}",
            ours.worker_hours,
            ours.missed,
            ours.jobs,
            ours.reversals.len(),
            ours.most,
            depth.worker_hours,
            depth.missed,
            depth.reversals.len(),
            depth.most,
        );
        assert_eq!(ours.jobs, depth.jobs);
        assert!(ours.worker_hours < depth.worker_hours, "seed {seed}");
        for pair in ours.reversals.windows(2) {
            let apart = (pair[1].0 - pair[0].0) * 1_000;
            let cooldown = if pair[1].1 { policy.down_cooldown_ms } else { policy.up_cooldown_ms };
            assert!(apart >= cooldown, "seed {seed}: reversals at {pair:?}");
        }
        hours = [hours[0] + ours.worker_hours, hours[1] + depth.worker_hours];
        missed = [missed[0] + ours.missed, missed[1] + depth.missed];
    }
    assert!(missed[0] <= missed[1], "{missed:?}");
    println!(
        "in all: ours {:.0} h and {} missed, by depth {:.0} h and {} missed",
        hours[0], missed[0], hours[1], missed[1]
    );
}
