//! Revisions and hashes of machine code.

use crate::{
    metadata::{
        Metadata, MetadataError,
        columns::{parsed, unsigned},
    },
    oci::Digest,
};

const REVISION: &str = "SELECT coalesce((SELECT revision FROM revisions WHERE prefix = ?1), 0)
    + coalesce((SELECT generation FROM plugin_set WHERE id = 1), 0)";
const CODE: &str = "SELECT code FROM codes WHERE component = ?1 AND engine = ?2";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[REVISION, CODE];

impl Metadata {
    /// Returns a number that grows whenever anything under a prefix of whole segments changes, or the active set of plugins does.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn revision(&self, prefix: &str) -> Result<u64, MetadataError> {
        Ok(self
            .readers()
            .row(REVISION, [prefix], |row| unsigned(row, 0))?
            .unwrap_or_default())
    }

    /// Returns the hash of the machine code that an engine made from a component.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn code(&self, component: &Digest, engine: &str) -> Result<Option<Digest>, MetadataError> {
        self.readers().row(CODE, [component.as_str(), engine], |row| parsed(row, 0))
    }
}
