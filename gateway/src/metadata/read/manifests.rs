//! Manifests and blobs: the reads of every pull.

use bytes::Bytes;
use rusqlite::{Row, params};

use crate::{
    metadata::{
        BlobRecord, Edge, ManifestHead, ManifestRecord, Metadata, MetadataError,
        columns::{head, parsed, unsigned},
        held,
    },
    oci::{Digest, Reference, Repository},
};

const BY_TAG: &str = "SELECT a.digest, a.media_type, c.bytes FROM repositories r
    JOIN tags t ON t.repository_id = r.id JOIN artifacts a ON a.id = t.artifact_id JOIN contents c ON c.id = a.content_id
    WHERE r.name = ?1 AND t.tag = ?2";
const BY_DIGEST: &str = "SELECT a.digest, a.media_type, c.bytes FROM repositories r
    JOIN artifacts a ON a.repository_id = r.id AND a.digest = ?2 JOIN contents c ON c.id = a.content_id
    WHERE r.name = ?1";
const HEAD_BY_TAG: &str = "SELECT a.digest, a.media_type, a.size FROM repositories r
    JOIN tags t ON t.repository_id = r.id JOIN artifacts a ON a.id = t.artifact_id
    WHERE r.name = ?1 AND t.tag = ?2";
const HEAD_BY_DIGEST: &str = "SELECT a.digest, a.media_type, a.size FROM repositories r
    JOIN artifacts a ON a.repository_id = r.id AND a.digest = ?2
    WHERE r.name = ?1";
const BLOB: &str = "SELECT b.size, b.location FROM repositories r JOIN links l ON l.repository_id = r.id AND l.digest = ?2
    JOIN blobs b ON b.digest = l.digest AND b.state = 0 WHERE r.name = ?1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[BY_TAG, BY_DIGEST, HEAD_BY_TAG, HEAD_BY_DIGEST, BLOB, held::HELD];

impl Metadata {
    /// Returns a manifest that a repository holds.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn manifest(&self, repository: &Repository, reference: &Reference) -> Result<Option<ManifestRecord>, MetadataError> {
        let read = |row: &Row<'_>| {
            Ok(ManifestRecord {
                digest: parsed(row, 0)?,
                media_type: parsed(row, 1)?,
                bytes: Bytes::copy_from_slice(row.get_ref(2)?.as_blob()?),
            })
        };
        let (sql, name) = match reference {
            Reference::Tag(tag) => (BY_TAG, tag.as_str()),
            Reference::Digest(digest) => (BY_DIGEST, digest.as_str()),
        };
        let found = || self.readers().row(sql, [repository.as_str(), name], read);
        self.recent().manifest(repository, reference, found)
    }

    /// Returns a manifest that a repository holds, without its bytes.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn manifest_head(&self, repository: &Repository, reference: &Reference) -> Result<Option<ManifestHead>, MetadataError> {
        let (sql, name) = match reference {
            Reference::Tag(tag) => (HEAD_BY_TAG, tag.as_str()),
            Reference::Digest(digest) => (HEAD_BY_DIGEST, digest.as_str()),
        };
        let found = || self.readers().row(sql, [repository.as_str(), name], |row| head(row, 0));
        self.recent().head(repository, reference, found)
    }

    /// Returns the size of a blob that a repository sees, and where it lies. One that is spoilt is not there.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Option<BlobRecord>, MetadataError> {
        let read = |row: &Row<'_>| {
            Ok(BlobRecord {
                size: unsigned(row, 0)?,
                location: parsed(row, 1)?,
            })
        };
        self.readers().row(BLOB, params![repository.as_str(), digest.as_str()], read)
    }

    /// Returns the sizes of what edges name, in their order, where a repository holds it.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn held(&self, repository: &Repository, edges: &[&Edge]) -> Result<Vec<Option<u64>>, MetadataError> {
        if edges.is_empty() {
            return Ok(Vec::new());
        }
        let params = params![repository.as_str(), held::list(edges.iter().copied())];
        Ok(held::in_order(
            self.readers().rows(held::HELD, params, held::read)?,
            edges.len(),
        ))
    }
}
