//! Cancellations reach who listens.

use gristmill_queue::{Cancellation, Cancellations};

use crate::support::Bench;

#[tokio::test]
async fn who_listens_hears_which_job_is_cancelled() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.queue.cancel("7").await.unwrap(), 0, "nobody listens");
    let mut cancellations = Cancellations::new(bench.queue.connection().clone());
    let hearing = tokio::spawn(async move { cancellations.next().await.unwrap() });
    // It has subscribed once somebody hears.
    bench.redis::<i64>("PUBLISH gristmill:cancel nonsense").await;
    while bench.queue.cancel("7").await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(hearing.await.unwrap(), Cancellation { queue: "bull:q".to_owned(), id: "7".to_owned() });
}
