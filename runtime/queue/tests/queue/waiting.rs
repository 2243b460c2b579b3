use std::time::Duration;

use gristmill_queue::{Connection, ErrorKind, EventReader, Marker, Waiter, queue_names};

use crate::support::{Bench, NOW, job, with};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn one_wait_serves_many_queues_and_can_be_ended_from_outside() {
    let bench = Bench::new().await;
    let other = bench.other("other").await;
    let (connection, _) = Connection::open(&bench.server.url()).await.unwrap();
    let mut waiter = Waiter::new(connection.clone());
    let keys = [bench.queue.keys().key("marker"), other.keys().key("marker"), "gristmill:knock:1".to_owned()];

    other.add(&[job("{}")], NOW).await.unwrap();
    assert_eq!(waiter.wait(&keys, LONG).await.unwrap(), Some((keys[1].clone(), Marker::Now)));
    bench.queue.add(&[with(r#"{"delay":70000}"#)], NOW).await.unwrap();
    assert_eq!(waiter.wait(&keys, LONG).await.unwrap(), Some((keys[0].clone(), Marker::Due(NOW + 70_000))));

    let waiting = tokio::spawn(async move { waiter.wait(&keys, LONG).await });
    Waiter::knock(&connection, "gristmill:knock:1").await.unwrap();
    let (key, _) = waiting.await.unwrap().unwrap().unwrap();
    assert_eq!(key, "gristmill:knock:1");
}

#[tokio::test]
async fn a_wait_goes_on_after_the_server_was_away() {
    let mut bench = Bench::new().await;
    let (connection, _) = Connection::open(&bench.server.url()).await.unwrap();
    let mut waiter = Waiter::new(connection.clone());
    let keys = [bench.queue.keys().key("marker")];
    assert_eq!(waiter.wait(&keys, Duration::from_millis(20)).await.unwrap(), None);
    bench.redis::<()>("CLIENT KILL TYPE normal SKIPME yes").await;
    // The broken connection is told once, and the next wait has a new one.
    let _ = waiter.wait(&keys, Duration::from_millis(20)).await;
    Waiter::put_back(&connection, bench.queue.keys(), Marker::Now).await.ok();
    bench.redis::<()>("ZADD bull:q:marker 0 0").await;
    assert_eq!(waiter.wait(&keys, LONG).await.unwrap().map(|(_, m)| m), Some(Marker::Now));
}

#[tokio::test]
async fn counts_states_and_names_are_read() {
    let mut bench = Bench::new().await;
    bench.add(&[job("{}"), with(r#"{"delay":5}"#), with(r#"{"priority":2}"#)]).await;
    bench.take(1).await;
    bench.redis::<()>("SET bull:q:failed nonsense").await;
    let counts = bench.queue.counts().await.unwrap();
    assert_eq!(counts, [0, 1, 1, 1, 0, 0, 0, 0]);
    bench.redis::<()>("DEL bull:q:failed").await;
    let state = async |id: &str| bench.queue.job(id).await.unwrap().map(|j| j.state);
    assert_eq!(state("1").await, Some("active"));
    assert_eq!(state("2").await, Some("delayed"));
    assert_eq!(state("77").await, None);
    let (connection, _) = Connection::open(&bench.server.url()).await.unwrap();
    assert_eq!(queue_names(&connection, "bull").await.unwrap(), ["q"]);
}

#[tokio::test]
async fn the_oldest_waiting_job_says_since_when() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.queue.oldest_due_ms().await.unwrap(), None);
    bench.add(&[job("{}"), job("{}"), with(r#"{"priority":2}"#)]).await;
    bench.redis::<()>("HSET bull:q:1 timestamp 5000 opts {\"delay\":70}").await;
    bench.redis::<()>("HSET bull:q:2 timestamp 4000").await;
    bench.redis::<()>("HSET bull:q:3 timestamp 6000").await;
    assert_eq!(bench.queue.oldest_due_ms().await.unwrap(), Some(4_000));
    bench.redis::<()>("HSET bull:q:3 timestamp 3000").await;
    assert_eq!(bench.queue.oldest_due_ms().await.unwrap(), Some(3_000));
    bench.redis::<()>("HSET bull:q:3 ats 1").await;
    assert_eq!(bench.queue.oldest_due_ms().await.unwrap(), Some(4_000), "one was started before");
    bench.redis::<()>("HSET bull:q:2 ats 1").await;
    assert_eq!(bench.queue.oldest_due_ms().await.unwrap(), Some(5_070), "the delay counts");
    bench.redis::<()>("DEL bull:q:1").await;
    assert_eq!(bench.queue.oldest_due_ms().await.unwrap(), None, "two were started before, one is gone");
}

#[tokio::test]
async fn events_are_followed_from_now_on() {
    let bench = Bench::new().await;
    bench.add_plain(1).await;
    let mut events = EventReader::from_now(&bench.queue).await.unwrap();
    assert_eq!(events.next(Duration::from_millis(5)).await.unwrap(), []);
    bench.take(1).await;
    let seen = events.next(LONG).await.unwrap();
    assert_eq!(
        (seen[0].name.as_str(), seen[0].job.as_str(), seen[0].fields["prev"].as_str()),
        ("active", "1", "waiting")
    );
}

#[tokio::test]
async fn a_custom_id_adds_once_and_a_bad_one_not_at_all() {
    let bench = Bench::new().await;
    let named = |id: &str| with(&format!(r#"{{"jobId":"{id}"}}"#));
    assert_eq!(bench.add(&[named("mine"), named("mine")]).await, ["mine", "mine"]);
    assert_eq!(bench.queue.counts().await.unwrap()[0], 1);
    let error = bench.queue.add(&[named("wait")], NOW).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let Err(error) = Connection::open("redis://127.0.0.1:1").await else { panic!("nobody listens there") };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().starts_with("Redis at 127.0.0.1:1: "), "{error}");
}
