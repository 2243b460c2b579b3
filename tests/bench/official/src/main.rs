//! The crate `bullmq-official` as a contender of the benchmark: a closure that does nothing, in this process.
//! Arguments: port, queue, concurrency. Prints `ready` when connected; runs until it is killed.

use bullmq::worker::CancellationToken;
use bullmq::{Error, Job, Worker, WorkerOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| {
        arguments.next().ok_or(format!("usage: bench-official PORT QUEUE CONCURRENCY; {what} is missing"))
    };
    let (port, queue, concurrency) = (next("PORT")?, next("QUEUE")?, next("CONCURRENCY")?.parse()?);
    let mut options = WorkerOptions { concurrency, ..WorkerOptions::default() };
    options.connection.url = format!("redis://127.0.0.1:{port}");
    let noop = |_: Job, _: CancellationToken| async { Ok::<_, Error>(serde_json::json!({ "ok": true })) };
    let worker = Worker::with_options(&queue, noop, options).await?;
    #[expect(clippy::print_stdout, reason = "the benchmark waits for this line")]
    {
        println!("ready");
    }
    std::future::pending::<()>().await;
    drop(worker);
    Ok(())
}
