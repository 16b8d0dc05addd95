//! Counting what services can see change, for revisions.
//!
//! What no service can see is not counted: scans and what the gateway attaches because of them, findings, and links of blobs that come, which
//! nobody sees before a manifest names them. Each repository counts for itself, so that those who change different ones never wait
//! for each other, and a sum of what somebody may see tells nothing of the rest.

use std::collections::BTreeMap;

use rusqlite::params;

use super::Writing;
use crate::oci::Repository;

/// What counts everything that services can see of a repository. Types have numbers from one on.
pub(in crate::metadata) const ALL_TYPES: i64 = 0;

const COUNT: &str = "INSERT INTO changes (type_id, repository, number) VALUES (?1, ?2, ?3)
    ON CONFLICT (type_id, repository) DO UPDATE SET number = changes.number + ?4";
const TYPE_SHOWN: &str = "SELECT type_id, repository FROM judgements WHERE artifact_id = ?1 AND entry IS NOT NULL";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[COUNT, TYPE_SHOWN];

/// What changed in a transaction so far.
#[derive(Default)]
pub(super) struct Changes {
    /// The repositories whose manifests or tags are others than before.
    repositories: Vec<Repository>,
    /// What services can see, by type and repository: once for each change.
    seen: Vec<(i64, String)>,
    /// Whether another set of plugins is active, which is counted on its own.
    plugins: bool,
}

/// What a transaction changed.
pub(in crate::metadata) struct Changed {
    /// The repositories whose manifests or tags are others than before.
    pub(in crate::metadata) repositories: Vec<Repository>,
    /// Whether any revision moved.
    pub(in crate::metadata) revisions: bool,
}

/// How much had changed at some time.
#[derive(Clone, Copy)]
pub(super) struct Mark(usize, usize);

impl Changes {
    pub(super) fn mark(&self) -> Mark {
        Mark(self.repositories.len(), self.seen.len())
    }

    /// Forgets what changed since then.
    pub(super) fn forget(&mut self, since: Mark) {
        self.repositories.truncate(since.0);
        self.seen.truncate(since.1);
    }
}

impl Writing<'_> {
    /// Notes that services see something else in a repository than before.
    pub(super) fn changed(&mut self, repository: &Repository) {
        self.changed_unseen(repository);
        self.changes.seen.push((ALL_TYPES, repository.as_str().to_owned()));
    }

    /// Notes that a repository holds other manifests than before, none of which services see.
    pub(super) fn changed_unseen(&mut self, repository: &Repository) {
        self.changes.repositories.push(repository.clone());
    }

    /// Notes that an entry of a type came, changed or went.
    pub(super) fn entry_changed(&mut self, type_id: i64, repository: String) {
        self.changes.seen.push((type_id, repository));
    }

    /// Notes that an artifact has other tags, which its entry is shown with.
    pub(super) fn tags_changed(&mut self, artifact: i64) -> rusqlite::Result<()> {
        let shown = self.row(TYPE_SHOWN, [artifact], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.changes.seen.extend(shown);
        Ok(())
    }

    /// Notes that another set of plugins is active.
    pub(super) fn plugins_moved(&mut self) {
        self.changes.plugins = true;
    }

    /// Counts everything that changed, by one for each change: how commands share a transaction does not show. Rows are taken in the order of
    /// the table.
    pub(in crate::metadata) fn count_changes(&mut self) -> rusqlite::Result<Changed> {
        let Changes {
            repositories,
            seen,
            plugins,
        } = std::mem::take(&mut self.changes);
        let mut counts = BTreeMap::<(i64, String), i64>::new();
        let revisions = plugins || !seen.is_empty();
        for change in seen {
            *counts.entry(change).or_default() += 1;
        }
        for ((type_id, repository), by) in counts {
            let first = beginning(&repository) + by;
            self.execute(COUNT, params![type_id, repository, first, by])?;
        }
        Ok(Changed { repositories, revisions })
    }
}

/// Returns with what the numbers of a repository begin, below 2^32. A migration of the schema computes the same.
///
/// Numbers that began with nothing would be small and alike, and sums over different repositories, as who may see others than before is told
/// them, could be the same.
fn beginning(repository: &str) -> i64 {
    let step = |x: u32, byte: u8| x.wrapping_mul(16_777_619).wrapping_add(u32::from(byte));
    let x = repository.bytes().fold(0, step);
    // Names that differ in one character would begin next to each other; what follows scatters them.
    let x = (x ^ x >> 16).wrapping_mul(0x21f0_aaad);
    let x = (x ^ x >> 15).wrapping_mul(0x735a_2d97);
    (x ^ x >> 15).into()
}
