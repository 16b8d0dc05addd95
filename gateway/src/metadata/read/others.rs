//! Hashes of machine code.

use crate::{
    metadata::{Metadata, MetadataError, columns::parsed},
    oci::Digest,
};

const CODE: &str = "SELECT code FROM codes WHERE component = ?1 AND engine = ?2";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[CODE];

impl Metadata {
    /// Returns the hash of the machine code that an engine made from a component.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn code(&self, component: &Digest, engine: &str) -> Result<Option<Digest>, MetadataError> {
        self.readers().row(CODE, [component.as_str(), engine], |row| parsed(row, 0))
    }
}
