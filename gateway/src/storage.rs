//! Bytes at locations, and uploads that become them.
//!
//! A [`Storage`] says where it keeps some content; which digest lies where, and who may see it, is the business of the metadata. It
//! trusts its caller with digests: whoever completes an upload has hashed every byte. A location is never used twice: removing what lies at
//! one cannot hit a newer upload of the same content.
//!
//! What is acknowledged is durable: when [`Storage::sync`], [`Storage::complete`] or [`Storage::put`] returns, a crash at any
//! instruction loses nothing of it.
//!
//! Operations complete or have no effect, whatever happens to their caller: one that was begun goes on to its end although nobody waits
//! for it any more, and until then others on the same upload wait for it. Completing an upload consumes its token: whatever still comes
//! with that token finds no upload, so published bytes are never touched again.

mod fs;
mod memory;
#[cfg(test)]
mod suite;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::oci::{Digest, Location};

#[cfg(test)]
pub(crate) use fs::Slow;
pub use fs::{FsStorage, MEMORY_BYTES_MAX, create_folder_durably};
pub use memory::MemoryStorage;

/// The longest piece that [`Storage::read`] yields and that callers should gather for [`Storage::write_part`], in bytes: a pull in
/// pieces of 256 KiB takes an eighth more processor time, with twice the calls into the kernel.
pub const PIECE_BYTES_MAX: usize = 512 * 1024;

/// Why the storage could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no content at this location.
    #[error("no content is stored at {0}")]
    Absent(Location),
    /// There is no such upload.
    #[error("there is no upload {0:?} in the storage")]
    UploadAbsent(String),
    /// A part does not begin where the storage can take it up.
    #[error("a part was written at offset {offset}, but the upload can be continued at {expected}")]
    Offset {
        /// Where the part begins.
        offset: u64,
        /// Where it would have to begin.
        expected: u64,
    },
    /// The disk or the quota is full.
    #[error("the storage is full while {doing}; free some space and repeat")]
    Full {
        /// What was being done, with the path or key.
        doing: String,
    },
    /// The file system or the object store failed.
    #[error("the storage failed while {doing}")]
    Failed {
        /// What was being done, with the path or key.
        doing: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Some content, as a list of all that a storage holds tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it lies.
    pub location: Location,
    /// The digest that it should have.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, in seconds since 1970, as far as that is known.
    pub written: u64,
}

/// A list of content.
pub type Listing = BoxStream<'static, Result<Listed, StorageError>>;

/// A stream of the pieces of some content.
pub type Pieces = BoxStream<'static, Result<Bytes, StorageError>>;

/// A driver: somewhere to keep content.
///
/// Drivers pass the suite in `storage/suite.rs`.
#[async_trait::async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Returns the least size of a part that another part may follow, in bytes. Object stores want 5 MiB; files want nothing.
    fn part_bytes_min(&self) -> usize;

    /// Begins an upload and returns the driver's opaque token for it. It is cheap: nothing needs to be durable yet. No other operation
    /// makes an upload: what is ended is not begun again by a late part.
    async fn begin(&self) -> Result<String, StorageError>;

    /// Writes a part of an upload at `offset`, which is where the parts written so far end, or any earlier place where a part began
    /// or, for drivers without a least size, any earlier place at all: what was written from there on is forgotten.
    ///
    /// A part shorter than [`Storage::part_bytes_min`] is the *tail*: after it only `complete` may follow, or a part that begins where the
    /// tail began.
    async fn write_part(&self, upload: &str, offset: u64, part: Vec<Bytes>) -> Result<(), StorageError>;

    /// Makes every part written so far durable.
    async fn sync(&self, upload: &str) -> Result<(), StorageError>;

    /// Returns the tail of an upload that is `size` bytes long, and where it begins: what has to be written again before the upload can go on.
    /// Without a tail the bytes are empty.
    async fn tail(&self, upload: &str, size: u64) -> Result<(u64, Bytes), StorageError>;

    /// Returns a range of what was written of an upload, for ranges of at most a few [`PIECE_BYTES_MAX`]. The answer ends early where the
    /// upload does.
    async fn read_upload_at(&self, upload: &str, range: Range<u64>) -> Result<Bytes, StorageError>;

    /// Returns the uploads that were made durable and have not ended.
    async fn uploads(&self) -> Result<Vec<String>, StorageError>;

    /// Makes the first `size` bytes of an upload, which have this digest, content, durably, and returns where it lies. The upload is gone
    /// afterwards.
    async fn complete(&self, upload: &str, size: u64, digest: &Digest) -> Result<Location, StorageError>;

    /// Returns where the content of an upload lies that somebody may have completed without being told so, and its size, and makes it as
    /// durable as if they had.
    async fn completed(&self, upload: &str, digest: &Digest) -> Result<Option<(Location, u64)>, StorageError>;

    /// Forgets an upload. It is no error where there is none.
    async fn abort(&self, upload: &str) -> Result<(), StorageError>;

    /// Stores content that is at hand as a whole, durably, and returns where it lies: what `begin`, `write_part` and `complete` do, at one go.
    async fn put(&self, digest: &Digest, content: Vec<Bytes>) -> Result<Location, StorageError>;

    /// Tries whether something could be written now, and leaves nothing of it.
    async fn probe(&self) -> Result<(), StorageError>;

    /// Returns the size of some content in bytes.
    async fn size(&self, location: &Location) -> Result<Option<u64>, StorageError>;

    /// Streams a range of some content. Pieces have at most [`PIECE_BYTES_MAX`] bytes; the stream fails where the content is
    /// shorter than the range.
    async fn read(&self, location: &Location, range: Range<u64>) -> Result<Pieces, StorageError>;

    /// Returns a range of some content at once, for ranges of at most a few [`PIECE_BYTES_MAX`]. The answer ends early where the content does.
    async fn read_at(&self, location: &Location, range: Range<u64>) -> Result<Bytes, StorageError>;

    /// Lists all content, in no order. What comes or goes meanwhile may be in the list or not.
    fn list(&self) -> Listing;

    /// Removes some content, and returns whether it is gone: what somebody reads as a stream stays. It is no error where there is none, and it
    /// need not be durable: what a crash brings back is removed again.
    async fn delete(&self, location: &Location) -> Result<bool, StorageError>;
}

/// A driver that several parts of the gateway share.
pub type SharedStorage = Arc<dyn Storage>;
