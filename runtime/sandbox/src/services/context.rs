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

    fn header(&mut self, _: String) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }

    fn headers(&mut self) -> wasmtime::Result<Attributes> {
        Ok(Vec::new())
    }

    fn traceparent(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }

    fn digest(&mut self) -> wasmtime::Result<String> {
        Ok(self.module.digest().to_owned())
    }

    fn tracestate(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}
