//! Directories of guests: WASI's own file system, with a bound on what the writable ones hold.

mod quota;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, Host, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsError, FsResult, OutputStream, Pollable, StreamError, StreamResult,
};

pub use self::quota::Quota;

/// A directory of the machine that a guest sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where it is.
    pub host: PathBuf,
    /// Where the guest finds it.
    pub guest: String,
    /// Whether the guest may change it.
    pub writable: bool,
}

impl Directory {
    pub(crate) fn permissions(&self) -> FsPerms {
        if self.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly }
    }
}

/// The file system of one guest.
pub(crate) struct Files<'a> {
    pub(crate) view: WasiFilesystemCtxView<'a>,
    /// What the guest's writable directories may hold; it can write nowhere without one.
    pub(crate) quota: Option<Arc<Quota>>,
    pub(crate) host: Arc<dyn crate::Host>,
}

/// For the linker.
pub(crate) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = Files<'a>;
}

impl Files<'_> {
    /// Takes room before it is used. What is then not used stays taken until the directories are measured anew.
    fn room(&self, bytes: u64) -> FsResult<()> {
        if self.quota.as_ref().is_some_and(|quota| !quota.take(bytes)) {
            self.host.denied(crate::Denied::Disk);
            return Err(ErrorCode::InsufficientSpace.into());
        }
        Ok(())
    }

    /// A stream that takes room for what it writes.
    fn bounded(&mut self, stream: Resource<DynOutputStream>) -> FsResult<Resource<DynOutputStream>> {
        let Some(quota) = self.quota.clone() else { return Ok(stream) };
        let stream = self.view.table.delete(stream)?;
        let host = Arc::clone(&self.host);
        let stream: DynOutputStream = Box::new(Bounded { stream, quota, host });
        Ok(self.view.table.push(stream)?)
    }
}

struct Bounded {
    stream: DynOutputStream,
    quota: Arc<Quota>,
    host: Arc<dyn crate::Host>,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Bounded {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Bounded {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if !self.quota.take(bytes.len() as u64) {
            self.host.denied(crate::Denied::Disk);
            // The kind that the guest's library reads as "no space left on device".
            let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(StreamError::LastOperationFailed(full.into()));
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.stream.check_write()
    }
}

impl Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.view.convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        let full = |error: &std::io::Error| error.kind() == std::io::ErrorKind::StorageFull;
        let text = self.view.table.get(&error)?;
        if text.downcast_ref::<std::io::Error>().is_some_and(full) {
            return Ok(Some(ErrorCode::InsufficientSpace));
        }
        self.view.filesystem_error_code(error)
    }
}

/// What makes room needed is checked; all else is WASI's own.
impl HostDescriptor for Files<'_> {
    async fn write(&mut self, fd: Resource<Descriptor>, bytes: Vec<u8>, at: Filesize) -> FsResult<Filesize> {
        self.room(bytes.len() as u64)?;
        self.view.write(fd, bytes, at).await
    }

    fn write_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        at: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.view.write_via_stream(fd, at)?;
        self.bounded(stream)
    }

    fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.view.append_via_stream(fd)?;
        self.bounded(stream)
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        let now = self.view.stat(Resource::new_borrow(fd.rep())).await?.size;
        self.room(size.saturating_sub(now))?;
        self.view.set_size(fd, size).await
    }

    async fn create_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.room(quota::ENTRY)?;
        self.view.create_directory_at(fd, path).await
    }

    async fn symlink_at(&mut self, fd: Resource<Descriptor>, from: String, to: String) -> FsResult<()> {
        self.room(quota::ENTRY)?;
        self.view.symlink_at(fd, from, to).await
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        old: String,
        new_fd: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        self.room(quota::ENTRY)?;
        self.view.link_at(fd, flags, old, new_fd, new).await
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        if open_flags.contains(OpenFlags::CREATE) {
            self.room(quota::ENTRY)?;
        }
        self.view.open_at(fd, path_flags, path, open_flags, flags).await
    }

    async fn advise(
        &mut self,
        fd: Resource<Descriptor>,
        at: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        self.view.advise(fd, at, length, advice).await
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.view.sync_data(fd).await
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.view.sync(fd).await
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.view.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.view.get_type(fd).await
    }

    async fn set_times(
        &mut self,
        fd: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.view.set_times(fd, accessed, modified).await
    }

    async fn read(
        &mut self,
        fd: Resource<Descriptor>,
        length: Filesize,
        at: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.view.read(fd, length, at).await
    }

    async fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
        self.view.read_directory(fd).await
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.view.stat(fd).await
    }

    async fn stat_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.view.stat_at(fd, flags, path).await
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.view.set_times_at(fd, flags, path, accessed, modified).await
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.view, fd)
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.view.readlink_at(fd, path).await
    }

    async fn remove_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.view.remove_directory_at(fd, path).await
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        old: String,
        new_fd: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        self.view.rename_at(fd, old, new_fd, new).await
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.view.unlink_file_at(fd, path).await
    }

    fn read_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        at: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        self.view.read_via_stream(fd, at)
    }

    async fn is_same_object(
        &mut self,
        a: Resource<Descriptor>,
        b: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        self.view.is_same_object(a, b).await
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.view.metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.view.metadata_hash_at(fd, flags, path).await
    }
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.view.read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.view, stream)
    }
}
