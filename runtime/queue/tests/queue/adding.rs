//! Deduplication, parents and flows.

use gristmill_core::options::Keep;
use gristmill_core::settlement::Action;
use gristmill_queue::{Flow, Next, Refusal, add_flow};

use crate::support::{Bench, NOW, complete, fail, ids, settlement, with};

fn once(id: &str, more: &str) -> gristmill_queue::NewJob {
    with(&format!(r#"{{"deduplication":{{"id":"{id}"{more}}}}}"#))
}

#[tokio::test]
async fn one_job_at_a_time_has_a_deduplication_id() {
    let bench = Bench::new().await;
    assert_eq!(bench.add(&[once("d", ""), once("d", "")]).await, ["1", "1"]);
    let turn = bench.take(5).await;
    assert_eq!(ids(&turn), ["1"]);
    bench.settle(&[complete(&turn.jobs[0], Keep::All)]).await;
    assert_eq!(bench.add(&[once("d", "")]).await, ["3"], "its end frees the id; each add counts");
}

#[tokio::test]
async fn a_time_to_live_outlives_the_job_and_can_be_extended() {
    let mut bench = Bench::new().await;
    bench.add(&[once("d", r#","ttl":50000"#)]).await;
    let turn = bench.take(1).await;
    bench.settle(&[complete(&turn.jobs[0], Keep::All)]).await;
    assert_eq!(bench.add(&[once("d", r#","ttl":90000,"extend":true"#)]).await, ["1"]);
    assert!(bench.redis::<i64>("PTTL bull:q:de:d").await > 50_000);
}

#[tokio::test]
async fn replacing_takes_the_place_of_a_delayed_job() {
    let mut bench = Bench::new().await;
    let delayed = |more: &str| with(&format!(r#"{{"delay":1000,"deduplication":{{"id":"d"{more}}}}}"#));
    bench.add(&[delayed(r#","replace":true"#)]).await;
    assert_eq!(bench.add(&[delayed(r#","replace":true"#)]).await, ["2"]);
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:1").await, 0);
    assert_eq!(bench.redis::<String>("GET bull:q:de:d").await, "2");
    let turn = bench.turn(&[], 5, NOW + 1_000).await;
    assert_eq!(ids(&turn), ["2"]);
}

#[tokio::test]
async fn the_newest_job_that_came_meanwhile_is_added_when_the_first_has_ended() {
    let mut bench = Bench::new().await;
    let keep = || once("d", r#","keepLastIfActive":true"#);
    bench.add(&[keep()]).await;
    let turn = bench.take(1).await;
    assert_eq!(bench.add(&[keep(), keep()]).await, ["1", "1"]);
    let then = bench.turn(&[complete(&turn.jobs[0], Keep::All)], 5, NOW).await;
    assert_eq!(ids(&then), ["3"], "the last one alone");
    assert_eq!(bench.redis::<String>("GET bull:q:de:d").await, "3");
    bench.settle(&[fail(&then.jobs[0], Keep::All)]).await;
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:de:d bull:q:dn:d").await, 0);
}

#[tokio::test]
async fn an_id_whose_owner_is_gone_is_free() {
    let mut bench = Bench::new().await;
    bench.redis::<()>("SET bull:q:de:d 99").await;
    assert_eq!(bench.add(&[once("d", "")]).await, ["1"]);
}

#[tokio::test]
async fn a_job_without_its_parent_is_refused() {
    let mut bench = Bench::new().await;
    let mut child = with("{}");
    child.parent = Some(bench.queue.parent_ref("none"));
    let answers = bench.queue.add(&[child], NOW).await.unwrap();
    assert_eq!(answers, [Err(Refusal::NoParent)]);
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:id").await, 0);
}

fn tree(options: &str) -> Flow {
    let node = |children| Flow { queue: "q".into(), job: with("{}"), children };
    let leaf = Flow { queue: "q".into(), job: with(options), children: vec![] };
    Flow { children: vec![leaf, node(vec![])], ..node(vec![]) }
}

async fn add(bench: &Bench, flow: &Flow) -> gristmill_queue::AddedFlow {
    let mut next = 0;
    let ids = || {
        next += 1;
        format!("f{next}")
    };
    add_flow(bench.queue.connection(), "bull", flow, ids, NOW).await.unwrap()
}

#[tokio::test]
async fn a_parent_runs_when_its_children_have_ended_and_sees_their_results() {
    let bench = Bench::new().await;
    let added = add(&bench, &tree("{}")).await;
    assert_eq!((added.id.as_str(), added.children[0].id.as_str(), added.children.len()), ("f1", "f2", 2));
    let children = bench.take(5).await;
    assert_eq!(ids(&children), ["f2", "f3"]);
    let then = bench.turn(&[complete(&children.jobs[0], Keep::All)], 5, NOW).await;
    assert_eq!((then.jobs.len(), then.next), (0, Next::Empty(None)));
    let then = bench.turn(&[complete(&children.jobs[1], Keep::All)], 5, NOW).await;
    assert_eq!(ids(&then), ["f1"]);
    let found = bench.queue.children("f1", 100).await.unwrap();
    assert_eq!((found.processed.len(), found.pending.len()), (2, 0));
    assert_eq!(found.processed[0].0, "bull:q:f2");
}

#[tokio::test]
async fn a_childs_failure_means_what_its_policy_says() {
    for (policy, deferred, ignored) in [
        ("failParentOnFailure", Some("child bull:q:f2 failed"), 0),
        ("ignoreDependencyOnFailure", None, 1),
        ("removeDependencyOnFailure", None, 0),
    ] {
        let bench = Bench::new().await;
        add(&bench, &tree(&format!(r#"{{"{policy}":true}}"#))).await;
        let children = bench.take(5).await;
        bench.settle(&[complete(&children.jobs[1], Keep::All), fail(&children.jobs[0], Keep::All)]).await;
        let parent = bench.take(5).await;
        assert_eq!(ids(&parent), ["f1"], "{policy}");
        assert_eq!(parent.jobs[0].deferred_failure.as_deref(), deferred, "{policy}");
        assert_eq!(bench.queue.children("f1", 9).await.unwrap().ignored.len(), ignored, "{policy}");
    }
}

#[tokio::test]
async fn a_handler_that_waits_for_a_failed_child_fails() {
    let bench = Bench::new().await;
    add(&bench, &tree(r#"{"failParentOnFailure":true}"#)).await;
    let children = bench.take(5).await;
    bench.settle(&[complete(&children.jobs[1], Keep::All), fail(&children.jobs[0], Keep::All)]).await;
    let parent = bench.take(5).await;
    let codes = bench.settle(&[settlement(&parent.jobs[0], Action::WaitForChildren { else_ms: 10 })]).await;
    assert_eq!(codes, [gristmill_queue::Code::ChildrenFailed]);
}
