//! Looking for blobs, mounting and deleting them.

use std::ops::Range;

use super::{Blob, Registry, RegistryError, now_seconds};
use crate::{
    auth::{Action, Caller},
    metadata::{Applied, Command, MetadataError, Refused},
    oci::{Digest, Location, Repository},
    storage::{Pieces, StorageError},
};

/// How many repositories are looked at for a blob that is mounted without saying from where.
const MOUNT_SOURCES_MAX: usize = 100;

impl Registry {
    /// Returns a blob whose bytes are there. It stays for a while, although no manifest may name it yet: who is told that it is there need
    /// not push it.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`] where the caller can see no such blob there, or its bytes are gone.
    pub async fn look_for_blob(&self, caller: &Caller, repository: &Repository, digest: &Digest) -> Result<Blob, RegistryError> {
        let look = async {
            let blob = self.reader(caller.clone()).blob(repository, digest).await?;
            if let Some(location) = blob.location()
                && !self.is_whole(digest, location, blob.size).await?
            {
                return Err(RegistryError::BlobUnknown(repository.clone(), digest.clone()));
            }
            Ok(blob)
        };
        self.seen(repository, digest, look).await
    }

    /// Streams a range of a blob that was looked for. Where it was pushed again since, it lies elsewhere.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`] where its bytes are gone.
    pub async fn stream_blob(
        &self,
        caller: &Caller,
        repository: &Repository,
        blob: &Blob,
        range: Range<u64>,
    ) -> Result<Pieces, RegistryError> {
        let absent = match blob.stream(range.clone()).await {
            Err(RegistryError::Storage(StorageError::Absent(location))) => location,
            other => return other,
        };
        let again = self.reader(caller.clone()).blob(repository, &blob.digest).await?;
        if again.location() != Some(&absent) {
            return again.stream(range).await;
        }
        self.is_whole(&blob.digest, &absent, blob.size).await?;
        Err(RegistryError::BlobUnknown(repository.clone(), blob.digest.clone()))
    }

    /// Says whether the bytes of a blob are there. Where they are not, nobody sees it any more until it is pushed again.
    pub(super) async fn is_whole(&self, digest: &Digest, location: &Location, size: u64) -> Result<bool, RegistryError> {
        let found = self.storage().size(location).await?;
        if found == Some(size) {
            return Ok(true);
        }
        // It may have been pushed again meanwhile, and then lies elsewhere.
        if self.metadata().leads_to(digest, location).await? {
            tracing::error!(%digest, %location, ?found, size, "the bytes of a blob are gone; whoever pushes it again heals it");
            self.mark(digest, location, false).await?;
        }
        Ok(false)
    }

    /// Says whether the bytes of a blob are at a location.
    pub(super) async fn mark(&self, digest: &Digest, location: &Location, is_whole: bool) -> Result<(), RegistryError> {
        let command = Command::MarkBlob {
            digest: digest.clone(),
            location: location.clone(),
            is_whole,
        };
        self.metadata().apply(command).await?;
        Ok(())
    }

    /// Links a blob from a repository that the caller may read, or, where none is named, from any such repository. Returns whether there
    /// was one.
    ///
    /// # Errors
    /// [`RegistryError::Denied`] where the caller may not push.
    pub async fn mount(
        &self,
        caller: &Caller,
        repository: &Repository,
        digest: &Digest,
        from: Option<&Repository>,
    ) -> Result<bool, RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        let scope = caller.scope(Action::Read);
        let from = match from {
            Some(from) => Vec::from_iter(scope.covers(from).then(|| from.clone())),
            None => self.metadata().blob_repositories(scope, digest, MOUNT_SOURCES_MAX).await?,
        };
        if from.is_empty() {
            return Ok(false);
        }
        match self.metadata().whole_blob(digest).await? {
            Some(blob) if self.is_whole(digest, &blob.location, blob.size).await? => {}
            _ => return Ok(false),
        }
        let command = Command::MountBlob {
            repository: repository.clone(),
            digest: digest.clone(),
            from,
            lease: self.lease(),
        };
        match self.metadata().apply(command).await {
            Ok(_) => Ok(true),
            Err(MetadataError::Refused(Refused::Absent)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Unlinks a blob from a repository, even while manifests name it.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`] where the repository does not hold it.
    pub async fn delete_blob(&self, caller: &Caller, repository: &Repository, digest: &Digest) -> Result<(), RegistryError> {
        self.authorise(caller, Action::Delete, repository)?;
        let command = Command::UnlinkBlob {
            repository: repository.clone(),
            digest: digest.clone(),
            now: now_seconds(),
        };
        match self.metadata().apply(command).await {
            Err(MetadataError::Refused(Refused::Absent)) => Err(RegistryError::BlobUnknown(repository.clone(), digest.clone())),
            other => other.map(|_: Applied| ()).map_err(RegistryError::Metadata),
        }
    }
}
