//! Jobs: planned with what makes them necessary, claimed in turns for a while, ended.
//!
//! No row can stop the others: one that cannot be read, or whose artifact is gone, is removed by whoever meets it.

use rusqlite::{OptionalExtension, params};

use super::{Abort, Writing};
use crate::metadata::{
    Applied, Claimed, Job, JobEnd, JobKind, Plan, Refused, Stamp, Turn,
    columns::{is_unreadable, job_kind, parsed, read_job_kind, signed, stamp},
};

/// How long a claimed job belongs to whoever claimed it, or renewed it last.
const LEASE_SECONDS: u64 = 60;

const PLANNED: &str = "SELECT 1 FROM jobs WHERE artifact_id = ?1 AND plugin = ?2 AND kind = ?3 AND stamp_id = ?4";
const INDEXED: &str = "SELECT 1 FROM judgements WHERE artifact_id = ?1 AND stamp_id = ?2 AND failure IS NULL";
const SCANNED: &str = "SELECT 1 FROM scans WHERE artifact_id = ?1 AND stamp_id = ?2";
// A job that was planned for another version is replaced by a new row, which the end of the old one does not touch.
const FORGET: &str = "DELETE FROM jobs WHERE artifact_id = ?1 AND plugin = ?2 AND kind = ?3";
const PLAN: &str = "INSERT INTO jobs (artifact_id, plugin, kind, stamp_id, backlog, planned, due, tries, waits)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 0, 0)";
// From the least turn that can follow: with `>`, all jobs of the turn before would be read and left out.
const NEXT_TURN: &str = "SELECT plugin, backlog FROM jobs WHERE (plugin, backlog) >= (?1, ?2) ORDER BY plugin, backlog LIMIT 1";
const DUE: &str = "SELECT id FROM jobs WHERE plugin = ?1 AND backlog = ?2 AND due <= ?3 ORDER BY due, id LIMIT 1";
const CLAIM: &str = "UPDATE jobs SET due = ?2, tries = tries + 1 WHERE id = ?1";
const JOB: &str = "SELECT r.name, a.digest, s.plugin, s.component, s.settings, j.kind, j.backlog, j.tries, j.waits, j.error
    FROM jobs j JOIN artifacts a ON a.id = j.artifact_id JOIN repositories r ON r.id = a.repository_id JOIN stamps s ON s.id = j.stamp_id
    WHERE j.id = ?1";
const RENEW: &str = "UPDATE jobs SET due = ?2 WHERE id = ?1";
const END: &str = "DELETE FROM jobs WHERE id = ?1";
const AGAIN: &str = "UPDATE jobs SET due = ?2, error = ?3 WHERE id = ?1";
const PUT_OFF: &str = "UPDATE jobs SET due = ?2, error = ?3, tries = CASE WHEN tries > 0 THEN tries - 1 ELSE 0 END, waits = waits + 1 WHERE id = ?1";
const ARTIFACT: &str = "SELECT 1 FROM artifacts WHERE id = ?1";
const PLANNED_UNTIL: &str = "UPDATE plugin_set SET planned_type = ?2, planned_artifact = ?3 WHERE id = 1 AND word = ?1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    PLANNED,
    INDEXED,
    SCANNED,
    FORGET,
    PLAN,
    NEXT_TURN,
    DUE,
    CLAIM,
    JOB,
    RENEW,
    END,
    AGAIN,
    PUT_OFF,
    ARTIFACT,
    PLANNED_UNTIL,
];

