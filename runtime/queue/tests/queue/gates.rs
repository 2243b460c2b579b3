//! What `turn` asks before it takes: limiters, breakers, and whose group's turn it is.

use std::collections::BTreeMap;
use std::time::Duration;

use gristmill_core::breaker::Breaker;
use gristmill_core::config::Groups;
use gristmill_core::limiter::{Algorithm, Limiter, Tier, Unreachable};
use gristmill_core::options::Keep;
use gristmill_queue::{BreakerCall, BreakerStep, Gates, LimitCall, NewJob, Next};

use crate::support::{Bench, NOW, complete, ids, job};

fn limiter(limit: u64) -> Limiter {
    let tiers = vec![Tier { limit, window: Duration::from_secs(60) }];
    Limiter { algorithm: Algorithm::SlidingWindow, tiers, unreachable: Unreachable::Refuse, max_keys: 10 }
}

#[tokio::test]
async fn no_more_are_taken_than_the_limiter_lets_start_and_the_others_keep_their_place() {
    let mut bench = Bench::new().await;
    let limiter = limiter(5);
    let call = LimitCall { name: "api", limiter: &limiter, key: "", cost: 2 };
    bench.gates = Gates::new(&[call], &[], None);
    bench.add_plain(4).await;
    bench.redis::<()>("HSET bull:q:1 defa stalled").await;
    let turn = bench.take(9).await;
    assert_eq!(ids(&turn), ["1", "2"], "the limiter has room for two");
    assert_eq!(
        call.view(bench.queue.connection()).await.unwrap().tiers[0].used,
        2,
        "one of them will not run"
    );
    assert_eq!(ids(&bench.take(9).await), ["3"]);
    let turn = bench.take(9).await;
    assert!(matches!(turn.next, Next::Limited(ms) if (50_000..=61_000).contains(&ms)), "{:?}", turn.next);
    assert_eq!((ids(&turn), turn.gate.as_deref()), (Vec::new(), Some("api")));
    assert_eq!(bench.redis::<Vec<String>>("LRANGE bull:q:wait 0 -1").await, ["4"]);
    let view = call.view(bench.queue.connection()).await.unwrap();
    let slice = view.slices.last().unwrap();
    assert_eq!((slice.allowed, slice.refused[&60_000]), (4, 1));
}

#[tokio::test]
async fn of_several_limiters_the_narrowest_says_how_many() {
    let mut bench = Bench::new().await;
    let (narrow, wide) = (limiter(2), limiter(100));
    let call = |name, limiter| LimitCall { name, limiter, key: "", cost: 1 };
    bench.gates = Gates::new(&[call("wide", &wide), call("narrow", &narrow)], &[], None);
    bench.add_plain(5).await;
    assert_eq!(ids(&bench.take(9).await), ["1", "2"]);
    let turn = bench.take(9).await;
    assert_eq!((ids(&turn), turn.gate.as_deref()), (Vec::new(), Some("narrow")));
    let view = call("wide", &wide).view(bench.queue.connection()).await.unwrap();
    assert_eq!(view.tiers[0].used, 2);
}

#[tokio::test]
async fn an_open_breaker_lets_nothing_be_taken_and_a_half_open_one_its_probes() {
    let mut bench = Bench::new().await;
    let breaker = Breaker {
        failure_rate: 50,
        min_calls: 1_000,
        consecutive: Some(1),
        window: Duration::from_secs(10),
        open_for: Duration::from_millis(300),
        probes: 2,
    };
    let call = BreakerCall { name: "api", breaker: &breaker, key: "" };
    bench.gates = Gates::new(&[], &[call], None);
    bench.add_plain(5).await;
    assert_eq!(ids(&bench.take(1).await), ["1"]);
    let connection = bench.queue.connection().clone();
    let epoch = call.step(&connection, BreakerStep::Enter).await.unwrap().passes.unwrap();
    call.step(&connection, BreakerStep::Failure(epoch)).await.unwrap();
    let turn = bench.take(9).await;
    let Next::Limited(ms) = turn.next else { panic!("{turn:?}") };
    assert_eq!((ids(&turn), turn.gate.as_deref()), (Vec::new(), Some("api")));
    // The breaker's time is the server's own, so it must really pass.
    tokio::time::sleep(Duration::from_millis(ms)).await;
    assert_eq!(ids(&bench.take(9).await), ["2", "3"]);
}

/// Jobs of these groups, in order.
fn of(groups: &[&str]) -> Vec<NewJob> {
    let one = |group: &&str| job(&format!("{{\"group\":{{\"id\":\"{group}\"}}}}"));
    groups.iter().map(one).collect()
}

fn groups() -> Groups {
    Groups { key: None, weights: BTreeMap::new(), concurrency: None, rate_limit: None }
}

