//! Jobs: planned with what makes them necessary, claimed for a while, ended.

use rusqlite::params;

use super::{Abort, Writing};
use crate::metadata::{
    Applied, Backfill, Job, JobKind,
    columns::{job_kind, parsed, read_job_kind, signed},
};

/// How long a claimed job belongs to whoever claimed it.
const LEASE_SECONDS: u64 = 60;

const PLANNED: &str = "SELECT 1 FROM jobs WHERE artifact_id = ?1 AND kind = ?2 AND stamp_id = ?3";
const SCANNED: &str = "SELECT 1 FROM scans WHERE artifact_id = ?1 AND stamp_id = ?2";
// A job that was planned for another version is replaced by a new row, which the end of the old one does not touch.
const PLAN: &str = "INSERT OR REPLACE INTO jobs (artifact_id, kind, stamp_id, due, attempts) VALUES (?1, ?2, ?3, ?4, 0)";
const DUE: &str = "SELECT j.id, j.kind, r.name, a.digest, s.plugin, j.attempts
    FROM (SELECT id, kind, artifact_id, stamp_id, attempts FROM jobs WHERE due <= ?1 ORDER BY due, id LIMIT 1) j
    JOIN artifacts a ON a.id = j.artifact_id JOIN repositories r ON r.id = a.repository_id JOIN stamps s ON s.id = j.stamp_id";
const CLAIM: &str = "UPDATE jobs SET due = ?2, attempts = attempts + 1 WHERE id = ?1";
const END: &str = "DELETE FROM jobs WHERE id = ?1";
const RETRY: &str = "UPDATE jobs SET due = ?2, error = ?3 WHERE id = ?1";
const CLAIMED_TYPE: &str = "SELECT artifact_id FROM candidates WHERE type = ?1";
const CLAIMED_PREFIX: &str = "SELECT artifact_id FROM candidates WHERE type >= ?1 AND type < ?2";
const JUDGED: &str = "SELECT 1 FROM judgements WHERE artifact_id = ?1 AND stamp_id = ?2";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    PLANNED,
    SCANNED,
    PLAN,
    DUE,
    CLAIM,
    END,
    RETRY,
    CLAIMED_TYPE,
    CLAIMED_PREFIX,
    JUDGED,
];

impl Writing<'_> {
    /// Plans a job unless the same one is planned, or a scan by the same version is done. Returns whether it was planned.
    pub(super) fn plan(&mut self, artifact: i64, kind: JobKind, stamp: i64, due: u64) -> rusqlite::Result<bool> {
        let done = match kind {
            JobKind::Index => self.exists(JUDGED, [artifact, stamp])?,
            JobKind::Scan => self.exists(SCANNED, [artifact, stamp])?,
        };
        if done || self.exists(PLANNED, params![artifact, job_kind(kind), stamp])? {
            return Ok(false);
        }
        self.execute(PLAN, params![artifact, job_kind(kind), stamp, signed(due)])?;
        Ok(true)
    }

    pub(super) fn claim_job(&mut self, now: u64) -> Result<Applied, Abort> {
        let due = self.row(DUE, [signed(now)], |row| {
            Ok(Job {
                id: row.get(0)?,
                kind: read_job_kind(row, 1)?,
                repository: parsed(row, 2)?,
                digest: parsed(row, 3)?,
                plugin: row.get(4)?,
                attempts: row.get(5)?,
            })
        })?;
        if let Some(job) = &due {
            self.execute(CLAIM, params![job.id, signed(now.saturating_add(LEASE_SECONDS))])?;
        }
        Ok(Applied::Job(due))
    }

    pub(super) fn end_job(&mut self, job: &Job, again: Option<(u64, String)>) -> Result<Applied, Abort> {
        match again {
            None => self.execute(END, [job.id])?,
            Some((due, error)) => self.execute(RETRY, params![job.id, signed(due), error])?,
        };
        Ok(Applied::Done)
    }

    pub(super) fn backfill(&mut self, backfill: &Backfill) -> Result<Applied, Abort> {
        let stamp = self.stamp(&backfill.stamp)?;
        let mut planned = 0;
        for artifact in self.claimed(backfill)? {
            let kinds = [(backfill.index, JobKind::Index), (backfill.scan, JobKind::Scan)];
            for (_, kind) in kinds.into_iter().filter(|(wanted, _)| *wanted) {
                planned += u64::from(self.plan(artifact, kind, stamp, 0)?);
            }
        }
        Ok(Applied::Planned(planned))
    }

    /// Returns the artifacts of which the plugin claims a candidate, in the order in which they were pushed.
    fn claimed(&self, backfill: &Backfill) -> rusqlite::Result<Vec<i64>> {
        let mut claimed = Vec::new();
        for kind in &backfill.types {
            let mut statement = self.connection.prepare_cached(CLAIMED_TYPE)?;
            for artifact in statement.query_map([kind], |row| row.get(0))? {
                claimed.push(artifact?);
            }
        }
        for prefix in &backfill.type_prefixes {
            let mut statement = self.connection.prepare_cached(CLAIMED_PREFIX)?;
            // No text that begins with the prefix goes on with the last character of all.
            for artifact in statement.query_map([prefix, &format!("{prefix}{}", char::MAX)], |row| row.get(0))? {
                claimed.push(artifact?);
            }
        }
        claimed.sort_unstable();
        claimed.dedup();
        Ok(claimed)
    }
}
