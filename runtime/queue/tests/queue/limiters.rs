//! A limiter under many clients at once, in real time, while its server is killed and comes back.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gristmill_core::limiter::{Algorithm, Limiter, Tier, Unreachable};
use gristmill_queue::{Connection, LimitCall, Line, Verdict, charge};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const CLIENTS: u64 = 8;
const LIMIT: u64 = 60;
const WINDOW: Duration = Duration::from_millis(400);
const LASTS: Duration = Duration::from_secs(4);

/// A server that keeps every write, killed when dropped.
struct Kept {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Kept {
    fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        Self { child: Self::spawn(&folder, port), folder, port }
    }

    fn spawn(folder: &tempfile::TempDir, port: u16) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::spawn(&self.folder, self.port);
    }

    async fn open(&self) -> Connection {
        loop {
            match Connection::open(&format!("redis://127.0.0.1:{}", self.port)).await {
                Ok((connection, _)) => return connection,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A charge that was answered: it happened between these times.
struct Charged {
    key: u64,
    cost: u64,
    from: Instant,
    to: Instant,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_clients_and_a_server_that_is_killed_stay_below_the_limit() {
    let mut server = Kept::start();
    let limiter = Arc::new(Limiter {
        algorithm: Algorithm::SlidingWindow,
        tiers: vec![Tier { limit: LIMIT, window: WINDOW }],
        unreachable: Unreachable::Refuse,
        max_keys: 100,
    });
    let charged = Arc::new(Mutex::new(Vec::new()));
    let begun = Instant::now();
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let connection = server.open().await;
        let (limiter, charged) = (Arc::clone(&limiter), Arc::clone(&charged));
        clients.push(tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(client);
            let mut refused = 0;
            while begun.elapsed() < LASTS {
                let (key, cost) = (random.random_range(0..2), random.random_range(1..=4));
                let text = format!("tenant-{key}");
                let call = LimitCall { name: "l", limiter: &limiter, key: &text, cost };
                let from = Instant::now();
                match charge(&connection, &[call], Line::None).await {
                    Ok(Verdict::Charged) => {
                        let to = Instant::now();
                        charged.lock().unwrap().push(Charged { key, cost, from, to });
                    }
                    Ok(Verdict::Refused { .. }) => {
                        refused += 1;
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                    // The server is away.
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
            refused
        }));
    }
    for _ in 0..3 {
        tokio::time::sleep(LASTS / 4).await;
        server.restart();
    }
    let mut refused = 0;
    for client in clients {
        refused += client.await.unwrap();
    }
    let charged = charged.lock().unwrap();
    assert!(refused > 100, "the limit was hardly met: {refused}");
    let units: u64 = charged.iter().map(|charged| charged.cost).sum();
    let windows = 2.0 * LASTS.as_secs_f64() / WINDOW.as_secs_f64();
    assert!(units as f64 > windows * LIMIT as f64 / 2.0, "only {units} units in four seconds");
    for first in charged.iter() {
        // Those that surely happened within one window from then on.
        let inside = |other: &&Charged| {
            other.key == first.key && other.from >= first.from && other.to < first.from + WINDOW
        };
        let used: u64 = charged.iter().filter(inside).map(|charged| charged.cost).sum();
        assert!(used <= LIMIT, "{used} units in {WINDOW:?}");
    }
}