fn gates(groups: &Groups) -> Option<Gates> {
    Gates::new(&[], &[], Some(groups))
}

#[tokio::test]
async fn groups_take_turns_whoever_came_first_and_however_many() {
    let mut bench = Bench::new().await;
    bench.gates = gates(&groups());
    bench.add(&of(&["a"; 1_000])).await;
    assert_eq!(ids(&bench.take(2).await), ["1", "2"]);
    bench.add(&of(&["b", "c", "b", "c"])).await;
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.extend(ids(&bench.take(3).await).into_iter().map(str::to_owned));
    }
    assert_eq!(taken.len(), 9);
    for id in ["1001", "1002", "1003", "1004"] {
        assert!(taken.iter().any(|taken| taken == id), "{id} waits for a thousand others: {taken:?}");
    }
    assert_eq!(bench.queue.counts().await.unwrap()[1], 11, "all of them are active");
}

#[tokio::test]
async fn a_group_with_a_larger_weight_has_more_turns() {
    let mut bench = Bench::new().await;
    bench.gates = gates(&Groups { weights: BTreeMap::from([("vip".to_owned(), 3)]), ..groups() });
    bench.add(&of(&[["plain"; 100], ["vip"; 100]].concat())).await;
    let taken = bench.take(40).await;
    let vip = ids(&taken).iter().filter(|id| id.parse::<u32>().unwrap() > 100).count();
    assert_eq!(vip, 30);
}

#[tokio::test]
async fn a_group_comes_from_the_data_where_the_queue_says_so() {
    let mut bench = Bench::new().await;
    bench.gates = gates(&Groups { key: Some("/customer/id".into()), ..groups() });
    let with = |data: &str| NewJob { data: data.into(), ..job("{}") };
    let mut jobs = vec![with("{\"customer\":{\"id\":7}}"); 50];
    jobs.extend([with("{\"customer\":{\"id\":\"8\"}}"), with("no JSON"), with("{\"customer\":[]}")]);
    bench.add(&jobs).await;
    let turn = bench.take(6).await;
    assert!(["51", "52"].iter().all(|id| ids(&turn).contains(id)), "{:?}", ids(&turn));
}

#[tokio::test]
async fn a_groups_concurrency_holds_back_its_jobs_and_no_others() {
    let mut bench = Bench::new().await;
    bench.gates = gates(&Groups { concurrency: Some(2), ..groups() });
    bench.add(&of(&[vec!["a"; 600], vec!["b"; 3]].concat())).await;
    let first = bench.take(9).await;
    assert_eq!(first.jobs.len(), 4, "two of each: {:?}", ids(&first));
    assert_eq!(first.next, Next::Maxed);
    assert_eq!(bench.take(9).await.next, Next::Maxed);
    bench.redis::<()>("DEL bull:q:marker").await;
    let second = bench.turn(&[complete(&first.jobs[0], Keep::All)], 9, NOW).await;
    assert_eq!(second.jobs.len(), 1);
    assert_eq!(bench.redis::<i64>("EXISTS bull:q:marker").await, 0, "what may not run wakes nobody");
}

#[tokio::test]
async fn a_groups_rate_limit_holds_back_its_jobs_and_no_others() {
    let mut bench = Bench::new().await;
    let tier = Tier { limit: 3, window: Duration::from_secs(60) };
    bench.gates = gates(&Groups { rate_limit: Some(tier), ..groups() });
    bench.add(&of(&[vec!["a"; 10], vec!["b"; 2]].concat())).await;
    let turn = bench.take(9).await;
    assert_eq!(turn.jobs.len(), 5, "{:?}", ids(&turn));
    assert!(matches!(turn.next, Next::Limited(ms) if (50_000..=61_000).contains(&ms)), "{:?}", turn.next);
}

/// What is given back goes before what never started, and nothing of ours is left once the queue is empty.
#[tokio::test]
async fn a_job_that_is_given_back_is_next_and_an_empty_queue_leaves_nothing() {
    let mut bench = Bench::new().await;
    bench.gates = gates(&groups());
    bench.add(&of(&["a"; 5])).await;
    let first = bench.take(2).await;
    let back = crate::support::settlement(&first.jobs[0], gristmill_core::settlement::Action::Release);
    let second = bench.turn(&[back], 1, NOW).await;
    assert_eq!(ids(&second), ["1"]);
    let rest = bench.take(9).await;
    let all = [&first.jobs[1..], &second.jobs[..], &rest.jobs[..]].concat();
    assert_eq!(all.len(), 5);
    let settlements: Vec<_> = all.iter().map(|job| complete(job, Keep::Remove)).collect();
    bench.turn(&settlements, 1, NOW).await;
    assert_eq!(bench.redis::<Vec<String>>("KEYS gristmill:*group*").await, Vec::<String>::new());
}
