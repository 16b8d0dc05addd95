//! Revisions, uploads and hashes of machine code.

use rusqlite::{Row, params};

use crate::{
    metadata::{
        Metadata, MetadataError, UploadRecord,
        columns::{limit, parsed, signed, unsigned},
    },
    oci::Digest,
};

const REVISION: &str = "SELECT coalesce((SELECT revision FROM revisions WHERE prefix = ?1), 0)
    + coalesce((SELECT generation FROM plugin_set WHERE id = 1), 0)";
const UPLOAD: &str = "SELECT id, repository, offset, algorithm, hash_state, token FROM uploads WHERE id = ?1";
const UPLOADS_BEFORE: &str = "SELECT id, repository, offset, algorithm, hash_state, token FROM uploads WHERE used < ?1
    ORDER BY used LIMIT ?2";
const CODE: &str = "SELECT code FROM codes WHERE component = ?1 AND engine = ?2";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[REVISION, UPLOAD, UPLOADS_BEFORE, CODE];

impl Metadata {
    /// Returns a number that grows whenever anything under a prefix of whole segments changes, or the active set of plugins does.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn revision(&self, prefix: &str) -> Result<u64, MetadataError> {
        Ok(self
            .readers()
            .row(REVISION, [prefix], |row| unsigned(row, 0))?
            .unwrap_or_default())
    }

    /// Returns an upload session.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn upload(&self, id: &str) -> Result<Option<UploadRecord>, MetadataError> {
        self.readers().row(UPLOAD, [id], read_upload)
    }

    /// Returns up to `n` upload sessions that were last written to before a time, in seconds since 1970, the oldest first.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn uploads_before(&self, before: u64, n: usize) -> Result<Vec<UploadRecord>, MetadataError> {
        self.readers()
            .rows(UPLOADS_BEFORE, params![signed(before), limit(n)], read_upload)
    }

    /// Returns the hash of the machine code that an engine made from a component.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn code(&self, component: &Digest, engine: &str) -> Result<Option<Digest>, MetadataError> {
        self.readers().row(CODE, [component.as_str(), engine], |row| parsed(row, 0))
    }
}

fn read_upload(row: &Row<'_>) -> rusqlite::Result<UploadRecord> {
    Ok(UploadRecord {
        id: row.get(0)?,
        repository: parsed(row, 1)?,
        offset: unsigned(row, 2)?,
        algorithm: parsed(row, 3)?,
        hash_state: row.get(4)?,
        token: row.get(5)?,
    })
}
