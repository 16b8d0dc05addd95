//! Hashes of machine code, the set of plugins and the probe.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{Applied, columns::signed},
    oci::Digest,
};

const PUT_CODE: &str = "INSERT INTO codes (component, engine, code) VALUES (?1, ?2, ?3)
    ON CONFLICT (component, engine) DO UPDATE SET code = excluded.code";
const SET_PLUGINS: &str = "INSERT INTO plugin_set (id, word, generation) VALUES (1, ?1, 1)
    ON CONFLICT (id) DO UPDATE SET word = excluded.word, generation = plugin_set.generation + 1, planned_type = '', planned_artifact = 0
    WHERE plugin_set.word <> excluded.word";
const PROBE: &str = "INSERT INTO probe (id, at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET at = excluded.at";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[PUT_CODE, SET_PLUGINS, PROBE];

impl Writing<'_> {
    pub(super) fn put_code(&mut self, component: &Digest, engine: &str, code: &Digest) -> Result<Applied, Abort> {
        self.execute(PUT_CODE, params![component.as_str(), engine, code.as_str()])?;
        Ok(Applied::Done)
    }

    pub(super) fn plugins_changed(&mut self, set: &str) -> Result<Applied, Abort> {
        if self.execute(SET_PLUGINS, [set])? > 0 {
            self.plugins_moved();
        }
        Ok(Applied::Done)
    }

    pub(super) fn probe(&mut self, now: u64) -> Result<Applied, Abort> {
        self.execute(PROBE, [signed(now)])?;
        Ok(Applied::Done)
    }
}
