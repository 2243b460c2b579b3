//! How fast one caller of the API may be, so that a script that runs wild leaves the others and Redis in peace.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Calls at once, and what comes back of them per second.
const BURST: f64 = 400.0;
const PER_SECOND: f64 = 200.0;
/// Callers that are remembered: names of tokens, so there are few.
const MAX_CALLERS: usize = 1_000;

/// A token bucket for each caller.
#[derive(Default)]
pub(crate) struct Pace {
    callers: Mutex<HashMap<String, (f64, u64)>>,
}

impl Pace {
    /// Counts a call; `Err`: ms after which the next one is let through.
    pub(crate) fn ask(&self, who: &str, now_ms: u64) -> Result<(), u64> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= MAX_CALLERS && !callers.contains_key(who) {
            callers.clear();
        }
        let (left, at_ms) = callers.entry(who.to_owned()).or_insert((BURST, now_ms));
        *left = (*left + now_ms.saturating_sub(*at_ms) as f64 * PER_SECOND / 1e3).min(BURST);
        *at_ms = now_ms;
        if *left >= 1.0 {
            *left -= 1.0;
            return Ok(());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few ms")]
        Err(((1.0 - *left) * 1e3 / PER_SECOND).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_is_slowed_down_and_another_is_not() {
        let pace = Pace::default();
        let passed = (0..1_000).filter(|_| pace.ask("script", 0).is_ok()).count();
        assert_eq!(passed, 400);
        assert_eq!((pace.ask("script", 0), pace.ask("other", 0)), (Err(5), Ok(())));
        assert_eq!((pace.ask("script", 5), pace.ask("script", 5)), (Ok(()), Err(5)));
    }
}
