//! Bodies that a plugin reads before anybody decides what becomes of them.
//!
//! A spooled body is an upload that nobody sees: its bytes go with the last handle on it. Only where a publication takes the whole body does
//! it become content, without being written again, and then it stays as long as something leads to it.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::{runtime::Handle, sync::RwLock};

use super::{
    Blob, Body, Chunk, Registry, RegistryError,
    content::Stored,
    incoming::{Incoming, Limit},
};
use crate::{
    oci::{Algorithm, Digest},
    storage::{PIECE_BYTES_MAX, Pieces, StorageError},
};

/// A body that is kept as long as this is.
pub(super) struct Spool {
    registry: Registry,
    runtime: Handle,
    held: RwLock<Held>,
}

/// Where the bytes are.
enum Held {
    /// In an upload of this token.
    Upload(String),
    /// In the storage, where nothing may lead to it yet.
    Content(Stored),
    /// Nowhere any more.
    Nothing,
}

impl Registry {
    /// Keeps a body for a plugin to read, until the last handle on it is gone.
    ///
    /// # Errors
    /// [`RegistryError::TooLarge`] beyond `bytes_max`.
    pub async fn spool(&self, body: Body, bytes_max: u64) -> Result<Blob, RegistryError> {
        self.expect_room()?;
        let chunk = Chunk {
            start: None,
            length: None,
            body,
        };
        let limit = Limit {
            what: "the request",
            bytes_max,
        };
        let registry = self.clone();
        self.fed(chunk, |chunk| registry.keep_body(chunk, limit)).await
    }

    async fn keep_body(self, chunk: Chunk, limit: Limit) -> Result<Blob, RegistryError> {
        let mut incoming = Incoming::begin(self.storage(), Algorithm::Sha256).await?;
        // From here on the bytes go where anything fails.
        let spool = Spool {
            registry: self.clone(),
            runtime: Handle::current(),
            held: RwLock::new(Held::Upload(incoming.token.clone())),
        };
        incoming.take(self.storage(), chunk, limit).await?;
        incoming.flush(self.storage()).await?;
        Ok(Blob::spooled(
            incoming.hasher.finish(),
            incoming.offset,
            self.storage.clone(),
            spool,
        ))
    }
}

impl Spool {
    /// Makes the whole body content, and returns where that is.
    pub(super) async fn publish(&self, digest: &Digest, size: u64) -> Result<Stored, RegistryError> {
        let mut held = self.held.write().await;
        if let Held::Upload(token) = &*held {
            let location = self.registry.storage().complete(token, size, digest).await?;
            let digest = digest.clone();
            let is_new = true;
            *held = Held::Content(Stored {
                digest,
                size,
                location,
                is_new,
            });
        }
        match &*held {
            Held::Content(stored) => Ok(stored.clone()),
            _ => Err(StorageError::UploadAbsent(String::new()).into()),
        }
    }

    /// Returns a range of the body at once.
    pub(super) async fn read_at(&self, range: Range<u64>) -> Result<Bytes, StorageError> {
        let storage = self.registry.storage();
        match &*self.held.read().await {
            Held::Upload(token) => storage.read_upload_at(token, range).await,
            Held::Content(stored) => storage.read_at(&stored.location, range).await,
            Held::Nothing => Err(StorageError::UploadAbsent(String::new())),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let held = std::mem::replace(self.held.get_mut(), Held::Nothing);
        let registry = self.registry.clone();
        // The last handle may be a guest's, whose thread belongs to no runtime.
        let _entered = self.runtime.enter();
        drop(self.registry.own(async move {
            match held {
                Held::Upload(token) => registry.forget_bytes(&token).await,
                Held::Content(stored) => registry.give_back(&stored).await,
                Held::Nothing => {}
            }
            Ok(())
        }));
    }
}

/// Streams a range of a spooled body, piece by piece.
pub(super) fn stream_of(blob: Blob, range: Range<u64>) -> Pieces {
    let next = |(blob, range): (Blob, Range<u64>)| async move {
        if range.start >= range.end {
            return Ok(None);
        }
        let end = range.end.min(range.start + PIECE_BYTES_MAX as u64);
        let piece = blob.piece(range.start..end).await?;
        if piece.is_empty() {
            let doing = format!("reading the body {}", blob.digest);
            let source = std::io::ErrorKind::UnexpectedEof.into();
            return Err(StorageError::Failed { doing, source });
        }
        let rest = range.start + piece.len() as u64..range.end;
        Ok(Some((piece, (blob, rest))))
    };
    stream::try_unfold((blob, range), next).boxed()
}
