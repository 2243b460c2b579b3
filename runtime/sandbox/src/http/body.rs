//! A response's body that gives up when its sender pauses for too long or says too much.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error;

/// The body as the guest reads it.
pub(super) struct BoundedBody {
    body: Incoming,
    /// Longest pause, and the clock of the current one.
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
    /// Bytes that may still come.
    left: u64,
    most: u64,
}

impl BoundedBody {
    /// Without `pause` the guest waits as long as its attempt may.
    pub(super) fn new(body: Incoming, pause: Option<Duration>, most: u64) -> Self {
        let pause = pause.map(|pause| (pause, Box::pin(tokio::time::sleep(pause))));
        Self { body, pause, left: most, most }
    }

    /// The frame, unless it has more than may still come.
    fn counted(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Error> {
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(size) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(Error::HttpResponseBodySize(Some(self.most))),
        }
    }
}

impl Body for BoundedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx).map_err(Error::Hyper);
        let polled = polled.map(|frame| frame.map(|frame| frame.and_then(|frame| self.counted(frame))));
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
