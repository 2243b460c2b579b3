//! What people do to queues and jobs.

use gristmill_core::options::Keep;
use gristmill_queue::{Finished, Flow, Spared, Unmoved, add_flow};

use crate::support::{Bench, NOW, complete, fail, ids, with};

#[tokio::test]
async fn a_paused_queue_gives_nothing_and_resumes_with_version_5s_list() {
    let mut bench = Bench::new().await;
    bench.add_plain(1).await;
    bench.queue.pause(NOW).await.unwrap();
    assert_eq!(bench.take(5).await.jobs.len(), 0);
    bench.add_plain(1).await;
    bench.redis::<()>("RENAME bull:q:wait bull:q:paused").await;
    bench.add_plain(1).await;
    bench.queue.resume(NOW).await.unwrap();
    assert_eq!(ids(&bench.take(5).await), ["1", "2", "3"]);
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:paused").await, 0);
}

#[tokio::test]
async fn finished_jobs_run_again_alone_or_together() {
    let mut bench = Bench::new().await;
    bench.add_plain(3).await;
    let taken = bench.take(3).await;
    bench
        .settle(&[
            fail(&taken.jobs[0], Keep::All),
            fail(&taken.jobs[1], Keep::All),
            complete(&taken.jobs[2], Keep::All),
        ])
        .await;
    let queue = bench.queue.clone();
    let retry = async |id: &str, from| queue.retry(id, from, true, NOW).await.unwrap();
    assert_eq!(retry("1", Finished::Completed).await, Err(Unmoved::OtherState));
    assert_eq!(retry("9", Finished::Failed).await, Err(Unmoved::NoJob));
    assert_eq!(retry("1", Finished::Failed).await, Ok(()));
    assert_eq!(bench.redis::<i64>("HEXISTS bull:q:1 failedReason").await, 0);
    assert_eq!(queue.retry_all(Finished::Failed, NOW + 1, |_| {}, NOW).await.unwrap(), 1);
    let again = bench.take(5).await;
    assert_eq!(ids(&again), ["1", "2"]);
    assert_eq!((again.jobs[0].attempts_made, again.jobs[1].attempts_made), (0, 1));
}

