//! Manifests and revisions that were read a moment ago, for as long as they do not change.
//!
//! A tag is looked up again and again: by every node of a cluster, for every start of a container. From here that takes a tenth of what the
//! database takes. Nothing read from here is older than the last commit before the read began: the writer moves a number of every
//! repository that a transaction changes before it commits, and once more after that, before anybody is told. What was read under one number
//! is good for as long as it is that.

mod revisions;

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use quick_cache::{Weighter, sync};

use self::revisions::Revisions;
pub(super) use self::revisions::{BYTES_MAX as REVISIONS_BYTES_MAX, Of};
use super::{ManifestHead, ManifestRecord, MetadataError};
use crate::oci::{Reference, Repository};

/// How much memory manifests may take that are kept, in bytes.
pub(super) const BYTES_MAX: u64 = 32 << 20;
/// The largest manifest that is kept. Copying a larger one out of the database costs more than finding it.
const MANIFEST_BYTES_MAX: usize = 256 << 10;
/// What an entry needs beside the bytes of its manifest: names, digest, type, and its place.
const ENTRY_BYTES: u64 = 512;
/// How large manifests are, roughly, when the cache decides how many it expects.
const EXPECTED_BYTES: u64 = 2 << 10;
/// Repositories share numbers: a push to one of 1 024 makes others be read again.
const MOVES: usize = 1_024;

type Key = (Repository, Reference);

#[derive(Clone)]
struct Kept {
    /// The number of the repository before and after it was read.
    at: u64,
    head: ManifestHead,
    /// Nothing where only the head was asked for.
    bytes: Option<Bytes>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Kept> for Weight {
    fn weight(&self, _: &Key, kept: &Kept) -> u64 {
        ENTRY_BYTES + kept.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)
    }
}

/// The manifests, and how often repositories changed.
pub(super) struct Recent {
    manifests: sync::Cache<Key, Kept, Weight>,
    /// The numbers: odd while a transaction commits that changes a repository.
    moves: Vec<AtomicU64>,
    hasher: RandomState,
    revisions: Revisions,
}

/// What a transaction changes which commits now.
pub(super) struct Changing<'a>(Vec<&'a AtomicU64>);

impl Recent {
    pub(super) fn new() -> Self {
        let expected = usize::try_from(BYTES_MAX / (ENTRY_BYTES + EXPECTED_BYTES)).unwrap_or(1);
        Self {
            manifests: sync::Cache::with_weighter(expected, BYTES_MAX, Weight),
            moves: (0..MOVES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            revisions: Revisions::new(),
        }
    }

    /// Says that a transaction is about to commit which changes manifests of these repositories, and revisions or not, until the answer is
    /// dropped.
    pub(super) fn changing(&self, repositories: &[Repository], revisions: bool) -> Changing<'_> {
        let places: BTreeSet<usize> = repositories.iter().map(|repository| self.place(repository)).collect();
        let mut moves: Vec<_> = places.into_iter().filter_map(|place| self.moves.get(place)).collect();
        moves.extend(revisions.then(|| self.revisions.changes()));
        for number in &moves {
            number.fetch_add(1, Ordering::SeqCst);
        }
        Changing(moves)
    }

    /// Returns a manifest, which is read where it is not here.
    pub(super) async fn manifest<F: Future<Output = Result<Option<ManifestRecord>, MetadataError>>>(
        &self,
        repository: &Repository,
        reference: &Reference,
        read: impl FnOnce(Repository, Reference) -> F,
    ) -> Result<Option<ManifestRecord>, MetadataError> {
        let key = (repository.clone(), reference.clone());
        let at = self.number(repository);
        if let Some(Kept {
            head,
            bytes: Some(bytes),
            ..
        }) = self.kept(&key, at)
        {
            let ManifestHead { digest, media_type, .. } = head;
            return Ok(Some(ManifestRecord {
                digest,
                media_type,
                bytes,
            }));
        }
        let record = read(repository.clone(), reference.clone()).await?;
        if let Some(record) = record.as_ref().filter(|record| record.bytes.len() <= MANIFEST_BYTES_MAX) {
            let head = ManifestHead {
                digest: record.digest.clone(),
                media_type: record.media_type.clone(),
                size: record.bytes.len() as u64,
            };
            self.keep(key, at, head, Some(record.bytes.clone()));
        }
        Ok(record)
    }

    /// Returns a manifest without its bytes, which is read where it is not here.
    pub(super) async fn head<F: Future<Output = Result<Option<ManifestHead>, MetadataError>>>(
        &self,
        repository: &Repository,
        reference: &Reference,
        read: impl FnOnce(Repository, Reference) -> F,
    ) -> Result<Option<ManifestHead>, MetadataError> {
        let key = (repository.clone(), reference.clone());
        let at = self.number(repository);
        if let Some(kept) = self.kept(&key, at) {
            return Ok(Some(kept.head));
        }
        let head = read(repository.clone(), reference.clone()).await?;
        if let Some(head) = &head {
            self.keep(key, at, head.clone(), None);
        }
        Ok(head)
    }

    /// Returns a revision, which is read where it is not here.
    pub(super) async fn revision<F: Future<Output = Result<u64, MetadataError>>>(
        &self,
        of: Of,
        read: impl FnOnce(Of) -> F,
    ) -> Result<u64, MetadataError> {
        self.revisions.get(of, read).await
    }

    fn kept(&self, key: &Key, at: Option<u64>) -> Option<Kept> {
        self.manifests.get(key).filter(|kept| Some(kept.at) == at)
    }

    /// Keeps what was read, unless a transaction committed meanwhile or does now.
    fn keep(&self, key: Key, at: Option<u64>, head: ManifestHead, bytes: Option<Bytes>) {
        if let Some(number) = at
            && at == self.number(&key.0)
        {
            self.manifests.insert(key, Kept { at: number, head, bytes });
        }
    }

