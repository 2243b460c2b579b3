//! wasmtime alone, with the sandbox's pool settings: the floor that the sandbox is measured against.

use std::path::Path;

use gristmill_core::job::Job;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "worker",
        exports: { default: async },
    });
}

pub(crate) struct Bare {
    pre: bindings::WorkerPre<()>,
}

impl Bare {
    pub(crate) fn new(guest: &Path) -> Self {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(100)
            .total_memories(100)
            .total_stacks(100)
            .max_memory_size(64 << 20)
            .linear_memory_keep_resident(512 << 10)
            .table_keep_resident(64 << 10)
            .pagemap_scan(Enabled::Auto);
        let mut config = Config::new();
        config.concurrency_support(false).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::from_file(&engine, guest).expect("the guest compiles");
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component).expect("imports of functions only");
        let pre = linker.instantiate_pre(&component).expect("the guest links");
        Self { pre: bindings::WorkerPre::new(pre).expect("the guest is a handler") }
    }

    pub(crate) async fn run(&self, job: Job) -> Option<Vec<u8>> {
        let mut store = Store::new(self.pre.engine(), ());
        let worker = self.pre.instantiate_async(&mut store).await.expect("an instance");
        let job = bindings::exports::gristmill::job::handler::Job {
            id: job.id,
            name: job.name,
            queue: job.queue,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            data: job.data,
        };
        worker.gristmill_job_handler().call_run(&mut store, &job).await.expect("no trap").expect("no failure")
    }
}
