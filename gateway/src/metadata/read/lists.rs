//! Lists of repositories and tags, sorted bytewise and read in pages.

use rusqlite::{Row, params};

use super::ranges::ranges;
use crate::{
    metadata::{
        Metadata, MetadataError,
        columns::{limit, parsed},
        readers::Read,
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
    pub async fn repository_exists(&self, repository: &Repository) -> Result<bool, MetadataError> {
        let repository = repository.clone();
        let work = move |read: &Read<'_>| Ok(read.row(EXISTS, [repository.as_str()], |_| Ok(()))?.is_some());
        self.readers().look_up(work).await
    }

    /// Returns up to `n` tags of a repository after `last`.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn tags(&self, repository: &Repository, last: Option<&str>, n: usize) -> Result<Vec<Tag>, MetadataError> {
        let (repository, last) = (repository.clone(), last.unwrap_or_default().to_owned());
        let work = move |read: &Read<'_>| read.rows(TAGS, params![repository.as_str(), last, limit(n)], |row| parsed(row, 0));
        self.readers().read(work).await
    }

    /// Returns up to `n` repositories under a prefix of whole segments and inside of a scope, after `after`.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn repositories(
        &self,
        scope: &Scope,
        prefix: &str,
        after: Option<&str>,
        n: usize,
    ) -> Result<Vec<Repository>, MetadataError> {
        let ranges = ranges(prefix, scope, after);
        let work = move |read: &Read<'_>| {
            let mut found = Vec::new();
            for (first, end) in ranges {
                let rest = n.saturating_sub(found.len());
                if rest == 0 {
                    break;
                }
                found.extend(read.rows(REPOSITORIES, params![first, end, limit(rest)], |row| parsed(row, 0))?);
            }
            Ok(found)
        };
        self.readers().read(work).await
    }

    /// Returns up to `n` repositories of a scope that see a blob. Of a blob that more than 10 000 repositories see, the first 10 000 are
    /// looked at.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn blob_repositories(&self, scope: &Scope, digest: &Digest, n: usize) -> Result<Vec<Repository>, MetadataError> {
        let (scope, digest) = (scope.clone(), digest.clone());
        let work = move |read: &Read<'_>| {
            let inside = |row: &Row<'_>| Ok(Some(parsed(row, 0)?).filter(|repository| scope.covers(repository)));
            read.some(BLOB_REPOSITORIES, params![digest.as_str(), limit(LINKS_MAX)], n, inside)
        };
        self.readers().read(work).await
    }
}
