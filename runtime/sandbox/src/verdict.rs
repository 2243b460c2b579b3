//! How a call ended, as an outcome.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use gristmill_core::outcome::{Failure, Interrupt, Outcome, Stop, StopReason};
use gristmill_core::units::{cut, show_duration, show_size};
use serde::de::IgnoredAny;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::bindings::exports::gristmill::job::handler::JobError;
use crate::bindings::gristmill::job::types::Failure as GuestFailure;
use crate::guest::Guest;

/// Bytes of a failure's message, and of the reasons that go to the log.
const MAX_MESSAGE: usize = 8 << 10;
/// Bytes of a failure's code.
const MAX_CODE: usize = 64;
/// Bytes of a failure's detail.
const MAX_DETAIL: usize = 64 << 10;
/// Bytes of a host error's text.
const MAX_FAULT: usize = 1 << 10;
/// Bytes of one function's name in a backtrace.
const MAX_FRAME: usize = 256;
/// The longest time that a handler can put its job off.
const MAX_DELAY: Duration = Duration::from_hours(24 * 365 * 10);

/// What the host saw of a call.
pub(crate) enum Ending {
    /// The call came back, or broke off with an error.
    Done(wasmtime::Result<Result<Option<Vec<u8>>, JobError>>),
    /// The host's timer fired while the guest waited, be it only for its turn to compute.
    TimedOut { computes: bool },
    /// Somebody interrupted while the guest waited.
    Interrupted(Interrupt),
}

/// The outcome; no secret that the guest was given is in its texts.
pub(crate) fn outcome(ending: Ending, guest: &Guest) -> Outcome {
    let mut outcome = classified(ending, guest);
    let redact = |text: &mut String| {
        if let Cow::Owned(masked) = guest.log.redactions().apply(text) {
            *text = masked;
        }
    };
    match &mut outcome {
        Outcome::Retryable(failure) | Outcome::Permanent(failure) => {
            redact(&mut failure.message);
            failure.code.iter_mut().chain(&mut failure.detail).for_each(redact);
        }
        Outcome::RateLimited { message, .. } => redact(message),
        Outcome::Deferred { reason, .. } => redact(reason),
        Outcome::Stopped(stop) => {
            redact(&mut stop.message);
            stop.backtrace.iter_mut().for_each(redact);
        }
        _ => {}
    }
    outcome
}

fn classified(ending: Ending, guest: &Guest) -> Outcome {
    match ending {
        Ending::Done(Ok(Ok(output))) => returned(output, guest.limits.output),
        Ending::Done(Ok(Err(JobError::Retryable(said))))
            if guest.memory.denied() && tells_of_memory(&said) =>
        {
            over_memory(guest, failure(said).detail)
        }
        Ending::Done(Ok(Err(error))) => refused(error),
        Ending::Done(Err(error)) => fault(&error, guest),
        Ending::TimedOut { computes } => timeout(guest, computes, None),
        Ending::Interrupted(reason) => Outcome::Interrupted(reason),
    }
}

fn stop(reason: StopReason, message: String, backtrace: Option<String>) -> Outcome {
    Outcome::Stopped(Stop { reason, message, backtrace })
}

fn returned(output: Option<Vec<u8>>, limit: usize) -> Outcome {
    let Some(bytes) = output else {
        return Outcome::Returned(None);
    };
    if bytes.len() > limit {
        return too_large(&show_size(bytes.len() as u64), limit);
    }
    let wrong = match std::str::from_utf8(&bytes) {
        Err(error) => error.to_string(),
        Ok(text) => match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => return Outcome::Returned(Some(bytes)),
            Err(error) => error.to_string(),
        },
    };
    stop(StopReason::Output, format!("the return value is not JSON: {wrong}"), None)
}

fn too_large(size: &str, limit: usize) -> Outcome {
    stop(
        StopReason::Output,
        format!("the return value has {size}, more than its limit of {}", show_size(limit as u64)),
        None,
    )
}

fn refused(error: JobError) -> Outcome {
    let text = |text: String| cut(&text, MAX_MESSAGE).into_owned();
    let delay = |millis| Duration::from_millis(millis).min(MAX_DELAY);
    match error {
        JobError::Retryable(said) => Outcome::Retryable(failure(said)),
        JobError::Permanent(said) => Outcome::Permanent(failure(said)),
        JobError::RateLimited(throttle) => Outcome::RateLimited {
            retry_after: throttle.retry_after.map(delay),
            message: text(throttle.message),
        },
        JobError::Deferred(deferral) => {
            Outcome::Deferred { delay: delay(deferral.delay), reason: text(deferral.reason) }
        }
        JobError::WaitForChildren => Outcome::WaitForChildren,
    }
}

fn failure(said: GuestFailure) -> Failure {
    let bounded = |text: String, max| cut(&text, max).into_owned();
    Failure {
        message: bounded(said.message, MAX_MESSAGE),
        code: said.code.map(|code| bounded(code, MAX_CODE)),
        detail: said.detail.map(|detail| bounded(detail, MAX_DETAIL)),
    }
}

fn timeout(guest: &Guest, computes: bool, backtrace: Option<String>) -> Outcome {
    let computing = guest.limits.computing_timeout.filter(|_| computes);
    let limit = show_duration(computing.unwrap_or(guest.limits.timeout));
    let kind = if guest.limits.adapted && computing.is_none() { "adaptive limit" } else { "limit" };
    let message = format!("the attempt ran for its {kind} of {limit}");
    stop(StopReason::Timeout, message, backtrace)
}

