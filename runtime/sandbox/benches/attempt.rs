//! CPU time of one fresh attempt of a Rust handler that returns at once.
//!
//! Measured is the CPU time of the thread that runs the attempts, so that a busy machine disturbs it little.
//! `bare` is wasmtime's own share: the same pool, no limit armed, no host functions. The others are whole attempts of
//! the sandbox, from `run` to report: `open` with limits that no attempt meets, `limited` with the defaults of a job
//! type, `metered` with fuel as well.

#[path = "attempt/bare.rs"]
mod bare;
#[path = "attempt/cpu.rs"]
mod cpu;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gristmill_core::job::Job;
use gristmill_core::limits::Limits;
use gristmill_core::metric::MetricRecord;
use gristmill_core::outcome::Outcome;
use gristmill_sandbox::{Allow, Attempt, Host, Interrupter, Level, Module, Sandbox, Settings};

use cpu::ThreadCpu;

/// About 100 bytes, as in the other benchmarks of the project.
const DATA: &str = r#"{"steps":[{"op":"return","value":{"id":12345,"to":"ada@example.com","ok":true,"note":"all is well"}}]}"#;

struct Silent;

impl Host for Silent {
    fn log(&self, _: Level, _: String) {}
    fn progress(&self, _: String) {}
    fn metric(&self, _: MetricRecord) {}
}

fn guest() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let path = std::env::var_os("GRISTMILL_GUESTS").map_or_else(built, PathBuf::from).join("scripted.wasm");
    assert!(path.exists(), "`{}` is missing; run `cargo xtask guests` to build it", path.display());
    path
}

fn job() -> Job {
    Job {
        id: "12345".to_owned(),
        name: "bench".to_owned(),
        queue: "bench".to_owned(),
        attempt: 1,
        max_attempts: 3,
        data: DATA.into(),
        enqueued_at_ms: 0,
        scheduled_at_ms: 0,
        headers: Vec::new(),
    }
}

fn open() -> Limits {
    let time = Duration::from_secs(86_400);
    Limits { memory: 4 << 30, timeout: time, soft_timeout: time, output: 16 << 20, ..Limits::default() }
}

fn attempts(criterion: &mut Criterion<ThreadCpu>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let settings =
        Settings { slots: 100, max_memory: 64 << 20, cache_dir: None, cache_size: 0, compiler: None };
    let sandbox = Sandbox::new(settings).expect("a sandbox");
    let plain = sandbox.load(&guest(), false).expect("the guest loads");
    let metered = sandbox.load(&guest(), true).expect("the guest loads");
    let (allow, host): (_, Arc<dyn Host>) = (Arc::new(Allow::default()), Arc::new(Silent));

    let mut group = criterion.benchmark_group("attempt");
    let bare = bare::Bare::new(&guest());
    group.bench_function("bare", |bencher| bencher.iter(|| runtime.block_on(bare.run(job()))));

    let mut case = |name: &str, module: &Module, limits: Limits| {
        let limits = Arc::new(limits);
        let attempt = || Attempt {
            job: job(),
            limits: Arc::clone(&limits),
            allow: Arc::clone(&allow),
            host: Arc::clone(&host),
            interrupter: Interrupter::default(),
            warm: None,
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let report = runtime.block_on(sandbox.run(module, attempt()));
                assert!(matches!(report.outcome, Outcome::Returned(_)), "{:?}", report.outcome);
            });
        });
    };
    case("open", &plain, open());
    case("limited", &plain, Limits::default());
    case("metered", &metered, Limits { fuel: Some(10_000_000_000), ..Limits::default() });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ThreadCpu).sample_size(60).measurement_time(Duration::from_secs(4));
    targets = attempts
}
criterion_main!(benches);
