//! Bytes that become content: stored, then linked.
//!
//! What was stored lies where no other content ever lies. Until it is linked it belongs to whoever stored it, and what ends up without a
//! link - the push was refused, the disk is full - they remove, so that nothing stays of what failed, and nothing goes that somebody relies on.

use bytes::Bytes;
use futures_util::StreamExt;

use super::{
    Chunk, Registry, RegistryError,
    incoming::{Incoming, Limit, take_small},
};
use crate::{
    metadata::{Command, EndedUpload, LinkBlob, MetadataError, Refused},
    oci::{Digest, Location, Repository},
};

/// Content that was stored and may not be linked yet.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) location: Location,
    /// Whether nobody can know of the location yet.
    pub(super) is_new: bool,
}

impl Registry {
    /// Removes content that was not linked for what it was stored for, unless it was linked nevertheless.
    pub(super) async fn give_back(&self, stored: &Stored) {
        let Stored { digest, location, .. } = stored;
        let removed = async {
            if !self.metadata().leads_to(digest, location).await? {
                self.storage().delete(location).await?;
            }
            Ok::<_, RegistryError>(())
        };
        if let Err(error) = removed.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                %digest,
                "content that nobody holds could not be removed; a scrub removes it"
            );
        }
    }

    /// Removes what an upload may have become without anybody being told so.
    pub(super) async fn give_back_completed(&self, token: &str, digest: &Digest) {
        match self.storage().completed(token, digest).await {
            Ok(Some((location, size))) => {
                let digest = digest.clone();
                let is_new = false;
                self.give_back(&Stored {
                    digest,
                    size,
                    location,
                    is_new,
                })
                .await;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                %digest,
                "it is not known what became of an upload; a scrub removes what is left"
            ),
        }
    }

    /// Stores and links content that is at hand.
    pub(super) async fn put_linked(
        &self,
        repository: &Repository,
        digest: &Digest,
        content: Vec<Bytes>,
    ) -> Result<(), RegistryError> {
        if self.link_equal(repository, digest, &content).await? {
            return Ok(());
        }
        let stored = self.put(digest, content).await?;
        self.link_or_give_back(repository, &stored).await
    }

    /// Links content that is at hand where it is stored already, and returns whether it is. To compare it takes less than to write it again,
    /// and finds out whether the disk has spoilt it.
    async fn link_equal(&self, repository: &Repository, digest: &Digest, content: &[Bytes]) -> Result<bool, RegistryError> {
        let size = content.iter().map(|piece| piece.len() as u64).sum();
        let Some(known) = self.metadata().whole_blob(digest).await?.filter(|known| known.size == size) else {
            return Ok(false);
        };
        match self.storage().read_at(&known.location, 0..size).await {
            Ok(found) if is_equal(&found, content) => {}
            _ => return Ok(false),
        }
        let command = Command::LinkBlob(LinkBlob {
            repository: repository.clone(),
            digest: digest.clone(),
            size,
            location: None,
            is_new: false,
            upload: None,
            lease: self.lease(),
        });
        match self.metadata().apply(command).await {
            Ok(_) => Ok(true),
            // It went meanwhile.
            Err(MetadataError::Refused(Refused::Absent)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores and links content of any size.
    pub(super) async fn put_chunk_linked(
        &self,
        repository: &Repository,
        digest: &Digest,
        chunk: Chunk,
    ) -> Result<(), RegistryError> {
        let limit = self.blob_limit();
        if chunk.is_small() {
            limit.check(chunk.length.unwrap_or_default())?;
            let content = take_small(digest, chunk).await?;
            return self.put_linked(repository, digest, content).await;
        }
        let stored = self.put_content(digest, chunk, limit).await?;
        self.link_or_give_back(repository, &stored).await
    }

    async fn link_or_give_back(&self, repository: &Repository, stored: &Stored) -> Result<(), RegistryError> {
        let linked = self.link(repository, stored, None).await;
        if linked.is_err() {
            self.give_back(stored).await;
        }
        linked
    }

    /// Stores content that is at hand. Nothing is linked.
    pub(super) async fn put(&self, digest: &Digest, content: Vec<Bytes>) -> Result<Stored, RegistryError> {
        let size = content.iter().map(|piece| piece.len() as u64).sum();
        let location = self.storage().put(digest, content).await?;
        Ok(Stored {
            digest: digest.clone(),
            size,
            location,
            is_new: true,
        })
    }

    /// Stores content of any size. Nothing is linked.
    pub(super) async fn put_content(&self, digest: &Digest, chunk: Chunk, limit: Limit) -> Result<Stored, RegistryError> {
        limit.check(chunk.length.unwrap_or_default())?;
        if chunk.is_small() {
            let content = take_small(digest, chunk).await?;
            return self.put(digest, content).await;
        }
        let mut incoming = Incoming::begin(self.storage(), digest.algorithm()).await?;
        let done = match incoming.take(self.storage(), chunk, limit).await {
            Ok(()) => self.complete_upload(&mut incoming, digest).await,
            Err(error) => Err(error),
        };
        if done.is_err() {
            self.forget_bytes(&incoming.token).await;
            self.give_back_completed(&incoming.token, digest).await;
        }
        done
    }

    async fn complete_upload(&self, incoming: &mut Incoming, digest: &Digest) -> Result<Stored, RegistryError> {
        incoming.flush(self.storage()).await?;
        incoming.expect_digest(self.storage(), digest).await?;
        self.complete_checked(incoming, digest).await
    }

    /// Makes an upload content whose bytes have this digest.
    pub(super) async fn complete_checked(&self, incoming: &Incoming, digest: &Digest) -> Result<Stored, RegistryError> {
        let size = incoming.offset;
        let location = self.storage().complete(&incoming.token, size, digest).await?;
        Ok(Stored {
            digest: digest.clone(),
            size,
            location,
            is_new: true,
        })
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
        stored: &Stored,
        upload: Option<EndedUpload>,
    ) -> Result<(), RegistryError> {
        let command = Command::LinkBlob(LinkBlob {
            repository: repository.clone(),
            digest: stored.digest.clone(),
            size: stored.size,
            location: Some(stored.location.clone()),
            is_new: stored.is_new,
            upload,
            lease: self.lease(),
        });
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

/// Says whether pieces are together what was found.
fn is_equal(found: &Bytes, pieces: &[Bytes]) -> bool {
    let mut rest = found.as_ref();
    let equal = pieces.iter().all(|piece| {
        let (first, others) = rest.split_at(piece.len().min(rest.len()));
        rest = others;
        first == piece
    });
    equal && rest.is_empty()
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
