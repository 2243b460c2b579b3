//! The log of one attempt: what the guest writes through `log`, to stdout and to stderr, as lines under one ceiling.

mod lines;
pub(crate) mod redact;
pub(crate) mod stdio;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gristmill_core::clean::clean;
use gristmill_core::units::cut;

use self::lines::LineBuffer;
use self::redact::Redactions;
use crate::{Host, Level};

/// Fields of one log line; further ones are left out.
const MAX_FIELDS: usize = 32;
/// Bytes of a panic's text that go into the attempt's failure.
const MAX_PANIC: usize = 1 << 10;
/// The last lines, which a failure's stack trace repeats, and the bytes of each.
const LAST_LINES: usize = 5;
const LAST_LINE_BYTES: usize = 256;

/// Hands lines to the host until the attempt's number of them is used up, then counts.
pub(crate) struct LogSink {
    host: Arc<dyn Host>,
    line_bytes: usize,
    left: AtomicU32,
    dropped: AtomicU32,
    stdout: Mutex<LineBuffer>,
    stderr: Mutex<LineBuffer>,
    panic: Mutex<Option<Panic>>,
    last: Mutex<VecDeque<String>>,
    redacted: Redactions,
}

/// What stderr says of a panic, as the end of a sentence about the handler.
struct Panic {
    text: String,
    awaits: Awaits,
}

/// What a line of stderr may still add.
#[derive(PartialEq, Eq)]
enum Awaits {
    Nothing,
    /// Rust: the line after the place. JavaScript: the line after that an exception is there.
    Message,
    /// Go: the first line of the stack that names a file of the handler's.
    Place,
}

impl LogSink {
    pub(crate) fn new(host: Arc<dyn Host>, lines: u32, line_bytes: usize) -> Self {
        Self {
            host,
            line_bytes,
            left: AtomicU32::new(lines),
            dropped: AtomicU32::new(0),
            stdout: Mutex::default(),
            stderr: Mutex::default(),
            panic: Mutex::default(),
            last: Mutex::default(),
            redacted: Redactions::default(),
        }
    }

    /// What must not appear in any line, nor in the attempt's failure.
    pub(crate) fn redactions(&self) -> &Redactions {
        &self.redacted
    }

