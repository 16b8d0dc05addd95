//! What is known about an artifact beside its bytes, and how it is connected to others.

use bytes::Bytes;
use rusqlite::{Row, params};

use crate::{
    metadata::{
        ArtifactRecord, ManifestHead, Metadata, MetadataError, Opinion, ReferrerRecord, Related,
        columns::{head, json, limit, malformed, parsed, stamp, tags, unsigned},
        dialect::gathered,
        entry,
        readers::Read,
    },
    oci::{Digest, Repository, Tag},
};

/// The most tags that a record names.
const TAGS_MAX: usize = 100;

const ARTIFACT: &str = concat!(
    "SELECT a.digest, a.media_type, a.size, a.candidates, (SELECT ",
    gathered!("tag"),
    " FROM (SELECT tag FROM tags WHERE artifact_id = a.id ORDER BY tag LIMIT ?3) t),
        j.artifact_id, y.name, p.plugin, p.component, p.settings, j.failure, j.findings, j.entry,
        s.artifact_id, q.plugin, q.component, q.settings, s.findings
    FROM repositories r JOIN artifacts a ON a.repository_id = r.id AND a.digest = ?2
    LEFT JOIN judgements j ON j.artifact_id = a.id LEFT JOIN types y ON y.id = j.type_id LEFT JOIN stamps p ON p.id = j.stamp_id
    LEFT JOIN scans s ON s.artifact_id = a.id LEFT JOIN stamps q ON q.id = s.stamp_id
    WHERE r.name = ?1"
);
const OPINIONS: &str = "SELECT y.name, p.plugin, p.component, p.settings, o.failure, o.findings, o.entry
    FROM repositories r JOIN artifacts a ON a.repository_id = r.id AND a.digest = ?2 JOIN opinions o ON o.artifact_id = a.id
    JOIN types y ON y.id = o.type_id JOIN stamps p ON p.id = o.stamp_id
    WHERE r.name = ?1 ORDER BY o.position";
const MISSING: &str = "SELECT e.digest FROM repositories r
    JOIN artifacts a ON a.repository_id = r.id AND a.digest = ?2 JOIN edges e ON e.artifact_id = a.id
    WHERE r.name = ?1 AND CASE e.kind
        WHEN 2 THEN NOT EXISTS (SELECT 1 FROM artifacts x WHERE x.digest = e.digest AND x.repository_id = r.id)
        ELSE NOT EXISTS (SELECT 1 FROM links l JOIN blobs b ON b.digest = l.digest AND b.state = 0
            WHERE l.digest = e.digest AND l.repository_id = r.id) END
    ORDER BY e.position";
const PARENTS: &str = "SELECT a.digest, a.media_type, a.size FROM
    (SELECT DISTINCT artifact_id FROM edges
        WHERE kind = 2 AND digest = ?2 AND repository_id = (SELECT id FROM repositories WHERE name = ?1)
        ORDER BY artifact_id LIMIT ?3) e
    JOIN artifacts a ON a.id = e.artifact_id";
const REFERRERS: &str = "SELECT f.digest, a.media_type, a.size, f.artifact_type, f.annotations
    FROM referrers f JOIN artifacts a ON a.id = f.artifact_id
    WHERE f.repository_id = (SELECT id FROM repositories WHERE name = ?1) AND f.subject = ?2 AND f.digest > ?4
        AND (CAST(?3 AS TEXT) IS NULL OR f.artifact_type = ?3)
    ORDER BY f.digest LIMIT ?5";
const NAMED_UNDER: &str = "SELECT e.digest, a.digest, a.media_type, a.size FROM
    (SELECT DISTINCT digest FROM edges
        WHERE kind = 2 AND digest > ?3 AND artifact_id = (SELECT artifact_id FROM tags
            WHERE repository_id = (SELECT id FROM repositories WHERE name = ?1) AND tag = ?2)
        ORDER BY digest LIMIT ?4) e
    LEFT JOIN artifacts a ON a.digest = e.digest AND a.repository_id = (SELECT id FROM repositories WHERE name = ?1)";
const SARIF: &str = "SELECT s.sarif FROM repositories r
    JOIN artifacts a ON a.repository_id = r.id AND a.digest = ?2 JOIN scans s ON s.artifact_id = a.id
    WHERE r.name = ?1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[ARTIFACT, OPINIONS, MISSING, PARENTS, REFERRERS, NAMED_UNDER, SARIF];

