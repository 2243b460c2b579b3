//! A response's body that gives up when its sender pauses for too long.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error;

/// The body as the guest reads it.
pub(super) struct TimedBody {
    body: Incoming,
    /// Longest pause, and the clock of the current one.
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl TimedBody {
    /// Without `pause` the guest waits as long as its attempt may.
    pub(super) fn new(body: Incoming, pause: Option<Duration>) -> Self {
        Self { body, pause: pause.map(|pause| (pause, Box::pin(tokio::time::sleep(pause)))) }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx).map_err(Error::Hyper);
        let Some((pause, clock)) = &mut self.pause else {
            return polled;
        };
        if polled.is_ready() {
            if let Some(next) = Instant::now().checked_add(*pause) {
                clock.as_mut().reset(next);
            }
            return polled;
        }
        clock.as_mut().poll(cx).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
