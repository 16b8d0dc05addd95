//! Lists of repositories and tags, sorted bytewise and read in pages.

use rusqlite::{Row, params};

use super::ranges::ranges;
use crate::{
    metadata::{
        Metadata, MetadataError,
        columns::{limit, parsed},
    },
    oci::{Digest, Repository, Scope, Tag},
};

/// How many links of one blob are looked at, which takes some ten milliseconds.
const LINKS_MAX: usize = 10_000;

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

    /// Returns up to `n` repositories under a prefix of whole segments and inside of a scope, after `after`.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn repositories(
        &self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        n: usize,
    ) -> Result<Vec<Repository>, MetadataError> {
        let mut found = Vec::new();
        for (first, end) in ranges(prefix, scope, after) {
            let rest = n.saturating_sub(found.len());
            if rest == 0 {
                break;
            }
            let params = params![first, end, limit(rest)];
            found.extend(self.readers().rows(REPOSITORIES, params, |row| parsed(row, 0))?);
        }
        Ok(found)
    }

    /// Returns up to `n` repositories of a scope that see a blob. Of a blob that more than 10 000 repositories see, the first 10 000 are
    /// looked at.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn blob_repositories(&self, scope: &Scope, digest: &Digest, n: usize) -> Result<Vec<Repository>, MetadataError> {
        let params = params![digest.as_str(), limit(LINKS_MAX)];
        let inside = |row: &Row<'_>| Ok(Some(parsed(row, 0)?).filter(|repository| scope.covers(repository)));
        self.readers().some(BLOB_REPOSITORIES, params, n, inside)
    }
}
