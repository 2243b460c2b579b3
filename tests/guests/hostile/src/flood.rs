//! More than anybody wants to hear.

use std::io::Write;
use std::time::Duration;

use gristmill::log::{self, Level};
use gristmill::state::StateError;
use gristmill::{metrics, state};

pub(crate) fn tiny_calls() -> usize {
    (0..1_000_000).filter(|_| log::enabled(Level::Info)).count()
}

pub(crate) fn stdout() -> std::io::Result<()> {
    let block = "sixty-three letters and a line break make a line of this size..\n".repeat(1 << 10);
    let mut stdout = std::io::stdout().lock();
    for _ in 0..256 {
        stdout.write_all(block.as_bytes())?;
    }
    Ok(())
}

pub(crate) fn lines(bytes: usize, count: usize) {
    // Escape sequences, which the host has to look for.
    let line = "\x1b[31mred\x1b[0m ".repeat(bytes / 13);
    for _ in 0..count {
        log::info(&line);
    }
}

pub(crate) fn series() {
    for n in 0..10_000 {
        metrics::counter("hostile_series", 1, &[("n", &n.to_string())]);
    }
}

pub(crate) fn naps() -> ! {
    loop {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Ends only with an error.
pub(crate) fn asks<T>() -> Result<T, StateError> {
    loop {
        state::get::<u64>("anything")?;
    }
}
