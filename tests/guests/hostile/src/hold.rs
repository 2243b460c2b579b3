//! Ending with the hands full.

use std::hint::black_box;

use core::arch::wasm32::unreachable;
use wasip2::cli::stdout::get_stdout;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};

/// In ns, as the clock counts.
const HOUR: u64 = 3_600_000_000_000;

pub(crate) fn trap_holding(host: &str) -> ! {
    let pollables: Vec<_> = (0..200).map(|_| subscribe_duration(HOUR)).collect();
    let streams: Vec<_> = (0..50).map(|_| get_stdout()).collect();
    let requests: Vec<_> = (0..8).map(|_| request(host)).collect();
    black_box((&pollables, &streams, &requests));
    unreachable()
}

fn request(host: &str) -> impl Sized {
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(host));
    let _ = request.set_path_with_query(Some("/held"));
    let body = request.body();
    (handle(request, None), body)
}