#[tokio::test]
async fn delayed_jobs_are_promoted_and_moved_in_time() {
    let bench = Bench::new().await;
    let later = with(r#"{"delay":5000}"#);
    bench.add(&[later.clone(), later.clone(), later]).await;
    assert_eq!(bench.queue.promote("2", NOW).await.unwrap(), Ok(()));
    assert_eq!(bench.queue.promote("2", NOW).await.unwrap(), Err(Unmoved::OtherState));
    assert_eq!(bench.queue.change_delay("3", 1_000, NOW).await.unwrap(), Ok(()));
    assert_eq!(ids(&bench.turn(&[], 5, NOW + 1_000).await), ["2", "3"]);
    assert_eq!(bench.queue.promote_all(|_| {}, NOW).await.unwrap(), 1);
    assert_eq!(ids(&bench.take(5).await), ["1"]);
}

#[tokio::test]
async fn a_priority_changes_where_a_job_waits() {
    let bench = Bench::new().await;
    bench.add(&[with("{}"), with(r#"{"priority":5}"#), with(r#"{"priority":5}"#)]).await;
    assert_eq!(bench.queue.change_priority("1", 9, false, NOW).await.unwrap(), Ok(()));
    assert_eq!(bench.queue.change_priority("3", 5, true, NOW).await.unwrap(), Ok(()));
    assert_eq!(ids(&bench.take(5).await), ["3", "2", "1"]);
    assert!(bench.queue.change_priority("1", 1 << 22, false, NOW).await.is_err());
}

#[tokio::test]
async fn a_removed_job_leaves_nothing_and_a_running_one_stays() {
    let mut bench = Bench::new().await;
    bench.add(&[with(r#"{"jobId":"a"}"#), with(r#"{"deduplication":{"id":"d"}}"#)]).await;
    let taken = bench.take(1).await;
    assert_eq!(ids(&taken), ["a"]);
    assert_eq!(bench.queue.remove("a", true, NOW).await.unwrap(), Err(Unmoved::Running));
    assert_eq!(bench.queue.remove("2", true, NOW).await.unwrap(), Ok(()));
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:2 bull:q:de:d").await, 0);
    bench.settle(&[complete(&taken.jobs[0], Keep::All)]).await;
    assert_eq!(bench.queue.remove("a", true, NOW).await.unwrap(), Ok(()));
    let left: Vec<String> = bench.redis("KEYS bull:q:a*").await;
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_tree_goes_with_its_root() {
    let mut bench = Bench::new().await;
    let leaf = || Flow { queue: "q".into(), job: with("{}"), children: vec![] };
    let root = Flow { children: vec![leaf(), Flow { children: vec![leaf()], ..leaf() }], ..leaf() };
    let mut n = 0;
    let next = || {
        n += 1;
        format!("f{n}")
    };
    add_flow(bench.queue.connection(), "bull", &root, next, NOW).await.unwrap();
    assert_eq!(bench.queue.remove("f1", true, NOW).await.unwrap(), Ok(()));
    let left: Vec<String> = bench.redis("KEYS bull:q:f*").await;
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:wait bull:q:waiting-children").await, 0);
}

#[tokio::test]
async fn old_jobs_are_cleaned_young_and_running_ones_stay() {
    let bench = Bench::new().await;
    bench.add_plain(4).await;
    let taken = bench.take(3).await;
    bench.settle(&[complete(&taken.jobs[0], Keep::All), complete(&taken.jobs[1], Keep::All)]).await;
    let clean = async |state: &str, grace, limit, now| {
        bench.queue.clean(state, grace, limit, |_| {}, now).await.unwrap()
    };
    assert_eq!(clean("completed", 1_000, 9, NOW).await, Vec::<String>::new());
    assert_eq!(clean("completed", 0, 1, NOW).await, ["1"]);
    assert_eq!(clean("completed", 0, 9, NOW).await, ["2"]);
    assert_eq!(clean("active", 0, 9, NOW + 5).await, Vec::<String>::new(), "it is locked");
    assert_eq!(clean("wait", 0, 9, NOW + 5).await, ["4"]);
}

#[tokio::test]
async fn cleaning_goes_on_until_nothing_or_the_limit_is_left() {
    let bench = Bench::new().await;
    for (state, options) in
        [("wait", "{}"), ("prioritized", r#"{"priority":1}"#), ("delayed", r#"{"delay":5}"#)]
    {
        bench.add(&vec![with(options); 3_500]).await;
        let clean = async |limit| bench.queue.clean(state, 0, limit, |_| {}, NOW + 5).await.unwrap().len();
        assert_eq!((clean(10).await, clean(1_500).await, clean(10_000).await), (10, 1_500, 1_990), "{state}");
    }
}

#[tokio::test]
async fn draining_removes_what_waits_but_for_a_schedulers_next_job() {
    let mut bench = Bench::new().await;
    bench.add_plain(3).await;
    bench.add(&[with(r#"{"priority":1}"#), with(r#"{"delay":5}"#)]).await;
    bench.redis::<()>(&format!("ZADD bull:q:repeat {NOW} s")).await;
    let armed = format!("repeat:s:{NOW}");
    bench.redis::<()>(&format!("HSET bull:q:{armed} name n rjk s")).await;
    bench.redis::<()>(&format!("LPUSH bull:q:wait {armed}")).await;
    assert_eq!(bench.queue.drain(false, |_| {}, NOW).await.unwrap(), 4);
    assert_eq!(bench.queue.drain(true, |_| {}, NOW).await.unwrap(), 1);
    assert_eq!(bench.redis::<Vec<String>>("LRANGE bull:q:wait 0 -1").await, [armed]);
}

#[tokio::test]
async fn an_obliterated_queue_is_gone() {
    let mut bench = Bench::new().await;
    bench.add_plain(2).await;
    bench.add(&[with(r#"{"delay":5}"#)]).await;
    bench.take(1).await;
    assert_eq!(bench.queue.obliterate(false, NOW).await.unwrap(), Err(Spared::Running));
    assert_eq!(bench.queue.obliterate(true, NOW).await.unwrap(), Ok(()));
    let left: Vec<String> = bench.redis("KEYS bull:q:*").await;
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn jobs_that_end_are_counted_by_the_minute() {
    let bench = Bench::new().await;
    bench.add_plain(4).await;
    let taken = bench.take(4).await;
    let minute = 60_000;
    for (i, job) in taken.jobs.iter().enumerate() {
        let at = NOW + [0, 0, 1, 4][i] * minute;
        bench.turn(&[complete(job, Keep::All)], 0, at).await;
    }
    let counts = bench.queue.minute_counts("completed", 100).await.unwrap();
    // The first two ended in the first minute, one in the second; the two minutes after it were idle.
    assert_eq!((counts.count, counts.minutes), (4, vec![0, 0, 1]));
    assert_eq!(counts.since_ms, NOW + 4 * minute);
}

#[tokio::test]
async fn pages_come_in_bullmqs_order() {
    let bench = Bench::new().await;
    bench.add_plain(4).await;
    assert_eq!(bench.queue.page("waiting", 1, 2).await.unwrap(), ["2", "3"]);
    let taken = bench.take(2).await;
    bench.settle(&[complete(&taken.jobs[0], Keep::All), complete(&taken.jobs[1], Keep::All)]).await;
    let jobs = bench.queue.jobs("completed", 0, 10).await.unwrap();
    assert_eq!(jobs.0.iter().map(|j| j.id.as_str()).collect::<Vec<_>>(), ["2", "1"]);
    assert_eq!((jobs.0[0].fields["name"].as_str(), jobs.1), ("n", 2));
}
