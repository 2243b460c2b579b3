use std::sync::Arc;
use std::time::Duration;

use gristmill_queue::{Lock, Report, Stalled};

use crate::support::{Bench, NOW, ids};

const INTERVAL: Duration = Duration::from_secs(30);

#[tokio::test]
async fn renewal_keeps_ours_and_tells_what_is_lost() {
    let mut bench = Bench::new().await;
    bench.add_plain(3).await;
    let taken = bench.take(3).await;
    bench.redis::<()>("PEXPIRE bull:q:1:lock 5000").await;
    bench.redis::<()>("SET bull:q:2:lock stolen").await;
    bench.redis::<()>("DEL bull:q:3:lock").await;
    bench.redis::<()>("SADD bull:q:stalled 1 2 3").await;
    let locks: Vec<_> =
        taken.jobs.iter().map(|j| Lock { id: j.id.clone(), token: Arc::clone(&j.token) }).collect();
    let lost = bench.queue.renew(&locks, Duration::from_secs(30), NOW).await.unwrap();
    assert_eq!(lost, ["2", "3"]);
    assert!(bench.redis::<i64>("PTTL bull:q:1:lock").await > 29_000);
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:3:lock").await, 0);
    assert_eq!(bench.redis::<i64>("SISMEMBER bull:q:stalled 1").await, 0);
}

#[tokio::test]
async fn a_job_without_a_worker_runs_again_once_and_then_fails() {
    let mut bench = Bench::new().await;
    bench.add_plain(2).await;
    bench.take(1).await;
    let check = async |bench: &mut Bench| {
        bench.redis::<()>("DEL bull:q:stalled-check").await;
        bench.queue.check_stalled(INTERVAL, 1, NOW).await.unwrap().unwrap()
    };
    assert_eq!(check(&mut bench).await, Stalled::default());
    bench.redis::<()>("DEL bull:q:1:lock").await;
    assert_eq!(check(&mut bench).await, Stalled { back: vec!["1".into()], exceeded: vec![] });
    let events = bench.events().await;
    assert_eq!(events[events.len() - 2..], ["waiting 1 active", "stalled 1"]);

    let again = bench.take(1).await;
    assert_eq!(ids(&again), ["1"]);
    bench.redis::<()>("DEL bull:q:1:lock").await;
    check(&mut bench).await;
    assert_eq!(check(&mut bench).await, Stalled { back: vec![], exceeded: vec!["1".into()] });
    let last = bench.take(1).await;
    assert_eq!(last.jobs[0].deferred_failure.as_deref(), Some("job stalled more than allowable limit"));
}

#[tokio::test]
async fn one_check_an_interval_among_all_workers() {
    let mut bench = Bench::new().await;
    assert!(bench.queue.check_stalled(INTERVAL, 1, NOW).await.unwrap().is_some());
    assert_eq!(bench.queue.check_stalled(INTERVAL, 1, NOW).await.unwrap(), None);
    // Jobs that version 5 parked while the queue was paused come back with the check.
    bench.redis::<()>("DEL bull:q:stalled-check").await;
    bench.redis::<()>("RPUSH bull:q:paused 8 9").await;
    bench.queue.check_stalled(INTERVAL, 1, NOW).await.unwrap();
    assert_eq!(bench.redis::<Vec<String>>("LRANGE bull:q:wait 0 -1").await, ["8", "9"]);
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:paused").await, 0);
}

#[tokio::test]
async fn reports_keep_the_newest_lines_and_every_progress_is_an_event() {
    let mut bench = Bench::new().await;
    bench.add_plain(2).await;
    let lines = |n: usize| (0..n).map(|i| format!("line {i}")).collect();
    let reports = [
        Report {
            id: "1".into(),
            keep_logs: Some(2),
            progress: vec!["10".into(), "{\"done\":2}".into()],
            lines: lines(5),
        },
        Report { id: "gone".into(), keep_logs: None, progress: vec!["1".into()], lines: lines(1) },
        Report { id: "2".into(), keep_logs: None, progress: vec![], lines: lines(9_000) },
    ];
    bench.queue.report(&reports, NOW).await.unwrap();
    assert_eq!(bench.redis::<Vec<String>>("LRANGE bull:q:1:logs 0 -1").await, ["line 3", "line 4"]);
    assert_eq!(bench.redis::<String>("HGET bull:q:1 progress").await, "{\"done\":2}");
    assert_eq!(bench.redis::<i64>("LLEN bull:q:2:logs").await, 9_000);
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:gone bull:q:gone:logs").await, 0);
    let events = bench.events().await;
    assert_eq!(events[events.len() - 2..], ["progress 1 10", "progress 1 {\"done\":2}"]);
}
