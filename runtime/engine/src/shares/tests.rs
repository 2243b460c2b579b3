use gristmill_core::config::{Input, load};
use gristmill_queue::{Connection, NewJob, PrivateRedis};
use proptest::prelude::*;

use super::*;
use crate::slots::Slots;

/// `slots` and, of each queue, class and concurrency.
fn shares(slots: usize, queues: &[(&str, usize)]) -> Arc<Shares> {
    Shares::new(&config(slots, queues), u64::MAX)
}

/// What attempts without memory had.
fn used(slots: &[Duration]) -> Vec<Used> {
    slots.iter().map(|slot| Used { slot: *slot, memory: 0 }).collect()
}

fn none() -> u64 {
    0
}

fn config(slots: usize, queues: &[(&str, usize)]) -> Config {
    let mut text = format!("[worker]\nslots = {slots}\n");
    for (n, (class, concurrency)) in queues.iter().enumerate() {
        let queue = format!(
            "[queues.q{n}]\nclass = \"{class}\"\nconcurrency = {concurrency}\n\
             [queues.q{n}.jobs.\"*\"]\nhandler = \"h.wasm\"\n"
        );
        text.push_str(&queue);
    }
    let loaded = load(&Input { file: Some((std::path::Path::new("t.toml"), &text)), ..Input::default() });
    assert_eq!(loaded.problems, []);
    loaded.config
}

fn is_woken(share: &Share) -> bool {
    use futures_util::FutureExt;
    share.granted().now_or_never().is_some()
}

#[test]
fn whoever_got_none_is_woken_when_a_slot_is_free() {
    let shares = shares(2, &[("normal", 2), ("normal", 2)]);
    let (first, second) = (shares.of(0), shares.of(1));
    let held = first.claim(&mut Vec::new(), 0, 2, none, true);
    assert_eq!(held.take(), 2);
    assert_eq!(first.finish(held, 0, 0, &[0; 2]), [0usize; 0]);
    assert!(!second.has_chance());
    assert_eq!(second.claim(&mut Vec::new(), 0, 2, none, true), Claim::default());
    assert!(!is_woken(&second));

    // One has ended: it is the second one's, but only once the settlement is written.
    let claim = first.claim(&mut used(&[Duration::from_secs(1)]), 1, 1, none, false);
    assert_eq!(claim, Claim::default());
    assert!(!is_woken(&second));
    assert_eq!(first.finish(claim, 1, 1, &[]), [0usize; 0]);
    assert!(is_woken(&second));
    assert_eq!(second.claim(&mut Vec::new(), 0, 2, none, true), Claim { again: 0, fresh: 1 });
}

#[test]
fn a_slot_put_aside_goes_to_others_when_nobody_wants_it_any_more() {
    let shares = shares(1, &[("normal", 1), ("normal", 1)]);
    let (first, second) = (shares.of(0), shares.of(1));
    let claim = first.claim(&mut Vec::new(), 0, 1, none, true);
    assert_eq!(second.claim(&mut Vec::new(), 0, 1, none, true).take(), 0);
    assert_eq!(first.finish(claim, 0, 0, &[]), [0usize; 0]);
    assert!(is_woken(&second));
    assert_eq!(first.claim(&mut Vec::new(), 0, 1, none, true).take(), 0);
    second.withdraw();
    assert!(is_woken(&first));
}

#[test]
fn enough_slots_for_all_are_not_counted() {
    let shares = shares(4, &[("normal", 2), ("background", 2)]);
    assert!(shares.inner.is_none());
    let claim = shares.of(1).claim(&mut used(&[Duration::ZERO; 2]), 2, 2, none, true);
    assert_eq!((claim, shares.of(1).has_chance()), (Claim { again: 2, fresh: 0 }, true));
}

/// 1 GiB for jobs of 64 MiB: sixteen at a time, whatever the slots.
#[test]
fn jobs_are_taken_only_when_there_is_memory_for_them() {
    const MIB: u64 = 1 << 20;
    let shares = Shares::new(&config(64, &[("normal", 32), ("normal", 32)]), 1 << 30);
    let (first, second) = (shares.of(0), shares.of(1));
    let need = || 64 * MIB;
    let claim = first.claim(&mut Vec::new(), 0, 32, need, true);
    assert_eq!(claim.take(), 16);
    assert_eq!(second.claim(&mut Vec::new(), 0, 32, need, true).take(), 0);
    assert_eq!(first.finish(claim, 0, 0, &[64 * MIB; 16]), [0usize; 0]);
    assert!(!is_woken(&second));
    // Their memory is free before their settlement is written.
    let ended = Used { slot: Duration::from_secs(1), memory: 64 * MIB };
    let claim = first.claim(&mut vec![ended; 2], 2, 0, need, false);
    assert!(is_woken(&second));
    assert_eq!(second.claim(&mut Vec::new(), 0, 32, need, true).take(), 2);
    assert_eq!(first.finish(claim, 2, 2, &[]), [0usize; 0]);
    assert_eq!(first.claim(&mut Vec::new(), 0, 32, need, true).take(), 0);
}

#[test]
fn a_job_that_reserves_less_leaves_the_rest_to_others() {
    const MIB: u64 = 1 << 20;
    let shares = Shares::new(&config(8, &[("normal", 8)]), 100 * MIB);
    let share = shares.of(0);
    let claim = share.claim(&mut Vec::new(), 0, 8, || 64 * MIB, true);
    assert_eq!(claim.take(), 1);
    assert_eq!(share.finish(claim, 0, 0, &[10 * MIB]), [0usize; 0]);
    assert!(is_woken(&share));
    assert_eq!(
        share.claim(&mut Vec::new(), 0, 7, || 10 * MIB, true).take(),
        7,
        "what it needs has been learned"
    );
}

