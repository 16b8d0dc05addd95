//! What is known about an artifact beside its bytes, and how it is connected to others.

use bytes::Bytes;
use rusqlite::{Row, params};

use crate::{
    metadata::{
        ArtifactRecord, Metadata, MetadataError, ReferrerRecord, Related,
        columns::{head, json, limit, malformed, parsed, stamp, tags, unsigned},
        entry,
    },
    oci::{Digest, Repository},
};

/// The most tags that a record names.
const TAGS_MAX: usize = 100;

const ARTIFACT: &str = "SELECT a.digest, a.media_type, a.size, a.candidates,
        (SELECT json_group_array(tag) FROM (SELECT tag FROM tags WHERE artifact_id = a.id ORDER BY tag LIMIT ?3)),
        j.artifact_id, y.name, p.plugin, p.component, p.settings, j.failure, j.findings, j.entry,
        s.artifact_id, q.plugin, q.component, q.settings, s.findings
    FROM repositories r JOIN artifacts a ON a.repository_id = r.id AND a.digest = ?2
    LEFT JOIN judgements j ON j.artifact_id = a.id LEFT JOIN types y ON y.id = j.type_id LEFT JOIN stamps p ON p.id = j.stamp_id
    LEFT JOIN scans s ON s.artifact_id = a.id LEFT JOIN stamps q ON q.id = s.stamp_id
    WHERE r.name = ?1";
const MISSING: &str = "SELECT e.digest FROM repositories r
    JOIN artifacts a ON a.repository_id = r.id AND a.digest = ?2 JOIN edges e ON e.artifact_id = a.id
    WHERE r.name = ?1 AND CASE e.kind
        WHEN 2 THEN NOT EXISTS (SELECT 1 FROM artifacts x WHERE x.digest = e.digest AND x.repository_id = r.id)
        ELSE NOT EXISTS (SELECT 1 FROM links l WHERE l.digest = e.digest AND l.repository_id = r.id) END
    ORDER BY e.position";
const PARENTS: &str = "SELECT a.digest, a.media_type, a.size FROM
    (SELECT DISTINCT artifact_id FROM edges
        WHERE kind = 2 AND digest = ?2 AND repository_id = (SELECT id FROM repositories WHERE name = ?1)
        ORDER BY artifact_id LIMIT ?3) e
    JOIN artifacts a ON a.id = e.artifact_id";
const REFERRERS: &str = "SELECT f.digest, a.media_type, a.size, f.artifact_type, f.annotations
    FROM referrers f JOIN artifacts a ON a.id = f.artifact_id
    WHERE f.repository_id = (SELECT id FROM repositories WHERE name = ?1) AND f.subject = ?2 AND f.digest > ?4
        AND (?3 IS NULL OR f.artifact_type = ?3)
    ORDER BY f.digest LIMIT ?5";
const SARIF: &str = "SELECT s.sarif FROM repositories r
    JOIN artifacts a ON a.repository_id = r.id AND a.digest = ?2 JOIN scans s ON s.artifact_id = a.id
    WHERE r.name = ?1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[ARTIFACT, MISSING, PARENTS, REFERRERS, SARIF];

impl Metadata {
    /// Returns what is known about an artifact beside its bytes.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn artifact(&self, repository: &Repository, digest: &Digest) -> Result<Option<ArtifactRecord>, MetadataError> {
        let params = params![repository.as_str(), digest.as_str(), limit(TAGS_MAX)];
        self.readers().row(ARTIFACT, params, read_artifact)
    }

    /// Returns what a manifest names and its repository does not hold now, in the manifest's order.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn missing(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Digest>, MetadataError> {
        self.readers()
            .rows(MISSING, [repository.as_str(), digest.as_str()], |row| parsed(row, 0))
    }

    /// Returns up to `n` indexes of the repository that name a manifest, in the order in which they were pushed.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn parents(&self, repository: &Repository, digest: &Digest, n: usize) -> Result<Vec<Related>, MetadataError> {
        let params = params![repository.as_str(), digest.as_str(), limit(n)];
        let read = |row: &Row<'_>| {
            Ok(Related {
                kind: "index",
                head: head(row, 0)?,
            })
        };
        self.readers().rows(PARENTS, params, read)
    }

    /// Returns up to `n` manifests that refer to a subject, sorted by digest, after a digest; only those of a type where one is given.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        n: usize,
    ) -> Result<Vec<ReferrerRecord>, MetadataError> {
        let after = after.map_or("", Digest::as_str);
        let params = params![repository.as_str(), subject.as_str(), artifact_type, after, limit(n)];
        self.readers().rows(REFERRERS, params, |row| {
            Ok(ReferrerRecord {
                digest: parsed(row, 0)?,
                media_type: parsed(row, 1)?,
                size: unsigned(row, 2)?,
                artifact_type: row.get(3)?,
                annotations: row.get(4)?,
            })
        })
    }

    /// Returns the findings of the last scan as a SARIF document.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn sarif(&self, repository: &Repository, digest: &Digest) -> Result<Option<Bytes>, MetadataError> {
        let read = |row: &Row<'_>| Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?));
        self.readers().row(SARIF, [repository.as_str(), digest.as_str()], read)
    }
}

fn read_artifact(row: &Row<'_>) -> rusqlite::Result<ArtifactRecord> {
    let mut record = ArtifactRecord {
        head: head(row, 0)?,
        candidates: json(row, 3)?,
        tags: tags(row, 4)?,
        judged: None,
        failure: None,
        validated: Vec::new(),
        entry: None,
        scanned: None,
    };
    if row.get::<_, Option<i64>>(5)?.is_some() {
        record.judged = Some((row.get(6)?, stamp(row, 7)?));
        record.failure = row.get(10)?;
        record.validated = json(row, 11)?;
        let entry = row.get_ref(12)?.as_str_or_null()?.map(entry::from_json);
        record.entry = entry.transpose().map_err(|error| malformed(12, error))?;
    }
    if row.get::<_, Option<i64>>(13)?.is_some() {
        record.scanned = Some((stamp(row, 14)?, json(row, 17)?));
    }
    Ok(record)
}
