use gristmill_core::options::Keep;
use gristmill_queue::Next;

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
