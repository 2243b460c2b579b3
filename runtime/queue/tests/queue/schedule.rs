//! Job schedulers.

use gristmill_core::new_job::NewJobOptions;
use gristmill_queue::{Every, Iteration, NewScheduler};

use crate::support::{Bench, NOW, ids};

fn every(ms: u64) -> NewScheduler {
    NewScheduler {
        id: "s".into(),
        every: Every::Every(ms),
        zone: None,
        limit: None,
        start_ms: None,
        end_ms: None,
        immediately: false,
        offset_ms: None,
        name: "tick".into(),
        data: r#"{"a":1}"#.into(),
        options: NewJobOptions::parse(r#"{"attempts":2}"#).unwrap(),
    }
}

#[tokio::test]
async fn the_next_job_is_made_as_the_present_one_starts_and_once_alone() {
    let mut bench = Bench::new().await;
    let first = bench.queue.schedule(&every(1_000), NOW).await.unwrap();
    assert_eq!(first, format!("repeat:s:{NOW}"));
    let turn = bench.take(5).await;
    let job = &turn.jobs[0];
    assert_eq!((job.name.as_str(), job.scheduler.as_deref()), ("tick", Some("s")));
    let iteration = Iteration { scheduler: "s", job: &job.id, opts: &job.opts };
    let next = bench.queue.schedule_next(&iteration, NOW + 10).await.unwrap();
    let expected = format!("repeat:s:{}", NOW + 1_000);
    assert_eq!(next.as_deref(), Some(expected.as_str()));
    assert_eq!(bench.queue.schedule_next(&iteration, NOW + 20).await.unwrap(), None, "it is made already");
    let opts: String = bench.redis(&format!("HGET bull:q:{expected} opts")).await;
    let opts: serde_json::Value = serde_json::from_str(&opts).unwrap();
    assert_eq!(
        (&opts["repeat"]["count"], &opts["attempts"], &opts["repeatJobKey"]),
        (&2.into(), &2.into(), &"s".into())
    );
    let turn = bench.turn(&[], 5, NOW + 1_000).await;
    assert_eq!(
        (ids(&turn), turn.jobs[0].data.as_slice()),
        (vec![expected.as_str()], br#"{"a":1}"#.as_slice())
    );
    let views = bench.queue.schedulers(0, 10).await.unwrap();
    assert_eq!((views.len(), views[0].next_ms, views[0].fields["ic"].as_str()), (1, NOW + 1_000, "2"));
}

#[tokio::test]
async fn a_limit_and_an_end_stop_the_series() {
    let bench = Bench::new().await;
    let limited = NewScheduler { limit: Some(1), ..every(1_000) };
    bench.queue.schedule(&limited, NOW).await.unwrap();
    let turn = bench.take(5).await;
    let iteration = Iteration { scheduler: "s", job: &turn.jobs[0].id, opts: &turn.jobs[0].opts };
    assert_eq!(bench.queue.schedule_next(&iteration, NOW).await.unwrap(), None);

    let ending = NewScheduler { id: "e".into(), end_ms: Some(NOW + 500), ..every(1_000) };
    bench.queue.schedule(&ending, NOW).await.unwrap();
    let turn = bench.take(5).await;
    let iteration = Iteration { scheduler: "e", job: &turn.jobs[0].id, opts: &turn.jobs[0].opts };
    assert_eq!(bench.queue.schedule_next(&iteration, NOW + 600).await.unwrap(), None);
}

#[tokio::test]
async fn a_pattern_runs_at_its_times() {
    let bench = Bench::new().await;
    let hourly = NewScheduler { every: Every::Pattern("0 * * * *".into()), ..every(1) };
    let hour = 3_600_000;
    let (at, then) = ((NOW / hour + 1) * hour, (NOW / hour + 2) * hour);
    assert_eq!(bench.queue.schedule(&hourly, NOW).await.unwrap(), format!("repeat:s:{at}"));
    let turn = bench.turn(&[], 5, at).await;
    let iteration = Iteration { scheduler: "s", job: &turn.jobs[0].id, opts: &turn.jobs[0].opts };
    let next = bench.queue.schedule_next(&iteration, at).await.unwrap();
    assert_eq!(next, Some(format!("repeat:s:{then}")));
    let wrong = NewScheduler { every: Every::Pattern("often".into()), ..every(1) };
    assert!(bench.queue.schedule(&wrong, NOW).await.unwrap_err().to_string().contains("no cron pattern"));
}

#[tokio::test]
async fn changing_a_scheduler_replaces_its_next_job_and_removing_it_takes_that_away() {
    let mut bench = Bench::new().await;
    let later = NewScheduler { start_ms: Some(NOW + 5_000), ..every(1_000) };
    bench.queue.schedule(&later, NOW).await.unwrap();
    let changed = NewScheduler { name: "tock".into(), start_ms: Some(NOW + 9_000), ..every(2_000) };
    let job = bench.queue.schedule(&changed, NOW).await.unwrap();
    assert_eq!(job, format!("repeat:s:{}", NOW + 9_000));
    assert_eq!(bench.redis::<Vec<String>>("ZRANGE bull:q:delayed 0 -1").await, [job]);
    assert!(bench.queue.unschedule("s", NOW).await.unwrap());
    assert!(!bench.queue.unschedule("s", NOW).await.unwrap());
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:delayed bull:q:repeat bull:q:repeat:s").await, 0);
}
