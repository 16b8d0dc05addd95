//! Revisions and hashes of machine code.

use rusqlite::Row;

use crate::{
    metadata::{Metadata, MetadataError, columns::parsed},
    oci::{Digest, Scope},
};

const REVISION: &str = "SELECT coalesce((SELECT revision FROM revisions WHERE prefix = ?1), 0)
    + coalesce((SELECT generation FROM plugin_set WHERE id = 1), 0)";
// A revision counts the changes of the repositories under its prefix, so that those of some prefixes are sums and differences.
const REVISION_OF: &str = "SELECT coalesce((SELECT sum(revision) FROM json_each(?1) CROSS JOIN revisions ON prefix = value), 0)
    - coalesce((SELECT sum(revision) FROM json_each(?2) CROSS JOIN revisions ON prefix = value), 0)
    + coalesce((SELECT generation FROM plugin_set WHERE id = 1), 0)";
const CODE: &str = "SELECT code FROM codes WHERE component = ?1 AND engine = ?2";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[REVISION, REVISION_OF, CODE];

impl Metadata {
    /// Returns a number that grows, and may overflow, whenever anything changes under a prefix of whole segments and inside of a scope, or the
    /// active set of plugins does, and at no other time.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn revision(&self, scope: &Scope, prefix: &str) -> Result<u64, MetadataError> {
        let read = |row: &Row<'_>| Ok(row.get::<_, i64>(0)?.cast_unsigned());
        let found = match parts(scope, prefix) {
            None => self.readers().row(REVISION, [prefix], read),
            Some((counted, left_out)) => self.readers().row(REVISION_OF, [list(&counted), list(&left_out)], read),
        };
        Ok(found?.unwrap_or_default())
    }

    /// Returns the hash of the machine code that an engine made from a component.
    ///
    /// # Errors
    /// Fails where the database does.
    pub fn code(&self, component: &Digest, engine: &str) -> Result<Option<Digest>, MetadataError> {
        self.readers().row(CODE, [component.as_str(), engine], |row| parsed(row, 0))
    }
}

/// Returns the prefixes of which a prefix consists inside of a scope: those whose changes count, and those of them whose do not. Returns
/// nothing where it is the prefix as a whole.
fn parts<'a>(scope: &'a Scope, prefix: &'a str) -> Option<(Vec<&'a str>, Vec<&'a str>)> {
    match scope {
        Scope::All => None,
        Scope::AllBut(hidden) if hidden.cover(prefix) => Some((Vec::new(), Vec::new())),
        Scope::AllBut(hidden) => Some((vec![prefix], hidden.below(prefix).collect())),
        Scope::Only(shown) if shown.cover(prefix) => None,
        Scope::Only(shown) => Some((shown.below(prefix).collect(), Vec::new())),
    }
}

fn list(prefixes: &[&str]) -> String {
    serde_json::to_string(prefixes).expect("a list of strings is JSON")
}
