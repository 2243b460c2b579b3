//! A private server, a queue on it, and short ways to say what a test needs.

use std::sync::Arc;
use std::time::Duration;

use gristmill_core::new_job::NewJobOptions;
use gristmill_core::options::Keep;
use gristmill_core::settlement::{Action, Settlement};
use gristmill_queue::{Code, Connection, Gates, NewJob, PrivateRedis, Queue, Taken, Turn, TurnRequest};
use redis::aio::MultiplexedConnection;

/// The clock of every test; nothing here looks at the real one.
pub(crate) const NOW: u64 = 1_790_000_000_000;

pub(crate) struct Bench {
    pub queue: Queue,
    pub raw: MultiplexedConnection,
    pub server: PrivateRedis,
    /// What the queue's jobs share.
    pub gates: Option<Gates>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let server = PrivateRedis::start().await.unwrap();
        let (connection, _) = Connection::open(&server.url()).await.unwrap();
        let raw =
            redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
        Self { queue: Queue::new(connection, "bull", "q"), raw, server, gates: None }
    }

    /// A handle on another queue of the same server.
    pub(crate) async fn other(&self, name: &str) -> Queue {
        let (connection, _) = Connection::open(&self.server.url()).await.unwrap();
        Queue::new(connection, "bull", name)
    }

    pub(crate) async fn add(&self, jobs: &[NewJob]) -> Vec<String> {
        self.queue.add(jobs, NOW).await.unwrap().into_iter().map(|added| added.unwrap().id).collect()
    }

    pub(crate) async fn add_plain(&self, count: usize) -> Vec<String> {
        self.add(&vec![job("{}"); count]).await
    }

    pub(crate) async fn take(&self, count: usize) -> Turn {
        self.turn(&[], count, NOW).await
    }

    pub(crate) async fn turn(&self, settlements: &[(Settlement, u64)], take: usize, now_ms: u64) -> Turn {
        let token: Arc<str> = format!("token-{now_ms}-{take}").into();
        let lock = Duration::from_secs(30);
        self.queue
            .turn(&TurnRequest {
                settlements,
                take,
                token,
                lock,
                worker: Some("w1"),
                metrics_minutes: 3,
                rate_limit: None,
                gates: self.gates.as_ref(),
                now_ms,
            })
            .await
            .unwrap()
    }

    pub(crate) async fn settle(&self, settlements: &[(Settlement, u64)]) -> Vec<Code> {
        self.turn(settlements, 0, NOW).await.codes
    }

    /// Any command, any reply.
    pub(crate) async fn redis<T: redis::FromRedisValue>(&mut self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut built = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            built.arg(word);
        });
        built.query_async(&mut self.raw).await.unwrap()
    }

    /// `name` and chosen fields of every event, oldest first.
    pub(crate) async fn events(&mut self) -> Vec<String> {
        let entries: Vec<(String, Vec<String>)> = self.redis("XRANGE bull:q:events - +").await;
        entries
            .into_iter()
            .map(|(_, fields)| fields.chunks(2).map(|f| f[1].clone()).collect::<Vec<_>>().join(" "))
            .collect()
    }
}

/// A job with these options as stored, odd ones too.
pub(crate) fn job(opts: &str) -> NewJob {
    let options = NewJobOptions { stored: opts.into(), ..NewJobOptions::default() };
    NewJob { name: "n".into(), data: "{\"a\":1}".into(), options, parent: None }
}

/// A job with the options that a producer gives.
pub(crate) fn with(options: &str) -> NewJob {
    let options = NewJobOptions::parse(options).unwrap();
    NewJob { name: "n".into(), data: "{\"a\":1}".into(), options, parent: None }
}

pub(crate) fn ids(turn: &Turn) -> Vec<&str> {
    turn.jobs.iter().map(|j| j.id.as_str()).collect()
}

pub(crate) fn settlement(job: &Taken, action: Action) -> (Settlement, u64) {
    (
        Settlement {
            id: job.id.clone(),
            token: Arc::clone(&job.token),
            action,
            module: None,
            repeated: false,
        },
        NOW,
    )
}

pub(crate) fn complete(job: &Taken, keep: Keep) -> (Settlement, u64) {
    settlement(job, Action::Complete { returnvalue: b"{\"ok\":true}".to_vec(), keep })
}

pub(crate) fn fail(job: &Taken, keep: Keep) -> (Settlement, u64) {
    let stacktrace = "[\"no\"]".to_owned();
    settlement(job, Action::Fail { reason: "no".into(), stacktrace, keep, attempts: 1 })
}

pub(crate) fn retry(job: &Taken, delay_ms: u64) -> (Settlement, u64) {
    let stacktrace = "[\"again\"]".to_owned();
    settlement(job, Action::Retry { reason: "again".into(), stacktrace, delay_ms, lifo: false })
}