impl Metadata {
    /// Returns what is known about an artifact beside its bytes.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn artifact(&self, repository: &Repository, digest: &Digest) -> Result<Option<ArtifactRecord>, MetadataError> {
        let (repository, digest) = (repository.clone(), digest.clone());
        let work = move |read: &Read<'_>| {
            let params = params![repository.as_str(), digest.as_str(), limit(TAGS_MAX)];
            let Some(mut record) = read.row(ARTIFACT, params, read_artifact)? else {
                return Ok(None);
            };
            if record.judged.is_some() {
                let whose = [repository.as_str(), digest.as_str()];
                record.opinions = read.rows(OPINIONS, whose, read_opinion)?;
            }
            Ok(Some(record))
        };
        self.readers().read(work).await
    }

    /// Returns what a manifest names and its repository does not hold now, in the manifest's order.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn missing(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Digest>, MetadataError> {
        let (repository, digest) = (repository.clone(), digest.clone());
        let work = move |read: &Read<'_>| read.rows(MISSING, [repository.as_str(), digest.as_str()], |row| parsed(row, 0));
        self.readers().read(work).await
    }

    /// Returns up to `n` indexes of the repository that name a manifest, in the order in which they were pushed.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn parents(&self, repository: &Repository, digest: &Digest, n: usize) -> Result<Vec<Related>, MetadataError> {
        let (repository, digest) = (repository.clone(), digest.clone());
        let related = |row: &Row<'_>| {
            Ok(Related {
                kind: "index",
                head: head(row, 0)?,
            })
        };
        let work = move |read: &Read<'_>| read.rows(PARENTS, params![repository.as_str(), digest.as_str(), limit(n)], related);
        self.readers().read(work).await
    }

    /// Returns up to `n` manifests that refer to a subject, sorted by digest, after a digest; only those of a type where one is given. The
    /// page ends early rather than hold more than `bytes_max`, but has one where there is one. Says whether more follow.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        n: usize,
        bytes_max: usize,
    ) -> Result<(Vec<ReferrerRecord>, bool), MetadataError> {
        let (repository, subject, after) = (repository.clone(), subject.clone(), after.cloned());
        let artifact_type = artifact_type.map(str::to_owned);
        let work = move |read: &Read<'_>| {
            let params = params![
                repository.as_str(),
                subject.as_str(),
                artifact_type,
                after.as_ref().map_or("", Digest::as_str),
                limit(n.saturating_add(1))
            ];
            let (mut count, mut bytes, mut more) = (0, 0_usize, false);
            let found = read.rows_while(REFERRERS, params, |row| {
                let texts = row.get_ref(3)?.as_str_or_null()?.map_or(0, str::len) + row.get_ref(4)?.as_str()?.len();
                bytes = bytes.saturating_add(texts);
                more = count == n || (count > 0 && bytes > bytes_max);
                count += 1;
                if more { Ok(None) } else { read_referrer(row).map(Some) }
            });
            Ok((found?, more))
        };
        self.readers().read(work).await
    }

    /// Returns up to `n` of the manifests that the index under a tag names, sorted by digest, after a digest, each with its head where the
    /// repository holds it.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn named_under(
        &self,
        repository: &Repository,
        tag: &Tag,
        after: Option<&Digest>,
        n: usize,
    ) -> Result<Vec<(Digest, Option<ManifestHead>)>, MetadataError> {
        let (repository, tag, after) = (repository.clone(), tag.clone(), after.cloned());
        let work = move |read: &Read<'_>| {
            let after = after.as_ref().map_or("", Digest::as_str);
            let params = params![repository.as_str(), tag.as_str(), after, limit(n)];
            read.rows(NAMED_UNDER, params, |row| {
                let held = row.get::<_, Option<i64>>(3)?.is_some();
                Ok((parsed(row, 0)?, held.then(|| head(row, 1)).transpose()?))
            })
        };
        self.readers().read(work).await
    }

    /// Returns the findings of the last scan as a SARIF document.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn sarif(&self, repository: &Repository, digest: &Digest) -> Result<Option<Bytes>, MetadataError> {
        let (repository, digest) = (repository.clone(), digest.clone());
        let document = |row: &Row<'_>| Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?));
        let work = move |read: &Read<'_>| read.row(SARIF, [repository.as_str(), digest.as_str()], document);
        self.readers().read(work).await
    }
}

fn read_referrer(row: &Row<'_>) -> rusqlite::Result<ReferrerRecord> {
    Ok(ReferrerRecord {
        digest: parsed(row, 0)?,
        media_type: parsed(row, 1)?,
        size: unsigned(row, 2)?,
        artifact_type: row.get(3)?,
        annotations: row.get(4)?,
    })
}

fn read_opinion(row: &Row<'_>) -> rusqlite::Result<Opinion> {
    let entry = row.get_ref(6)?.as_str_or_null()?.map(entry::from_json);
    Ok(Opinion {
        artifact_type: row.get(0)?,
        stamp: stamp(row, 1)?,
        failure: row.get(4)?,
        findings: json(row, 5)?,
        entry: entry.transpose().map_err(|error| malformed(6, error))?,
    })
}

fn read_artifact(row: &Row<'_>) -> rusqlite::Result<ArtifactRecord> {
    let mut record = ArtifactRecord {
        head: head(row, 0)?,
        candidates: json(row, 3)?,
        tags: tags(row, 4)?,
        judged: None,
        failure: None,
        validated: Vec::new(),
        opinions: Vec::new(),
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
