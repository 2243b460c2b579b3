//! Stdout and stderr of a guest as lines of its log.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::LogSink;
use crate::Level;

/// Bytes that a guest may write in one call.
const PERMIT: usize = 64 << 10;

/// Where the streams of an instance write now: the log of its present attempt. Instances that serve one attempt after
/// another keep their streams.
#[derive(Clone)]
pub(crate) struct Current(Arc<Mutex<Arc<LogSink>>>);

impl Current {
    pub(crate) fn new(log: Arc<LogSink>) -> Self {
        Self(Arc::new(Mutex::new(log)))
    }

    pub(crate) fn set(&self, log: Arc<LogSink>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = log;
    }

    fn get(&self) -> Arc<LogSink> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One of the two output streams. It takes everything at once, so that a guest that prints more than is kept goes
/// on instead of failing or waiting.
#[derive(Clone)]
pub(crate) struct Stdio {
    log: Current,
    level: Level,
}

impl Stdio {
    /// Stdout with [`Level::Info`], stderr with [`Level::Warn`].
    pub(crate) fn new(log: Current, level: Level) -> Self {
        Self { log, level }
    }
}

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdio {
    // Asked for only by interfaces that are not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stdio {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Stdio {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.get().output(self.level, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}
