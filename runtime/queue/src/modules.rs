//! The registry's modules: blobs in Redis, with an index of what is known of them.

use std::collections::BTreeMap;

use flate2::Compression;
use gristmill_core::deployment::{MAX_MODULE_BYTES, ModuleInfo, digest_of, is_digest};

use crate::blobs::{BlobError, CHUNK, chunks};
use crate::connection::Connection;
use crate::error::QueueError;
use crate::script::LEAD;
use crate::turn::{integer, text};
use crate::usage::pairs;

const INDEX: &str = "gristmill:{registry}:modules";
const PUSHING: &str = "gristmill:{registry}:pushing:";

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

fn fault(digest: &str, error: BlobError) -> ModuleStoreError {
    match error {
        BlobError::Damaged(what) => damaged(digest, what),
        BlobError::Queue(error) => error.into(),
    }
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
        let told = |count: usize| progress((count * CHUNK).min(wasm.len()));
        self.put_blob(&key, &text, || chunks(wasm, Compression::default()), None, told)
            .await
            .map_err(|error| fault(&info.digest, error))?;
        self.call(redis::cmd("HSET").arg(INDEX).arg(&info.digest).arg(&text)).await?;
        Ok(())
    }

    /// A module, checked against its digest.
    pub async fn module(&self, digest: &str) -> Result<(ModuleInfo, Vec<u8>), ModuleStoreError> {
        let info = self.module_info(digest).await?;
        let size = usize::try_from(info.size.min(MAX_MODULE_BYTES)).unwrap_or(usize::MAX);
        let wasm = self.blob(&key(digest), digest, size).await.map_err(|error| fault(digest, error))?;
        Ok((info, wasm))
    }

    /// What is known of a module.
    pub async fn module_info(&self, digest: &str) -> Result<ModuleInfo, ModuleStoreError> {
        let missing = || ModuleStoreError::Missing(digest.to_owned());
        if !is_digest(digest) {
            return Err(missing());
        }
        let found = self.blob_info(&key(digest)).await?.ok_or_else(missing)?;
        serde_json::from_str(&found)
            .ok()
            .filter(|info: &ModuleInfo| info.digest == digest)
            .ok_or_else(|| damaged(digest, "what is known of it cannot be read"))
    }

    /// Asks for the turn to push this module, for `ttl_ms`; at most one has it at a time, by `id`. A module has one name,
    /// so nobody may store it under another while somebody deploys it. Asked again it is renewed, or lost to somebody who
    /// got it after `ttl_ms`.
    pub async fn take_push_turn(&self, digest: &str, id: &str, ttl_ms: u64) -> Result<bool, QueueError> {
        let key = format!("{PUSHING}{digest}");
        let mut call = LEAD.call_on(&key);
        call.arg(id).arg(ttl_ms);
        Ok(integer(&call.send(self).await?) == 1)
    }

    /// Gives the turn to whoever asks next. Repeating it changes nothing.
    pub async fn end_push_turn(&self, digest: &str, id: &str) -> Result<(), QueueError> {
        let key = format!("{PUSHING}{digest}");
        let mut call = LEAD.call_on(&key);
        call.arg(id).arg(0);
        call.send(self).await.map(drop)
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

#[cfg(test)]
mod tests;
