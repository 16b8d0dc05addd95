//! Manifests and blobs: the reads of every pull.

use bytes::Bytes;
use rusqlite::Row;

use crate::{
    metadata::{
        BlobRecord, Edge, ManifestHead, ManifestRecord, Metadata, MetadataError,
        columns::{head, parsed, unsigned},
        held,
        readers::Read,
    },
    oci::{Digest, Reference, Repository},
};

/// For how many edges of a manifest looking up what they name counts as little.
const LOOKED_UP_MAX: usize = 64;

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
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<ManifestRecord>, MetadataError> {
        let found = |repository: Repository, reference: Reference| {
            self.readers().look_up(move |read| {
                let (sql, name) = match &reference {
                    Reference::Tag(tag) => (BY_TAG, tag.as_str()),
                    Reference::Digest(digest) => (BY_DIGEST, digest.as_str()),
                };
                read.row(sql, [repository.as_str(), name], record)
            })
        };
        self.recent().manifest(repository, reference, found).await
    }

    /// Returns what `make` makes of manifests of a repository, as far as it holds them. They are read one after the other: no more than one lies
    /// in memory.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn manifests<T: Send + 'static>(
        &self,
        repository: &Repository,
        digests: Vec<Digest>,
        make: impl Fn(ManifestRecord) -> T + Send + 'static,
    ) -> Result<Vec<T>, MetadataError> {
        let repository = repository.clone();
        let work = move |read: &Read<'_>| {
            let found = digests.iter().filter_map(|digest| {
                let found = read.row(BY_DIGEST, [repository.as_str(), digest.as_str()], record);
                found.map(|found| found.map(&make)).transpose()
            });
            found.collect()
        };
        self.readers().read(work).await
    }

    /// Returns a manifest that a repository holds, without its bytes.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn manifest_head(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<ManifestHead>, MetadataError> {
        let found = |repository: Repository, reference: Reference| {
            self.readers().look_up(move |read| {
                let (sql, name) = match &reference {
                    Reference::Tag(tag) => (HEAD_BY_TAG, tag.as_str()),
                    Reference::Digest(digest) => (HEAD_BY_DIGEST, digest.as_str()),
                };
                read.row(sql, [repository.as_str(), name], |row| head(row, 0))
            })
        };
        self.recent().head(repository, reference, found).await
    }

    /// Returns the size of a blob that a repository sees, and where it lies. One that is spoilt is not there.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Option<BlobRecord>, MetadataError> {
        let blob = |row: &Row<'_>| {
            Ok(BlobRecord {
                size: unsigned(row, 0)?,
                location: parsed(row, 1)?,
            })
        };
        let (repository, digest) = (repository.clone(), digest.clone());
        let work = move |read: &Read<'_>| read.row(BLOB, [repository.as_str(), digest.as_str()], blob);
        self.readers().look_up(work).await
    }

    /// Returns the sizes of what edges name, in their order, where a repository holds it.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn held(&self, repository: &Repository, edges: &[&Edge]) -> Result<Vec<Option<u64>>, MetadataError> {
        if edges.is_empty() {
            return Ok(Vec::new());
        }
        let (repository, listed, count) = (repository.clone(), held::list(edges.iter().copied()), edges.len());
        let work = move |read: &Read<'_>| {
            let found = read.rows(held::HELD, [repository.as_str(), listed.as_str()], held::read)?;
            Ok(held::in_order(found, count))
        };
        match count <= LOOKED_UP_MAX {
            true => self.readers().look_up(work).await,
            false => self.readers().read(work).await,
        }
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<ManifestRecord> {
    Ok(ManifestRecord {
        digest: parsed(row, 0)?,
        media_type: parsed(row, 1)?,
        bytes: Bytes::copy_from_slice(row.get_ref(2)?.as_blob()?),
    })
}
