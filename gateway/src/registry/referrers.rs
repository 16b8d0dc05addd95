//! What refers to a manifest: from the metadata, and from the index that clients kept under a tag before registries listed referrers.
//!
//! A page is bounded in items and in bytes, and so is what is read to make it: annotations and manifests have megabytes at times.

use std::collections::{BTreeMap, HashMap};

use super::{Reader, RegistryError};
use crate::{
    metadata::{ManifestHead, ManifestRecord, ReferrerRecord},
    oci::{Digest, Manifest, Repository, Tag, referrers_tag},
};

/// The most bytes of types and annotations in one page, unless a single referrer has more. Clients read no more than 4 MiB of an index.
const PAGE_BYTES_MAX: usize = 3 << 20;
/// The most manifests that one page looks up for an index under a tag.
const NAMED_MAX: usize = 1_000;
/// The most bytes of manifests that one page reads for an index under a tag, unless a single one has more.
const READ_BYTES_MAX: u64 = 4 << 20;
/// What a manifest counts at least: it has to be found and read, however small it is.
const READ_BYTES_MIN: u64 = 4 << 10;

/// Some of the manifests that refer to a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferrersPage {
    /// The referrers, sorted by digest.
    pub referrers: Vec<ReferrerRecord>,
    /// The digest behind which the list goes on, where it does. The page may have ended before it was full, or even be empty.
    pub next: Option<Digest>,
}

/// A referrer that a page may list.
enum Candidate {
    /// It names its subject itself.
    Listed(ReferrerRecord),
    /// An index names it.
    Named(ManifestHead),
}

impl Reader {
    /// Returns up to `n` manifests that refer to `subject`, sorted by digest, after a digest; only those of a type where one is given.
    ///
    /// What the index under the fallback tag lists is folded in as far as the repository holds it (distribution specification, "Enabling
    /// the Referrers API"), with the type and the annotations that the manifests have themselves: old clients left them out of the index.
    /// Where the caller can see no such repository, nothing refers to anything.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        n: usize,
    ) -> Result<ReferrersPage, RegistryError> {
        let mut page = ReferrersPage {
            referrers: Vec::new(),
            next: None,
        };
        if !self.may_read(repository) {
            return Ok(page);
        }
        let (candidates, end) = self.candidates(repository, subject, artifact_type, after, n).await?;
        let named_max = if artifact_type.is_none() { n } else { NAMED_MAX };
        let heads = readable(&candidates, end.as_ref(), named_max);
        let (mut bytes, mut left) = (0, heads.len());
        let mut named = self.named(repository, heads).await?;
        for (digest, candidate) in candidates {
            if page.referrers.len() == n {
                return Ok(page);
            }
            // What else the index names up to the end may come before this one.
            if end.as_ref().is_some_and(|end| digest > *end) {
                break;
            }
            let referrer = match candidate {
                Candidate::Listed(referrer) => Some(referrer),
                Candidate::Named(_) if left == 0 => return Ok(page),
                Candidate::Named(_) => {
                    left -= 1;
                    named.remove(&digest)
                }
            };
            let wanted =
                |found: &ReferrerRecord| artifact_type.is_none_or(|wanted| found.artifact_type.as_deref() == Some(wanted));
            if let Some(referrer) = referrer.filter(wanted) {
                let size = referrer.annotations.len() + referrer.artifact_type.as_ref().map_or(0, String::len);
                if bytes > 0 && bytes + size > PAGE_BYTES_MAX {
                    return Ok(page);
                }
                bytes += size;
                page.referrers.push(referrer);
            }
            page.next = Some(digest);
        }
        page.next = end;
        Ok(page)
    }

    /// Returns what may be listed behind a digest, and the digest up to which that is everything, where more follows.
    async fn candidates(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        n: usize,
    ) -> Result<(BTreeMap<Digest, Candidate>, Option<Digest>), RegistryError> {
        let mut candidates = BTreeMap::new();
        let mut end = None;
        if let Ok(tag) = referrers_tag(subject).parse::<Tag>() {
            let named = self.metadata().named_under(repository, &tag, after, NAMED_MAX).await?;
            end = named
                .last()
                .filter(|_| named.len() == NAMED_MAX)
                .map(|(digest, _)| digest.clone());
            let held = named
                .into_iter()
                .filter_map(|(digest, head)| Some((digest, Candidate::Named(head?))));
            candidates.extend(held);
        }
        let (listed, more) = self
            .metadata()
            .referrers(repository, subject, artifact_type, after, n, PAGE_BYTES_MAX)
            .await?;
        if let Some(last) = listed.last().filter(|_| more) {
            end = Some(end.map_or_else(|| last.digest.clone(), |end| end.min(last.digest.clone())));
        }
        let listed = listed
            .into_iter()
            .map(|referrer| (referrer.digest.clone(), Candidate::Listed(referrer)));
        candidates.extend(listed);
        Ok((candidates, end))
    }

    /// Returns manifests that an index names as referrers. What was stored under laxer rules is listed as well.
    async fn named(
        &self,
        repository: &Repository,
        digests: Vec<Digest>,
    ) -> Result<HashMap<Digest, ReferrerRecord>, RegistryError> {
        if digests.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.metadata().manifests(repository, digests, referrer).await?;
        Ok(found
            .into_iter()
            .map(|referrer| (referrer.digest.clone(), referrer))
            .collect())
    }
}

/// Returns the manifests that a page reads for an index: the first `n` before an end, as far as they are not too many bytes.
fn readable(candidates: &BTreeMap<Digest, Candidate>, end: Option<&Digest>, n: usize) -> Vec<Digest> {
    let before = candidates
        .iter()
        .take_while(|(digest, _)| end.is_none_or(|end| *digest <= end));
    let named = before.filter_map(|(digest, candidate)| match candidate {
        Candidate::Named(head) => Some((digest, head.size.max(READ_BYTES_MIN))),
        Candidate::Listed(_) => None,
    });
    let mut read = 0;
    let fits = |(_, size): &(&Digest, u64)| {
        let first = read == 0;
        read += size;
        first || read <= READ_BYTES_MAX
    };
    named.take(n).take_while(fits).map(|(digest, _)| digest.clone()).collect()
}

/// Returns what is listed of a manifest that an index names.
fn referrer(record: ManifestRecord) -> ReferrerRecord {
    let manifest = Manifest::stored(&record.media_type, &record.bytes).ok();
    let annotations = manifest.as_ref().map(|manifest| &manifest.annotations);
    ReferrerRecord {
        artifact_type: manifest.as_ref().and_then(Manifest::referrer_type).map(str::to_owned),
        annotations: annotations.map_or_else(
            || "{}".into(),
            |annotations| serde_json::to_string(annotations).expect("a map of strings is JSON"),
        ),
        size: record.bytes.len() as u64,
        digest: record.digest,
        media_type: record.media_type,
    }
}