/// The guest broke off: a trap, a limit, a host function that it called wrongly.
fn fault(error: &wasmtime::Error, guest: &Guest) -> Outcome {
    let trap = error.downcast_ref::<Trap>().copied();
    let backtrace = error.downcast_ref::<WasmBacktrace>().and_then(backtrace);
    match trap {
        Some(Trap::Interrupt) => {
            return guest
                .interrupter
                .reason()
                .map_or_else(|| timeout(guest, true, backtrace), Outcome::Interrupted);
        }
        Some(Trap::OutOfFuel) => {
            let fuel = guest.limits.fuel.unwrap_or(u64::MAX);
            return stop(
                StopReason::Fuel,
                format!("the handler used up its {fuel} units of fuel"),
                backtrace,
            );
        }
        _ => {}
    }
    // A refused growth is rarely fatal at once: the guest's allocator gives up, or its start fails.
    if guest.memory.denied() {
        return over_memory(guest, backtrace);
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        let mut message = format!("the handler exited with status {status} instead of returning");
        if let Some(panic) = guest.log.panic() {
            message = format!("{message}, as it {panic}");
        }
        return stop(StopReason::Trap, message, backtrace);
    }
    let text = format!("{:#}", error.root_cause());
    if text.contains("allocated for hostcalls") {
        // With a backtrace the guest was in a host call; without one its return value was being read.
        return match backtrace {
            None => too_large("too many bytes", guest.limits.output),
            some => {
                stop(StopReason::Trap, "a host function was given too much data at once".to_owned(), some)
            }
        };
    }
    let message = match trap {
        Some(Trap::UnreachableCodeReached) => match guest.log.panic() {
            Some(panic) => format!("the handler {panic}"),
            None => "unreachable code was reached, as by an abort or a failed assertion".to_owned(),
        },
        Some(Trap::StackOverflow) => "the call stack is exhausted, as by endless recursion".to_owned(),
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => cut(&text, MAX_FAULT).into_owned(),
    };
    stop(StopReason::Trap, message, backtrace)
}

/// Whether a handler's failure is what its language made of a refused growth: JavaScript and Python throw then, and what
/// is thrown passes through the handler like any other error.
fn tells_of_memory(said: &GuestFailure) -> bool {
    let message = said.message.to_ascii_lowercase();
    let words = [
        "out of memory",
        "cannot allocate memory",
        "allocation failed",
        "allocation size overflow",
        "memoryerror",
    ];
    words.iter().any(|words| message.contains(words))
}

fn over_memory(guest: &Guest, backtrace: Option<String>) -> Outcome {
    let message = format!("the handler asked for more than its limit of {}", show_size(guest.limits.memory));
    stop(StopReason::Memory, message, backtrace)
}

/// One line a frame, innermost first: the function, then file and line if the handler has debug information.
fn backtrace(trace: &WasmBacktrace) -> Option<String> {
    let mut lines = String::new();
    for frame in trace.frames() {
        let name = match frame.func_name() {
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("function {}", frame.func_index()),
        };
        let _ = write!(lines, "at {}", cut(&name, MAX_FRAME));
        if let Some((file, line)) =
            frame.symbols().iter().find_map(|symbol| Some((symbol.file()?, symbol.line()?)))
        {
            let _ = write!(lines, " ({}:{line})", cut(file, MAX_FRAME));
        }
        lines.push('\n');
    }
    lines.pop();
    (!lines.is_empty()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(b"null", None)]
    #[case(b" [1,\"\\n\"] ", None)]
    #[case(b"", Some("not JSON: EOF"))]
    #[case(b"hello", Some("not JSON: expected value"))]
    #[case(b"\"\xff\"", Some("not JSON: invalid utf-8"))]
    #[case(b"\"0123456789\"", Some("has 12 B, more than its limit of 10 B"))]
    fn outputs(#[case] bytes: &[u8], #[case] refusal: Option<&str>) {
        match (returned(Some(bytes.to_vec()), 10), refusal) {
            (Outcome::Returned(Some(kept)), None) => assert_eq!(kept, bytes),
            (Outcome::Stopped(stop), Some(part)) => {
                assert_eq!(stop.reason, StopReason::Output);
                assert!(stop.message.contains(part), "{}", stop.message);
            }
            (other, _) => panic!("{other:?}"),
        }
    }

    #[rstest::rstest]
    #[case::javascript("out of memory", true)]
    #[case::a_buffer_in_javascript("Array buffer allocation failed", true)]
    #[case::python("MemoryError", true)]
    #[case::c("Out of memory", true)]
    #[case::anything_else("the mail server has no memory of us", false)]
    fn failures_that_tell_of_memory(#[case] message: &str, #[case] tells: bool) {
        let said = GuestFailure { message: message.to_owned(), code: None, detail: None };
        assert_eq!(tells_of_memory(&said), tells);
    }

    #[test]
    fn failures_are_cut() {
        let long = || "ä".repeat(100_000);
        let said = GuestFailure { message: long(), code: Some(long()), detail: Some(long()) };
        let failure = failure(said);
        assert!(failure.message.len() <= MAX_MESSAGE && failure.message.ends_with('…'));
        assert!(failure.code.unwrap().len() <= MAX_CODE);
        assert!(failure.detail.unwrap().len() <= MAX_DETAIL);
    }
}
