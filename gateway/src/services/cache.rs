//! Answers that are kept until something changes in a part of the catalogue that they were made from.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use quick_cache::{Weighter, sync};

use super::{Part, ServiceResponse, length};
use crate::{
    oci::{Digest, Repository, Scope},
    plugin_host::{CataloguePart, Draft, DraftPart, Inquiry, Service, cache},
    registry::{Blob, Reader},
};

/// What an entry needs beside what it holds, in bytes.
const ENTRY_BYTES: usize = 1_024;
/// How large answers are, roughly, when the cache decides how many it expects.
const EXPECTED_BYTES: u64 = 64 << 10;

/// What an answer depends on beside the registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    component: Digest,
    settings: Digest,
    origin: String,
    well_known: Option<String>,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    /// Which repositories the caller may read.
    scope: Scope,
}

impl Key {
    pub(super) fn new(service: &Service, inquiry: &Inquiry, scope: &Scope) -> Self {
        let stamp = service.stamp();
        Self {
            component: stamp.component.clone(),
            settings: stamp.settings.clone(),
            origin: inquiry.origin.clone(),
            well_known: inquiry.well_known.clone(),
            path: inquiry.path.clone(),
            query: inquiry.query.clone(),
            headers: inquiry.headers.clone(),
            scope: scope.clone(),
        }
    }

    fn size(&self) -> usize {
        let pairs: usize = self
            .query
            .iter()
            .chain(&self.headers)
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.origin.len() + self.path.len() + pairs
    }
}

/// An answer that is kept.
pub(super) struct Kept {
    headers: Vec<(String, String)>,
    body: Vec<KeptPart>,
    etag: String,
    /// The parts of the catalogue that were read, with their revisions before they were read.
    revisions: BTreeMap<CataloguePart, u64>,
}

enum KeptPart {
    Bytes(Bytes),
    /// A blob, and the repository in which it was found.
    Blob(Repository, Blob),
}

impl Kept {
    /// Keeps an answer with status 200.
    pub(super) fn new(draft: Draft, revisions: BTreeMap<CataloguePart, u64>) -> Self {
        let part = |part| match part {
            DraftPart::Bytes(bytes) => KeptPart::Bytes(bytes.into()),
            DraftPart::Blob(repository, blob) => KeptPart::Blob(repository, blob),
        };
        Self {
            etag: format!("\"{}\"", draft.hash.hex()),
            headers: draft.headers,
            body: draft.body.into_iter().map(part).collect(),
            revisions,
        }
    }

    /// Returns the answer.
    pub(super) fn answer(&self) -> ServiceResponse {
        let part = |part: &KeptPart| match part {
            KeptPart::Bytes(bytes) => Part::Bytes(bytes.clone()),
            KeptPart::Blob(_, blob) => Part::Blob(blob.clone()),
        };
        let body: Vec<Part> = self.body.iter().map(part).collect();
        ServiceResponse {
            status: 200,
            headers: self.headers.clone(),
            etag: Some(self.etag.clone()),
            length: length(&body),
            body,
        }
    }

    /// Says whether nothing changed since, and the caller may still have every blob.
    async fn holds(&self, reader: &Reader) -> bool {
        for (part, revision) in &self.revisions {
            if !part.revision(reader).await.is_ok_and(|now| now == *revision) {
                return false;
            }
        }
        for part in &self.body {
            if let KeptPart::Blob(repository, blob) = part
                && reader.blob(repository, &blob.digest).await.is_err()
            {
                return false;
            }
        }
        true
    }
}

#[derive(Clone)]
struct Size;

impl Weighter<Key, Arc<Kept>> for Size {
    fn weight(&self, key: &Key, kept: &Arc<Kept>) -> u64 {
        let body: usize = kept
            .body
            .iter()
            .map(|part| {
                if let KeptPart::Bytes(bytes) = part {
                    bytes.len()
                } else {
                    size_of::<KeptPart>()
                }
            })
            .sum();
        let headers: usize = kept.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let revisions: usize = kept.revisions.keys().map(|part| part.size() + size_of::<u64>()).sum();
        (ENTRY_BYTES + key.size() + body + headers + revisions) as u64
    }
}

/// The answers that are kept.
pub(super) struct Cache(sync::Cache<Key, Arc<Kept>, Size>);

impl Cache {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self(cache(bytes_max, EXPECTED_BYTES, Size))
    }

    /// Returns an answer that still holds for whoever this reads for.
    pub(super) async fn get(&self, key: &Key, reader: &Reader) -> Option<Arc<Kept>> {
        let kept = self.0.get(key)?;
        kept.holds(reader).await.then_some(kept)
    }

    pub(super) fn keep(&self, key: Key, kept: Arc<Kept>) {
        self.0.insert(key, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Prefixes;

    fn key(path: &str, scope: Scope) -> Key {
        Key {
            component: Digest::sha256(b"a"),
            settings: Digest::sha256(b"b"),
            origin: "http://localhost".into(),
            well_known: None,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            scope,
        }
    }

    #[test]
    fn callers_who_see_other_repositories_share_nothing() {
        let hidden = || Scope::all_but(Prefixes::new(["secret".parse().unwrap()]).unwrap());
        assert_ne!(key("a", Scope::All), key("a", hidden()));
        assert_eq!(key("a", hidden()), key("a", hidden()));
    }

    #[test]
    fn large_answers_are_kept_beside_many_small_ones() {
        let cache = Cache::new(128 << 20);
        let keep = |path: &str, bytes: usize| {
            let body = vec![KeptPart::Bytes(vec![0; bytes].into())];
            let kept = Kept {
                headers: Vec::new(),
                body,
                etag: String::new(),
                revisions: BTreeMap::new(),
            };
            cache.keep(key(path, Scope::All), Arc::new(kept));
        };
        (0..500).for_each(|n| keep(&format!("small{n}"), 10_000));
        (0..4).for_each(|n| keep(&format!("large{n}"), 10 << 20));
        for n in 0..4 {
            assert!(cache.0.get(&key(&format!("large{n}"), Scope::All)).is_some(), "large{n}");
        }
        (0..100).for_each(|n| keep(&format!("more{n}"), 10 << 20));
        assert!(cache.0.weight() <= 128 << 20);
    }
}
