use gristmill_core::deployment::Sample;

use super::*;
use crate::PrivateRedis;

fn target() -> Target {
    Target { queue: "email".into(), job: "a:b".into() }
}

fn deploy(n: u8) -> Change {
    Change::Deploy { digest: format!("sha256:{n:064x}") }
}

async fn open() -> (PrivateRedis, Connection) {
    let server = PrivateRedis::start().await.unwrap();
    let (connection, _) = Connection::open(&server.url()).await.unwrap();
    (server, connection)
}

#[tokio::test]
async fn a_change_is_kept_told_and_remembered() {
    let (_server, connection) = open().await;
    let mut changes = DeploymentChanges::new(connection.clone());
    let (heard, made) = tokio::join!(changes.next(), async {
        // Only who listens hears it.
        loop {
            let answer = connection.call(redis::cmd("PUBSUB").arg("NUMSUB").arg(CHANNEL)).await.unwrap();
            if format!("{answer:?}").contains("int(1)") {
                break;
            }
            tokio::task::yield_now().await;
        }
        connection.change_deployment(&target(), &deploy(1), ("me", "why\nnot"), None, 5).await
    });
    heard.unwrap();
    let made = made.unwrap().unwrap();
    assert_eq!(connection.deployments().await.unwrap(), BTreeMap::from([(target(), made.clone())]));
    assert_eq!(connection.deployment(&target()).await.unwrap(), Some(made));
    let history = connection.deployment_history(&target(), 10).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].action.as_str(), history[0].reason.as_str()), ("deploy", "why not"));
}

#[tokio::test]
async fn changes_at_the_same_time_come_one_after_another() {
    let (_server, connection) = open().await;
    let target = target();
    let change = |n| {
        let (connection, target) = (connection.clone(), target.clone());
        async move { connection.change_deployment(&target, &deploy(n), ("me", ""), None, 5).await.unwrap() }
    };
    futures_util::future::join_all((1..=8).map(change)).await;
    let now = connection.deployment(&target).await.unwrap().unwrap();
    assert_eq!((now.revision, now.previous.len()), (8, 7));
    assert_eq!(connection.deployment_history(&target, 100).await.unwrap().len(), 8);
}

#[tokio::test]
async fn a_change_of_what_was_changed_meanwhile_is_none() {
    let (_server, connection) = open().await;
    let change = |n, revision| {
        let connection = connection.clone();
        async move { connection.change_deployment(&target(), &deploy(n), ("me", ""), revision, 5).await }
    };
    assert!(change(1, Some(0)).await.unwrap().is_some());
    assert!(change(2, Some(0)).await.unwrap().is_none());
    assert!(change(2, Some(1)).await.unwrap().is_some());
    let refused = change(2, None).await.unwrap_err();
    assert!(refused.to_string().starts_with("job type `a:b` of queue `email`: `sha256:"), "{refused}");
}

#[tokio::test]
async fn workers_add_to_the_same_counts() {
    let (_server, connection) = open().await;
    let mut counts = CanaryCounts::default();
    let sample = Sample { failed: false, trapped: false, time: 10, fuel: Some(7), memory: 1 << 20 };
    counts.stable.record(sample);
    counts.canary.record(Sample { failed: true, trapped: true, ..sample });
    connection.add_canary_counts(&target(), 3, &counts).await.unwrap();
    connection.add_canary_counts(&target(), 3, &counts).await.unwrap();
    let found = connection.canary_counts(&target(), 3).await.unwrap();
    let mut twice = counts.clone();
    twice.stable.merge(&counts.stable);
    twice.canary.merge(&counts.canary);
    assert_eq!(found, twice);
    assert_eq!(connection.canary_counts(&target(), 4).await.unwrap(), CanaryCounts::default());
}
