//! Sizes of the instance pool, and how many slots this machine can hold.

use wasmtime::{Enabled, PoolingAllocationConfig};

use crate::SandboxError;

/// Linear memories of one component. Every toolchain that we know makes one.
pub(crate) const MAX_MEMORIES: u32 = 1;
/// Memories that are nobody's for a moment: those of a handler that goes are cleaned one at a time.
const CLEANED: u32 = 1;
/// Tables of one component, all of its core instances together; toolchains make up to two.
pub(crate) const MAX_TABLES: u32 = 6;
/// Core instances of one component: 3 to 5 for most toolchains, 38 for Python without WASI.
pub(crate) const MAX_CORE_INSTANCES: u32 = 60;
/// Elements of one table; a JavaScript engine needs some 7 700.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 20_000;
/// Bytes of a WebAssembly page.
pub(crate) const PAGE: u64 = 64 << 10;

/// Memory maps of the process beside those of the slots.
const OTHER_MAPS: u64 = 3_000;
/// Memory maps of a slot with a guest in it.
const MAPS_PER_SLOT: u64 = 6;
/// Memory maps that every further pool takes per slot at rest: the guard of its stack.
const MAPS_PER_IDLE_SLOT: u64 = 2;

/// The pool for `slots` instances at a time, each with at most `max_memory` bytes.
pub(crate) fn config(slots: u32, max_memory: u64) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let max_memory = max_memory.clamp(PAGE, 4 << 30).next_multiple_of(PAGE);
    pool.total_component_instances(slots)
        .total_stacks(slots)
        // Totals are the ceilings of one component times the slots, so that no mix of handlers runs short.
        .total_memories(slots.saturating_mul(MAX_MEMORIES).saturating_add(CLEANED))
        .total_tables(slots.saturating_mul(MAX_TABLES))
        .total_core_instances(slots.saturating_mul(MAX_CORE_INSTANCES))
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_memories_per_module(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_tables_per_module(4)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(2 << 20)
        .max_memory_size(usize::try_from(max_memory).unwrap_or(usize::MAX))
        // Resetting a slot with PAGEMAP_SCAN needs both of the next two; it is what makes a fresh instance cheap.
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto)
        .decommit_batch_size(1)
        .max_unused_warm_slots(100);
    pool
}

/// Refuses more slots than the kernel has memory maps for: running out of them ends the whole process.
/// `pools` counts the pools of this size that will exist.
pub(crate) fn check_map_count(slots: u32, pools: u64) -> Result<(), SandboxError> {
    let Some(max) = max_map_count() else {
        return Ok(());
    };
    check_against(slots, pools, max)
}

fn check_against(slots: u32, pools: u64, max: u64) -> Result<(), SandboxError> {
    let per_slot = MAPS_PER_SLOT + MAPS_PER_IDLE_SLOT * pools.saturating_sub(1);
    let needed = u64::from(slots) * per_slot + OTHER_MAPS;
    if needed <= max {
        return Ok(());
    }
    Err(SandboxError::MapCount { slots, max, possible: max.saturating_sub(OTHER_MAPS) / per_slot, needed })
}

/// The kernel's ceiling on memory maps of a process; `None` where there is no such ceiling.
fn max_map_count() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::default_machine(10_000, 1, true)]
    #[case::one_too_many(10_500, 1, false)]
    #[case::two_pools(7_800, 2, true)]
    #[case::two_pools_too_many(10_000, 2, false)]
    fn slots_against_65530_maps(#[case] slots: u32, #[case] pools: u64, #[case] fits: bool) {
        let checked = check_against(slots, pools, 65_530);
        assert_eq!(checked.is_ok(), fits, "{checked:?}");
    }

    #[test]
    fn says_what_to_do() {
        let text = check_against(50_000, 1, 65_530).unwrap_err().to_string();
        assert!(text.contains("10421 slots"), "{text}");
        assert!(text.contains("vm.max_map_count=303000"), "{text}");
    }
}
