//! A dashboard that is open on a worker, and a Prometheus that scrapes it, as requests.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::rig::{get, request};

/// Between two rounds of requests: a scrape, and what the pages of the overview and of a queue ask for with each beat.
const EVERY: Duration = Duration::from_millis(500);

/// Looks at a worker until it is dropped.
pub(super) struct Viewer {
    ends: Arc<AtomicBool>,
}

impl Viewer {
    pub(super) fn open(worker: SocketAddr, queue: &str) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (told, asks) = (Arc::clone(&ends), Arc::clone(&ends));
        std::thread::spawn(move || follow(worker, &told));
        let api = format!("/api/v1/queues/{queue}");
        let pages = [
            "/metrics".to_owned(),
            "/api/v1/history?points=180".to_owned(),
            "/api/v1/anomalies".to_owned(),
            api.clone(),
            format!("{api}/jobs?state=waiting&count=50"),
            format!("/api/v1/history?queue={queue}&points=200"),
        ];
        std::thread::spawn(move || {
            while !asks.load(Ordering::Relaxed) {
                for page in &pages {
                    // A worker that is just ending answers no more; one that never answers shows in its figures.
                    let _ = get(worker, page);
                }
                std::thread::sleep(EVERY);
            }
        });
        Self { ends }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// Reads the stream of events.
fn follow(worker: SocketAddr, ends: &AtomicBool) {
    let Ok(mut stream) = request(worker, "/api/v1/events") else { return };
    let mut bytes = [0; 4096];
    while !ends.load(Ordering::Relaxed) && matches!(stream.read(&mut bytes), Ok(1..)) {}
}
