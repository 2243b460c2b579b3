//! Outgoing HTTP against a server on this machine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gristmill_core::outcome::{Outcome, StopReason};
use gristmill_sandbox::Allow;
use serde_json::json;

use crate::support::{Trial, script};

/// Answers every request with what it was sent, or with nothing.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

fn server(answers: bool) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            if !answers {
                silent.push(stream);
                continue;
            }
            thread::spawn(move || {
                let request = read_request(&mut stream);
                let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", request.len());
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(request.as_bytes()).unwrap();
            });
        }
    });
    Server { address, connections }
}

fn read_request(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length || read == 0 {
                return text.into_owned();
            }
        }
    }
}

fn request(url: &str, allow: &[&str]) -> Trial {
    let mut trial = script(json!([{"op": "http", "method": "POST", "url": url, "body": "ping"}]));
    trial.allow = Allow::http(allow.iter().copied()).unwrap();
    trial
}

async fn denied(url: &str, allow: &[&str]) -> Vec<String> {
    let trial = request(url, allow);
    let outcome = trial.run().await.outcome;
    let Outcome::Permanent(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.contains("does not allow"), "{}", failure.message);
    trial.host.lines()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowed_host_answers() {
    let server = server(true);
    let port = server.address.port();
    let answer = request(&format!("http://127.0.0.1:{port}/path?q=1"), &[&format!("127.0.0.1:{port}")])
        .returned()
        .await;
    assert_eq!(answer[0]["status"], 201);
    let body = answer[0]["body"].as_str().unwrap();
    assert!(body.starts_with("POST /path?q=1 HTTP/1.1\r\n"), "{body}");
    assert!(
        body.contains(&format!("host: 127.0.0.1:{port}\r\n")) && body.ends_with("\r\n\r\nping"),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_streams_both_ways() {
    let server = server(true);
    let port = server.address.port();
    let mut trial = request(&format!("http://localhost:{port}/"), &[&format!("localhost:{port}")]);
    trial.steps[0]["body"] = "x".repeat(700_000).into();
    let answer = trial.returned().await;
    assert!(answer[0]["body"].as_str().unwrap().len() > 700_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_allowed_by_default() {
    let server = server(true);
    let port = server.address.port();
    let url = format!("http://127.0.0.1:{port}/");
    let lines = denied(&url, &[]).await;
    assert!(lines[0].contains(&format!("`POST 127.0.0.1:{port}` is not among")), "{lines:?}");
    denied(&url, &["127.0.0.1", "example.com"]).await;
    denied(&url, &["*", "*:*"]).await;
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_must_not_lead_to_this_machine() {
    // Every form of loopback that a resolver knows, under a pattern that allows names and public addresses.
    for host in [
        "localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "0.0.0.0",
    ] {
        denied(&format!("http://{host}:1/"), &["*:*"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_do_not_disguise_a_host() {
    let outcome = request("http://allowed.example@127.0.0.1:1/", &["allowed.example:*"]).run().await.outcome;
    assert!(matches!(outcome, Outcome::Permanent(_)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_connection_is_retryable() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let outcome = request(&format!("http://127.0.0.1:{port}/"), &["127.0.0.1:*"]).run().await.outcome;
    assert!(matches!(outcome, Outcome::Retryable(_)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_does_not_outlast_the_attempt() {
    let server = server(false);
    let port = server.address.port();
    let start = Instant::now();
    let stop = request(&format!("http://127.0.0.1:{port}/"), &["127.0.0.1:*"]).timeout(300).stopped().await;
    assert_eq!(stop.reason, StopReason::Timeout);
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}