impl Writing<'_> {
    /// Plans a job unless the same one is planned or done by the same version.
    pub(super) fn plan(&mut self, artifact: i64, kind: JobKind, stamp: &Stamp, backlog: bool, now: u64) -> rusqlite::Result<()> {
        let (stamp_id, key) = (self.stamp(stamp)?, params![artifact, stamp.plugin, job_kind(kind)]);
        let done = match kind {
            JobKind::Index => INDEXED,
            JobKind::Scan => SCANNED,
        };
        if self.exists(done, [artifact, stamp_id])?
            || self.exists(PLANNED, params![artifact, stamp.plugin, job_kind(kind), stamp_id])?
        {
            return Ok(());
        }
        self.execute(FORGET, key)?;
        let row = params![artifact, stamp.plugin, job_kind(kind), stamp_id, backlog, signed(now)];
        self.execute(PLAN, row)?;
        Ok(())
    }

    pub(super) fn plan_page(&mut self, plan: &Plan) -> Result<Applied, Abort> {
        let until = params![plan.set, plan.until.artifact_type, plan.until.artifact];
        if self.execute(PLANNED_UNTIL, until)? == 0 {
            return Err(Refused::Moved.into());
        }
        let Some((stamp, kinds)) = &plan.jobs else {
            return Ok(Applied::Done);
        };
        for &artifact in &plan.artifacts {
            // It may have been deleted since the page was read.
            if self.exists(ARTIFACT, [artifact])? {
                for &kind in kinds {
                    self.plan(artifact, kind, stamp, true, plan.now)?;
                }
            }
        }
        Ok(Applied::Done)
    }

    /// Goes round the queues once, beginning behind the one that was served last, and takes the oldest job of the first that has one due.
    pub(super) fn claim_job(&mut self, now: u64, after: Option<&Turn>) -> Result<Applied, Abort> {
        let (mut last, mut round) = (after.cloned(), after.is_none());
        loop {
            let Some(turn) = self.next_turn(last.as_ref())? else {
                if round {
                    return Ok(Applied::Claimed(Claimed::Nothing));
                }
                (last, round) = (None, true);
                continue;
            };
            if round && after.is_some_and(|after| turn > *after) {
                return Ok(Applied::Claimed(Claimed::Nothing));
            }
            if let Some(id) = self.row(DUE, params![turn.plugin, turn.backlog, signed(now)], |row| row.get(0))? {
                return Ok(Applied::Claimed(self.take(id, turn, now)?));
            }
            last = Some(turn);
        }
    }

    fn next_turn(&self, after: Option<&Turn>) -> rusqlite::Result<Option<Turn>> {
        let (plugin, backlog) = after.map_or(("", 0), |turn| (turn.plugin.as_str(), i64::from(turn.backlog) + 1));
        self.row(NEXT_TURN, params![plugin, backlog], |row| {
            Ok(Turn {
                plugin: row.get(0)?,
                backlog: row.get::<_, i64>(1)? != 0,
            })
        })
    }

    /// Begins a lease. What cannot be read now could never be, and would be the oldest for ever.
    fn take(&mut self, id: i64, turn: Turn, now: u64) -> rusqlite::Result<Claimed> {
        self.execute(CLAIM, params![id, signed(now.saturating_add(LEASE_SECONDS))])?;
        let reason = match self.job(id) {
            Ok(Some(job)) => return Ok(Claimed::Job(Box::new(job))),
            Ok(None) => "its artifact or its plugin is not stored any more".to_owned(),
            Err(error) if is_unreadable(&error) => error.to_string(),
            Err(error) => return Err(error),
        };
        self.execute(END, [id])?;
        Ok(Claimed::Removed { turn, reason })
    }

    fn job(&self, id: i64) -> rusqlite::Result<Option<Job>> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Job {
                id,
                repository: parsed(row, 0)?,
                digest: parsed(row, 1)?,
                stamp: stamp(row, 2)?,
                kind: read_job_kind(row, 5)?,
                backlog: row.get::<_, i64>(6)? != 0,
                tries: row.get(7)?,
                waits: row.get(8)?,
                error: row.get(9)?,
            })
        };
        self.connection.prepare_cached(JOB)?.query_row([id], read).optional()
    }

    pub(super) fn renew_job(&mut self, id: i64, now: u64) -> Result<Applied, Abort> {
        self.execute(RENEW, params![id, signed(now.saturating_add(LEASE_SECONDS))])?;
        Ok(Applied::Done)
    }

    pub(super) fn end_job(&mut self, id: i64, end: JobEnd) -> Result<Applied, Abort> {
        match end {
            JobEnd::Removed => self.execute(END, [id])?,
            JobEnd::Again { due, error } => self.execute(AGAIN, params![id, signed(due), error])?,
            JobEnd::PutOff { due, reason } => self.execute(PUT_OFF, params![id, signed(due), reason])?,
        };
        Ok(Applied::Done)
    }
}
