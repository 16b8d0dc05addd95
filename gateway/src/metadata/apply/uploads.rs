//! Upload sessions.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{
        Applied, EndedUpload, SaveUpload,
        columns::{limit, signed, upload_state},
    },
    oci::Digest,
};

const SAVE: &str = "INSERT INTO uploads
    (id, repository, acknowledged, algorithm, hash_state, token, used, state, digest, hash_version, peer)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (id) DO UPDATE SET repository = excluded.repository, acknowledged = excluded.acknowledged,
    algorithm = excluded.algorithm, hash_state = excluded.hash_state, token = excluded.token, used = excluded.used,
    state = excluded.state, digest = excluded.digest, hash_version = excluded.hash_version, peer = excluded.peer";
const DROP: &str = "DELETE FROM uploads WHERE id = ?1";
// What the bytes were needed for is over, so the row keeps what a repeated request is answered from.
const END: &str = "UPDATE uploads SET state = 2, digest = ?2, used = ?3, token = '', hash_state = ?4 WHERE id = ?1";
const FORGET: &str =
    "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads WHERE state = 2 AND used < ?1 ORDER BY used LIMIT ?2)";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SAVE, DROP, END, FORGET];

impl Writing<'_> {
    pub(super) fn save_upload(&mut self, upload: &SaveUpload) -> Result<Applied, Abort> {
        let row = params![
            upload.id,
            upload.repository.as_str(),
            signed(upload.offset),
            upload.algorithm.as_str(),
            upload.hash_state,
            upload.token,
            signed(upload.now),
            upload_state(upload.completing.as_ref()),
            upload.completing.as_ref().map(Digest::as_str),
            upload.hash_version,
            upload.peer,
        ];
        self.execute(SAVE, row)?;
        Ok(Applied::Done)
    }

    pub(super) fn drop_upload(&mut self, id: &str) -> Result<Applied, Abort> {
        self.execute(DROP, [id])?;
        Ok(Applied::Done)
    }

    /// Ends a session, where it has a row.
    pub(super) fn end_upload(&mut self, upload: &EndedUpload, digest: &Digest) -> Result<(), Abort> {
        self.execute(END, params![upload.id, digest.as_str(), signed(upload.now), [0_u8; 0]])?;
        Ok(())
    }

    pub(super) fn forget_ended_uploads(&mut self, before: u64, n: usize) -> Result<Applied, Abort> {
        let forgotten = self.execute(FORGET, params![signed(before), limit(n)])?;
        Ok(Applied::Forgotten(forgotten as u64))
    }
}
