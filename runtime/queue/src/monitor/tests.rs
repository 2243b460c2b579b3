use std::collections::BTreeMap;

use gristmill_core::alert::{Acknowledgement, AlertState, Change, Step, Thresholds, built_in, step};
use gristmill_core::sample::{Depths, Sample, Staff};
use gristmill_core::scaling::{Progress, Range, ScalingPolicy, Signals, decide};
use gristmill_core::tally::Tally;

use super::*;
use crate::{PrivateRedis, Queue};

async fn monitor() -> (PrivateRedis, Monitor) {
    let server = PrivateRedis::start().await.unwrap();
    let (connection, _) = Connection::open(&server.url()).await.unwrap();
    (server, Monitor::new(connection, "bull"))
}

fn sample(at_ms: u64, waiting: u64) -> Sample {
    let depths = Depths { waiting, ..Depths::default() };
    Sample::new((at_ms, 1_000), depths, (0, false), &Tally::default(), Staff::default())
}

#[tokio::test]
async fn one_has_the_turn_until_it_steps_down_or_is_late() {
    let (_server, monitor) = monitor().await;
    assert!(monitor.lead("a", 60_000).await.unwrap());
    assert!(monitor.lead("a", 60_000).await.unwrap());
    assert!(!monitor.lead("b", 60_000).await.unwrap());
    monitor.step_down("b").await.unwrap();
    assert!(!monitor.lead("b", 60_000).await.unwrap());
    monitor.step_down("a").await.unwrap();
    assert!(monitor.lead("b", 60_000).await.unwrap());
}

#[tokio::test]
async fn workers_are_seen_while_they_beat() {
    let (_server, monitor) = monitor().await;
    let beat =
        |id: &str, seen_ms| WorkerBeat { id: id.into(), name: id.into(), seen_ms, ..WorkerBeat::default() };
    for (id, seen) in [("a", 4_000_000), ("late", 3_900_000), ("gone", 0)] {
        monitor.beat(&beat(id, seen)).await.unwrap();
    }
    let names = |beats: Vec<WorkerBeat>| beats.into_iter().map(|beat| beat.name).collect::<Vec<_>>();
    assert_eq!(names(monitor.workers(4_000_000).await.unwrap()), ["a"]);
    assert_eq!(names(monitor.workers(3_900_000).await.unwrap()), ["a", "late"]);
    assert_eq!(monitor.workers(0).await.unwrap().len(), 2, "`gone` was forgotten");
    monitor.leave("a").await.unwrap();
    assert_eq!(names(monitor.workers(3_900_000).await.unwrap()), ["late"]);
}

#[tokio::test]
async fn rows_are_written_once_and_read_in_order() {
    let (_server, monitor) = monitor().await;
    for at in [1_000, 2_000, 3_000] {
        assert!(monitor.add_row("q", 1_000, &sample(at, at), 3_600_000).await.unwrap());
    }
    assert!(!monitor.add_row("q", 1_000, &sample(2_000, 9), 3_600_000).await.unwrap());
    assert!(!monitor.add_row("q", 1_000, &sample(3_000, 9), 3_600_000).await.unwrap());
    let rows = monitor.rows("q", 1_000, (1_500, 9_000)).await.unwrap();
    assert_eq!(rows, [sample(2_000, 2_000), sample(3_000, 3_000)]);
    assert_eq!(monitor.rows("q", 60_000, (0, 9_000)).await.unwrap(), []);
    let looks = BTreeMap::from([("q".to_owned(), sample(1, 2))]);
    monitor.put_looks(&looks, 60_000).await.unwrap();
    assert_eq!(monitor.looks().await.unwrap(), looks);
}

#[tokio::test]
async fn workers_count_together() {
    let (server, monitor) = monitor().await;
    let (connection, _) = Connection::open(&server.url()).await.unwrap();
    let queue = Queue::new(connection, "bull", "q");
    let mut tally = Tally::default();
    tally.record(false, false, 5_000, Some(3));
    tally.record(true, true, 90_000, None);
    let tallies = [("send".to_owned(), tally.clone()), ("odd\u{1}name".to_owned(), tally.clone())];
    for at in [61_000, 119_999, 120_000] {
        queue.add_tallies(&tallies, &[(60_000, 600_000), (3_600_000, 600_000)], at).await.unwrap();
    }
    let found = queue.tallies(60_000, [60_000]).await.unwrap();
    let mut twice = tally.clone();
    twice.merge(&tally);
    assert_eq!(found.len(), 2);
    assert_eq!((&found["send"], &found["odd\u{1}name"]), (&twice, &twice));
    assert_eq!(queue.tallies(60_000, [60_000, 120_000]).await.unwrap()["send"].attempts(), 6);
    assert_eq!(queue.tallies(3_600_000, [0]).await.unwrap()["send"].attempts(), 6);
    assert!(queue.tallies(60_000, []).await.unwrap().is_empty());
    drop(monitor);
}

