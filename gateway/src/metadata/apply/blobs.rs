//! Links: which repository sees which blob.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{
        Applied, EndedUpload, Refused,
        columns::{signed, unsigned},
    },
    oci::{Digest, Repository},
};

const SIZE: &str = "SELECT size FROM links WHERE digest = ?1 AND repository_id = ?2";
// What a client links is the client's, even where the gateway had linked it for itself.
const LINK: &str = "INSERT INTO links (digest, repository_id, size, made) VALUES (?1, ?2, ?3, 0)
    ON CONFLICT (digest, repository_id) DO UPDATE SET made = 0 WHERE made <> 0";
const LINK_MADE: &str = "INSERT INTO links (digest, repository_id, size, made) VALUES (?1, ?2, ?3, 1)
    ON CONFLICT (digest, repository_id) DO NOTHING";
const UNLINK: &str = "DELETE FROM links WHERE digest = ?1 AND repository_id = ?2";
const UNLINK_MADE: &str = "DELETE FROM links WHERE digest = ?1 AND repository_id = ?2 AND made = 1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SIZE, LINK, LINK_MADE, UNLINK, UNLINK_MADE];

impl Writing<'_> {
    pub(super) fn link_blob(
        &mut self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        upload: Option<&EndedUpload>,
    ) -> Result<Applied, Abort> {
        if let Some(upload) = upload {
            self.end_upload(upload, digest)?;
        }
        let id = self.ensure_repository(repository)?;
        self.link(id, digest, size)
    }

    pub(super) fn mount_blob(&mut self, repository: &Repository, digest: &Digest, from: &[Repository]) -> Result<Applied, Abort> {
        for source in from {
            let Some(source) = self.repository(source)? else { continue };
            if let Some(size) = self.blob_size(source, digest)? {
                let id = self.ensure_repository(repository)?;
                self.link(id, digest, size)?;
                return Ok(Applied::Mounted(size));
            }
        }
        Err(Refused::Absent.into())
    }

    pub(super) fn unlink_blob(&mut self, repository: &Repository, digest: &Digest) -> Result<Applied, Abort> {
        let id = self.repository(repository)?.ok_or(Refused::Absent)?;
        if self.execute(UNLINK, params![digest.as_str(), id])? == 0 {
            return Err(Refused::Absent.into());
        }
        // What a manifest names can be gone from now on.
        self.changed(repository);
        Ok(Applied::Done)
    }

    /// Links a blob that the gateway made, unless the repository sees it already.
    pub(super) fn link_made(&mut self, repository_id: i64, digest: &Digest, size: u64) -> rusqlite::Result<()> {
        self.execute(LINK_MADE, params![digest.as_str(), repository_id, signed(size)])?;
        Ok(())
    }

    /// Unlinks a blob that the gateway made. A client's link stays.
    pub(super) fn unlink_made(&mut self, repository_id: i64, digest: &str) -> rusqlite::Result<()> {
        self.execute(UNLINK_MADE, params![digest, repository_id])?;
        Ok(())
    }

    /// Returns the size of a blob that a repository sees.
    pub(super) fn blob_size(&self, repository_id: i64, digest: &Digest) -> rusqlite::Result<Option<u64>> {
        self.row(SIZE, params![digest.as_str(), repository_id], |row| unsigned(row, 0))
    }

    /// Links a blob. Nobody sees it before a manifest names it.
    fn link(&mut self, id: i64, digest: &Digest, size: u64) -> Result<Applied, Abort> {
        let existed = self.blob_size(id, digest)?.is_some();
        self.execute(LINK, params![digest.as_str(), id, signed(size)])?;
        Ok(if existed { Applied::Existed } else { Applied::Done })
    }
}
