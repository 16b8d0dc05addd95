//! What goes because nothing leads to it any more.
//!
//! A link is looked at when its lease ends: it goes unless a manifest of its repository names it. What stops being named gets a lease that
//! has ended already, so that what is looked at is what changed, and never everything. The last link of a blob takes the blob with it, and
//! where it lay becomes garbage in the same transaction; the bytes go later, and until then a crash forgets nothing.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{Applied, Lease, columns::signed},
    oci::{Digest, Location, Repository},
};

// A lease never becomes shorter.
const LEASE: &str = "INSERT INTO leases (digest, repository_id, until) VALUES (?1, ?2, ?3)
    ON CONFLICT (digest, repository_id) DO UPDATE SET until = excluded.until WHERE leases.until < excluded.until";
const RENEW: &str = "INSERT INTO leases (digest, repository_id, until)
    SELECT l.digest, l.repository_id, ?3 FROM links l WHERE l.digest = ?1 AND l.repository_id = ?2
    ON CONFLICT (digest, repository_id) DO UPDATE SET until = excluded.until WHERE leases.until < excluded.until";
const LEASE_EDGES: &str = "INSERT INTO leases (digest, repository_id, until)
    SELECT e.digest, e.repository_id, ?2 FROM edges e WHERE e.artifact_id = ?1 AND e.kind < 2
    ON CONFLICT (digest, repository_id) DO NOTHING";
const END_LEASE: &str = "DELETE FROM leases WHERE digest = ?1 AND repository_id = ?2 AND until <= ?3";
const NAMED: &str = "SELECT 1 FROM edges WHERE digest = ?1 AND repository_id = ?2 AND kind < 2 LIMIT 1";
const DISCARD: &str = "INSERT INTO garbage (location, size, since) VALUES (?1, ?2, ?3) ON CONFLICT (location) DO NOTHING";
const FORGET: &str = "DELETE FROM garbage WHERE location = ?1";
const WRITTEN: &str = "UPDATE collection SET clean = ?1 WHERE id = 1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LEASE, RENEW, LEASE_EDGES, END_LEASE, NAMED, DISCARD, FORGET, WRITTEN];

impl Writing<'_> {
    /// Lets a link stay for a while without a manifest that names the blob.
    pub(super) fn lease(&self, repository_id: i64, digest: &str, until: u64) -> rusqlite::Result<()> {
        self.execute(LEASE, params![digest, repository_id, signed(until)])?;
        Ok(())
    }

    /// Has the links looked at that a manifest names which goes.
    pub(super) fn lease_edges(&self, artifact: i64, now: u64) -> rusqlite::Result<()> {
        self.execute(LEASE_EDGES, params![artifact, signed(now)])?;
        Ok(())
    }

    pub(super) fn renew_leases(&self, blobs: &[(Repository, Digest)], lease: Lease) -> Result<Applied, Abort> {
        for (repository, digest) in blobs {
            if let Some(id) = self.repository(repository)? {
                self.execute(RENEW, params![digest.as_str(), id, signed(lease.until)])?;
            }
        }
        Ok(Applied::Done)
    }

    pub(super) fn collect(&mut self, blobs: &[(Repository, Digest)], now: u64) -> Result<Applied, Abort> {
        let mut collected = 0;
        for (repository, digest) in blobs {
            let Some(id) = self.repository(repository)? else { continue };
            let ended = self.execute(END_LEASE, params![digest.as_str(), id, signed(now)])? > 0;
            if !ended || self.exists(NAMED, params![digest.as_str(), id])? {
                continue;
            }
            // Nobody sees a blob that no manifest names, so nothing that anybody sees changes.
            collected += u64::from(self.unlink(id, digest.as_str(), now)?);
        }
        Ok(Applied::Collected(collected))
    }

    pub(super) fn discard(&self, location: &str, size: u64, now: u64) -> rusqlite::Result<()> {
        self.execute(DISCARD, params![location, signed(size), signed(now)])?;
        Ok(())
    }

    pub(super) fn forget_garbage(&self, locations: &[Location]) -> Result<Applied, Abort> {
        for location in locations {
            self.execute(FORGET, [location.as_str()])?;
        }
        Ok(Applied::Done)
    }

    pub(super) fn leases_are_written(&self, written: bool) -> Result<Applied, Abort> {
        self.execute(WRITTEN, [written])?;
        Ok(Applied::Done)
    }
}