/// A new alert on queue depth.
fn raised(now_ms: u64) -> gristmill_core::alert::Alert {
    let rule = built_in(&Thresholds::default()).remove(0);
    let found = rule.look(&[sample(1, 900)]);
    match step((&rule, Some("q")), None, found.as_ref(), (0, now_ms), 0) {
        Step::Keep(alert, Some(Change::Raised)) => alert,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn alerts_change_once_and_only_by_whoever_has_the_turn() {
    let (_server, monitor) = monitor().await;
    assert!(monitor.lead("a", 60_000).await.unwrap());
    let alert = raised(1_000);
    let message = Message {
        id: "m1".into(),
        target: "ops".into(),
        alert: alert.clone(),
        change: Change::Raised,
        tries: 0,
        not_before_ms: 0,
    };
    let raise = AlertChange {
        subject: alert.subject(),
        seen: None,
        now: Some(alert.clone()),
        ended: None,
        messages: vec![message.clone()],
    };
    assert_eq!(monitor.change_alerts(Some("b"), std::slice::from_ref(&raise)).await.unwrap(), None);
    let made = monitor.change_alerts(Some("a"), std::slice::from_ref(&raise)).await.unwrap();
    assert_eq!(made, Some((vec![true], 0)));
    let again = monitor.change_alerts(Some("a"), std::slice::from_ref(&raise)).await.unwrap();
    assert_eq!(again, Some((vec![false], 0)));
    assert_eq!(monitor.messages().await.unwrap(), [message]);

    let by = Acknowledgement { who: "me".into(), at_ms: 2_000, note: "looking".into(), until_ms: None };
    assert!(monitor.acknowledge(&alert.id, &by).await.unwrap());
    assert!(!monitor.acknowledge("other", &by).await.unwrap());
    let alerts = monitor.alerts().await.unwrap();
    let (known, seen) = &alerts[&alert.subject()];
    assert_eq!((known.state, known.acknowledged.as_ref()), (AlertState::Acknowledged, Some(&by)));

    let end = AlertChange {
        subject: alert.subject(),
        seen: Some(seen.clone()),
        now: None,
        ended: Some(known.clone()),
        messages: Vec::new(),
    };
    assert_eq!(monitor.change_alerts(Some("a"), &[end]).await.unwrap(), Some((vec![true], 0)));
    assert!(monitor.alerts().await.unwrap().is_empty());
    assert_eq!(monitor.ended_alerts(0, 10).await.unwrap(), std::slice::from_ref(known));
    assert!(monitor.ended_alerts(1, 10).await.unwrap().is_empty());
    monitor.drop_message("m1").await.unwrap();
    assert!(monitor.messages().await.unwrap().is_empty());
}

#[tokio::test]
async fn decisions_are_kept_and_changes_remembered() {
    let (_server, monitor) = monitor().await;
    let row = |queue: &str, backlog, at_ms| {
        let signals = Signals { workers: 1, slots: 1, backlog, ..Signals::default() };
        let progress = Progress { desired: Some(1), ..Progress::default() };
        let decision =
            decide(&ScalingPolicy::default(), Range { min: 1, max: 9 }, &signals, &progress, 1_000_000);
        ScalingRow { queue: queue.into(), at_ms, from: 1, signals, decision }
    };
    monitor.decided(&[row("a", 0, 1), row("b", 500, 1)]).await.unwrap();
    monitor.decided(&[row("a", 900, 2)]).await.unwrap();
    let changes = monitor.scaling_changes(None, 0, 10).await.unwrap();
    let told: Vec<_> = changes.iter().map(|row| (row.queue.as_str(), row.at_ms)).collect();
    assert_eq!(told, [("a", 2), ("b", 1)]);
    assert_eq!(monitor.scaling_changes(Some("b"), 0, 10).await.unwrap().len(), 1);
    assert_eq!(monitor.scaling().await.unwrap().len(), 2);
    monitor.forget_scaling(&["b".into()]).await.unwrap();
    assert_eq!(monitor.scaling().await.unwrap().keys().collect::<Vec<_>>(), ["a"]);
}
