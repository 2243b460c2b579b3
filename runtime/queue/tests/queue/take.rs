use gristmill_queue::Next;

use crate::support::{Bench, NOW, ids, job, with};

#[tokio::test]
async fn takes_first_in_first_out_and_locks_what_it_takes() {
    let mut bench = Bench::new().await;
    bench.add_plain(5).await;
    let turn = bench.take(3).await;
    assert_eq!((ids(&turn), turn.next), (vec!["1", "2", "3"], Next::More));
    let first = &turn.jobs[0];
    assert_eq!((first.name.as_str(), first.data.as_slice()), ("n", br#"{"a":1}"#.as_slice()));
    assert_eq!((first.attempts_made, first.started_before, first.timestamp_ms), (0, 0, NOW));
    assert_eq!(bench.redis::<String>("GET bull:q:1:lock").await, &*first.token);
    assert!(bench.redis::<i64>("PTTL bull:q:1:lock").await > 29_000);
    assert_eq!(bench.redis::<Vec<String>>("LRANGE bull:q:active 0 -1").await, ["3", "2", "1"]);
    let hash: Vec<String> = bench.redis("HMGET bull:q:1 processedOn ats pb").await;
    assert_eq!(hash, [NOW.to_string().as_str(), "1", "w1"]);
    assert_eq!(bench.events().await[10..], ["active 1 waiting", "active 2 waiting", "active 3 waiting"]);
    let rest = bench.take(5).await;
    assert_eq!((ids(&rest), rest.next), (vec!["4", "5"], Next::Empty(None)));
}

#[tokio::test]
async fn jobs_without_priority_go_first_then_by_priority_then_by_age() {
    let bench = Bench::new().await;
    let named = |priority, id: &str| with(&format!(r#"{{"priority":{priority},"jobId":"{id}"}}"#));
    bench.add(&[named(5, "e"), named(1, "a"), named(1, "b"), named(0, "first")]).await;
    assert_eq!(ids(&bench.take(10).await), ["first", "a", "b", "e"]);
}

#[tokio::test]
async fn delayed_jobs_become_due_in_order_and_the_next_time_is_told() {
    let mut bench = Bench::new().await;
    let after = |delay_ms| with(&format!(r#"{{"delay":{delay_ms}}}"#));
    bench.add(&[after(200), after(100), after(100), after(9_000)]).await;
    let early = bench.turn(&[], 10, NOW + 98).await;
    assert_eq!((ids(&early).len(), early.next), (0, Next::Empty(Some(NOW + 100))));
    let due = bench.turn(&[], 10, NOW + 250).await;
    assert_eq!((ids(&due), due.next), (vec!["2", "3", "1"], Next::Empty(Some(NOW + 9_000))));
    assert_eq!(bench.redis::<i64>("HGET bull:q:1 delay").await, 0);
}

#[tokio::test]
async fn ids_without_a_job_are_dropped_and_replaced_by_the_next() {
    let mut bench = Bench::new().await;
    bench.redis::<()>("LPUSH bull:q:wait ghost 0:123").await;
    bench.redis::<()>("SET bull:q:text x").await;
    bench.redis::<()>("LPUSH bull:q:wait text").await;
    bench.add_plain(2).await;
    let turn = bench.take(2).await;
    assert_eq!(ids(&turn), ["1", "2"]);
    assert_eq!(turn.strangers, ["ghost", "text"]);
    assert_eq!(bench.redis::<Vec<String>>("LRANGE bull:q:active 0 -1").await, ["2", "1"]);
    assert_eq!(bench.redis::<Vec<String>>("KEYS *lock").await.len(), 2);
}

#[tokio::test]
async fn a_key_of_the_wrong_type_is_said_and_settlements_are_written_all_the_same() {
    let mut bench = Bench::new().await;
    bench.add_plain(1).await;
    let taken = bench.take(1).await;
    bench.redis::<()>("SET bull:q:wait x").await;
    let turn = bench
        .turn(&[crate::support::complete(&taken.jobs[0], gristmill_core::options::Keep::All)], 5, NOW)
        .await;
    assert_eq!(turn.codes, [gristmill_queue::Code::Done]);
    assert!(turn.trouble.is_some_and(|t| t.contains("WRONGTYPE")));
    assert_eq!(bench.redis::<i64>("ZCARD bull:q:completed").await, 1);
}

#[tokio::test]
async fn a_marker_is_left_only_where_somebody_can_use_it() {
    let mut bench = Bench::new().await;
    bench.add_plain(3).await;
    bench.redis::<()>("DEL bull:q:marker").await;
    bench.take(2).await;
    assert_eq!(bench.redis::<Vec<String>>("ZRANGE bull:q:marker 0 -1").await, ["0"]);
    bench.redis::<()>("DEL bull:q:marker").await;
    bench.take(2).await;
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:marker").await, 0);
}

#[tokio::test]
async fn a_paused_queue_gives_nothing_and_keeps_its_delayed_jobs() {
    let mut bench = Bench::new().await;
    bench.add(&[job("{}"), with(r#"{"delay":5}"#)]).await;
    bench.redis::<()>("HSET bull:q:meta paused 1").await;
    let turn = bench.turn(&[], 5, NOW + 100).await;
    assert_eq!((turn.jobs.len(), turn.next), (0, Next::Paused));
    assert_eq!(bench.redis::<i64>("ZCARD bull:q:delayed").await, 1);
    bench.redis::<()>("HDEL bull:q:meta paused").await;
    assert_eq!(ids(&bench.turn(&[], 5, NOW + 100).await), ["1", "2"]);
}
