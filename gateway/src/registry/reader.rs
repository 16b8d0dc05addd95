//! Reading, for one caller.

use std::{collections::HashMap, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    Artifact, RegistryError, beside,
    spool::{Spool, stream_of},
};
use crate::{
    auth::{Action, Caller},
    metadata::{ArtifactRecord, BlobRecord, Edge, EdgeKind, EntryItem, ManifestHead, ManifestRecord, Metadata, Related},
    oci::{Digest, Location, Manifest, Reference, Repository, Scope, Tag},
    storage::{Pieces, SharedStorage, StorageError},
};

/// Where a list of entries goes on: behind this repository and digest.
pub type EntryCursor = (String, String);

/// Reads the registry for one caller. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    caller: Caller,
    metadata: Metadata,
    storage: SharedStorage,
    coming: Option<Arc<Coming>>,
}

/// What will be stored in one transaction together with something that is being judged: whoever judges may read it before anybody
/// else sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Coming {
    /// Manifests with their sizes.
    pub(super) manifests: HashMap<(Repository, Digest), u64>,
    /// Blobs whose bytes are durable.
    pub(super) blobs: HashMap<(Repository, Digest), BlobRecord>,
}

/// A blob that a repository holds, or the body of a request, ready to be read. Cheap to clone.
#[derive(Clone)]
pub struct Blob {
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    storage: SharedStorage,
    place: Place,
}

/// Where the bytes of a blob are.
#[derive(Clone)]
enum Place {
    Content(Location),
    /// It is no content yet: this keeps its bytes.
    Spool(Arc<Spool>),
}

impl Blob {
    pub(crate) fn new(digest: Digest, record: BlobRecord, storage: SharedStorage) -> Self {
        Self {
            digest,
            size: record.size,
            storage,
            place: Place::Content(record.location),
        }
    }

    pub(super) fn spooled(digest: Digest, size: u64, storage: SharedStorage, spool: Spool) -> Self {
        Self {
            digest,
            size,
            storage,
            place: Place::Spool(Arc::new(spool)),
        }
    }

    pub(super) fn spool(&self) -> Option<&Spool> {
        match &self.place {
            Place::Spool(spool) => Some(spool),
            Place::Content(_) => None,
        }
    }

    /// Returns where it lies, where it is content.
    pub(super) fn location(&self) -> Option<&Location> {
        match &self.place {
            Place::Content(location) => Some(location),
            Place::Spool(_) => None,
        }
    }

    pub(super) async fn piece(&self, range: Range<u64>) -> Result<Bytes, StorageError> {
        match &self.place {
            Place::Spool(spool) => spool.read_at(range).await,
            Place::Content(location) => self.storage.read_at(location, range).await,
        }
    }

    /// Streams a range of the blob.
    ///
    /// # Errors
    /// Fails where the storage does.
    pub async fn stream(&self, range: Range<u64>) -> Result<Pieces, RegistryError> {
        match &self.place {
            Place::Spool(_) => Ok(stream_of(self.clone(), range)),
            Place::Content(location) => Ok(self.storage.read(location, range).await?),
        }
    }

    /// Returns a small range of the blob at once. It ends early where the blob does.
    ///
    /// # Errors
    /// Fails where the storage does.
    pub async fn read_at(&self, range: Range<u64>) -> Result<Bytes, RegistryError> {
        Ok(self.piece(range).await?)
    }
}

impl Reader {
    pub(super) fn new(caller: Caller, metadata: Metadata, storage: SharedStorage) -> Self {
        Self {
            caller,
            metadata,
            storage,
            coming: None,
        }
    }

    /// Reads what is coming as if it were there.
    pub(super) fn with(mut self, coming: &Coming) -> Self {
        let something = !coming.manifests.is_empty() || !coming.blobs.is_empty();
        self.coming = something.then(|| Arc::new(coming.clone()));
        self
    }

