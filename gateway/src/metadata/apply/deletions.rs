//! Deleting manifests and tags.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{
        Applied, Refused,
        dialect::{listed, text},
    },
    oci::{Digest, Repository, Tag},
};

const DELETE_TAG: &str = "DELETE FROM tags WHERE repository_id = ?1 AND tag = ?2 RETURNING artifact_id";
const DELETE_TAGS: &str = "DELETE FROM tags WHERE artifact_id = ?1";
const DELETE_EDGES: &str = "DELETE FROM edges WHERE artifact_id = ?1";
const DELETE_REFERRER: &str = "DELETE FROM referrers WHERE artifact_id = ?1";
const DELETE_CANDIDATES: &str = concat!(
    "DELETE FROM candidates WHERE artifact_id = ?1 AND type IN (SELECT ",
    text!(),
    " FROM ",
    listed!("(SELECT candidates FROM artifacts WHERE id = ?1)"),
    ")"
);
const DELETE_JOBS: &str = "DELETE FROM jobs WHERE artifact_id = ?1";
const DELETE: &str = "DELETE FROM artifacts WHERE id = ?1 RETURNING digest, content_id";
const ELSEWHERE: &str = "SELECT 1 FROM artifacts WHERE digest = ?1 LIMIT 1";
const DELETE_CONTENT: &str = "DELETE FROM contents WHERE id = ?1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    DELETE_TAG,
    DELETE_TAGS,
    DELETE_EDGES,
    DELETE_REFERRER,
    DELETE_CANDIDATES,
    DELETE_JOBS,
    DELETE,
    ELSEWHERE,
    DELETE_CONTENT,
];

impl Writing<'_> {
    pub(super) fn delete_tag(&mut self, repository: &Repository, tag: &Tag) -> Result<Applied, Abort> {
        let id = self.repository(repository)?.ok_or(Refused::Absent)?;
        let artifact = self.row(DELETE_TAG, params![id, tag.as_str()], |row| row.get(0))?;
        self.tags_changed(artifact.ok_or(Refused::Absent)?)?;
        self.changed(repository);
        Ok(Applied::Done)
    }

    pub(super) fn delete_manifest(&mut self, repository: &Repository, digest: &Digest, now: u64) -> Result<Applied, Abort> {
        let id = self.repository(repository)?.ok_or(Refused::Absent)?;
        let artifact = self.artifact(id, digest)?.ok_or(Refused::Absent)?;
        self.remove_scan(id, artifact.id, now)?;
        self.remove_artifact(artifact.id, now)?;
        self.changed(repository);
        Ok(Applied::Done)
    }

    /// Removes a manifest and everything about it but its scan.
    pub(super) fn remove_artifact(&mut self, artifact: i64, now: u64) -> Result<(), Abort> {
        self.execute(DELETE_TAGS, [artifact])?;
        self.execute(DELETE_JOBS, [artifact])?;
        self.remove_judgement(artifact)?;
        self.remove_opinions(artifact)?;
        self.remove_description(artifact, now)?;
        let removed = self.row(DELETE, [artifact], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        })?;
        if let Some((digest, content)) = removed
            && !self.exists(ELSEWHERE, [digest])?
        {
            self.execute(DELETE_CONTENT, [content])?;
        }
        Ok(())
    }

    /// Removes what a manifest names and refers to. Blobs that nothing else names are looked at.
    pub(super) fn remove_description(&self, artifact: i64, now: u64) -> Result<(), Abort> {
        self.lease_edges(artifact, now)?;
        self.execute(DELETE_EDGES, [artifact])?;
        self.execute(DELETE_REFERRER, [artifact])?;
        self.execute(DELETE_CANDIDATES, [artifact])?;
        Ok(())
    }
}
