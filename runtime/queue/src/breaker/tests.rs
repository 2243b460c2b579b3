use std::time::Duration;

use super::*;
use crate::PrivateRedis;

fn breaker() -> Breaker {
    Breaker {
        failure_rate: 50,
        min_calls: 10,
        consecutive: Some(4),
        window: Duration::from_secs(10),
        open_for: Duration::from_secs(5),
        probes: 2,
    }
}

const BEGAN: u64 = 1_700_000_000_000;

struct Lab {
    connection: Connection,
    breaker: Breaker,
    now: u64,
    _server: PrivateRedis,
}

impl Lab {
    async fn new(breaker: Breaker) -> Self {
        let server = PrivateRedis::start().await.unwrap();
        let (connection, _) = Connection::open(&server.url()).await.unwrap();
        Self { connection, breaker, now: BEGAN, _server: server }
    }

    async fn step(&self, step: BreakerStep) -> Entry {
        let call = BreakerCall { name: "b", breaker: &self.breaker, key: "" };
        call.step_at(&self.connection, step, Some(self.now)).await.unwrap()
    }

    async fn enter(&self) -> Result<u64, u64> {
        self.step(BreakerStep::Enter).await.passes
    }

    async fn call(&self, ends: fn(u64) -> BreakerStep) -> BreakerState {
        let epoch = self.enter().await.expect("it lets calls pass");
        self.step(ends(epoch)).await.state
    }
}

#[tokio::test]
async fn opens_probes_and_closes() {
    let mut lab = Lab::new(breaker()).await;
    for _ in 0..3 {
        assert_eq!(lab.call(BreakerStep::Failure).await, BreakerState::Closed);
    }
    let late = lab.enter().await.unwrap();
    assert_eq!(lab.call(BreakerStep::Failure).await, BreakerState::Open);
    assert_eq!(lab.enter().await, Err(5_000));
    lab.now += 4_999;
    assert_eq!(lab.enter().await, Err(1));
    lab.now += 1;
    let (first, second) = (lab.enter().await.unwrap(), lab.enter().await.unwrap());
    assert!(lab.enter().await.is_err(), "two probes at a time");
    // A call that began before it opened says nothing now.
    assert_eq!(lab.step(BreakerStep::Failure(late)).await.state, BreakerState::HalfOpen);
    assert_eq!(lab.step(BreakerStep::Success(first)).await.state, BreakerState::HalfOpen);
    let closed = lab.step(BreakerStep::Success(second)).await;
    assert_eq!((closed.state, closed.before), (BreakerState::Closed, BreakerState::HalfOpen));
    assert!(lab.enter().await.is_ok());
}

#[tokio::test]
async fn a_failed_probe_opens_it_again_and_a_lost_one_is_not_waited_for() {
    let mut lab = Lab::new(breaker()).await;
    for _ in 0..4 {
        lab.call(BreakerStep::Failure).await;
    }
    lab.now += 5_000;
    assert_eq!(lab.call(BreakerStep::Failure).await, BreakerState::Open);
    assert!(lab.enter().await.is_err());
    lab.now += 5_000;
    for _ in 0..2 {
        lab.enter().await.unwrap();
    }
    assert!(lab.enter().await.is_err());
    lab.now += 5_000;
    assert!(lab.enter().await.is_ok(), "the workers of both probes are gone");
    assert_eq!(lab.step(BreakerStep::Reset).await.state, BreakerState::Closed);
}

#[tokio::test]
async fn opens_by_the_share_of_failures_in_the_window() {
    let mut lab = Lab::new(Breaker { consecutive: None, ..breaker() }).await;
    for _ in 0..9 {
        assert_eq!(lab.call(BreakerStep::Failure).await, BreakerState::Closed, "fewer than ten calls");
    }
    // The window passes, and with it what was counted.
    lab.now += 20_000;
    for _ in 0..20 {
        assert_eq!(lab.call(BreakerStep::Success).await, BreakerState::Closed);
    }
    for failures in 1.. {
        if lab.call(BreakerStep::Failure).await == BreakerState::Open {
            assert_eq!(failures, 20, "half of the calls");
            break;
        }
    }
    let view = BreakerCall { name: "b", breaker: &lab.breaker, key: "" }.view(&lab.connection).await.unwrap();
    assert_eq!((view.state, view.opened), (BreakerState::Open, 1));
}
