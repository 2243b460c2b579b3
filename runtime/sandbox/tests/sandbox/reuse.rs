//! Instances that serve one attempt after another.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill_core::outcome::{Interrupt, Outcome};
use gristmill_sandbox::{Recycled, Recycling, Report, Sandbox, Settings, Warm};
use serde_json::{Value, json};

use crate::support::{Trial, guest, sandbox, script, shared, trial};

/// Room for instances, and why those that are gone were let go.
struct Pool {
    sandbox: Sandbox,
    warm: Arc<Warm>,
    recycled: Arc<Mutex<Vec<Recycled>>>,
}

fn pool_of(sandbox: Sandbox, recycling: Recycling) -> Pool {
    let recycled = Arc::<Mutex<Vec<_>>>::default();
    let told = Arc::clone(&recycled);
    let warm = sandbox.warm(recycling, move |why| told.lock().unwrap().push(why));
    Pool { sandbox, warm, recycled }
}

fn pool() -> Pool {
    let recycling = Recycling { after_attempts: 100, after: Duration::from_secs(3_600) };
    pool_of(shared().clone(), recycling)
}

impl Pool {
    fn trial(&self) -> Trial {
        let module = self.sandbox.load(&guest("granted"), false).unwrap();
        Trial { warm: Some(Arc::clone(&self.warm)), ..trial(module, json!([])) }
    }

    async fn run(&self, what: Value) -> Report {
        self.run_as(&self.trial(), what).await
    }

    async fn run_as(&self, trial: &Trial, what: Value) -> Report {
        let mut attempt = trial.attempt();
        attempt.job.data = what.to_string().into_bytes();
        self.sandbox.run(&trial.module, attempt).await
    }

    fn recycled(&self) -> Vec<Recycled> {
        self.recycled.lock().unwrap().clone()
    }
}

fn served(report: &Report) -> u32 {
    match &report.outcome {
        Outcome::Returned(Some(json)) => serde_json::from_slice::<String>(json).unwrap().parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_instance_serves_attempt_after_attempt() {
    let pool = pool();
    for wanted in 1..=5 {
        let report = pool.run(json!("served")).await;
        assert_eq!((served(&report), report.reused), (wanted, wanted > 1));
    }
    assert!(pool.recycled().is_empty());
}

#[tokio::test]
async fn each_attempt_has_a_log_of_its_own() {
    let pool = pool();
    for wanted in 1..=3 {
        let trial = pool.trial();
        pool.run_as(&trial, json!("served")).await;
        assert_eq!(trial.host.lines(), [format!("attempt {wanted}")]);
    }
}

#[tokio::test]
async fn attempts_at_a_time_never_share_one() {
    let pool = pool();
    let all = futures(8, || pool.run(json!("served"))).await;
    assert!(all.iter().all(|report| served(report) <= 8));
    let fresh = all.iter().filter(|report| !report.reused).count();
    assert_eq!(all.iter().filter(|report| served(report) == 1).count(), fresh);
}

async fn futures<F: Future<Output = Report>>(count: usize, make: impl Fn() -> F) -> Vec<Report> {
    let mut running: Vec<_> = (0..count).map(|_| Box::pin(make())).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        running.retain_mut(|attempt| match attempt.as_mut().poll(cx) {
            std::task::Poll::Ready(report) => {
                done.push(report);
                false
            }
            std::task::Poll::Pending => true,
        });
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[rstest::rstest]
#[case::an_error_is_no_fault(json!("fail"), None)]
#[case::a_trap(json!("trap"), Some(Recycled::Ended))]
#[case::grown_past_its_soft_limit(json!({"keep": 50}), Some(Recycled::Memory))]
#[case::refused_memory(json!({"keep": 100}), Some(Recycled::Ended))]
#[tokio::test]
async fn is_let_go(#[case] what: Value, #[case] why: Option<Recycled>) {
    let pool = pool();
    assert_eq!(served(&pool.run(json!("served")).await), 1);
    pool.run(what).await;
    assert_eq!(pool.recycled(), Vec::from_iter(why));
    let next = served(&pool.run(json!("served")).await);
    assert_eq!(next, if why.is_some() { 1 } else { 3 });
}

#[tokio::test]
async fn an_interrupted_one_is_let_go() {
    let pool = pool();
    let script = |steps| Trial { warm: Some(Arc::clone(&pool.warm)), ..script(steps) };
    assert!(!script(json!([])).run().await.reused);
    let waits = script(json!([{"op": "sleep", "ms": 60_000}]));
    waits.interrupter.interrupt(Interrupt::Cancelled);
    let report = waits.run().await;
    assert_eq!((report.outcome, report.reused), (Outcome::Interrupted(Interrupt::Cancelled), true));
    assert_eq!(pool.recycled(), [Recycled::Ended]);
    assert!(!script(json!([])).run().await.reused);
}

#[tokio::test]
async fn attempts_and_age_end_it() {
    let hour = Duration::from_secs(3_600);
    let pool = pool_of(shared().clone(), Recycling { after_attempts: 2, after: hour });
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(served(&pool.run(json!("served")).await));
    }
    assert_eq!(seen, [1, 2, 1, 2]);
    assert_eq!(pool.recycled(), [Recycled::Attempts, Recycled::Attempts]);

    let pool = pool_of(shared().clone(), Recycling { after_attempts: 2, after: Duration::from_nanos(1) });
    assert_eq!(served(&pool.run(json!("served")).await), 1);
    assert_eq!(served(&pool.run(json!("served")).await), 1);
    assert_eq!(pool.recycled(), [Recycled::Age, Recycled::Age]);
}

#[tokio::test]
async fn a_resting_one_makes_room_for_others() {
    let sandbox = Sandbox::new(Settings {
        slots: 1,
        max_memory: 64 << 20,
        cache_dir: None,
        cache_size: 0,
        compiler: None,
    })
    .unwrap();
    let hour = Duration::from_secs(3_600);
    let pool = pool_of(sandbox, Recycling { after_attempts: 100, after: hour });
    assert_eq!(served(&pool.run(json!("served")).await), 1);
    let other = Trial { warm: None, ..pool.trial() };
    assert_eq!(served(&pool.run_as(&other, json!("served")).await), 1);
    assert_eq!(pool.recycled(), [Recycled::Evicted]);
}

#[tokio::test]
async fn another_module_is_not_served_by_it() {
    let pool = pool();
    pool.run(json!("served")).await;
    let nosy = pool.sandbox.load(&guest("nosy"), false).unwrap();
    let trial = Trial { module: nosy, ..pool.trial() };
    pool.run_as(&trial, json!("reach")).await;
    assert_eq!(pool.recycled(), [Recycled::Swapped]);
}

#[tokio::test]
async fn what_rests_can_be_dropped() {
    let pool = pool_of(sandbox(None), Recycling { after_attempts: 100, after: Duration::from_secs(3_600) });
    pool.run(json!("served")).await;
    assert_eq!(pool.sandbox.live_instances(), 1);
    pool.sandbox.drop_resting();
    assert_eq!((pool.sandbox.live_instances(), pool.recycled()), (0, vec![Recycled::Evicted]));
}
