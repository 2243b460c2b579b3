use gristmill_core::options::Keep;
use gristmill_queue::{Next, QueueLimits};

use crate::support::{Bench, NOW, complete, ids};

#[tokio::test]
async fn global_concurrency_counts_what_others_hold_and_what_this_call_settles() {
    let mut bench = Bench::new().await;
    bench.redis::<()>("HSET bull:q:meta concurrency 3").await;
    bench.add_plain(6).await;
    let first = bench.take(2).await;
    let second = bench.take(5).await;
    assert_eq!((ids(&second), second.next), (vec!["3"], Next::Maxed));
    assert_eq!(bench.take(5).await.next, Next::Maxed);
    let third =
        bench.turn(&[complete(&first.jobs[0], Keep::All), complete(&first.jobs[1], Keep::All)], 5, NOW).await;
    assert_eq!((ids(&third), third.next), (vec!["4", "5"], Next::Maxed));
    // Settling without taking leaves a marker: somebody else may use the room.
    bench.redis::<()>("DEL bull:q:marker").await;
    bench.settle(&[complete(&third.jobs[0], Keep::All)]).await;
    assert_eq!(bench.redis::<Vec<String>>("ZRANGE bull:q:marker 0 -1").await, ["0"]);
}

#[tokio::test]
async fn a_queues_rate_limit_ends_the_taking_and_says_for_how_long() {
    let mut bench = Bench::new().await;
    bench.redis::<()>("HSET bull:q:meta max 3 duration 60000").await;
    bench.add_plain(5).await;
    assert_eq!(ids(&bench.take(2).await), ["1", "2"]);
    assert_eq!(ids(&bench.take(5).await), ["3"]);
    let turn = bench.take(5).await;
    assert!(turn.jobs.is_empty());
    assert!(matches!(turn.next, Next::Limited(ms) if (50_000..=60_000).contains(&ms)), "{:?}", turn.next);
}

#[tokio::test]
async fn a_deferred_failure_is_taken_and_not_counted_by_the_rate_limit() {
    let mut bench = Bench::new().await;
    bench.redis::<()>("HSET bull:q:meta max 10 duration 60000").await;
    bench.add_plain(2).await;
    bench.redis::<()>("HSET bull:q:1 defa stalled").await;
    let turn = bench.take(2).await;
    assert_eq!(turn.jobs[0].deferred_failure.as_deref(), Some("stalled"));
    assert_eq!(turn.jobs[1].deferred_failure, None);
    assert_eq!(bench.redis::<i64>("GET bull:q:limiter").await, 1);
}

#[tokio::test]
async fn a_held_queue_starts_nothing_with_or_without_a_rate_limit() {
    let mut bench = Bench::new().await;
    bench.add_plain(2).await;
    bench.queue.hold(60_000).await.unwrap();
    assert!(bench.queue.limits().await.unwrap().held_ms.is_some_and(|ms| ms > 50_000));
    let turn = bench.take(5).await;
    assert!(turn.jobs.is_empty());
    assert!(matches!(turn.next, Next::Limited(ms) if (50_000..=60_000).contains(&ms)), "{:?}", turn.next);
    // A counter that some worker's own limit has left does not hold those that have none.
    bench.redis::<()>("SET bull:q:limiter 7 PX 60000").await;
    assert_eq!(ids(&bench.take(1).await), ["1"]);
    bench.queue.hold(60_000).await.unwrap();
    bench.queue.set_rate_limit(Some((100, 1_000))).await.unwrap();
    assert!(bench.take(1).await.jobs.is_empty());
    bench.queue.hold(0).await.unwrap();
    assert_eq!(ids(&bench.take(1).await), ["2"]);
}

#[tokio::test]
async fn limits_are_set_and_lifted_for_all_workers() {
    let mut bench = Bench::new().await;
    bench.queue.set_concurrency(Some(2)).await.unwrap();
    bench.queue.set_rate_limit(Some((5, 250))).await.unwrap();
    let set = QueueLimits { concurrency: Some(2), max: Some(5), duration_ms: Some(250), held_ms: None };
    assert_eq!(bench.queue.limits().await.unwrap(), set);
    assert_eq!(
        bench.redis::<Vec<String>>("HMGET bull:q:meta concurrency max duration").await,
        ["2", "5", "250"]
    );
    assert_eq!(
        bench.redis::<Vec<String>>("ZRANGE bull:q:marker 0 -1").await,
        ["0"],
        "who waits for room looks again"
    );
    bench.queue.set_concurrency(None).await.unwrap();
    bench.queue.set_rate_limit(None).await.unwrap();
    assert_eq!(bench.queue.limits().await.unwrap(), QueueLimits::default());
}
