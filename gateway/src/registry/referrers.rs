//! What refers to a manifest: from the metadata, and from the index that clients kept under a tag before registries listed referrers.

use std::collections::BTreeMap;

use super::{Reader, RegistryError};
use crate::{
    metadata::ReferrerRecord,
    oci::{Descriptor, Digest, Manifest, Reference, Repository, Tag, referrers_tag},
};

impl Reader {
    /// Returns up to `n` manifests that refer to `subject`, sorted by digest, after a digest; only those of a type where one is given.
    ///
    /// What the index under the fallback tag lists is folded in as far as the repository holds it (distribution specification, "Enabling
    /// the Referrers API"). Where the caller can see no such repository, nothing refers to anything.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        n: usize,
    ) -> Result<Vec<ReferrerRecord>, RegistryError> {
        if !self.may_read(repository) {
            return Ok(Vec::new());
        }
        let listed = self.metadata().referrers(repository, subject, artifact_type, after, n)?;
        let mut found: BTreeMap<Digest, ReferrerRecord> = listed
            .into_iter()
            .map(|referrer| (referrer.digest.clone(), referrer))
            .collect();
        for referrer in self.fallback(repository, subject)? {
            let wanted = artifact_type.is_none_or(|wanted| referrer.artifact_type.as_deref() == Some(wanted));
            if wanted && after.is_none_or(|after| referrer.digest > *after) {
                found.entry(referrer.digest.clone()).or_insert(referrer);
            }
        }
        Ok(found.into_values().take(n).collect())
    }

    fn fallback(&self, repository: &Repository, subject: &Digest) -> Result<Vec<ReferrerRecord>, RegistryError> {
        let Ok(tag) = referrers_tag(subject).parse::<Tag>() else {
            return Ok(Vec::new());
        };
        let Some(record) = self.metadata().manifest(repository, &Reference::Tag(tag))? else {
            return Ok(Vec::new());
        };
        let Ok(index) = Manifest::parse(Some(record.media_type.as_str()), &record.bytes) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for descriptor in index.manifests {
            if let Some(referrer) = self.fallback_referrer(repository, descriptor)? {
                found.push(referrer);
            }
        }
        Ok(found)
    }

    fn fallback_referrer(
        &self,
        repository: &Repository,
        descriptor: Descriptor,
    ) -> Result<Option<ReferrerRecord>, RegistryError> {
        let head = self
            .metadata()
            .manifest_head(repository, &Reference::Digest(descriptor.digest))?;
        Ok(head.map(|head| ReferrerRecord {
            digest: head.digest,
            media_type: head.media_type,
            size: head.size,
            artifact_type: descriptor.artifact_type,
            annotations: serde_json::to_string(&descriptor.annotations).expect("a map of strings is JSON"),
        }))
    }
}
