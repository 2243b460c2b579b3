use gristmill_core::options::Keep;
use gristmill_core::settlement::Action;
use gristmill_queue::Code;

use crate::support::{Bench, complete, fail, settlement};

/// Makes job 1 a parent that waits for jobs 2 and 3, with `policy` in the children's `parent` field.
async fn family(policy: &str) -> Bench {
    let mut bench = Bench::new().await;
    bench.add_plain(3).await;
    bench.redis::<()>("LREM bull:q:wait 0 1").await;
    bench.redis::<()>("ZADD bull:q:waiting-children 5 1").await;
    for child in [2, 3] {
        bench.redis::<()>(&format!("SADD bull:q:1:dependencies bull:q:{child}")).await;
        let parent = format!(r#"{{"id":"1","queueKey":"bull:q"{policy}}}"#);
        bench.redis::<()>(&format!("HSET bull:q:{child} parentKey bull:q:1 parent {parent}")).await;
    }
    bench
}

#[tokio::test]
async fn the_last_child_releases_the_parent_with_both_results() {
    let mut bench = family("").await;
    let taken = bench.take(2).await;
    bench.settle(&[complete(&taken.jobs[0], Keep::Remove)]).await;
    assert_eq!(bench.redis::<i64>("ZCARD bull:q:waiting-children").await, 1);
    bench.settle(&[complete(&taken.jobs[1], Keep::All)]).await;
    assert_eq!(bench.redis::<Vec<String>>("LRANGE bull:q:wait 0 -1").await, ["1"]);
    assert_eq!(bench.redis::<i64>("HLEN bull:q:1:processed").await, 2);
    assert!(bench.events().await.contains(&"waiting 1 waiting-children".to_owned()));
}

#[rstest::rstest]
#[case::fail_parent(r#","fpof":true"#, Some("child bull:q:2 failed"), 0, 1)]
#[case::go_on(r#","cpof":true"#, None, 1, 1)]
#[case::ignore(r#","idof":true"#, None, 1, 0)]
#[case::remove(r#","rdof":true"#, None, 0, 0)]
#[case::wait("", None, 0, 0)]
#[tokio::test]
async fn a_failed_child_means_what_its_policy_says(
    #[case] policy: &str,
    #[case] deferred: Option<&str>,
    #[case] failures: i64,
    #[case] released: i64,
) {
    let mut bench = family(policy).await;
    let taken = bench.take(1).await;
    bench.settle(&[fail(&taken.jobs[0], Keep::All)]).await;
    assert_eq!(bench.redis::<Option<String>>("HGET bull:q:1 defa").await.as_deref(), deferred);
    assert_eq!(bench.redis::<i64>("HLEN bull:q:1:failed").await, failures);
    assert_eq!(bench.redis::<i64>("ZCARD bull:q:waiting-children").await, 1 - released);
}

#[tokio::test]
async fn a_parent_cannot_complete_before_its_children() {
    let mut bench = Bench::new().await;
    bench.add_plain(3).await;
    let taken = bench.take(2).await;
    bench.redis::<()>("SADD bull:q:1:dependencies bull:q:9").await;
    bench.redis::<()>("ZADD bull:q:2:unsuccessful 1 bull:q:8").await;
    let turn = bench
        .turn(
            &[complete(&taken.jobs[0], Keep::All), complete(&taken.jobs[1], Keep::All)],
            2,
            crate::support::NOW,
        )
        .await;
    assert_eq!(turn.codes, [Code::ChildrenPending, Code::ChildrenFailed]);
    // Both are still held, so nothing is taken in their place.
    assert_eq!(turn.jobs, []);
    assert_eq!(bench.redis::<i64>("LLEN bull:q:active").await, 2);
}

#[tokio::test]
async fn a_handler_that_waits_for_children_is_put_aside_or_called_again() {
    let mut bench = Bench::new().await;
    bench.add_plain(2).await;
    let taken = bench.take(2).await;
    bench.redis::<()>("SADD bull:q:1:dependencies bull:q:9").await;
    let wait: Vec<_> =
        taken.jobs.iter().map(|j| settlement(j, Action::WaitForChildren { else_ms: 10 })).collect();
    assert_eq!(bench.settle(&wait).await, [Code::Done, Code::Done]);
    assert_eq!(bench.redis::<Vec<String>>("ZRANGE bull:q:waiting-children 0 -1").await, ["1"]);
    assert_eq!(bench.redis::<Vec<String>>("ZRANGE bull:q:delayed 0 -1").await, ["2"]);
}