    /// Returns a blob that a repository holds, or is about to.
    async fn blob_record(&self, repository: &Repository, digest: &Digest) -> Result<Option<BlobRecord>, RegistryError> {
        let coming = |coming: &Arc<Coming>| coming.blobs.get(&(repository.clone(), digest.clone())).cloned();
        match self.metadata.blob(repository, digest).await? {
            Some(record) => Ok(Some(record)),
            None => Ok(self.coming.as_ref().and_then(coming)),
        }
    }

    /// Returns for whom this reads.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Says whether the caller may read a repository.
    #[must_use]
    pub fn may_read(&self, repository: &Repository) -> bool {
        self.scope().covers(repository)
    }

    fn scope(&self) -> &Scope {
        self.caller.scope(Action::Read)
    }

    /// Returns a manifest.
    ///
    /// # Errors
    /// [`RegistryError::ManifestUnknown`] where the caller can see no such manifest.
    pub async fn manifest(&self, repository: &Repository, reference: &Reference) -> Result<ManifestRecord, RegistryError> {
        let found = if self.may_read(repository) {
            self.metadata.manifest(repository, reference).await?
        } else {
            None
        };
        found.ok_or_else(|| RegistryError::ManifestUnknown(repository.clone(), reference.clone()))
    }

    /// Returns a manifest without its bytes.
    ///
    /// # Errors
    /// [`RegistryError::ManifestUnknown`] where the caller can see no such manifest.
    pub async fn manifest_head(&self, repository: &Repository, reference: &Reference) -> Result<ManifestHead, RegistryError> {
        let found = if self.may_read(repository) {
            self.metadata.manifest_head(repository, reference).await?
        } else {
            None
        };
        found.ok_or_else(|| RegistryError::ManifestUnknown(repository.clone(), reference.clone()))
    }

    /// Returns a manifest, read and with its bytes, as plugins are given it.
    ///
    /// # Errors
    /// [`RegistryError::ManifestUnknown`] where the caller can see no such manifest, [`RegistryError::Unreadable`] where today's rules would
    /// refuse it: what a plugin says of it could be true of another reading than the one that a client takes.
    pub async fn open(&self, repository: &Repository, reference: &Reference) -> Result<Artifact, RegistryError> {
        let record = self.manifest(repository, reference).await?;
        let (media_type, bytes) = (record.media_type.clone(), record.bytes.clone());
        let manifest = beside(bytes.len(), move || Manifest::parse(Some(media_type.as_str()), &bytes)).await;
        let manifest = manifest.map_err(|error| RegistryError::Unreadable {
            repository: repository.clone(),
            digest: record.digest.clone(),
            error,
        })?;
        Ok(Artifact {
            repository: repository.clone(),
            digest: record.digest,
            manifest: Arc::new(manifest),
            bytes: record.bytes,
        })
    }

    /// Returns a blob that a repository holds.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`] where the caller can see no such blob there.
    pub async fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Blob, RegistryError> {
        let found = if self.may_read(repository) {
            self.blob_record(repository, digest).await?
        } else {
            None
        };
        match found {
            Some(record) => Ok(Blob::new(digest.clone(), record, self.storage.clone())),
            None => Err(RegistryError::BlobUnknown(repository.clone(), digest.clone())),
        }
    }

    /// Returns what is known about an artifact beside its bytes.
    ///
    /// # Errors
    /// [`RegistryError::ManifestUnknown`] where the caller can see no such manifest.
    pub async fn artifact(&self, repository: &Repository, digest: &Digest) -> Result<ArtifactRecord, RegistryError> {
        let found = if self.may_read(repository) {
            self.metadata.artifact(repository, digest).await?
        } else {
            None
        };
        found.ok_or_else(|| RegistryError::ManifestUnknown(repository.clone(), Reference::Digest(digest.clone())))
    }