    /// Returns the number of a repository, unless a transaction commits now that changes it.
    fn number(&self, repository: &Repository) -> Option<u64> {
        let number = self.moves.get(self.place(repository))?.load(Ordering::SeqCst);
        (number % 2 == 0).then_some(number)
    }

    fn place(&self, repository: &Repository) -> usize {
        usize::try_from(self.hasher.hash_one(repository) % MOVES as u64).unwrap_or_default()
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        for number in &self.0 {
            number.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::ready};

    use futures_util::FutureExt;

    use super::*;
    use crate::oci::{Digest, Scope};

    fn at_once<T>(work: impl Future<Output = T>) -> T {
        work.now_or_never().expect("nothing has to be waited for")
    }

    fn record(text: &'static str) -> ManifestRecord {
        ManifestRecord {
            digest: Digest::sha256(text.as_bytes()),
            media_type: "application/vnd.oci.image.manifest.v1+json".parse().unwrap(),
            bytes: Bytes::from_static(text.as_bytes()),
        }
    }

    fn head(text: &'static str) -> ManifestHead {
        let ManifestRecord {
            digest,
            media_type,
            bytes,
        } = record(text);
        ManifestHead {
            digest,
            media_type,
            size: bytes.len() as u64,
        }
    }

    struct Case {
        recent: Recent,
        repository: Repository,
        reference: Reference,
        reads: Cell<u32>,
    }

    impl Case {
        fn new() -> Self {
            Self {
                recent: Recent::new(),
                repository: "a/b".parse().unwrap(),
                reference: "v1".parse().unwrap(),
                reads: Cell::new(0),
            }
        }

        /// Reads through the cache, with this text in the database.
        fn manifest(&self, text: &'static str) -> ManifestRecord {
            let read = |_, _| {
                self.reads.set(self.reads.get() + 1);
                ready(Ok(Some(record(text))))
            };
            let found = self.recent.manifest(&self.repository, &self.reference, read);
            at_once(found).unwrap().unwrap()
        }

        fn head(&self, text: &'static str) -> ManifestHead {
            let read = |_, _| {
                self.reads.set(self.reads.get() + 1);
                ready(Ok(Some(head(text))))
            };
            at_once(self.recent.head(&self.repository, &self.reference, read))
                .unwrap()
                .unwrap()
        }
    }

    #[test]
    fn what_did_not_change_is_read_once() {
        let case = Case::new();
        assert_eq!((case.head("one"), case.head("one")), (head("one"), head("one")));
        assert_eq!(case.reads.get(), 1);
        // A head has no bytes to give.
        assert_eq!((case.manifest("one"), case.manifest("one")), (record("one"), record("one")));
        assert_eq!(case.reads.get(), 2);
        assert_eq!(case.head("one"), head("one"));
        assert_eq!(case.reads.get(), 2);
    }

    #[test]
    fn a_commit_makes_everything_of_its_repositories_be_read_again() {
        let case = Case::new();
        case.manifest("one");
        let other: Repository = "a".parse().unwrap();
        drop(
            case.recent
                .changing(&[case.repository.clone(), other, case.repository.clone()], false),
        );
        assert_eq!((case.manifest("two"), case.head("two")), (record("two"), head("two")));
        assert_eq!(case.reads.get(), 2);
    }

    #[test]
    fn nothing_is_kept_that_is_read_while_a_transaction_commits() {
        let case = Case::new();
        case.manifest("one");
        let changing = case.recent.changing(std::slice::from_ref(&case.repository), false);
        // Neither is known to be what will have been committed.
        assert_eq!((case.manifest("one"), case.manifest("two")), (record("one"), record("two")));
        drop(changing);
        assert_eq!(case.manifest("two"), record("two"));
        assert_eq!(case.reads.get(), 4);
        // A transaction that begins and ends during a read.
        drop(case.recent.changing(std::slice::from_ref(&case.repository), false));
        let read = |_, _| {
            drop(case.recent.changing(std::slice::from_ref(&case.repository), false));
            ready(Ok(Some(record("two"))))
        };
        at_once(case.recent.manifest(&case.repository, &case.reference, read)).unwrap();
        assert_eq!(case.manifest("three"), record("three"));
    }

    #[test]
    fn revisions_are_added_up_anew_after_what_moves_them_and_nothing_else() {
        let (recent, reads) = (Recent::new(), Cell::new(0));
        let of = |prefix: &str| Of {
            scope: Scope::All,
            prefix: prefix.into(),
            types: None,
        };
        let asked = |prefix: &str, now: u64| {
            let read = |_| {
                reads.set(reads.get() + 1);
                ready(Ok(now))
            };
            at_once(recent.revision(of(prefix), read)).unwrap()
        };
        let repository: Repository = "a".parse().unwrap();
        assert_eq!([asked("", 1), asked("", 2), asked("a", 3), asked("", 4)], [1, 1, 3, 1]);
        assert_eq!(reads.get(), 2);
        drop(recent.changing(std::slice::from_ref(&repository), false));
        assert_eq!(asked("", 5), 1, "a scan moved it");
        let changing = recent.changing(&[], true);
        assert_eq!([asked("", 6), asked("", 7)], [6, 7], "kept while it moves");
        drop(changing);
        assert_eq!([asked("", 8), asked("", 9)], [8, 8]);
        // A transaction that begins and ends during a read.
        drop(recent.changing(&[], true));
        let read = |_| {
            drop(recent.changing(&[], true));
            ready(Ok(10))
        };
        at_once(recent.revision(of(""), read)).unwrap();
        assert_eq!(asked("", 11), 11);
    }
}
