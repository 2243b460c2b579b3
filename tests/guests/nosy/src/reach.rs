//! Reaching out of the sandbox by the standard library.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

/// Names of what worked. Clocks are granted; everything else must fail.
pub(crate) fn all() -> Vec<&'static str> {
    let tries: [(&'static str, bool); 12] = [
        ("environment", std::env::vars().next().is_some()),
        ("arguments", std::env::args().next().is_some()),
        ("root folder", fs::read_dir("/").is_ok()),
        ("working folder", fs::read_dir(".").is_ok()),
        ("file", fs::read("/etc/passwd").is_ok()),
        ("new file", fs::write("nosy", "x").is_ok()),
        ("stdin", std::io::stdin().read(&mut [0; 8]).is_ok_and(|read| read > 0)),
        ("connection", TcpStream::connect("127.0.0.1:80").is_ok()),
        ("listener", TcpListener::bind("127.0.0.1:0").is_ok()),
        (
            "datagrams",
            UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", "127.0.0.1:9")).is_ok(),
        ),
        ("names", "localhost:80".to_socket_addrs().is_ok()),
        ("clocks", clocks()),
    ];
    tries.into_iter().filter_map(|(name, worked)| worked.then_some(name)).collect()
}

fn clocks() -> bool {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(2));
    #[expect(clippy::disallowed_methods, reason = "the guest's clock is what is tried")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    start.elapsed() >= Duration::from_millis(2) && now.is_ok_and(|now| now.as_secs() > 1_700_000_000)
}
