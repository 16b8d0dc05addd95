//! Revisions: whether anything changed that somebody can see.
//!
//! A revision is the sum of the numbers of repositories (`apply::changes`) in the ranges that a prefix and a scope leave, and of how often the
//! set of plugins changed. A number grows by one with each change, in its transaction, and is never removed. So the sum of one scope grows
//! with everything that commits inside of it and is the same otherwise, and an older value never comes again, whatever is deleted and made
//! anew, unless a backup takes the place of the database. What lies outside of the scope is no part of it. Numbers begin with a hash of the
//! name, so that scopes of other repositories have other sums.

use rusqlite::Row;

use super::{entries::types_of, ranges::ranges};
use crate::{
    metadata::{
        Metadata, MetadataError,
        apply::ALL_TYPES,
        dialect::{listed, number, text},
        readers::Read,
        recent::Of,
    },
    oci::Scope,
};

const REVISION: &str = concat!(
    "SELECT coalesce((SELECT CAST(sum(c.number) AS BIGINT) FROM ",
    listed!("?1"),
    " CROSS JOIN changes c WHERE c.type_id = ",
    number!(0),
    " AND c.repository >= ",
    text!(1),
    " AND c.repository < ",
    text!(2),
    "), 0) + coalesce((SELECT generation FROM plugin_set WHERE id = 1), 0)"
);

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[REVISION];

impl Metadata {
    /// Returns a number that grows whenever something changes under a prefix of whole segments and inside of a scope that services can see, or
    /// the active set of plugins does, and at no other time. Where types are given (a trailing `*` makes a pattern), only what
    /// happens to entries of these types counts; such numbers and those of everything have nothing to do with each other.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn revision(&self, scope: &Scope, prefix: &str, types: Option<&[String]>) -> Result<u64, MetadataError> {
        let of = Of {
            scope: scope.clone(),
            prefix: prefix.to_owned(),
            types: types.map(<[String]>::to_vec),
        };
        self.recent().revision(of, |of| self.add_up(of)).await
    }

    /// Returns a revision as the database has it.
    pub(in crate::metadata) async fn add_up(&self, of: Of) -> Result<u64, MetadataError> {
        self.readers().read(move |read| sum(read, &of)).await
    }
}

fn sum(read: &Read<'_>, of: &Of) -> Result<u64, MetadataError> {
    let types = match &of.types {
        None => vec![ALL_TYPES],
        Some(types) => types_of(read, types)?,
    };
    let ranges = ranges(&of.prefix, &of.scope, None);
    let parts: Vec<_> = types
        .iter()
        .flat_map(|kind| ranges.iter().map(move |(first, end)| (kind, first, end)))
        .collect();
    let parts = serde_json::to_string(&parts).expect("a list of numbers and strings is JSON");
    let number = |row: &Row<'_>| Ok(row.get::<_, i64>(0)?.cast_unsigned());
    Ok(read.row(REVISION, [parts], number)?.unwrap_or_default())
}
