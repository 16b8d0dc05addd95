//! Bytes that become content: stored under their digest, then linked.
//!
//! Who brings content pins its digest until it is linked. What ends up without a link - the push was refused, the disk is full - is removed
//! by the last one who pinned it, so that nothing stays of what failed, and nothing goes that somebody relies on.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use super::{
    Chunk, Registry, RegistryError,
    in_use::{InUse, Use},
    incoming::{Incoming, Limit, take_small},
};
use crate::{
    metadata::{Command, EndedUpload, MetadataError},
    oci::{Digest, Repository},
};

/// The digests that are pinned. Whoever pins one reads its lock; whoever removes it writes.
pub(super) type Pins = InUse<Digest, Arc<RwLock<()>>>;

/// A digest whose content stays, whether it is linked yet or not.
pub(super) struct Pin {
    guard: OwnedRwLockReadGuard<()>,
    used: Use<Digest, Arc<RwLock<()>>>,
}

impl Registry {
    /// Pins a digest. Waits while its content is being removed.
    pub(super) async fn pin(&self, digest: &Digest) -> Pin {
        let used = self.pins.take(digest);
        let guard = (*used).clone().read_owned().await;
        Pin { guard, used }
    }

    /// Lets go of a digest that was not linked for what it was brought for. Where nobody else relies on the content, it is removed.
    pub(super) async fn give_back(&self, pin: Pin) {
        let Pin { guard, used } = pin;
        drop(guard);
        let Ok(_alone) = used.try_write() else { return };
        let removed = async {
            let digest = used.key();
            let relied_on = self.metadata().is_linked(digest)? || self.metadata().is_becoming(digest)?;
            if !relied_on {
                self.storage().delete(digest).await?;
            }
            Ok::<_, RegistryError>(())
        };
        if let Err(error) = removed.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                digest = %used.key(),
                "content that nobody holds could not be removed"
            );
        }
    }

    /// Stores and links content that is at hand.
    pub(super) async fn put_linked(
        &self,
        repository: &Repository,
        digest: &Digest,
        content: Vec<Bytes>,
    ) -> Result<(), RegistryError> {
        let size = content.iter().map(|piece| piece.len() as u64).sum();
        let pin = self.pin(digest).await;
        let done = match self.storage().put(digest, content).await {
            Ok(()) => self.link(repository, digest, size, None).await,
            Err(error) => Err(error.into()),
        };
        if done.is_err() {
            self.give_back(pin).await;
        }
        done
    }

    /// Stores and links content of any size.
    pub(super) async fn put_chunk_linked(
        &self,
        repository: &Repository,
        digest: &Digest,
        chunk: Chunk,
    ) -> Result<(), RegistryError> {
        let limit = self.blob_limit();
        limit.check(chunk.length.unwrap_or_default())?;
        if chunk.is_small() {
            let content = take_small(digest, chunk).await?;
            return self.put_linked(repository, digest, content).await;
        }
        let pin = self.pin(digest).await;
        let done = match self.put_content(digest, chunk, limit).await {
            Ok(size) => self.link(repository, digest, size, None).await,
            Err(error) => Err(error),
        };
        if done.is_err() {
            self.give_back(pin).await;
        }
        done
    }

    /// Stores content of any size under its digest, which has to be pinned, and returns its size. Nothing is linked.
    pub(super) async fn put_content(&self, digest: &Digest, chunk: Chunk, limit: Limit) -> Result<u64, RegistryError> {
        limit.check(chunk.length.unwrap_or_default())?;
        if chunk.is_small() {
            let content = take_small(digest, chunk).await?;
            let size = content.iter().map(|piece| piece.len() as u64).sum();
            self.storage().put(digest, content).await?;
            return Ok(size);
        }
        let mut incoming = Incoming::begin(self.storage(), digest.algorithm()).await?;
        let done = match incoming.take(self.storage(), chunk, limit).await {
            Ok(()) => self.complete_upload(&mut incoming, digest).await,
            Err(error) => Err(error),
        };
        if done.is_err() {
            self.forget_bytes(&incoming.token).await;
        }
        done.map(|()| incoming.offset)
    }

    async fn complete_upload(&self, incoming: &mut Incoming, digest: &Digest) -> Result<(), RegistryError> {
        incoming.flush(self.storage()).await?;
        incoming.expect_digest(self.storage(), digest).await?;
        Ok(self.storage().complete(&incoming.token, incoming.offset, digest).await?)
    }

    /// Gives the bytes of an upload back that nobody will continue.
    pub(super) async fn forget_bytes(&self, token: &str) {
        if let Err(error) = self.storage().abort(token).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the bytes of an upload could not be removed; they go when the gateway starts again"
            );
        }
    }

    /// Makes content visible in a repository, and ends the session that it came from.
    pub(super) async fn link(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        upload: Option<EndedUpload>,
    ) -> Result<(), RegistryError> {
        let command = Command::LinkBlob {
            repository: repository.clone(),
            digest: digest.clone(),
            size,
            upload,
        };
        self.metadata().apply(command).await?;
        Ok(())
    }

    pub(super) fn blob_limit(&self) -> Limit {
        Limit {
            what: "the blob",
            bytes_max: self.config.blob_bytes_max,
        }
    }

    /// Refuses a body before it is read where nothing that grows can be written.
    pub(super) fn expect_room(&self) -> Result<(), MetadataError> {
        self.metadata().expect_room()
    }
}

/// Reads a body to its end, so that the client of a repeated request is not cut off while it sends.
pub(super) async fn drain(mut chunk: Chunk, limit: Limit) -> Result<(), RegistryError> {
    let mut size = 0;
    while let Some(piece) = chunk.body.next().await {
        size += piece.map_err(RegistryError::BodyBroken)?.len() as u64;
        limit.check(size)?;
    }
    Ok(())
}
