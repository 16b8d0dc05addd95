//! How many jobs there are, and which artifacts from before have not been looked at yet.

use rusqlite::{Row, params};

use crate::metadata::{
    JobCount, Metadata, MetadataError, PlanCursor,
    columns::{limit, read_job_kind, unsigned},
    readers::Read,
};

/// How many counts are returned at most: two for each plugin that ever had a job.
const COUNTS_MAX: usize = 1_000;

const COUNTS: &str = "SELECT c.plugin, c.kind, CASE WHEN c.depth > 0 THEN c.depth ELSE 0 END,
        (SELECT min(j.planned) FROM jobs j WHERE j.plugin = c.plugin AND j.kind = c.kind)
    FROM job_counts c WHERE c.plugin > '' AND c.kind IN (0, 1) ORDER BY c.plugin, c.kind LIMIT ?1";
const PLANNED: &str = "SELECT word, planned_type, planned_artifact FROM plugin_set WHERE id = 1";
const TYPE_AFTER: &str = "SELECT type FROM candidates WHERE type > ?1 ORDER BY type LIMIT 1";
const CANDIDATES: &str = "SELECT c.artifact_id, a.candidates FROM candidates c JOIN artifacts a ON a.id = c.artifact_id
    WHERE c.type = ?1 AND c.artifact_id > ?2 ORDER BY c.artifact_id LIMIT ?3";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[COUNTS, PLANNED, TYPE_AFTER, CANDIDATES];

impl Metadata {
    /// Returns how many jobs there are, by plugin and kind.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn job_counts(&self) -> Result<Vec<JobCount>, MetadataError> {
        let count = |row: &Row<'_>| {
            Ok(JobCount {
                plugin: row.get(0)?,
                kind: read_job_kind(row, 1)?,
                depth: unsigned(row, 2)?,
                oldest: row
                    .get::<_, Option<i64>>(3)?
                    .map(|time| u64::try_from(time).unwrap_or_default()),
            })
        };
        let work = move |read: &Read<'_>| read.rows(COUNTS, [limit(COUNTS_MAX)], count);
        self.readers().read(work).await
    }

    /// Returns the set of plugins that is active, and how far the artifacts from before have been looked at for it.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn planned(&self) -> Result<Option<(String, PlanCursor)>, MetadataError> {
        let planned = |row: &Row<'_>| {
            let cursor = PlanCursor {
                artifact_type: row.get(1)?,
                artifact: row.get(2)?,
            };
            Ok((row.get(0)?, cursor))
        };
        self.readers().look_up(move |read| read.row(PLANNED, [], planned)).await
    }

    /// Returns the next type that any artifact is a candidate for, in bytewise order.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn candidate_type_after(&self, artifact_type: &str) -> Result<Option<String>, MetadataError> {
        let artifact_type = artifact_type.to_owned();
        let work = move |read: &Read<'_>| read.row(TYPE_AFTER, [artifact_type], |row| row.get(0));
        self.readers().read(work).await
    }

    /// Returns up to `n` artifacts that are candidates for a type, behind a cursor, each with all of its candidates in their order. One whose
    /// candidates cannot be read has none.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn candidates(&self, after: &PlanCursor, n: usize) -> Result<Vec<(i64, Vec<String>)>, MetadataError> {
        let after = after.clone();
        let work = move |read: &Read<'_>| {
            let params = params![after.artifact_type, after.artifact, limit(n)];
            read.rows(CANDIDATES, params, |row| {
                let text = row.get_ref(1)?.as_str().unwrap_or_default();
                Ok((row.get(0)?, serde_json::from_str(text).unwrap_or_default()))
            })
        };
        self.readers().read(work).await
    }
}
