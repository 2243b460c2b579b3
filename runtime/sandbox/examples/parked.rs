//! Parks attempts in a host call and prints what they cost as one line of JSON.
//!
//! `cargo run --release -p gristmill-sandbox --example parked [COUNT [HANDLER.wasm]]`, by default 10 000 of the scripted
//! handler.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gristmill_core::job::Job;
use gristmill_core::limits::Limits;
use gristmill_core::metric::MetricRecord;
use gristmill_core::outcome::Interrupt;
use gristmill_sandbox::{Allow, Attempt, Host, Interrupter, Level, Sandbox, Settings};

/// Counts the attempts that have begun: each logs one line before it parks.
#[derive(Default)]
struct Begun(AtomicUsize);

impl Host for Begun {
    fn log(&self, _: Level, _: String) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn progress(&self, _: String) {}
    fn metric(&self, _: MetricRecord) {}
}

/// KiB of a line of `/proc/self/smaps_rollup`. `Rss` counts the pages of a handler's initial memory once for every
/// instance that has read them, `Pss` once in all; the machine spends the latter.
fn resident(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn maps() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap_or_default().lines().count()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count = std::env::args().nth(1).map_or(Ok(10_000), |count| count.parse::<usize>())?;
    let scripted = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/scripted.wasm");
    let guest = std::env::args().nth(2).map_or_else(scripted, Into::into);
    let sandbox = Sandbox::new(Settings {
        slots: count,
        max_memory: 64 << 20,
        cache_dir: None,
        cache_size: 0,
        compiler: None,
    })?;
    let module = sandbox.load(&guest, false)?;
    let before = resident("Pss");

    let host = Arc::new(Begun::default());
    let time = Duration::from_secs(3_600);
    let limits = Arc::new(Limits { timeout: time, soft_timeout: time, ..Limits::default() });
    let (allow, start) = (Arc::new(Allow::default()), Instant::now());
    let interrupters: Vec<_> = std::iter::repeat_with(Interrupter::default).take(count).collect();
    let tasks: Vec<_> = (0..count)
        .map(|i| {
            let data = r#"{"steps":[{"op":"log","line":"begun"},{"op":"sleep","ms":3000000}]}"#;
            let job = Job {
                id: i.to_string(),
                name: "parked".to_owned(),
                queue: "parked".to_owned(),
                attempt: 1,
                max_attempts: 1,
                data: data.into(),
                enqueued_at_ms: 0,
                scheduled_at_ms: 0,
                headers: Vec::new(),
            };
            let attempt = Attempt {
                job,
                limits: Arc::clone(&limits),
                allow: Arc::clone(&allow),
                host: Arc::<Begun>::clone(&host),
                interrupter: interrupters[i].clone(),
                warm: None,
            };
            let (sandbox, module) = (sandbox.clone(), module.clone());
            tokio::spawn(async move { sandbox.run(&module, attempt).await })
        })
        .collect();
    while host.0.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    let (rss, pss, parked_maps) = (resident("Rss"), resident("Pss"), maps());

    for interrupter in &interrupters {
        interrupter.interrupt(Interrupt::Drained);
    }
    for task in tasks {
        task.await?;
    }
    let mib = |kib: u64| kib as f64 / 1024.0;
    let line = serde_json::json!({
        "parked": count,
        "seconds": seconds,
        "rss_mib": mib(rss),
        "pss_mib": mib(pss),
        "pss_before_mib": mib(before),
        "pss_kib_each": pss.saturating_sub(before) as f64 / count as f64,
        "memory_maps": parked_maps,
        "rss_after_mib": mib(resident("Rss")),
    });
    println!("{line}");
    Ok(())
}