#[tokio::test]
async fn a_queue_gets_heavier_while_its_oldest_job_waits() {
    let server = PrivateRedis::start().await.unwrap();
    let (connection, _) = Connection::open(&server.url()).await.unwrap();
    let mut config = config(1, &[("normal", 1), ("normal", 1)]);
    config.queues.get_mut("q0").unwrap().sla = Some(Duration::from_secs(8));
    let queues: Vec<_> =
        config.queues.keys().map(|name| Queue::new(connection.clone(), "bull", name)).collect();
    let now_ms = Clock::System.now_ms();
    for queue in &queues {
        queue
            .add(&[NewJob { name: "n".into(), data: "{}".into(), ..NewJob::default() }], now_ms - 60_000)
            .await
            .unwrap();
    }
    let (metrics, shares) = (Metrics::new().unwrap(), Shares::new(&config, u64::MAX));
    let aging = age(metrics.clone(), Clock::System, Arc::clone(&shares), Arc::new(config), queues);
    let shown = async {
        let weight = |queue: &str, weight| format!("gristmill_queue_weight{{queue=\"{queue}\"}} {weight}\n");
        loop {
            let page = String::from_utf8(metrics.render()).unwrap();
            if page.contains(&weight("q0", 32)) && page.contains(&weight("q1", 4)) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let shown = tokio::time::timeout(Duration::from_secs(30), shown);
    tokio::select! {
        () = aging => panic!("it goes on"),
        shown = shown => shown.expect("the weight is eight times that of the class"),
    }
    let mut inner = shares.lock().unwrap();
    (0..2).for_each(|queue| inner.scheduler.set_demand(queue, 90));
    let mut turns = [0; 2];
    for _ in 0..90 {
        let queue = inner.scheduler.grant().unwrap();
        turns[queue] += 1;
        assert!(inner.scheduler.start(queue, 0));
        inner.scheduler.end(queue, Duration::from_secs(1), 0);
        inner.scheduler.free(queue);
    }
    assert!((78..=82).contains(&turns[0]), "32 to 4, but {turns:?}");
}

/// A call under way: what it claimed, what it settles, what it asked for.
type Call = (Claim, usize, usize);

proptest! {
    /// Pumps overlap their calls, which fail, bring fewer jobs than asked for, and leave settlements unwritten.
    #[test]
    fn never_more_held_than_slots_of_queue_and_worker(
        slots in 1usize..12,
        totals in prop::collection::vec(1usize..9, 3),
        steps in prop::collection::vec((0usize..3, 0usize..9, 0usize..9, 0usize..9, 0u8..6), 1..150),
    ) {
        let classes = ["critical", "normal", "background"];
        let queues: Vec<_> = classes.into_iter().zip(totals.iter().copied()).collect();
        let shares = shares(slots, &queues);
        // (slots, jobs that run, ended and in no call, calls)
        let mut pumps: Vec<(Slots, usize, usize, Vec<Call>)> = totals.iter().map(|total| (Slots::new(*total), 0, 0, Vec::new())).collect();
        for (n, settle, got, written, step) in steps {
            let share = shares.of(n);
            let (own, running, ready, calls) = &mut pumps[n];
            match step {
                0 | 1 if calls.len() < 2 => {
                    let ended = settle.min(*running);
                    *running -= ended;
                    *ready += ended;
                    let settle = (*ready).min(8);
                    let claim = share.claim(&mut used(&vec![Duration::from_millis(7); ended]), settle, own.room(settle), none, step == 0);
                    *ready -= settle;
                    own.begin(settle, claim.take());
                    calls.push((claim, settle, claim.take()));
                }
                2..=4 if !calls.is_empty() => {
                    let (claim, settle, take) = calls.remove(0);
                    // As the script does: each settlement that may not be written costs a job.
                    let settled = if step == 2 { 0 } else { written.min(settle) };
                    let taken = if step == 2 { 0 } else { got.min(take.saturating_sub(settle - settled)) };
                    own.end(settle, settled, take, taken);
                    assert_eq!(share.finish(claim, settle, settled, &vec![0; taken]), [0usize; 0]);
                    *ready += settle - settled;
                    *running += taken;
                    if step == 2 {
                        share.withdraw();
                    }
                }
                5 if *running > 0 => {
                    *running -= 1;
                    own.abandon();
                    share.abandon(Used { slot: Duration::from_millis(3), memory: 0 });
                }
                _ => {}
            }
            let held: usize = pumps.iter().map(|(own, ..)| own.held()).sum();
            prop_assert!(held <= slots, "{held} of {slots}");
            prop_assert!(pumps.iter().all(|(own, ..)| own.held() <= own.total()));
            if let Some(inner) = shares.lock() {
                for (n, (own, running, ready, calls)) in pumps.iter().enumerate() {
                    let asked: usize = calls.iter().map(|(claim, settle, _)| claim.fresh + settle).sum();
                    let counted = inner.scheduler.held_by(n) - inner.aside[n];
                    prop_assert_eq!(counted, running + ready + asked, "queue {}: {:?}", n, own);
                }
            }
        }
    }
}
