//! What the registry knows about content: which repository holds what, under which tags, and what plugins said about it.
//!
//! One SQL schema. Writes are values, the [`Command`]s, applied by one function that checks every precondition again inside its
//! transaction; commands that arrive together share a commit, and each caller is answered after its fsync. Reads wait without
//! holding up a thread of the server: only what finds rows by their keys is read where it is asked for, and everything longer by a few
//! threads, for as long as somebody wants it (`readers`). No SQL is written outside of this module, and no read transaction outlives a call.

mod apply;
mod checkpoints;
mod columns;
mod command;
mod dialect;
mod entry;
mod held;
mod job;
mod read;
mod readers;
mod recent;
mod record;
mod reserve;
mod schema;
mod snapshot;
#[cfg(test)]
mod suite;
mod writer;

use std::{path::Path, sync::Arc};

pub use command::{
    Applied, Command, Edge, EdgeKind, EndedUpload, EntryUpdate, Expected, Judged, Lease, LinkBlob, PutManifest, Refused,
    SaveUpload, ScanUpdate,
};
pub use job::{Claimed, Job, JobCount, JobEnd, JobKind, Plan, PlanCursor, Turn};
pub use record::{
    ArtifactRecord, BlobRecord, BlobRow, Entry, EntryItem, Finding, FindingLocation, FindingSource, Garbage, GarbageCount,
    LeaseCursor, ManifestHead, ManifestRecord, Opinion, ReferenceRecord, ReferrerRecord, Related, Stamp, UnfinishedUpload,
    UnfinishedUploads, UploadProgress, UploadRecord,
};

pub use snapshot::Snapshot;

use self::{checkpoints::Checkpoints, readers::Readers, recent::Recent, reserve::Reserve, schema::Location, writer::Writer};

/// What SQLite says where the index of the log cannot grow.
const SHARED_MEMORY_FULL: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// How much memory the database keeps pages in, in bytes: 8 MiB (`cache_size`) for each connection that reads, 16 MiB for the writer and who copies
/// its log back; and manifests and revisions that were read a moment ago.
pub const MEMORY_BYTES_MAX: u64 =
    readers::CONNECTIONS_MAX as u64 * (8 << 20) + 2 * (16 << 20) + recent::BYTES_MAX + recent::REVISIONS_BYTES_MAX;

/// The metadata of a registry. Cheap to clone; when the last clone is dropped, the database is closed.
#[derive(Clone)]
pub struct Metadata(Arc<Shared>);

struct Shared {
    // Fields are dropped in this order: who closes the database last writes its log back, and readers cannot.
    readers: Readers,
    recent: Arc<Recent>,
    writer: Writer,
    reserve: Arc<Reserve>,
}

impl Metadata {
    /// Opens the database in a folder. Both are created where they do not exist, and an older schema is brought up to date.
    ///
    /// # Errors
    /// [`MetadataError::Open`] names what cannot be used, [`MetadataError::Newer`] the schema of a newer gateway.
    pub fn open(folder: &Path) -> Result<Self, MetadataError> {
        let location = Location::prepare(folder)?;
        let connection = location.writer()?;
        let readers = Readers::open(&location)?;
        let checkpoints = Checkpoints::start(location.checkpointer()?).map_err(|error| location.unusable(error))?;
        let (reserve, recent) = (Arc::new(Reserve::keep(folder)), Arc::new(Recent::new()));
        let writer =
            Writer::start(connection, checkpoints, reserve.clone(), recent.clone()).map_err(|error| location.unusable(error))?;
        Ok(Self(Arc::new(Shared {
            readers,
            recent,
            writer,
            reserve,
        })))
    }

    /// Applies a command: as a whole, durably, or not at all.
    ///
    /// # Errors
    /// [`MetadataError::Refused`] where a precondition does not hold, [`MetadataError::Full`] where the disk is full. What makes nothing
    /// larger is carried out on a full disk as well, from space that is kept for it.
    pub async fn apply(&self, command: Command) -> Result<Applied, MetadataError> {
        self.0.writer.apply(command).await
    }

    /// Says whether something that grows may be written, before a body is read for it.
    ///
    /// # Errors
    /// [`MetadataError::Full`] while the space that is kept for deletions is used.
    pub fn expect_room(&self) -> Result<(), MetadataError> {
        if self.0.reserve.restore() {
            Ok(())
        } else {
            Err(MetadataError::Full)
        }
    }

    fn readers(&self) -> &Readers {
        &self.0.readers
    }

    fn recent(&self) -> &Recent {
        &self.0.recent
    }
}

/// Why the metadata could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The folder cannot be used.
    #[error("the metadata in {path} cannot be opened: {reason}")]
    Open {
        /// The path of the database.
        path: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The database was written by a newer gateway.
    #[error(
        "the metadata in {path} has schema version {found}, but this gateway knows versions up to {known}; run the gateway that wrote \
         it, or a newer one"
    )]
    Newer {
        /// The path of the database.
        path: String,
        /// The version found.
        found: i64,
        /// The newest version known.
        known: i64,
    },
    /// The disk is full.
    #[error("the disk of the metadata is full; free some space and repeat")]
    Full,
    /// The database failed.
    #[error("the metadata failed while {doing}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A command's preconditions do not hold. Nothing of it was done.
    #[error("{0:?}")]
    Refused(Refused),
    /// Too many reads wait.
    #[error("the gateway has more to look up than it can at the moment; repeat in a moment")]
    Busy,
    /// A read took too long and was ended.
    #[error("the gateway could not look this up in time; repeat in a moment, or ask for less at once")]
    Late,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

impl MetadataError {
    /// Words an error of the database.
    fn database(doing: &'static str, error: impl Into<Arc<rusqlite::Error>>) -> Self {
        let error = error.into();
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            // The shared memory of the log is a file as well.
            Some(_)
                if error
                    .sqlite_error()
                    .is_some_and(|error| error.extended_code == SHARED_MEMORY_FULL) =>
            {
                Self::Full
            }
            _ => Self::Failed {
                doing,
                source: Box::new(error),
            },
        }
    }
}
