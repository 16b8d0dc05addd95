//! Links: which repository sees which blob, and where that lies.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{
        Applied, Lease, LinkBlob, Refused,
        columns::{signed, unsigned},
    },
    oci::{Digest, Location, Repository},
};

const SIZE: &str = "SELECT b.size FROM links l JOIN blobs b ON b.digest = l.digest AND b.state = 0
    WHERE l.digest = ?1 AND l.repository_id = ?2";
const IS_GARBAGE: &str = "SELECT 1 FROM garbage WHERE location = ?1";
const ADD_BLOB: &str = "INSERT INTO blobs (digest, location, size, state) VALUES (?1, ?2, ?3, 0) ON CONFLICT (digest) DO NOTHING";
const MOVE_BLOB: &str = "UPDATE blobs SET location = ?2, size = ?3, state = 0 WHERE digest = ?1";
const BLOB: &str = "SELECT location, size FROM blobs WHERE digest = ?1";
const WHOLE: &str = "SELECT 1 FROM blobs WHERE digest = ?1 AND state = 0";
const MARK: &str = "UPDATE blobs SET state = ?3 WHERE digest = ?1 AND location = ?2";
const LINK: &str =
    "INSERT INTO links (digest, repository_id, made) VALUES (?1, ?2, ?3) ON CONFLICT (digest, repository_id) DO NOTHING";
// What a client links is the client's, even where the gateway had linked it for itself.
const OWN: &str = "UPDATE links SET made = 0 WHERE digest = ?1 AND repository_id = ?2 AND made <> 0";
const UNLINK: &str = "DELETE FROM links WHERE digest = ?1 AND repository_id = ?2";
const UNLINK_MADE: &str = "DELETE FROM links WHERE digest = ?1 AND repository_id = ?2 AND made = 1";
const LINKED_ANYWHERE: &str = "SELECT 1 FROM links WHERE digest = ?1 LIMIT 1";
const DELETE_BLOB: &str = "DELETE FROM blobs WHERE digest = ?1 RETURNING location, size";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    SIZE,
    IS_GARBAGE,
    ADD_BLOB,
    MOVE_BLOB,
    BLOB,
    WHOLE,
    MARK,
    LINK,
    OWN,
    UNLINK,
    UNLINK_MADE,
    LINKED_ANYWHERE,
    DELETE_BLOB,
];

impl Writing<'_> {
    pub(super) fn link_blob(&mut self, link: &LinkBlob) -> Result<Applied, Abort> {
        let LinkBlob {
            repository,
            digest,
            size,
            location,
            is_new,
            upload,
            lease,
        } = link;
        if let Some(upload) = upload {
            self.end_upload(upload, digest)?;
        }
        match location {
            // What is about to be removed is not there any more.
            Some(location) if !is_new && self.exists(IS_GARBAGE, [location.as_str()])? => return Err(Refused::Absent.into()),
            Some(location) => self.put_blob(digest, location, *size, lease.now)?,
            None if !self.exists(WHOLE, [digest.as_str()])? => return Err(Refused::Absent.into()),
            None => {}
        }
        let id = self.ensure_repository(repository)?;
        self.link(id, digest, *lease)
    }

    pub(super) fn mount_blob(
        &mut self,
        repository: &Repository,
        digest: &Digest,
        from: &[Repository],
        lease: Lease,
    ) -> Result<Applied, Abort> {
        for source in from {
            let Some(source) = self.repository(source)? else { continue };
            if let Some(size) = self.blob_size(source, digest)? {
                let id = self.ensure_repository(repository)?;
                self.link(id, digest, lease)?;
                return Ok(Applied::Mounted(size));
            }
        }
        Err(Refused::Absent.into())
    }

    pub(super) fn unlink_blob(&mut self, repository: &Repository, digest: &Digest, now: u64) -> Result<Applied, Abort> {
        let id = self.repository(repository)?.ok_or(Refused::Absent)?;
        if self.execute(UNLINK, params![digest.as_str(), id])? == 0 {
            return Err(Refused::Absent.into());
        }
        self.drop_blob(digest.as_str(), now)?;
        // What a manifest names can be gone from now on.
        self.changed(repository);
        Ok(Applied::Done)
    }

    pub(super) fn mark_blob(&mut self, digest: &Digest, location: &Location, is_whole: bool) -> Result<Applied, Abort> {
        self.execute(MARK, params![digest.as_str(), location.as_str(), !is_whole])?;
        Ok(Applied::Done)
    }

    /// Links a blob that the gateway made and whose bytes are there, unless the repository sees it already.
    pub(super) fn link_made(&mut self, repository_id: i64, digest: &Digest) -> rusqlite::Result<()> {
        self.execute(LINK, params![digest.as_str(), repository_id, true])?;
        Ok(())
    }

    /// Unlinks a blob that the gateway made. A client's link stays.
    pub(super) fn unlink_made(&mut self, repository_id: i64, digest: &str, now: u64) -> rusqlite::Result<()> {
        self.execute(UNLINK_MADE, params![digest, repository_id])?;
        self.drop_blob(digest, now)
    }

    /// Returns the size of a blob that a repository sees.
    pub(super) fn blob_size(&self, repository_id: i64, digest: &Digest) -> rusqlite::Result<Option<u64>> {
        self.row(SIZE, params![digest.as_str(), repository_id], |row| unsigned(row, 0))
    }

    /// Says where a blob lies from now on. Where it lay before becomes garbage: the bytes there may be spoilt.
    pub(super) fn put_blob(&mut self, digest: &Digest, location: &Location, size: u64, now: u64) -> Result<(), Abort> {
        let row = params![digest.as_str(), location.as_str(), signed(size)];
        if self.execute(ADD_BLOB, row)? > 0 {
            return Ok(());
        }
        let before = self.row(BLOB, [digest.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, unsigned(row, 1)?))
        })?;
        if let Some((before, size)) = before.filter(|(before, _)| before != location.as_str()) {
            self.discard(&before, size, now)?;
        }
        self.execute(MOVE_BLOB, row)?;
        Ok(())
    }

    /// Unlinks a blob from one repository, whoever linked it.
    pub(super) fn unlink(&mut self, repository_id: i64, digest: &str, now: u64) -> rusqlite::Result<bool> {
        let unlinked = self.execute(UNLINK, params![digest, repository_id])? > 0;
        self.drop_blob(digest, now)?;
        Ok(unlinked)
    }

    /// Makes a blob garbage that no repository sees any more.
    fn drop_blob(&mut self, digest: &str, now: u64) -> rusqlite::Result<()> {
        if self.exists(LINKED_ANYWHERE, [digest])? {
            return Ok(());
        }
        let dropped = self.row(DELETE_BLOB, [digest], |row| Ok((row.get::<_, String>(0)?, unsigned(row, 1)?)))?;
        match dropped {
            Some((location, size)) => self.discard(&location, size, now),
            None => Ok(()),
        }
    }

    /// Links a blob. Nobody sees it before a manifest names it.
    fn link(&mut self, id: i64, digest: &Digest, lease: Lease) -> Result<Applied, Abort> {
        let existed = self.execute(LINK, params![digest.as_str(), id, false])? == 0;
        if existed {
            self.execute(OWN, params![digest.as_str(), id])?;
        }
        self.lease(id, digest.as_str(), lease.until)?;
        Ok(if existed { Applied::Existed } else { Applied::Done })
    }
}
