//! What the registry knows about content: which repository holds what, under which tags, and what plugins said about it.
//!
//! One SQL schema. Writes are values, the [`Command`]s, applied by one function that checks every precondition again inside its
//! transaction; commands that arrive together share a commit, and each caller is answered after its fsync. Reads are short and
//! synchronous: a point lookup costs some ten microseconds, less than a hop to another thread. No SQL is written outside of this
//! module, and no read transaction outlives a call.

mod command;
mod record;

pub use command::{
    Applied, Backfill, Command, Edge, EdgeKind, EntryUpdate, Judged, PutManifest, Refused, SaveUpload, ScanUpdate,
};
pub use record::{
    ArtifactRecord, Entry, EntryItem, Finding, FindingLocation, FindingSource, Job, JobKind, ManifestHead, ManifestRecord,
    ReferenceRecord, ReferrerRecord, Related, Stamp, UploadRecord,
};

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
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}
