//! Making the host hold or make more than it should.

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::random::random::get_random_bytes;

/// Keeps handles that the host has to remember.
pub(crate) fn handles() {
    for _ in 0..1_000_000 {
        std::mem::forget(subscribe_duration(1));
    }
}

/// Makes the host make 16 MiB at once.
pub(crate) fn random() {
    std::hint::black_box(get_random_bytes(16 << 20));
}
