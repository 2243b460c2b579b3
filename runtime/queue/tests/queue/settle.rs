use gristmill_core::options::Keep;
use gristmill_core::settlement::Action;
use gristmill_queue::Code;

use crate::support::{Bench, NOW, complete, fail, ids, job, retry, settlement, with};

fn bounded(count: Option<u64>, age_s: Option<u64>) -> Keep {
    Keep::Bounded { count, age_s, limit: 1_000 }
}

#[tokio::test]
async fn completing_and_failing_leave_what_bullmq_leaves() {
    let mut bench = Bench::new().await;
    bench.add_plain(2).await;
    let taken = bench.take(2).await;
    let codes = bench.settle(&[complete(&taken.jobs[0], Keep::All), fail(&taken.jobs[1], Keep::All)]).await;
    assert_eq!(codes, [Code::Done, Code::Done]);
    let done: Vec<String> = bench.redis("HMGET bull:q:1 returnvalue finishedOn atm").await;
    assert_eq!(done, ["{\"ok\":true}", &NOW.to_string(), "1"]);
    let failed: Vec<String> = bench.redis("HMGET bull:q:2 failedReason stacktrace finishedOn atm").await;
    assert_eq!(failed, ["no", "[\"no\"]", &NOW.to_string(), "1"]);
    assert_eq!(bench.redis::<Vec<String>>("KEYS *lock").await, [""; 0]);
    assert_eq!(bench.redis::<i64>("LLEN bull:q:active").await, 0);
    let events = bench.events().await;
    let end = ["completed 1 {\"ok\":true} active", "failed 2 no active", "retries-exhausted 2 1", "drained"];
    assert_eq!(events[events.len() - 4..], end);
}

#[tokio::test]
async fn one_lost_lock_costs_the_batch_nothing() {
    let mut bench = Bench::new().await;
    bench.add_plain(16).await;
    let taken = bench.take(16).await;
    bench.redis::<()>("SET bull:q:7:lock stolen").await;
    bench.redis::<()>("DEL bull:q:8:lock").await;
    bench.redis::<()>("DEL bull:q:9").await;
    let settlements: Vec<_> = taken.jobs.iter().map(|j| complete(j, Keep::All)).collect();
    let codes = bench.settle(&settlements).await;
    let refused: Vec<usize> = (0..16).filter(|i| codes[*i] != Code::Done).collect();
    assert_eq!(refused, [6, 7, 8]);
    assert_eq!(bench.redis::<i64>("ZCARD bull:q:completed").await, 13);
    assert_eq!(bench.redis::<Vec<String>>("LRANGE bull:q:active 0 -1").await, ["8", "7"]);
    assert_eq!(bench.redis::<String>("GET bull:q:7:lock").await, "stolen");
}

#[tokio::test]
async fn settling_twice_changes_nothing_the_second_time() {
    let mut bench = Bench::new().await;
    bench.add_plain(2).await;
    let taken = bench.take(2).await;
    let settlements = [complete(&taken.jobs[0], Keep::Remove), retry(&taken.jobs[1], 0)];
    assert_eq!(bench.settle(&settlements).await, [Code::Done, Code::Done]);
    let events = bench.events().await.len();
    assert_eq!(bench.settle(&settlements).await, [Code::NotOurs, Code::NotOurs]);
    assert_eq!(bench.events().await.len(), events);
    assert_eq!(bench.redis::<Vec<String>>("LRANGE bull:q:wait 0 -1").await, ["2"]);
}

#[tokio::test]
async fn mixed_keep_policies_apply_in_the_order_of_the_jobs() {
    let mut bench = Bench::new().await;
    bench.add_plain(6).await;
    let taken = bench.take(6).await;
    let keeps =
        [Keep::All, Keep::Remove, Keep::All, bounded(Some(2), None), bounded(Some(2), None), Keep::All];
    let settlements: Vec<_> = taken.jobs.iter().zip(keeps).map(|(job, keep)| complete(job, keep)).collect();
    bench.settle(&settlements).await;
    assert_eq!(bench.redis::<Vec<String>>("ZRANGE bull:q:completed 0 -1").await, ["4", "5", "6"]);
    let mut hashes: Vec<String> = bench.redis("KEYS bull:q:[0-9]*").await;
    hashes.sort();
    assert_eq!(hashes, ["bull:q:4", "bull:q:5", "bull:q:6"]);
}

