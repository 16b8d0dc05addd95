//! Uploads, hashes of machine code and the set of plugins.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{Applied, SaveUpload, columns::signed},
    oci::Digest,
};

const SAVE_UPLOAD: &str = "INSERT OR REPLACE INTO uploads (id, repository, offset, algorithm, hash_state, token, used)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const DROP_UPLOAD: &str = "DELETE FROM uploads WHERE id = ?1";
const PUT_CODE: &str = "INSERT OR REPLACE INTO codes (component, engine, code) VALUES (?1, ?2, ?3)";
const SET_PLUGINS: &str = "INSERT INTO plugin_set (id, word, generation) VALUES (1, ?1, 1)
    ON CONFLICT (id) DO UPDATE SET word = excluded.word, generation = generation + 1 WHERE word <> excluded.word";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SAVE_UPLOAD, DROP_UPLOAD, PUT_CODE, SET_PLUGINS];

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
        ];
        self.execute(SAVE_UPLOAD, row)?;
        Ok(Applied::Done)
    }

    pub(super) fn drop_upload(&mut self, id: &str) -> Result<Applied, Abort> {
        self.execute(DROP_UPLOAD, [id])?;
        Ok(Applied::Done)
    }

    pub(super) fn put_code(&mut self, component: &Digest, engine: &str, code: &Digest) -> Result<Applied, Abort> {
        self.execute(PUT_CODE, params![component.as_str(), engine, code.as_str()])?;
        Ok(Applied::Done)
    }

    pub(super) fn plugins_changed(&mut self, set: &str) -> Result<Applied, Abort> {
        self.execute(SET_PLUGINS, [set])?;
        Ok(Applied::Done)
    }
}
