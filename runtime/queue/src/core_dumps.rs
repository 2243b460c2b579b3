//! Core dumps in the registry's store: blobs that Redis forgets after a while, with an index of what is known of them.

use std::time::Duration;

use flate2::Compression;
use gristmill_core::core_dump::{CoreDumpInfo, KEEP_MS, MAX_CORE_DUMP_BYTES, surplus};
use gristmill_core::deployment::is_digest;
use tokio::task::spawn_blocking;

use crate::blobs::{BlobError, chunks};
use crate::connection::Connection;
use crate::error::QueueError;
use crate::turn::text;
use crate::usage::pairs;

const INDEX: &str = "gristmill:{registry}:core-dumps";

/// Why a core dump was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum CoreDumpError {
    /// It is not there.
    #[error("there is no core dump `{0}`; they are kept for 7 days, see `gristmill core-dump list`")]
    Missing(String),
    /// What is there is not what the digest says.
    #[error("core dump `{digest}` is damaged: {what}")]
    Damaged {
        /// Its digest.
        digest: String,
        /// In what way.
        what: &'static str,
    },
    /// Redis.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

fn fault(digest: &str, error: BlobError) -> CoreDumpError {
    match error {
        BlobError::Damaged(what) => CoreDumpError::Damaged { digest: digest.to_owned(), what },
        BlobError::Queue(error) => error.into(),
    }
}

fn key(digest: &str) -> String {
    format!("gristmill:{{{}}}:core-dump", digest.strip_prefix("sha256:").unwrap_or(digest))
}

impl Connection {
    /// Stores a core dump, whose digest `info` has, and forgets those of its job type beyond the newest `keep`. Repeating it
    /// changes nothing.
    pub async fn put_core_dump(
        &self,
        info: &CoreDumpInfo,
        bytes: Vec<u8>,
        keep: u64,
    ) -> Result<(), CoreDumpError> {
        // Quickly: it is done beside the jobs. A compression that panicked would leave nothing to store.
        let parts =
            spawn_blocking(move || chunks(&bytes, Compression::fast()).collect()).await.unwrap_or_default();
        let parts: Vec<Vec<u8>> = parts;
        let text = serde_json::to_string(info).unwrap_or_default();
        let kept = Some(Duration::from_millis(KEEP_MS));
        self.put_blob(&key(&info.digest), &text, || parts.iter().cloned(), kept, |_| {})
            .await
            .map_err(|error| fault(&info.digest, error))?;
        self.call(redis::cmd("HSET").arg(INDEX).arg(&info.digest).arg(&text)).await?;
        let all = self.indexed().await?;
        for digest in surplus(&all, info, keep) {
            self.call(redis::cmd("DEL").arg(key(digest))).await?;
            self.call(redis::cmd("HDEL").arg(INDEX).arg(digest)).await?;
        }
        Ok(())
    }

    /// What is known of every core dump that was made less than [`KEEP_MS`] before, newest first.
    pub async fn core_dumps(&self, now_ms: u64) -> Result<Vec<CoreDumpInfo>, QueueError> {
        let mut all = self.indexed().await?;
        all.retain(|info| now_ms.saturating_sub(info.at_ms) < KEEP_MS);
        all.sort_by_key(|info| std::cmp::Reverse(info.at_ms));
        Ok(all)
    }

    async fn indexed(&self) -> Result<Vec<CoreDumpInfo>, QueueError> {
        let found = self.call(redis::cmd("HGETALL").arg(INDEX)).await?;
        Ok(pairs(found).into_iter().filter_map(|(_, info)| serde_json::from_str(&text(info)).ok()).collect())
    }

    /// A core dump: a WebAssembly file, checked against its digest.
    pub async fn core_dump(&self, digest: &str) -> Result<(CoreDumpInfo, Vec<u8>), CoreDumpError> {
        let missing = || CoreDumpError::Missing(digest.to_owned());
        if !is_digest(digest) {
            return Err(missing());
        }
        let key = key(digest);
        let found = self.blob_info(&key).await?.ok_or_else(missing)?;
        let info: CoreDumpInfo = serde_json::from_str(&found).map_err(|_| CoreDumpError::Damaged {
            digest: digest.to_owned(),
            what: "what is known of it cannot be read",
        })?;
        let size = usize::try_from(info.size.min(MAX_CORE_DUMP_BYTES)).unwrap_or(usize::MAX);
        let bytes = self.blob(&key, digest, size).await.map_err(|error| fault(digest, error))?;
        Ok((info, bytes))
    }
}

#[cfg(test)]
mod tests {
    use gristmill_core::deployment::digest_of;

    use super::*;
    use crate::PrivateRedis;

    fn dump(id: &str, at_ms: u64) -> (CoreDumpInfo, Vec<u8>) {
        let bytes = format!("the memory of {id}").into_bytes().repeat(100_000);
        let info = CoreDumpInfo {
            digest: digest_of(&bytes),
            size: bytes.len() as u64,
            queue: "q".into(),
            job: "*".into(),
            id: id.into(),
            attempt: 1,
            module: String::new(),
            reason: "trap".into(),
            at_ms,
        };
        (info, bytes)
    }

    #[tokio::test]
    async fn the_newest_are_kept_for_a_while() {
        let server = PrivateRedis::start().await.unwrap();
        let (connection, _) = Connection::open(&server.url()).await.unwrap();
        let dumps: Vec<_> = ["a", "b", "c"].iter().zip(1..).map(|(id, at)| dump(id, at)).collect();
        for (info, bytes) in &dumps {
            connection.put_core_dump(info, bytes.clone(), 2).await.unwrap();
        }
        let kept = connection.core_dumps(10).await.unwrap();
        assert_eq!(kept, [dumps[2].0.clone(), dumps[1].0.clone()]);
        assert_eq!(connection.core_dump(&dumps[1].0.digest).await.unwrap(), dumps[1]);
        let gone = connection.core_dump(&dumps[0].0.digest).await;
        assert!(matches!(gone, Err(CoreDumpError::Missing(_))), "{gone:?}");
        let ttl = connection.call(redis::cmd("PTTL").arg(key(&dumps[2].0.digest))).await.unwrap();
        assert!(matches!(ttl, redis::Value::Int(ms) if ms > 0), "{ttl:?}");
        assert_eq!(connection.core_dumps(KEEP_MS + 3).await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_was_tampered_with_is_not_given_out() {
        let server = PrivateRedis::start().await.unwrap();
        let (connection, _) = Connection::open(&server.url()).await.unwrap();
        let (info, bytes) = dump("a", 1);
        connection.put_core_dump(&info, bytes, 2).await.unwrap();
        connection.call(redis::cmd("HDEL").arg(key(&info.digest)).arg("0")).await.unwrap();
        let damaged = connection.core_dump(&info.digest).await;
        assert!(matches!(damaged, Err(CoreDumpError::Damaged { .. })), "{damaged:?}");
    }
}
