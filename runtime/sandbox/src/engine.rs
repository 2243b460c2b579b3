//! The WebAssembly engine: its settings, its linker and the thread that ticks its epochs.

use std::thread;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, EngineWeak, InstanceAllocationStrategy, WasmBacktraceDetails};
use wasmtime_wasi::p2::bindings::filesystem::types;

use crate::SandboxError;
use crate::bindings::Worker;
use crate::files::HasFiles;
use crate::guest::Guest;
use crate::pool;

/// Time between two epochs: how late a looping guest meets its deadline at most, and how long one computes before
/// others get their turn on its thread.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Bytes of stack for WebAssembly. Host functions run on the same stack and need the rest of [`STACK`].
const WASM_STACK: usize = 512 << 10;
/// Bytes of one guest's stack. Overflowing it in a host function would end the process, so it is roomy.
const STACK: usize = 1 << 20;

/// An engine with all host functions linked. Metering is a setting of compilation, so there is one of these for
/// metered handlers and one for the others.
pub(crate) struct Machine {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Guest>,
}

impl Machine {
    pub(crate) fn new(slots: u32, max_memory: u64, metered: bool) -> Result<Self, SandboxError> {
        let refused = |error: wasmtime::Error| SandboxError::Pool { slots, reason: format!("{error:#}") };
        let engine = Engine::new(&config(slots, max_memory, metered)).map_err(refused)?;
        let linker = link(&engine).map_err(refused)?;
        start_ticker(engine.weak())?;
        Ok(Self { engine, linker })
    }
}

fn config(slots: u32, max_memory: u64, metered: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(metered)
        // On by default, and costs every attempt; no interface here is async in WebAssembly.
        .concurrency_support(false)
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(STACK)
        .memory_init_cow(true)
        // Room for the snapshots that JavaScript and Python handlers start from.
        .memory_guaranteed_dense_image_size(64 << 20)
        // Costs a list of the instance's parts when it traps; the dump itself is made where it is wanted.
        .coredump_on_trap(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool::config(slots, max_memory)));
    config
}

fn link(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    // Over WASI's own, which knows no bound on what is written.
    linker.allow_shadowing(true);
    types::add_to_linker::<_, HasFiles>(&mut linker, Guest::files)?;
    linker.allow_shadowing(false);
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Worker::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    Ok(linker)
}

/// A thread of the system and not a task: guests may occupy every worker of their runtime. It ends within a tick
/// of the last engine handle.
fn start_ticker(engine: EngineWeak) -> Result<(), SandboxError> {
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    thread::Builder::new()
        .name("gristmill-epoch".to_owned())
        .spawn(tick)
        .map(drop)
        .map_err(SandboxError::Thread)
}
