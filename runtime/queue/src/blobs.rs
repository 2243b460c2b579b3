//! Large values in Redis, under keys of our own: each a hash named by its digest, with compressed chunks and, written last,
//! what is known of it. A blob without that is an upload that did not end: nobody reads it, and Redis forgets it.

use std::io::{Read, Write};
use std::time::Duration;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use gristmill_core::deployment::digest_of;
use redis::Value;

use crate::connection::Connection;
use crate::error::QueueError;
use crate::script::{FINISH_BLOB, PUT_CHUNK};
use crate::turn::text;

/// Bytes of a chunk before it is compressed: one call moves one, so that other clients of Redis do not wait long.
pub(crate) const CHUNK: usize = 512 << 10;
/// How often an upload begins anew when somebody else removes what is there.
const TRIES: usize = 3;
/// How long an upload may stand still.
const UPLOAD_TTL_MS: u64 = 3_600_000;

/// Why a blob was not stored or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlobError {
    /// What is there is not what the digest says.
    #[error("{0}")]
    Damaged(&'static str),
    /// Redis.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Chunks of a blob, compressed. Takes a core for a while.
pub(crate) fn chunks(bytes: &[u8], level: Compression) -> impl ExactSizeIterator<Item = Vec<u8>> {
    bytes.chunks(CHUNK).map(move |chunk| {
        let mut encoder = ZlibEncoder::new(Vec::new(), level);
        // Writing into memory cannot fail.
        let _ = encoder.write_all(chunk);
        encoder.finish().unwrap_or_default()
    })
}

impl Connection {
    /// Stores chunks that `chunks` makes, each time from the first, with what is known of the blob; for `keep`, or for ever.
    /// `progress` is told after each chunk how many there are. Repeating it changes nothing; whoever reads sees all or nothing.
    pub(crate) async fn put_blob<C: ExactSizeIterator<Item = Vec<u8>>>(
        &self,
        key: &str,
        info: &str,
        chunks: impl Fn() -> C,
        keep: Option<Duration>,
        mut progress: impl FnMut(usize),
    ) -> Result<(), BlobError> {
        let keep = keep.map_or(0, |keep| u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
        for _ in 0..TRIES {
            let chunks = chunks();
            let count = chunks.len();
            for (number, chunk) in chunks.enumerate() {
                let mut call = PUT_CHUNK.call_on(key);
                call.arg(number).arg(chunk).arg(UPLOAD_TTL_MS);
                if call.send(self).await? == Value::Int(0) {
                    break;
                }
                progress(number + 1);
            }
            let mut call = FINISH_BLOB.call_on(key);
            call.arg(info).arg(count).arg(keep);
            if call.send(self).await? == Value::Int(1) {
                return Ok(());
            }
        }
        Err(BlobError::Damaged("others remove it all the time"))
    }

    /// A blob of `size` bytes, checked against its digest.
    pub(crate) async fn blob(&self, key: &str, digest: &str, size: usize) -> Result<Vec<u8>, BlobError> {
        let mut bytes = Vec::with_capacity(size);
        for number in 0..size.div_ceil(CHUNK) {
            let Value::BulkString(chunk) = self.call(redis::cmd("HGET").arg(key).arg(number)).await? else {
                return Err(BlobError::Damaged("a part of it is missing"));
            };
            // One byte more than a chunk has tells one that is too long.
            let read = ZlibDecoder::new(&*chunk).take(CHUNK as u64 + 1).read_to_end(&mut bytes);
            if read.is_err() {
                return Err(BlobError::Damaged("a part of it cannot be decompressed"));
            }
            if bytes.len() > size {
                break;
            }
        }
        if bytes.len() != size || digest_of(&bytes) != digest {
            return Err(BlobError::Damaged("its bytes are not those that were put there"));
        }
        Ok(bytes)
    }

    /// What is known of a blob, as it was put; `None` without one.
    pub(crate) async fn blob_info(&self, key: &str) -> Result<Option<String>, QueueError> {
        match self.call(redis::cmd("HGET").arg(key).arg("info")).await? {
            Value::Nil => Ok(None),
            found => Ok(Some(text(found))),
        }
    }
}
