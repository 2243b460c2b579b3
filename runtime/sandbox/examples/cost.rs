//! Prints what an attempt of a handler costs, in a fresh instance and in a reused one, as one line of JSON: medians of µs
//! of CPU.
//!
//! `cargo run --release -p gristmill-sandbox --example cost HANDLER.wasm [FRESH [REUSED]]`, by default 300 and 3 000
//! attempts.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;
use std::time::Duration;

use gristmill_core::job::Job;
use gristmill_core::limits::Limits;
use gristmill_core::metric::MetricRecord;
use gristmill_core::outcome::Outcome;
use gristmill_sandbox::{
    Allow, Attempt, Host, Interrupter, Level, Module, Recycling, Sandbox, Settings, Warm,
};
use rustix::time::{ClockId, clock_gettime};

struct Silent;

impl Host for Silent {
    fn log(&self, _: Level, _: String) {}
    fn progress(&self, _: String) {}
    fn metric(&self, _: MetricRecord) {}
}

/// Time that this thread has computed, in µs: guests run on it.
fn computed() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// The median of µs of CPU of so many attempts.
async fn median(
    sandbox: &Sandbox,
    module: &Module,
    warm: Option<&Arc<Warm>>,
    count: usize,
) -> Result<f64, Box<dyn std::error::Error>> {
    let limits = Arc::new(Limits { memory: 64 << 20, soft_memory: 64 << 20, ..Limits::default() });
    let mut micros = Vec::new();
    // The first ones fault pages in.
    for number in 0..count + count / 10 {
        let attempt = Attempt {
            job: Job {
                id: "1".to_owned(),
                name: "cost".to_owned(),
                queue: "cost".to_owned(),
                attempt: 1,
                max_attempts: 1,
                data: br#"{"steps":[{"op":"return","value":{"ok":true}}],"to":"someone@example.com"}"#
                    .to_vec(),
                enqueued_at_ms: 0,
                scheduled_at_ms: 0,
                headers: Vec::new(),
            },
            limits: Arc::clone(&limits),
            allow: Arc::new(Allow::default()),
            host: Arc::new(Silent),
            interrupter: Interrupter::default(),
            warm: warm.cloned(),
        };
        let before = computed();
        let report = sandbox.run(module, attempt).await;
        let after = computed();
        if !matches!(report.outcome, Outcome::Returned(_)) {
            return Err(format!("the attempt ended otherwise: {:?}", report.outcome).into());
        }
        if number >= count / 10 {
            micros.push(after - before);
        }
    }
    micros.sort_by(f64::total_cmp);
    Ok(micros[micros.len() / 2])
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let handler = arguments.next().ok_or("name a handler")?;
    let mut count = |default: usize| arguments.next().map_or(Ok(default), |count| count.parse::<usize>());
    let (fresh, reused) = (count(300)?.max(1), count(3_000)?.max(1));
    let sandbox = Sandbox::new(Settings {
        slots: 4,
        max_memory: 64 << 20,
        cache_dir: None,
        cache_size: 0,
        compiler: None,
    })?;
    let module = sandbox.load(handler.as_ref(), false)?;
    let warm =
        sandbox.warm(Recycling { after_attempts: u64::MAX, after: Duration::from_secs(3_600) }, |_| {});
    let fresh = median(&sandbox, &module, None, fresh).await?;
    let reused = median(&sandbox, &module, Some(&warm), reused).await?;
    println!(r#"{{"fresh_us":{fresh:.1},"reused_us":{reused:.1}}}"#);
    Ok(())
}
