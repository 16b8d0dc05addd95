//! Hashes of machine code.

use crate::{
    metadata::{Metadata, MetadataError, columns::parsed, readers::Read},
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
    pub async fn code(&self, component: &Digest, engine: &str) -> Result<Option<Digest>, MetadataError> {
        let (component, engine) = (component.clone(), engine.to_owned());
        let work = move |read: &Read<'_>| read.row(CODE, [component.as_str(), engine.as_str()], |row| parsed(row, 0));
        self.readers().look_up(work).await
    }
}
