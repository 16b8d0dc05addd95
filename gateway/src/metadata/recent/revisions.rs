//! Revisions that were added up a moment ago, for as long as nothing changes that services can see.
//!
//! Adding up takes the longer the more repositories there are: some 0.1 us each. Every answer of a service that is kept asks for them again.

use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::{Weighter, sync};

use crate::{metadata::MetadataError, oci::Scope};

/// How much memory revisions may take that are kept, in bytes.
pub(in crate::metadata) const BYTES_MAX: u64 = 1 << 20;
/// What one needs beside the texts it is of.
const ENTRY_BYTES: u64 = 256;

/// What a revision is of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::metadata) struct Of {
    pub(in crate::metadata) scope: Scope,
    pub(in crate::metadata) prefix: String,
    pub(in crate::metadata) types: Option<Vec<String>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Of, (u64, u64)> for Weight {
    fn weight(&self, of: &Of, _: &(u64, u64)) -> u64 {
        let types: usize = of.types.iter().flatten().map(|kind| kind.len() + size_of::<String>()).sum();
        ENTRY_BYTES + (of.prefix.len() + types) as u64
    }
}

/// The revisions, each with the number of changes when it was read.
pub(super) struct Revisions {
    kept: sync::Cache<Of, (u64, u64), Weight>,
    /// How often a transaction began or ended to commit that moves revisions: odd while one does.
    changes: AtomicU64,
}

impl Revisions {
    pub(super) fn new() -> Self {
        let expected = usize::try_from(BYTES_MAX / ENTRY_BYTES).unwrap_or(1);
        Self {
            kept: sync::Cache::with_weighter(expected, BYTES_MAX, Weight),
            changes: AtomicU64::new(0),
        }
    }

    pub(super) fn changes(&self) -> &AtomicU64 {
        &self.changes
    }

    /// Returns a revision, which is read where it is not here.
    pub(super) async fn get<F: Future<Output = Result<u64, MetadataError>>>(
        &self,
        of: Of,
        read: impl FnOnce(Of) -> F,
    ) -> Result<u64, MetadataError> {
        let at = self.changes.load(Ordering::SeqCst);
        if let Some((_, revision)) = self.kept.get(&of).filter(|(kept_at, _)| *kept_at == at) {
            return Ok(revision);
        }
        let revision = read(of.clone()).await?;
        // What is read while a transaction commits may be what was before it.
        if at.is_multiple_of(2) && at == self.changes.load(Ordering::SeqCst) {
            self.kept.insert(of, (at, revision));
        }
        Ok(revision)
    }
}
