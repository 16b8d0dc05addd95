//! Lists of repositories and tags, sorted bytewise and read in pages.

use rusqlite::params;

use super::{behind, covered};
use crate::{
    metadata::{
        Metadata, MetadataError,
        columns::{limit, parsed},
    },
    oci::{Digest, Repository, Tag},
};

const EXISTS: &str = "SELECT 1 FROM repositories WHERE name = ?1";
const TAGS: &str = "SELECT tag FROM tags WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND tag > ?2
    ORDER BY tag LIMIT ?3";
const REPOSITORIES: &str = "SELECT name FROM repositories WHERE name >= ?1 AND name < ?2 ORDER BY name LIMIT ?3";
const BLOB_REPOSITORIES: &str = "SELECT r.name FROM links l JOIN repositories r ON r.id = l.repository_id WHERE l.digest = ?1
    ORDER BY l.repository_id LIMIT ?2";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[EXISTS, TAGS, REPOSITORIES, BLOB_REPOSITORIES];

impl Metadata {
    /// Says whether anything was ever put into a repository.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn repository_exists(&self, repository: &Repository) -> Result<bool, MetadataError> {
        Ok(self.readers().row(EXISTS, [repository.as_str()], |_| Ok(()))?.is_some())
    }

    /// Returns up to `n` tags of a repository after `last`.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn tags(&self, repository: &Repository, last: Option<&str>, n: usize) -> Result<Vec<Tag>, MetadataError> {
        let params = params![repository.as_str(), last.unwrap_or_default(), limit(n)];
        self.readers().rows(TAGS, params, |row| parsed(row, 0))
    }

    /// Returns up to `n` repositories under a prefix of whole segments, after `after`.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn repositories(&self, prefix: &str, after: Option<&str>, n: usize) -> Result<Vec<Repository>, MetadataError> {
        let after = after.map(behind).unwrap_or_default();
        let mut found = Vec::new();
        for (first, end) in covered(prefix) {
            let params = params![after.as_str().max(&first), end, limit(n.saturating_sub(found.len()))];
            found.extend(self.readers().rows(REPOSITORIES, params, |row| parsed(row, 0))?);
        }
        Ok(found)
    }

    /// Returns up to `n` repositories that see a blob.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn blob_repositories(&self, digest: &Digest, n: usize) -> Result<Vec<Repository>, MetadataError> {
        self.readers()
            .rows(BLOB_REPOSITORIES, params![digest.as_str(), limit(n)], |row| parsed(row, 0))
    }
}
