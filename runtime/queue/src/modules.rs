//! Modules in Redis, under keys of our own: each a hash named by its digest, with compressed chunks and, written last, what
//! is known of it. A module without that is an upload that did not end: nobody reads it, and Redis forgets it.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use gristmill_core::deployment::{MAX_MODULE_BYTES, ModuleInfo, digest_of, is_digest};
use redis::Value;

use crate::connection::Connection;
use crate::error::QueueError;
use crate::script::{FINISH_MODULE, PUT_CHUNK};
use crate::turn::text;
use crate::usage::pairs;

const INDEX: &str = "gristmill:{registry}:modules";
/// Bytes of a chunk before it is compressed: one call moves one, so that other clients of Redis do not wait long.
const CHUNK: usize = 512 << 10;
/// How often an upload begins anew when somebody else removes what is there.
const TRIES: usize = 3;
/// How long an upload may stand still.
const UPLOAD_TTL_MS: u64 = 3_600_000;

/// Why a module was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ModuleStoreError {
    /// It is not there: never pushed, or Redis has lost it.
    #[error("the registry has no module `{0}`; push it, or see `gristmill handler list`")]
    Missing(String),
    /// What is there is not what the digest says.
    #[error("module `{digest}` is damaged in the registry: {what}; push it again")]
    Damaged {
        /// Its digest.
        digest: String,
        /// In what way.
        what: &'static str,
    },
    /// The bytes are not those that the digest names.
    #[error("the file is not the module `{digest}`: its digest is `{found}`")]
    Digest {
        /// The digest that was said.
        digest: String,
        /// That of the bytes.
        found: String,
    },
    /// Redis.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl ModuleStoreError {
    /// Whether trying again may help.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Queue(_))
    }
}

/// The key of a module. Its hash tag keeps it from all others, so a Cluster spreads modules.
fn key(digest: &str) -> String {
    format!("gristmill:{{{}}}:module", digest.strip_prefix("sha256:").unwrap_or(digest))
}

fn damaged(digest: &str, what: &'static str) -> ModuleStoreError {
    ModuleStoreError::Damaged { digest: digest.to_owned(), what }
}

impl Connection {
    /// Stores a module, unless it is there and whole: then only what is known of it is written anew. `progress` is told
    /// after each chunk how many bytes are done. Repeating it changes nothing; whoever reads sees all of it or nothing.
    pub async fn put_module(
        &self,
        info: &ModuleInfo,
        wasm: &[u8],
        mut progress: impl FnMut(usize),
    ) -> Result<(), ModuleStoreError> {
        let found = digest_of(wasm);
        if found != info.digest {
            return Err(ModuleStoreError::Digest { digest: info.digest.clone(), found });
        }
        let key = key(&info.digest);
        if let Err(ModuleStoreError::Damaged { .. }) = self.module(&info.digest).await {
            self.call(redis::cmd("DEL").arg(&key)).await?;
        }
        let text = serde_json::to_string(info).unwrap_or_default();
        for _ in 0..TRIES {
            for (number, chunk) in wasm.chunks(CHUNK).enumerate() {
                let mut call = PUT_CHUNK.call_on(&key);
                call.arg(number).arg(compress(chunk)).arg(UPLOAD_TTL_MS);
                if call.send(self).await? == Value::Int(0) {
                    break;
                }
                progress((number + 1) * CHUNK);
            }
            let mut call = FINISH_MODULE.call_on(&key);
            call.arg(&text).arg(wasm.len().div_ceil(CHUNK));
            if call.send(self).await? == Value::Int(1) {
                self.call(redis::cmd("HSET").arg(INDEX).arg(&info.digest).arg(&text)).await?;
                return Ok(());
            }
        }
        Err(damaged(&info.digest, "others remove it all the time"))
    }

    /// A module, checked against its digest.
    pub async fn module(&self, digest: &str) -> Result<(ModuleInfo, Vec<u8>), ModuleStoreError> {
        let info = self.module_info(digest).await?;
        let key = key(digest);
        let size = usize::try_from(info.size.min(MAX_MODULE_BYTES)).unwrap_or(usize::MAX);
        let mut wasm = Vec::with_capacity(size);
        for number in 0..size.div_ceil(CHUNK) {
            let Value::BulkString(chunk) = self.call(redis::cmd("HGET").arg(&key).arg(number)).await? else {
                return Err(damaged(digest, "a part of it is missing"));
            };
            // One byte more than a chunk has tells one that is too long.
            let read = ZlibDecoder::new(&*chunk).take(CHUNK as u64 + 1).read_to_end(&mut wasm);
            if read.is_err() {
                return Err(damaged(digest, "a part of it cannot be decompressed"));
            }
            if wasm.len() > size {
                break;
            }
        }
        if wasm.len() != size || digest_of(&wasm) != digest {
            return Err(damaged(digest, "its bytes are not those that were pushed"));
        }
        Ok((info, wasm))
    }

    /// What is known of a module.
    pub async fn module_info(&self, digest: &str) -> Result<ModuleInfo, ModuleStoreError> {
        let missing = || ModuleStoreError::Missing(digest.to_owned());
        if !is_digest(digest) {
            return Err(missing());
        }
        match self.call(redis::cmd("HGET").arg(key(digest)).arg("info")).await? {
            Value::Nil => Err(missing()),
            found => serde_json::from_str(&text(found))
                .ok()
                .filter(|info: &ModuleInfo| info.digest == digest)
                .ok_or_else(|| damaged(digest, "what is known of it cannot be read")),
        }
    }

    /// What is known of every module, by digest.
    pub async fn modules(&self) -> Result<BTreeMap<String, ModuleInfo>, QueueError> {
        let found = self.call(redis::cmd("HGETALL").arg(INDEX)).await?;
        let row = |(digest, info)| Some((text(digest), serde_json::from_str(&text(info)).ok()?));
        Ok(pairs(found).into_iter().filter_map(row).collect())
    }

    /// Forgets a module. Repeating it is harmless.
    pub async fn remove_module(&self, digest: &str) -> Result<(), QueueError> {
        self.call(redis::cmd("HDEL").arg(INDEX).arg(digest)).await?;
        self.call(redis::cmd("DEL").arg(key(digest))).await.map(drop)
    }
}

fn compress(chunk: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing into memory cannot fail.
    let _ = encoder.write_all(chunk);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests;
