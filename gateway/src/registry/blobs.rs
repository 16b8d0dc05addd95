//! Mounting and deleting blobs.

use super::{Registry, RegistryError};
use crate::{
    auth::{Action, Caller},
    metadata::{Applied, Command, MetadataError, Refused},
    oci::{Digest, Repository},
};

/// How many repositories are looked at for a blob that is mounted without saying from where.
const MOUNT_SOURCES_MAX: usize = 100;

impl Registry {
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
            None => self.metadata().blob_repositories(scope, digest, MOUNT_SOURCES_MAX)?,
        };
        if from.is_empty() {
            return Ok(false);
        }
        let command = Command::MountBlob {
            repository: repository.clone(),
            digest: digest.clone(),
            from,
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
        };
        match self.metadata().apply(command).await {
            Err(MetadataError::Refused(Refused::Absent)) => Err(RegistryError::BlobUnknown(repository.clone(), digest.clone())),
            other => other.map(|_: Applied| ()).map_err(RegistryError::Metadata),
        }
    }
}
