//! The results of scans, and the manifests that show them to OCI clients.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{Applied, EdgeKind, PutManifest, ScanUpdate, held},
    oci::{Digest, Location},
};

const PUT: &str = "INSERT INTO scans (artifact_id, repository_id, stamp_id, document, referrer, findings, sarif)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const DELETE: &str = "DELETE FROM scans WHERE artifact_id = ?1 RETURNING document, referrer";
const DOCUMENT_USED: &str = "SELECT 1 FROM scans WHERE document = ?1 AND repository_id = ?2 LIMIT 1";
const MADE: &str = "SELECT id FROM artifacts WHERE digest = ?1 AND repository_id = ?2 AND made = 1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[PUT, DELETE, DOCUMENT_USED, MADE];

impl Writing<'_> {
    pub(super) fn put_scan(&mut self, update: &ScanUpdate) -> Result<Applied, Abort> {
        let ScanUpdate {
            repository,
            digest,
            stamp,
            findings,
            sarif,
            document,
            referrer,
            now,
        } = update;
        let Some(id) = self.repository(repository)? else {
            return Ok(Applied::Done);
        };
        let Some(artifact) = self.artifact(id, digest)? else {
            return Ok(Applied::Done);
        };
        self.remove_scan(id, artifact.id, *now)?;
        let shown = match referrer {
            Some(referrer) => self.attach(id, referrer, document.as_ref(), *now)?,
            None => None,
        };
        let stamp = self.stamp(stamp)?;
        let row = params![
            artifact.id,
            id,
            stamp,
            shown.map(Digest::as_str),
            referrer.as_ref().map(|referrer| referrer.digest.as_str()),
            serde_json::to_string(findings)?,
            sarif.as_ref(),
        ];
        self.execute(PUT, row)?;
        self.changed_unseen(repository);
        Ok(Applied::Done)
    }

    /// Removes what the last scan found, and what the gateway attached because of it. What a client pushed stays, even where it is the same.
    pub(super) fn remove_scan(&mut self, repository: i64, artifact: i64, now: u64) -> Result<(), Abort> {
        type Attached = (Option<String>, Option<String>);
        let removed: Option<Attached> = self.row(DELETE, [artifact], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Some((document, referrer)) = removed else { return Ok(()) };
        if let Some(referrer) = referrer
            && let Some(made) = self.row(MADE, params![referrer, repository], |row| row.get(0))?
        {
            self.remove_artifact(made, now)?;
        }
        // Scans that find nothing have the same document, and each shows it.
        if let Some(document) = document
            && !self.exists(DOCUMENT_USED, params![document, repository])?
        {
            self.unlink_made(repository, &document, now)?;
        }
        Ok(())
    }

    /// Stores the manifest that shows a scan and links its document. Returns the document.
    fn attach<'a>(
        &mut self,
        repository: i64,
        referrer: &'a PutManifest,
        document: Option<&Location>,
        now: u64,
    ) -> Result<Option<&'a Digest>, Abort> {
        let config = referrer.edges.iter().find(|edge| edge.kind == EdgeKind::Config);
        if let Some(config) = config {
            if let Some(location) = document {
                self.put_blob(&config.digest, location, config.size, now)?;
            }
            self.link_made(repository, &config.digest)?;
        }
        let edges = held::list(referrer.edges.iter());
        self.expect_held(referrer, &edges)?;
        self.store_artifact(repository, referrer, &edges, true)?;
        Ok(config.map(|config| &config.digest))
    }
}