#[tokio::test]
async fn old_jobs_go_by_age() {
    let mut bench = Bench::new().await;
    bench.add_plain(3).await;
    let taken = bench.take(3).await;
    let mut old = complete(&taken.jobs[0], Keep::All);
    old.1 = NOW - 20_000;
    bench.settle(&[old, complete(&taken.jobs[1], Keep::All)]).await;
    bench.settle(&[complete(&taken.jobs[2], bounded(None, Some(10)))]).await;
    assert_eq!(bench.redis::<Vec<String>>("ZRANGE bull:q:completed 0 -1").await, ["2", "3"]);
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:1").await, 0);
}

#[tokio::test]
async fn retries_go_to_the_back_or_to_delayed_and_count_an_attempt() {
    let mut bench = Bench::new().await;
    bench.add_plain(3).await;
    let taken = bench.take(2).await;
    bench.settle(&[retry(&taken.jobs[0], 0), retry(&taken.jobs[1], 500)]).await;
    assert_eq!(bench.redis::<Vec<String>>("LRANGE bull:q:wait 0 -1").await, ["1", "3"]);
    let hash: Vec<String> = bench.redis("HMGET bull:q:2 atm delay failedReason").await;
    assert_eq!(hash, ["1", "500", "again"]);
    let score: u64 = bench.redis("ZSCORE bull:q:delayed 2").await;
    assert_eq!(score, (NOW + 500) * 4096);
    assert!(bench.events().await.contains(&format!("delayed 2 {}", NOW + 500)));
    let again = bench.turn(&[], 5, NOW + 500).await;
    assert_eq!(ids(&again), ["3", "1", "2"]);
    assert_eq!((again.jobs[2].attempts_made, again.jobs[2].started_before), (1, 1));
}

#[tokio::test]
async fn a_released_job_goes_to_the_front_and_keeps_its_attempts() {
    let mut bench = Bench::new().await;
    bench.add(&[job("{}"), job("{}"), with(r#"{"priority":7}"#), with(r#"{"priority":7}"#)]).await;
    let taken = bench.take(3).await;
    let release: Vec<_> = taken.jobs.iter().map(|j| settlement(j, Action::Release)).collect();
    bench.settle(&release).await;
    let again = bench.take(4).await;
    assert_eq!(ids(&again), ["2", "1", "3", "4"]);
    assert_eq!((again.jobs[0].attempts_made, again.jobs[0].started_before), (0, 1));
    let hash: Vec<Option<String>> = bench.redis("HMGET bull:q:1 atm failedReason").await;
    assert_eq!(hash, [None, None]);
}

#[tokio::test]
async fn a_deduplication_id_is_freed_with_its_job_unless_it_has_a_life_of_its_own() {
    let mut bench = Bench::new().await;
    bench.add_plain(3).await;
    for (id, dedup) in [(1, "own"), (2, "others"), (3, "timed")] {
        bench.redis::<()>(&format!("HSET bull:q:{id} deid {dedup}")).await;
    }
    bench.redis::<()>("SET bull:q:de:own 1").await;
    bench.redis::<()>("SET bull:q:de:others 99").await;
    bench.redis::<()>("SET bull:q:de:timed 3 PX 60000").await;
    let taken = bench.take(3).await;
    bench
        .settle(&[
            complete(&taken.jobs[0], Keep::All),
            fail(&taken.jobs[1], Keep::All),
            complete(&taken.jobs[2], Keep::Remove),
        ])
        .await;
    let mut left: Vec<String> = bench.redis("KEYS bull:q:de:*").await;
    left.sort();
    assert_eq!(left, ["bull:q:de:others", "bull:q:de:timed"]);
}