    /// The last lines that were delivered, cut.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *last).into()
    }

    /// Whether a line of this level would be delivered now.
    pub(crate) fn enabled(&self, level: Level) -> bool {
        self.left.load(Ordering::Relaxed) > 0 && self.host.enabled(level)
    }

    /// Writes a message of one or more lines; the fields follow its last line.
    pub(crate) fn write(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let text = with_fields(message, fields);
        let text = self.redacted.apply(&text);
        for line in text.lines() {
            self.line(level, line);
        }
    }

    /// Bytes that the guest wrote to stdout or stderr; lines may span calls.
    fn output(&self, level: Level, bytes: &[u8]) {
        let mut buffer = self.buffer(level).lock().unwrap_or_else(PoisonError::into_inner);
        buffer.push(bytes, self.line_bytes, |line| self.printed(level, line));
    }

    /// Delivers last lines that have no line break. To be called once the guest is done.
    pub(crate) fn finish(&self) {
        for level in [Level::Info, Level::Warn] {
            let mut buffer = self.buffer(level).lock().unwrap_or_else(PoisonError::into_inner);
            buffer.finish(|line| self.printed(level, line));
        }
    }

    /// Lines that came after the number of lines was used up.
    pub(crate) fn dropped(&self) -> u32 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Place and message of the last panic that stderr told of, as the runtimes of Rust, Go, JavaScript and C write it.
    pub(crate) fn panic(&self) -> Option<String> {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).take().map(|panic| panic.text)
    }

    fn buffer(&self, level: Level) -> &Mutex<LineBuffer> {
        if level == Level::Info { &self.stdout } else { &self.stderr }
    }

    fn printed(&self, level: Level, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        if level == Level::Warn {
            self.watch_for_panic(&line);
        }
        self.line(level, &line);
    }

    fn watch_for_panic(&self, line: &str) {
        let mut panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *panic {
            Some(panic) if panic.awaits == Awaits::Message => {
                panic.text = cut(&format!("{} {line}", panic.text), MAX_PANIC).into_owned();
                panic.awaits = Awaits::Nothing;
            }
            other => {
                if let Some(begun) = begun(line) {
                    *other = Some(begun);
                } else if let Some(panic) = other.as_mut().filter(|panic| panic.awaits == Awaits::Place)
                    && let Some(place) = place_in_go(line)
                {
                    panic.text = cut(&format!("{}, at {place}", panic.text), MAX_PANIC).into_owned();
                    panic.awaits = Awaits::Nothing;
                }
            }
        }
    }

    fn line(&self, level: Level, line: &str) {
        if !self.host.enabled(level) {
            return;
        }
        let line = clean(line);
        if line.trim().is_empty() {
            return;
        }
        let line = self.redacted.apply(&line);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_ok() {
            self.remember(level, &line);
            self.host.log(level, cut(&line, self.line_bytes).into_owned());
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl LogSink {
    fn remember(&self, level: Level, line: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(format!("[{}] {}", level.as_str(), cut(line, LAST_LINE_BYTES)));
    }
}

/// What a line tells that begins to tell of a panic: in Rust, in Go, of JavaScript's engine, or of a failed assertion in C.
fn begun(line: &str) -> Option<Panic> {
    if let Some((_, place)) = line.split_once("' panicked at ").or_else(|| line.split_once(") panicked at "))
    {
        let text = format!("panicked at {}", cut(place, MAX_PANIC));
        return Some(Panic { text, awaits: Awaits::Message });
    }
    if line.starts_with("panic: ") || line.starts_with("fatal error: ") {
        let text = format!("gave up: {}", cut(line, MAX_PANIC));
        return Some(Panic { text, awaits: Awaits::Place });
    }
    if line.starts_with("Error while (call) event loop error, but no exception is pending") {
        let text = "waits for a promise that nothing will settle".to_owned();
        return Some(Panic { text, awaits: Awaits::Nothing });
    }
    if line.starts_with("Exception while (call) event loop error") {
        return Some(Panic { text: "threw where nothing catches:".to_owned(), awaits: Awaits::Message });
    }
    let said = line.strip_prefix("Assertion failed: ")?;
    let text = format!("failed an assertion: {}", cut(said, MAX_PANIC));
    Some(Panic { text, awaits: Awaits::Nothing })
}

/// File and line in a line of a stack of Go, `\tgreet/handler.go:12 +0x2`, unless they are Go's own.
fn place_in_go(line: &str) -> Option<&str> {
    let place = line.strip_prefix('\t')?;
    let own = ["runtime/", "internal/"].iter().any(|library| place.starts_with(library));
    let place = place.split(' ').next()?;
    (!own && place.contains(".go:")).then_some(place)
}

fn with_fields<'a>(message: &'a str, fields: &[(String, String)]) -> Cow<'a, str> {
    if fields.is_empty() {
        return message.into();
    }
    let mut text = message.trim_end().to_owned();
    for (name, value) in fields.iter().take(MAX_FIELDS) {
        text.push(' ');
        text.extend(name.chars().map(|c| if c.is_whitespace() || c == '=' { '_' } else { c }));
        text.push('=');
        let plain = !value.is_empty()
            && !value.contains(|c: char| c.is_whitespace() || c.is_control() || "=\"".contains(c));
        if plain {
            text.push_str(value);
        } else {
            let _ = write!(text, "{value:?}");
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use gristmill_core::metric::MetricRecord;

    use super::*;

    #[derive(Default)]
    struct Lines(Mutex<Vec<(Level, String)>>);

    impl Host for Lines {
        fn log(&self, level: Level, line: String) {
            self.0.lock().unwrap().push((level, line));
        }
        fn progress(&self, _: String) {}
        fn metric(&self, _: MetricRecord) {}
        fn enabled(&self, level: Level) -> bool {
            level > Level::Trace
        }
    }

    fn sink(lines: u32) -> (Arc<Lines>, LogSink) {
        sink_of(lines, 20)
    }

    fn sink_of(lines: u32, line_bytes: usize) -> (Arc<Lines>, LogSink) {
        let host = Arc::new(Lines::default());
        (Arc::clone(&host), LogSink::new(host, lines, line_bytes))
    }

    fn texts(host: &Lines) -> Vec<String> {
        host.0.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    #[test]
    fn fields_follow_the_last_line() {
        let (host, sink) = sink(10);
        let fields = [("id".to_owned(), "7".to_owned()), ("a b".to_owned(), "x\ny".to_owned())];
        sink.write(Level::Info, "one\n\ntwo\n", &fields);
        assert_eq!(texts(&host), ["one", "two id=7 a_b=\"x\\ny\""]);
    }

    #[test]
    fn counts_what_is_over_the_ceiling_and_not_what_nobody_wants() {
        let (host, sink) = sink(2);
        sink.write(Level::Trace, "unwanted", &[]);
        for _ in 0..5 {
            sink.write(Level::Info, "line", &[]);
        }
        assert_eq!((texts(&host).len(), sink.dropped()), (2, 3));
        assert!(!sink.enabled(Level::Error));
    }

    #[test]
    fn output_is_split_cut_and_flushed() {
        let (host, sink) = sink(10);
        sink.output(Level::Info, b"first\nsec");
        sink.output(Level::Warn, b"\x1b[31mred\x1b[0m");
        sink.output(Level::Info, b"ond\n");
        sink.output(Level::Info, "a line that is far too long to keep, ä\n".as_bytes());
        sink.finish();
        assert_eq!(texts(&host), ["first", "second", "a line that is fa…", "red"]);
    }

    #[test]
    fn the_last_lines_are_kept_and_cut() {
        let (_, sink) = sink_of(10, 1_000);
        for n in 0..8 {
            sink.write(Level::Info, &format!("{n}{}", "x".repeat(500)), &[]);
        }
        let last = sink.last_lines();
        assert_eq!(last.len(), LAST_LINES);
        assert!(last[0].starts_with("[info] 3xx") && last[0].len() < 300, "{last:?}");
    }

    #[test]
    fn no_line_holds_what_is_redacted() {
        let (host, sink) = sink_of(10, 1_000);
        sink.redactions().add("hunter22-is-secret");
        sink.write(Level::Info, "key hunter22-is-secret", &[("k".into(), "hunter22-is-secret".into())]);
        sink.output(Level::Info, b"printed hunter22-is-secret\n");
        assert_eq!(texts(&host), ["key *** k=***", "printed ***"]);
        assert_eq!(sink.last_lines()[1], "[info] printed ***");
    }

    #[test]
    fn remembers_a_panic() {
        let (_, sink) = sink_of(10, 200);
        sink.output(
            Level::Warn,
            b"\nthread 'main' panicked at src/lib.rs:3:5:\nindex out of bounds\nnote: x\n",
        );
        assert_eq!(sink.panic().unwrap(), "panicked at src/lib.rs:3:5: index out of bounds");
        sink.output(
            Level::Warn,
            b"panic: no such user\n\ngoroutine 1 [running]:\npanic({0x1})\n\truntime/panic.go:7 +0x1\nmain.total()\n\tgreet/handler.go:12 +0x2\n",
        );
        assert_eq!(sink.panic().unwrap(), "gave up: panic: no such user, at greet/handler.go:12");
        sink.output(Level::Warn, b"Assertion failed: size > 0 (handler.c: total: 12)\n");
        assert_eq!(sink.panic().unwrap(), "failed an assertion: size > 0 (handler.c: total: 12)");
        sink.output(Level::Warn, b"fatal error: all goroutines are asleep - deadlock!\n");
        assert_eq!(sink.panic().unwrap(), "gave up: fatal error: all goroutines are asleep - deadlock!");
        sink.output(
            Level::Warn,
            b"Error while (call) event loop error, but no exception is pending. Aborting, since that doesn't\n",
        );
        assert_eq!(sink.panic().unwrap(), "waits for a promise that nothing will settle");
        sink.output(Level::Warn, b"Exception while (call) event loop error\nbundle.js:236:13 Error: late\n");
        assert_eq!(sink.panic().unwrap(), "threw where nothing catches: bundle.js:236:13 Error: late");
    }
}
