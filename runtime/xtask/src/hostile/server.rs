//! A server on loopback that guests try to come by: it redirects to where clouds serve credentials, holds requests, and has
//! a secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes of a request that are read.
const MAX_REQUEST: usize = 16 << 10;

/// Ends when dropped.
pub(super) struct Server {
    port: u16,
    secrets: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let secrets = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&secrets);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A guest that is gone hangs up, which ends this.
                drop(tokio::spawn(answer(stream, Arc::clone(&counted))));
            }
        });
        Ok(Self { port, secrets, task })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// How often somebody got the secret.
    pub(super) fn secrets(&self) -> usize {
        self.secrets.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, secrets: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|part| part == b"\r\n\r\n") {
        if request.len() > MAX_REQUEST || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&request);
    let head = match text.split(' ').nth(1) {
        Some("/redirect") => "302 Found\r\nlocation: http://169.254.169.254/latest/meta-data/",
        Some("/held") => {
            // Until the guest's end closes the connection.
            while stream.read_buf(&mut request).await? > 0 {}
            return Ok(());
        }
        _ => {
            secrets.fetch_add(1, Ordering::Relaxed);
            "200 OK"
        }
    };
    let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await
}
