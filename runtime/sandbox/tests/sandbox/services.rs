//! What a guest asks of the host's Redis: who may, how often, and that waiting for it is no way around the timeout.

use gristmill_core::outcome::{Outcome, StopReason};
use serde_json::json;

use crate::support::{Trial, script};

fn adds(times: usize) -> Trial {
    let step =
        json!({"op": "enqueue", "queue": "pages", "name": "page", "data": {"n": 1}, "opts": {"priority": 3}});
    let mut trial = script(json!(vec![step; times]));
    trial.allow.enqueue = vec!["pages".to_owned()];
    trial
}

async fn refused(trial: &Trial) -> String {
    match trial.run().await.outcome {
        Outcome::Permanent(failure) => failure.message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn adds_to_queues_that_are_allowed() {
    let trial = adds(2);
    assert_eq!(trial.run().await.outcome, Outcome::Returned(Some(b"null".to_vec())));
    let enqueued = trial.host.enqueued.lock().unwrap();
    assert_eq!(enqueued.len(), 2);
    assert_eq!(
        (enqueued[0].queue.as_deref(), enqueued[0].data.as_slice()),
        (Some("pages"), &br#"{"n":1}"#[..])
    );
    assert_eq!(enqueued[0].options.as_deref(), Some(r#"{"priority":3}"#));
}

#[tokio::test]
async fn adds_nowhere_else_and_not_to_its_own_queue_unasked() {
    let mut trial = adds(1);
    trial.allow.enqueue = vec!["page".to_owned(), "pages2".to_owned()];
    let why = refused(&trial).await;
    assert!(why.contains("`pages`") && why.contains("allow.enqueue"), "{why}");
    let own = script(json!([{"op": "enqueue", "name": "again"}]));
    let why = refused(&own).await;
    assert!(why.contains("`trials`"), "{why}");
    assert!(trial.host.enqueued.lock().unwrap().is_empty() && own.host.enqueued.lock().unwrap().is_empty());
}

#[tokio::test]
async fn adds_no_more_than_its_ceiling() {
    let trial = adds(3).limits(|limits| limits.enqueued_jobs = 2);
    assert!(refused(&trial).await.contains("as many jobs as it may"));
    assert_eq!(trial.host.enqueued.lock().unwrap().len(), 2);
    let trial = adds(3).limits(|limits| limits.service_calls = 1);
    refused(&trial).await;
    assert_eq!(trial.host.enqueued.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn waiting_for_a_server_that_never_answers_ends_by_the_timeout() {
    let trial = script(json!([{"op": "state-get", "key": "k"}])).timeout(50);
    assert_eq!(trial.stopped().await.reason, StopReason::Timeout);
}

#[tokio::test]
async fn goes_on_where_its_checkpoint_says() {
    let trial = script(json!([{"op": "wait-children"}, {"op": "return", "value": "after"}]));
    assert_eq!(trial.run().await.outcome, Outcome::WaitForChildren);
    assert_eq!(trial.run().await.outcome, Outcome::Returned(Some(br#""after""#.to_vec())));
}