    /// Returns what a stored manifest names and its repository does not hold now. Of what the caller cannot see that is nothing.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn missing(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Digest>, RegistryError> {
        Ok(if self.may_read(repository) {
            self.metadata.missing(repository, digest).await?
        } else {
            Vec::new()
        })
    }

    /// Returns up to `n` tags of a repository, sorted bytewise, after `last`.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`] where the caller can see no such repository.
    pub async fn tags(&self, repository: &Repository, last: Option<&str>, n: usize) -> Result<Vec<Tag>, RegistryError> {
        if !self.may_read(repository) || !self.metadata.repository_exists(repository).await? {
            return Err(RegistryError::RepositoryUnknown(repository.clone()));
        }
        Ok(self.metadata.tags(repository, last, n).await?)
    }

    /// Returns up to `n` repositories under a prefix that the caller may read, sorted bytewise, after `after`.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn repositories(&self, prefix: &str, after: Option<&str>, n: usize) -> Result<Vec<Repository>, RegistryError> {
        Ok(self.metadata.repositories(self.scope(), prefix, after, n).await?)
    }

    /// Returns up to `n` entries of artifacts under a prefix that the caller may read, of these types (a trailing `*` makes a pattern), sorted
    /// by repository and digest, after a cursor; and the cursor of the next page, which is absent where the page is not full.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn entries(
        &self,
        prefix: &str,
        types: &[String],
        after: Option<&EntryCursor>,
        n: usize,
    ) -> Result<(Vec<EntryItem>, Option<EntryCursor>), RegistryError> {
        let after = after.map(|(repository, digest)| (repository.as_str(), digest.as_str()));
        let page = self.metadata.entries(self.scope(), prefix, types, after, n).await?;
        Ok(with_cursor(page, n))
    }

    /// Returns entries that the caller may read and in which every word of a query occurs, as [`Reader::entries`] does.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn search(
        &self,
        query: &str,
        artifact_type: Option<&str>,
        after: Option<&EntryCursor>,
        n: usize,
    ) -> Result<(Vec<EntryItem>, Option<EntryCursor>), RegistryError> {
        let after = after.map(|(repository, digest)| (repository.as_str(), digest.as_str()));
        let page = self.metadata.search(self.scope(), query, artifact_type, after, n).await?;
        Ok(with_cursor(page, n))
    }

    /// Returns up to `n` indexes of the repository that name a manifest.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn parents(&self, repository: &Repository, digest: &Digest, n: usize) -> Result<Vec<Related>, RegistryError> {
        Ok(if self.may_read(repository) {
            self.metadata.parents(repository, digest, n).await?
        } else {
            Vec::new()
        })
    }

    /// Returns the findings of the last scan as a SARIF document.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn scan_document(&self, repository: &Repository, digest: &Digest) -> Result<Option<Bytes>, RegistryError> {
        Ok(if self.may_read(repository) {
            self.metadata.sarif(repository, digest).await?
        } else {
            None
        })
    }

    /// Returns a number that moves whenever anything moves that the caller may read under the prefix and a service can see, or the set of
    /// plugins does, and at no other time. Where types are given (a trailing `*` makes a pattern), only their entries count.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn revision(&self, prefix: &str, types: Option<&[String]>) -> Result<u64, RegistryError> {
        Ok(self.metadata.revision(self.scope(), prefix, types).await?)
    }

    /// Returns the sizes of what a manifest names, in the order of the edges, where a repository holds it or is about to.
    pub(super) async fn held(&self, repository: &Repository, edges: &[&Edge]) -> Result<Vec<Option<u64>>, RegistryError> {
        let mut sizes = self.metadata.held(repository, edges).await?;
        if let Some(coming) = &self.coming {
            for (edge, size) in edges.iter().zip(&mut sizes) {
                let of = (repository.clone(), edge.digest.clone());
                match edge.kind {
                    EdgeKind::Config | EdgeKind::Layer => *size = size.or_else(|| coming.blobs.get(&of).map(|blob| blob.size)),
                    EdgeKind::Manifest => *size = coming.manifests.get(&of).copied().or(*size),
                }
            }
        }
        Ok(sizes)
    }

    /// Returns the metadata, for reads of this layer.
    pub(super) fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// Returns a page with the cursor of the next one, where there may be one.
fn with_cursor(page: Vec<EntryItem>, n: usize) -> (Vec<EntryItem>, Option<EntryCursor>) {
    let last = page.last().filter(|_| page.len() == n);
    let next = last.map(|item| (item.repository.to_string(), item.digest.to_string()));
    (page, next)
}
