//! The metadata of a backup, or of a data folder whose gateway may run: they are only read.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{
    BlobRow, GarbageCount, MetadataError,
    read::collection,
    readers::Read,
    schema::{FILE, Location, MIGRATIONS},
};
use crate::oci::{self, Digest};

/// The first schema that tells where blobs lie.
const SCHEMA_MIN: usize = 8;

/// Metadata that is only read.
pub struct Snapshot(Connection);

impl Snapshot {
    /// Returns the file of the metadata in a folder.
    #[must_use]
    pub fn file(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Copies the metadata of a folder, as it was at one moment, into a file that does not exist yet, durably. Its gateway may run.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn take(folder: &Path, to: &Path) -> Result<(), MetadataError> {
        let location = Location::of(folder);
        let take = |connection: &Connection| connection.execute("VACUUM INTO ?1", [to.display().to_string()]);
        let taken = location.checkpointer().and_then(|connection| {
            take(&connection).map_err(|error| MetadataError::database("copying", error))?;
            Ok(())
        });
        taken?;
        let synced = File::open(to).and_then(|file| file.sync_all());
        synced.map_err(|source| MetadataError::Failed {
            doing: "copying",
            source: source.into(),
        })
    }

    /// Opens the metadata in a folder.
    ///
    /// # Errors
    /// [`MetadataError::Open`] where there is none, or its schema is older, [`MetadataError::Newer`] where it is newer.
    pub fn open(folder: &Path) -> Result<Self, MetadataError> {
        let location = Location::of(folder);
        let version: i64 = location
            .reader()?
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|error| MetadataError::database("reading", error))?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if version > known {
            let path = Self::file(folder).display().to_string();
            return Err(MetadataError::Newer {
                path,
                found: version,
                known,
            });
        }
        if usize::try_from(version).unwrap_or(0) < SCHEMA_MIN {
            return Err(location.unusable("its schema is older; start this gateway on it once"));
        }
        Ok(Self(location.reader()?))
    }

    /// Returns up to `n` blobs, sorted by digest, behind one of them.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn blobs(&self, after: Option<&Digest>, n: usize) -> Result<Vec<BlobRow>, MetadataError> {
        collection::blobs(&Read::of(&self.0), after, n)
    }

    /// Says whether a digest leads to a location.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn leads_to(&self, digest: &Digest, location: &oci::Location) -> Result<bool, MetadataError> {
        collection::leads_to(&Read::of(&self.0), digest, location)
    }

    /// Returns how many links nothing names whose lease ended by a time, in seconds since 1970, and how many bytes their blobs have.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn unnamed_links(&self, now: u64) -> Result<(u64, u64), MetadataError> {
        collection::unnamed_links(&Read::of(&self.0), now)
    }

    /// Counts the garbage.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn garbage_count(&self) -> Result<GarbageCount, MetadataError> {
        collection::garbage_count(&Read::of(&self.0))
    }
}
