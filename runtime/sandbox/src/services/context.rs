//! `gristmill:job/context`.

use std::time::Instant;

use crate::bindings::gristmill::job::context::Host;
use crate::bindings::gristmill::job::types::Attributes;
use crate::guest::Guest;

fn millis_until(time: Instant) -> u64 {
    u64::try_from(time.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(u64::MAX)
}

impl Host for Guest {
    fn enqueued_at(&mut self) -> wasmtime::Result<u64> {
        Ok(self.times.enqueued_at)
    }

    fn scheduled_at(&mut self) -> wasmtime::Result<u64> {
        Ok(self.times.scheduled_at)
    }

    fn deadline(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(Some(Self::now_ms().saturating_add(millis_until(self.times.hard))))
    }

    fn remaining(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(Some(millis_until(self.times.soft)))
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.interrupter.reason().is_some() || Instant::now() >= self.times.soft)
    }

    fn header(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.header_named(&name))
    }

    fn headers(&mut self) -> wasmtime::Result<Attributes> {
        Ok(self.headers.clone())
    }

    fn traceparent(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.header_named("traceparent"))
    }

    fn tracestate(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.header_named("tracestate"))
    }

    fn digest(&mut self) -> wasmtime::Result<String> {
        Ok(self.module.digest().to_owned())
    }
}

impl Guest {
    fn header_named(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }
}
