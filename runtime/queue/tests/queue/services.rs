//! What running jobs ask for themselves: jobs added together, state, checkpoints, children's results.

use gristmill_core::options::Keep;
use gristmill_core::service::{MAX_STATE_KEYS, StateAnswer, StateError, StateStep};
use gristmill_queue::{Lock, NewJob, add_all};

use crate::support::{Bench, NOW, complete, job, with};

fn set(value: &str, ttl_ms: Option<u64>) -> StateStep {
    StateStep::Set { value: value.into(), ttl_ms }
}

fn swap(expected: Option<&str>, value: &str) -> StateStep {
    StateStep::CompareAndSet { expected: expected.map(Into::into), value: value.into(), ttl_ms: None }
}

fn plus(delta: i64) -> StateStep {
    StateStep::Increment { delta, ttl_ms: None }
}

impl Bench {
    async fn step(&self, job_type: &str, key: &str, step: StateStep) -> Result<StateAnswer, StateError> {
        self.queue.state(job_type, key, &step, NOW).await.unwrap()
    }

    async fn value(&self, job_type: &str, key: &str) -> Option<String> {
        match self.step(job_type, key, StateStep::Get).await {
            Ok(StateAnswer::Value(value)) => value.map(|value| String::from_utf8(value).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    async fn add_together(&self, jobs: &[(&str, NewJob)]) -> Result<Vec<(String, bool)>, String> {
        let jobs: Vec<_> = jobs.iter().map(|(queue, job)| ((*queue).to_owned(), job.clone())).collect();
        let added = add_all(self.queue.connection(), "bull", &jobs, NOW).await;
        added
            .map(|added| added.into_iter().map(|job| (job.id, job.existing)).collect())
            .map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn state_is_private_to_its_job_type() {
    let mut bench = Bench::new().await;
    // Names that would meet if they were only put together.
    assert_eq!(bench.step("a:b", "c", set("1", None)).await, Ok(StateAnswer::Changed(true)));
    assert_eq!(bench.step("a", "b:c", set("2", Some(60_000))).await, Ok(StateAnswer::Changed(true)));
    assert_eq!(bench.value("a:b", "c").await.as_deref(), Some("1"));
    assert_eq!(bench.value("a", "b:c").await.as_deref(), Some("2"));
    assert_eq!(bench.value("*", "c").await, None);
    assert!(bench.redis::<i64>("PTTL gristmill:bull:q:state:1:a:b:c").await > 50_000);
    assert_eq!(bench.step("a", "b:c", StateStep::Delete).await, Ok(StateAnswer::Changed(true)));
    assert_eq!(bench.step("a", "b:c", StateStep::Delete).await, Ok(StateAnswer::Changed(false)));
    assert!(
        bench.redis::<Vec<String>>("KEYS bull:q:*state*").await.is_empty(),
        "nothing under the queue's prefix"
    );
}

#[tokio::test]
async fn numbers_add_up_and_values_are_compared() {
    let bench = Bench::new().await;
    assert_eq!(bench.step("*", "n", plus(i64::MAX - 1)).await, Ok(StateAnswer::Number(i64::MAX - 1)));
    assert_eq!(bench.step("*", "n", plus(1)).await, Ok(StateAnswer::Number(i64::MAX)), "exact");
    assert!(matches!(bench.step("*", "n", plus(1)).await, Err(StateError::Invalid(_))));
    assert_eq!(bench.step("*", "n", plus(-1)).await, Ok(StateAnswer::Number(i64::MAX - 1)));
    bench.step("*", "text", set("x", None)).await.unwrap();
    assert!(matches!(bench.step("*", "text", plus(1)).await, Err(StateError::Invalid(_))));

    assert_eq!(bench.step("*", "c", swap(Some(""), "1")).await, Ok(StateAnswer::Changed(false)));
    assert_eq!(bench.step("*", "c", swap(None, "1")).await, Ok(StateAnswer::Changed(true)));
    assert_eq!(bench.step("*", "c", swap(None, "2")).await, Ok(StateAnswer::Changed(false)));
    assert_eq!(bench.step("*", "c", swap(Some("1"), "3")).await, Ok(StateAnswer::Changed(true)));
    assert_eq!(bench.value("*", "c").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_job_type_has_no_more_keys_than_its_ceiling() {
    let bench = Bench::new().await;
    for n in 0..MAX_STATE_KEYS {
        let ttl_ms = (n == 0).then_some(1_000);
        bench.step("*", &n.to_string(), set("x", ttl_ms)).await.unwrap();
    }
    assert_eq!(bench.step("*", "more", set("x", None)).await, Err(StateError::QuotaExceeded));
    assert_eq!(bench.step("*", "more", plus(1)).await, Err(StateError::QuotaExceeded));
    assert_eq!(
        bench.step("*", "7", set("y", None)).await,
        Ok(StateAnswer::Changed(true)),
        "it is there already"
    );
    assert!(bench.step("other", "more", set("x", None)).await.is_ok());
    let later = bench.queue.state("*", "more", &set("x", None), NOW + 1_001).await.unwrap();
    assert_eq!(later, Ok(StateAnswer::Changed(true)), "one was forgotten");
}

#[tokio::test]
async fn jobs_are_added_together_or_not_at_all() {
    let mut bench = Bench::new().await;
    bench.add_plain(1).await;
    let child = NewJob { parent: Some(bench.queue.parent_ref("1")), ..job("{}") };
    let orphan = NewJob { parent: Some(bench.queue.parent_ref("404")), ..job("{}") };
    let error = bench.add_together(&[("other", job("{}")), ("q", child.clone()), ("q", orphan)]).await;
    assert!(error.unwrap_err().contains("its parent does not exist"));
    assert_eq!(bench.redis::<i64>("EXISTS bull:other:1 bull:q:2 bull:q:1:dependencies").await, 0);

    let named = with(r#"{"jobId":"mine"}"#);
    let added =
        bench.add_together(&[("other", named.clone()), ("q", child), ("other", named)]).await.unwrap();
    assert_eq!(added, [("mine".to_owned(), false), ("2".to_owned(), false), ("mine".to_owned(), true)]);
    assert_eq!(bench.redis::<Vec<String>>("SMEMBERS bull:q:1:dependencies").await, ["bull:q:2"]);
}

#[tokio::test]
async fn a_checkpoint_and_new_data_need_the_jobs_lock() {
    let mut bench = Bench::new().await;
    bench.add_plain(1).await;
    let turn = bench.take(1).await;
    let ours = Lock { id: "1".into(), token: turn.jobs[0].token.clone() };
    let stolen = Lock { id: "1".into(), token: "another".into() };
    assert!(bench.queue.save_checkpoint(&ours, b"\x00page 3", NOW).await.unwrap());
    assert!(!bench.queue.save_checkpoint(&stolen, b"x", NOW).await.unwrap());
    assert!(bench.queue.update_data(&ours, "[2]", NOW).await.unwrap());
    assert!(!bench.queue.update_data(&stolen, "[3]", NOW).await.unwrap());
    assert_eq!(bench.queue.load_checkpoint("1").await.unwrap().as_deref(), Some(&b"\x00page 3"[..]));
    assert_eq!(bench.redis::<String>("HGET bull:q:1 data").await, "[2]");
    bench.settle(&[complete(&turn.jobs[0], Keep::Remove)]).await;
    assert_eq!(bench.queue.load_checkpoint("1").await.unwrap(), None, "it goes with the job");
    assert!(!bench.queue.save_checkpoint(&ours, b"x", NOW).await.unwrap());
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:1").await, 0);
}

#[tokio::test]
async fn results_of_many_children_are_bounded() {
    let mut bench = Bench::new().await;
    for n in 0..700 {
        bench.redis::<i64>(&format!("HSET bull:q:p:processed bull:q:{n} {n}")).await;
    }
    let results = bench.queue.child_results("p", 1 << 20).await.unwrap().unwrap();
    assert_eq!(results.len(), 700);
    assert!(results.contains(&("bull:q:699".to_owned(), "699".to_owned())));
    assert_eq!(bench.queue.child_results("p", 100).await.unwrap(), None);
    assert_eq!(bench.queue.child_failures("p", 100).await.unwrap(), Some(Vec::new()));
}
