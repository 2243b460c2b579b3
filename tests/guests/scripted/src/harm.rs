//! What good handlers do not do.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Computes for about this long.
pub(crate) fn burn(time: Duration) {
    let start = Instant::now();
    let mut number = 1_u64;
    while start.elapsed() < time {
        // Enough work between two looks at the clock that the work is what takes the time.
        for _ in 0..20_000 {
            number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

/// Computes for ever.
pub(crate) fn forever() -> ! {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

/// Memory that is written to, so that it is really there.
pub(crate) fn allocate(mib: usize) -> Vec<u8> {
    black_box(vec![1; mib.saturating_mul(1 << 20)])
}

/// Calls itself until the stack ends.
#[expect(unconditional_recursion, reason = "that is the harm")]
pub(crate) fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    recurse(depth + 1) + black_box(frame)[0]
}

/// Ends the instance without a message.
pub(crate) fn trap() -> ! {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort();
}
