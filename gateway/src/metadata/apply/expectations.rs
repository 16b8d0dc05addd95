//! Conditions of other commands: what a reference has to mean for them to be done.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{Applied, Expected, Refused, columns::parsed},
    oci::{Digest, Reference, Repository},
};

const TAGGED: &str =
    "SELECT a.digest FROM tags t JOIN artifacts a ON a.id = t.artifact_id WHERE t.repository_id = ?1 AND t.tag = ?2";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[TAGGED];

impl Writing<'_> {
    pub(super) fn expect(&mut self, repository: Repository, reference: Reference, expected: &Expected) -> Result<Applied, Abort> {
        let meant = self.meant(&repository, &reference)?;
        if expected.holds(meant.as_ref()) {
            return Ok(Applied::Done);
        }
        let unmet = Refused::Unmet {
            repository,
            reference,
            meant,
        };
        Err(unmet.into())
    }

    /// Returns the manifest that a reference means now, as the commands before this one left it.
    fn meant(&self, repository: &Repository, reference: &Reference) -> rusqlite::Result<Option<Digest>> {
        let Some(id) = self.repository(repository)? else {
            return Ok(None);
        };
        match reference {
            Reference::Tag(tag) => self.row(TAGGED, params![id, tag.as_str()], |row| parsed(row, 0)),
            Reference::Digest(digest) => Ok(self.artifact(id, digest)?.map(|_| digest.clone())),
        }
    }
}
