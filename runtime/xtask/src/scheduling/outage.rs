//! A service that fails for a while: behind a breaker, jobs wait and all complete once it heals, with few calls meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use gristmill_core::clock::Clock;
use gristmill_core::new_job::NewJobOptions;
use gristmill_queue::{Connection, NewJob, PrivateRedis, Queue};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::hostile::kinds::handler;
use crate::hostile::until_ended;
use crate::rig::Rig;
use crate::steps::say;

const OUTAGE: Duration = Duration::from_secs(10);
const JOBS: usize = 2_000;
/// Of the calls that jobs without a breaker make to the failing service.
const SHARE: f64 = 0.05;

pub(super) async fn prove(binary: &Path) -> Result<()> {
    say(&format!("{JOBS} jobs that call a service which fails for {} s", OUTAGE.as_secs()));
    let unguarded = outage(binary, "").await?;
    let guarded = outage(binary, "breakers = [\"service\"]\n").await?;
    let automatic = outage(binary, "http").await?;
    let share = |calls: usize| calls as f64 / unguarded as f64;
    say(&format!(
        "calls during the outage: {unguarded} without a breaker, {guarded} ({:.1} %) with one on the job type, {automatic} \
         ({:.1} %) with one on the host",
        share(guarded) * 100.0,
        share(automatic) * 100.0
    ));
    ensure!(share(guarded) < SHARE && share(automatic) < SHARE, "the breaker let too many calls through");
    Ok(())
}

/// How many calls reach the service during its outage; all jobs must complete after it.
async fn outage(binary: &Path, guard: &str) -> Result<usize> {
    let redis = PrivateRedis::start().await?;
    let service = Service::start().await?;
    let host = format!("127.0.0.1:{}", service.port);
    let (http, guard) = match guard {
        "http" => (format!("{{ host = \"{host}\", breaker = \"service\" }}"), ""),
        guard => (format!("\"{host}\""), guard),
    };
    let config = format!(
        "[breakers.service]\nconsecutive = 5\nopen_for = \"1s\"\n[queues.calls]\nconcurrency = 16\n\
         [queues.calls.jobs.\"*\"]\nhandler = {}\nmemory = \"4MiB\"\n{guard}allow = {{ http = [{http}] }}\n",
        handler("scripted")
    );
    let mut worker = Rig::start(binary, &redis.url(), &config)?;
    worker.wait_until_ready().await?;
    let (connection, _) = Connection::open(&redis.url()).await?;
    let queue = Queue::new(connection, "bull", "calls");
    // A failed request is tried again soon, so what is counted is calls and not patience.
    let options = json!({ "attempts": 1_000_000, "backoff": { "type": "fixed", "delay": 50 } });
    let Value::Object(options) = options else { unreachable!("it is an object") };
    let options = NewJobOptions::read(&options).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let steps = json!({ "steps": [
        { "op": "http", "method": "GET", "url": format!("http://{host}/") },
    ] });
    let job = NewJob { name: "call".into(), data: steps.to_string(), options, ..NewJob::default() };
    for _ in 0..JOBS / 1_000 {
        for added in queue.add(&vec![job.clone(); 1_000], Clock::System.now_ms()).await? {
            added.map_err(|refusal| anyhow::anyhow!("a job was not added: {refusal}"))?;
        }
    }
    tokio::time::sleep(OUTAGE).await;
    let calls = service.heal();
    until_ended(&queue, JOBS).await?;
    let [.., failed, _] = queue.counts().await?;
    ensure!(failed == 0, "{failed} jobs failed");
    worker.stop().await?;
    Ok(calls)
}

/// Closes every connection unanswered until it is healed; then it answers 200.
struct Service {
    port: u16,
    failing: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Service {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (failing, calls) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let (fails, counted) = (Arc::clone(&failing), Arc::clone(&calls));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                if !fails.load(Ordering::Relaxed) {
                    drop(tokio::spawn(answer(stream)));
                }
            }
        });
        Ok(Self { port, failing, calls, task })
    }

    /// It works from now on; answers how many calls came before.
    fn heal(&self) -> usize {
        self.failing.store(false, Ordering::Relaxed);
        self.calls.load(Ordering::Relaxed)
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 4_096];
    let _ = stream.read(&mut request).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}
