//! Upload sessions: a blob on its way in.
//!
//! What a session is at - empty, open, completing, done - is in its name and its row (`flows`); who works with it is in memory (`sessions`);
//! how many may have bytes, and how long they keep them, is decided in `places`. Each request authorises its caller, takes hold of the
//! session, and hands both to a task that goes on to its end although the client may not wait for it.

mod flows;
mod ids;
mod places;
mod sessions;
#[cfg(test)]
mod tests;

use self::{
    flows::{Found, unknown},
    sessions::Claim,
};
use super::{Chunk, Registry, RegistryError, now_seconds};
use crate::{
    auth::{Action, Caller},
    metadata::UploadProgress,
    oci::{Algorithm, Digest, Repository},
};

pub(super) use sessions::Sessions;

/// What is known of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadState {
    /// The session.
    pub id: String,
    /// The number of bytes it holds durably.
    pub offset: u64,
}

impl Registry {
    /// Opens an upload session. Nothing is stored before bytes come, and it may end without ever taking a place.
    ///
    /// # Errors
    /// [`RegistryError::Denied`].
    pub async fn begin_upload(
        &self,
        caller: &Caller,
        repository: &Repository,
        algorithm: Algorithm,
    ) -> Result<UploadState, RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        self.expect_room()?;
        let id = self
            .sessions
            .ids
            .issue(self.metadata(), repository, algorithm, now_seconds())
            .await?;
        Ok(UploadState { id, offset: 0 })
    }

    /// Returns how far a session has come. While a request sends to it, that is how far it had come before.
    ///
    /// # Errors
    /// [`RegistryError::UploadUnknown`] where there is none, or it has ended.
    pub async fn upload_state(&self, caller: &Caller, repository: &Repository, id: &str) -> Result<UploadState, RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        let offset = match self.sessions.hold(id, Claim::Look, caller.peer()).await {
            Ok(held) => {
                let (registry, repository) = (self.clone(), repository.clone());
                let found = self.own(async move { registry.find(&held, &repository).await }).await?;
                match found {
                    Found::Empty(_) => 0,
                    Found::Open(incoming) => incoming.offset,
                    Found::Done(_) => return Err(unknown(id)),
                }
            }
            Err(RegistryError::UploadBusy(_)) => self.durable_offset(repository, id).await?,
            Err(error) => return Err(error),
        };
        Ok(UploadState {
            id: id.to_owned(),
            offset,
        })
    }

    /// Returns how many bytes the row of a session speaks of that somebody else holds.
    async fn durable_offset(&self, repository: &Repository, id: &str) -> Result<u64, RegistryError> {
        match self.metadata().upload(id).await? {
            Some(record) if record.repository != *repository => Err(unknown(id)),
            Some(record) => match record.progress {
                UploadProgress::Done(_) => Err(unknown(id)),
                _ => Ok(record.offset),
            },
            None => match self.find_without_row(id, repository).await? {
                Found::Empty(_) => Ok(0),
                _ => Err(unknown(id)),
            },
        }
    }

    /// Appends a chunk to a session. Afterwards everything up to the returned offset is durable.
    ///
    /// # Errors
    /// [`RegistryError::UploadRange`] where the chunk does not begin at the end of the session, and [`RegistryError::UploadsFull`] where
    /// there is no place for its first bytes; nothing is read then. Where the body
    /// breaks off or is shorter than it said, what arrived is kept; where it is refused, the session is as it was before.
    pub async fn append(
        &self,
        caller: &Caller,
        repository: &Repository,
        id: &str,
        chunk: Chunk,
    ) -> Result<UploadState, RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        self.expect_room()?;
        let held = self.sessions.hold(id, claim(&chunk), caller.peer()).await?;
        let (registry, repository) = (self.clone(), repository.clone());
        self.fed(chunk, |chunk| registry.append_held(held, repository, chunk)).await
    }

    /// Ends a session with its last chunk, which is often the only one, and links the blob.
    ///
    /// The same request can be repeated after its answer was lost. Where it is refused, the session is as it was before.
    ///
    /// # Errors
    /// [`RegistryError::DigestMismatch`] where the content is another.
    pub async fn finish(
        &self,
        caller: &Caller,
        repository: &Repository,
        id: &str,
        digest: &Digest,
        chunk: Chunk,
    ) -> Result<(), RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        self.expect_room()?;
        let held = self.sessions.hold(id, claim(&chunk), caller.peer()).await?;
        let (registry, repository, digest) = (self.clone(), repository.clone(), digest.clone());
        self.fed(chunk, |chunk| registry.finish_held(held, repository, digest, chunk))
            .await
    }

    /// Stores a blob that comes in one request without a session.
    ///
    /// # Errors
    /// [`RegistryError::DigestMismatch`] where the content is another.
    pub async fn put_blob(
        &self,
        caller: &Caller,
        repository: &Repository,
        digest: &Digest,
        chunk: Chunk,
    ) -> Result<(), RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        self.expect_room()?;
        let (registry, repository, digest) = (self.clone(), repository.clone(), digest.clone());
        self.fed(chunk, |chunk| async move {
            registry.put_chunk_linked(&repository, &digest, chunk).await
        })
        .await
    }

    /// Ends a session without a blob. A request that sends to it is cut off.
    ///
    /// # Errors
    /// [`RegistryError::UploadUnknown`] where there is none.
    pub async fn cancel_upload(&self, caller: &Caller, repository: &Repository, id: &str) -> Result<(), RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        let held = self.sessions.hold(id, Claim::TakeOver, caller.peer()).await?;
        let (registry, repository) = (self.clone(), repository.clone());
        self.own(registry.cancel_held(held, repository)).await
    }
}

/// A request that says where it goes on knows how far the session is, and so that no other request of its client is under way.
fn claim(chunk: &Chunk) -> Claim {
    match chunk.start {
        Some(_) => Claim::TakeOver,
        None => Claim::Ask,
    }
}
