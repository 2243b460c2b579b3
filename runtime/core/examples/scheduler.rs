//! Prints how long the scheduler takes to give a slot away and to take it back, in ns as one line of JSON.
//!
//! `cargo run --release -p gristmill-core --example scheduler [QUEUES]`, by default 1 000, all of them flooded.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gristmill_core::config::Class;
use gristmill_core::scheduler::{ClassShare, QueueShare, Scheduler};

const SLOTS: usize = 200;
const DECISIONS: u32 = 2_000_000;

fn main() {
    let queues = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let mut scheduler = Scheduler::new(SLOTS, u64::MAX, |_| ClassShare { max: SLOTS, reserved: 0 });
    for n in 0..queues {
        let class = Class::ALL[n % Class::ALL.len()];
        scheduler.add(QueueShare {
            class,
            weight: f64::from(class.default_weight()),
            max: SLOTS,
            reserved: 0,
        });
        scheduler.set_demand(n, usize::MAX);
    }
    let mut held: VecDeque<usize> = std::iter::from_fn(|| scheduler.grant()).collect();
    let (mut grants, mut ends) = (Duration::ZERO, Duration::ZERO);
    for round in 0..DECISIONS {
        let Some(queue) = held.pop_front() else { break };
        let begun = Instant::now();
        let _ = scheduler.start(queue, 0);
        scheduler.end(queue, Duration::from_micros(u64::from(500 + round % 1_000)), 0);
        scheduler.free(queue);
        let ended = Instant::now();
        held.extend(scheduler.grant());
        grants += ended.elapsed();
        ends += ended - begun;
    }
    let each = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(DECISIONS);
    println!(r#"{{"queues":{queues},"grant_ns":{:.0},"end_ns":{:.0}}}"#, each(grants), each(ends));
}
