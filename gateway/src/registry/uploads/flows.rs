//! What is done to a session by the task that holds it.
//!
//! A session without bytes is its name alone. With bytes it has a row, which is the truth: each flow begins from the row and the bytes that
//! the row speaks of, and what failed is undone to there at once. A session that ends passes through `completing`, so that after a crash
//! between the storage and the metadata it is known what it was becoming.

use super::{UploadState, sessions::Held};
use crate::{
    metadata::{Command, EndedUpload, MetadataError, Refused, SaveUpload, UploadProgress, UploadRecord},
    oci::{Algorithm, Digest, Hasher, Repository},
    registry::{
        Chunk, Registry, RegistryError,
        content::{Stored, drain},
        incoming::{Incoming, take_small},
        now_seconds,
    },
    storage::StorageError,
};

/// What a session is at when a request comes to it.
pub(super) enum Found {
    /// It has no bytes.
    Empty(Algorithm),
    /// It has bytes, and this is where it goes on.
    Open(Box<Incoming>),
    /// It became this blob.
    Done(Digest),
}

pub(super) fn unknown(id: &str) -> RegistryError {
    RegistryError::UploadUnknown(id.chars().take(64).collect())
}

impl Registry {
    /// Looks at a session that is held, and mends what a crash left half done.
    pub(super) async fn find(&self, held: &Held, repository: &Repository) -> Result<Found, RegistryError> {
        match self.metadata().upload(held.id()).await? {
            None => self.find_without_row(held.id(), repository).await,
            Some(record) if record.repository != *repository => Err(unknown(held.id())),
            Some(record) => match record.progress {
                UploadProgress::Done(digest) => Ok(Found::Done(digest)),
                _ => self.revive(held, record).await,
            },
        }
    }

    pub(super) async fn find_without_row(&self, id: &str, repository: &Repository) -> Result<Found, RegistryError> {
        match self.sessions.ended(id) {
            Some(Some(digest)) => return Ok(Found::Done(digest)),
            Some(None) => return Err(unknown(id)),
            None => {}
        }
        let age_max = self.config.upload_empty_max.as_secs();
        let opened = self
            .sessions
            .ids
            .read(self.metadata(), repository, id, now_seconds(), age_max)
            .await?;
        opened.map(Found::Empty).ok_or_else(|| unknown(id))
    }

    async fn revive(&self, held: &Held, record: UploadRecord) -> Result<Found, RegistryError> {
        let resumed = Hasher::resume(record.algorithm, record.hash_version, &record.hash_state);
        let Some(hasher) = resumed else {
            tracing::warn!(
                id = held.id(),
                "an upload of another version of the gateway cannot go on and is forgotten"
            );
            self.forget(held, &record.token).await?;
            return Err(unknown(held.id()));
        };
        let tail = match (self.storage().tail(&record.token, record.offset).await, record.progress) {
            (Ok((_, tail)), _) => tail,
            (Err(StorageError::UploadAbsent(_)), UploadProgress::Completing(digest)) => {
                return self.roll_forward(held, &record.repository, &record.token, digest).await;
            }
            (Err(StorageError::UploadAbsent(_)), _) => {
                tracing::warn!(id = held.id(), "the bytes of an upload are gone; it is forgotten");
                self.forget(held, &record.token).await?;
                return Err(unknown(held.id()));
            }
            (Err(error), _) => return Err(error.into()),
        };
        Ok(Found::Open(Box::new(Incoming {
            token: record.token,
            hasher,
            offset: record.offset,
            tail: if tail.is_empty() { Vec::new() } else { vec![tail] },
        })))
    }

    /// Ends a session whose bytes, all of them checked, had become content when the gateway stopped or could not write its metadata.
    async fn roll_forward(
        &self,
        held: &Held,
        repository: &Repository,
        token: &str,
        digest: Digest,
    ) -> Result<Found, RegistryError> {
        let completed = self.storage().completed(token, &digest).await?;
        let linked = match completed {
            Some((location, size)) => {
                let digest = digest.clone();
                self.link(
                    repository,
                    &Stored {
                        digest,
                        size,
                        location,
                        is_new: false,
                    },
                    Some(ended(held)),
                )
                .await
            }
            None => Err(MetadataError::Refused(Refused::Absent).into()),
        };
        match linked {
            Ok(()) => Ok(Found::Done(digest)),
            // Its bytes are gone, or about to be.
            Err(RegistryError::Metadata(MetadataError::Refused(Refused::Absent))) => {
                self.forget(held, token).await?;
                Err(unknown(held.id()))
            }
            Err(error) => Err(error),
        }
    }

    /// Appends a chunk. What arrived before a client went away or broke off is kept; what is refused is not.
    pub(super) async fn append_held(
        self,
        held: Held,
        repository: Repository,
        chunk: Chunk,
    ) -> Result<UploadState, RegistryError> {
        let (before, algorithm) = match self.find(&held, &repository).await? {
            Found::Empty(algorithm) => (None, algorithm),
            Found::Open(incoming) => {
                let algorithm = incoming.hasher.algorithm();
                (Some(incoming), algorithm)
            }
            Found::Done(_) => return Err(unknown(held.id())),
        };
        expect_start(held.id(), before.as_deref(), chunk.start)?;
        let place = match before {
            None => Some(self.make_place(&held.peer()).await?),
            Some(_) => None,
        };
        let mut incoming = self.continued(before.as_deref(), algorithm).await?;
        let taken = incoming.take(self.storage(), held.receiving(chunk), self.blob_limit()).await;
        held.received();
        let kept = match &taken {
            Err(error) if !is_cut_short(error) => None,
            _ => Some(self.save(&held, &repository, &mut incoming).await),
        };
        // It has a row from now on, or will never have one.
        drop(place);
        if !matches!(kept, Some(Ok(()))) {
            self.undo(&incoming.token, before.as_deref()).await;
        }
        kept.unwrap_or(Ok(())).and(taken)?;
        Ok(UploadState {
            id: held.id().to_owned(),
            offset: incoming.offset,
        })
    }

    /// Ends a session with its last chunk. What is refused, or breaks off, leaves the session as it was.
    pub(super) async fn finish_held(
        self,
        held: Held,
        repository: Repository,
        digest: Digest,
        chunk: Chunk,
    ) -> Result<(), RegistryError> {
        let before = match self.find(&held, &repository).await? {
            // The same request came before, and its answer was lost.
            Found::Done(done) if done == digest && self.metadata().blob(&repository, &digest).await?.is_some() => {
                return drain(held.receiving(chunk), self.blob_limit()).await;
            }
            Found::Done(_) => return Err(unknown(held.id())),
            Found::Empty(_) => None,
            Found::Open(incoming) => Some(incoming),
        };
        expect_start(held.id(), before.as_deref(), chunk.start)?;
        match before {
            None if chunk.is_small() => self.finish_small(&held, &repository, &digest, chunk).await?,
            before => self.finish_large(&held, &repository, before, &digest, chunk).await?,
        }
        self.sessions.end(&held, Some(&digest));
        Ok(())
    }

    /// Ends a session without bytes with content that fits into one part and goes to the storage at one go.
    async fn finish_small(
        &self,
        held: &Held,
        repository: &Repository,
        digest: &Digest,
        chunk: Chunk,
    ) -> Result<(), RegistryError> {
        self.blob_limit().check(chunk.length.unwrap_or_default())?;
        let content = take_small(digest, held.receiving(chunk)).await;
        held.received();
        self.put_linked(repository, digest, content?).await
    }

    async fn finish_large(
        &self,
        held: &Held,
        repository: &Repository,
        before: Option<Box<Incoming>>,
        digest: &Digest,
        chunk: Chunk,
    ) -> Result<(), RegistryError> {
        let mut incoming = self.continued(before.as_deref(), digest.algorithm()).await?;
        if let Err(error) = self.take_last(held, &mut incoming, digest, chunk).await {
            self.undo(&incoming.token, before.as_deref()).await;
            return Err(error);
        }
        let completed = self.complete(held, repository, before.as_deref(), &incoming, digest).await;
        let stored = match completed {
            Ok(stored) => stored,
            Err(error) => {
                let undone = self.undo(&incoming.token, before.as_deref()).await;
                match &before {
                    // Where the bytes have become content, whoever comes to the session next ends it.
                    Some(before) if undone => self.reopen(held, repository, before).await,
                    Some(_) => {}
                    None => self.give_back_completed(&incoming.token, digest).await,
                }
                return Err(error);
            }
        };
        let linked = self.link(repository, &stored, Some(ended(held))).await;
        if linked.is_err() && before.is_none() {
            self.give_back(&stored).await;
        }
        linked
    }

    /// Takes in the last chunk and checks the whole.
    async fn take_last(&self, held: &Held, incoming: &mut Incoming, digest: &Digest, chunk: Chunk) -> Result<(), RegistryError> {
        let taken = incoming.take(self.storage(), held.receiving(chunk), self.blob_limit()).await;
        held.received();
        taken?;
        incoming.flush(self.storage()).await?;
        incoming.expect_digest(self.storage(), digest).await
    }

    /// Moves all bytes to their digest. The row says so before it happens; meanwhile the bytes are synced.
    async fn complete(
        &self,
        held: &Held,
        repository: &Repository,
        before: Option<&Incoming>,
        incoming: &Incoming,
        digest: &Digest,
    ) -> Result<Stored, RegistryError> {
        if let Some(before) = before {
            let row = Command::SaveUpload(row(held, repository, before, Some(digest)));
            let (synced, saved) = tokio::join!(self.storage().sync(&incoming.token), self.metadata().apply(row));
            saved?;
            synced?;
        }
        self.complete_checked(incoming, digest).await
    }

    /// Gives a session up.
    pub(super) async fn cancel_held(self, held: Held, repository: Repository) -> Result<(), RegistryError> {
        match self.find(&held, &repository).await? {
            Found::Empty(_) => {
                self.sessions.end(&held, None);
                Ok(())
            }
            Found::Open(incoming) => self.forget(&held, &incoming.token).await,
            Found::Done(_) => Err(unknown(held.id())),
        }
    }

    /// Returns what a session goes on with.
    async fn continued(&self, before: Option<&Incoming>, algorithm: Algorithm) -> Result<Incoming, RegistryError> {
        match before {
            Some(before) => Ok(before.clone()),
            None => Ok(Incoming::begin(self.storage(), algorithm).await?),
        }
    }

    /// Makes what was taken in durable, bytes first, then the row that says how many. A session that got no bytes remains without a row.
    async fn save(&self, held: &Held, repository: &Repository, incoming: &mut Incoming) -> Result<(), RegistryError> {
        if incoming.offset == 0 {
            self.forget_bytes(&incoming.token).await;
            return Ok(());
        }
        incoming.flush(self.storage()).await?;
        self.storage().sync(&incoming.token).await?;
        self.metadata()
            .apply(Command::SaveUpload(row(held, repository, incoming, None)))
            .await?;
        Ok(())
    }

    /// Gives back what came since a flow began. Returns whether that could be done; where it could not, the next one that comes to the
    /// session begins with it.
    async fn undo(&self, token: &str, before: Option<&Incoming>) -> bool {
        let Some(before) = before else {
            self.forget_bytes(token).await;
            return true;
        };
        let cut = self.storage().tail(token, before.offset).await;
        if let Err(error) = &cut {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the bytes of a refused request could not be cut off yet"
            );
        }
        cut.is_ok()
    }

    /// Says in the row that a session is not becoming content after all.
    async fn reopen(&self, held: &Held, repository: &Repository, before: &Incoming) {
        let row = Command::SaveUpload(row(held, repository, before, None));
        if let Err(error) = self.metadata().apply(row).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the row of an upload could not be written back yet"
            );
        }
    }

    /// Forgets a session: its row, then its bytes. What a crash leaves of the bytes goes when the gateway starts.
    pub(super) async fn forget(&self, held: &Held, token: &str) -> Result<(), RegistryError> {
        let id = held.id().to_owned();
        self.metadata().apply(Command::DropUpload { id }).await?;
        self.sessions.end(held, None);
        self.forget_bytes(token).await;
        Ok(())
    }
}

/// Returns the row of a session that holds these bytes durably.
fn row(held: &Held, repository: &Repository, incoming: &Incoming, completing: Option<&Digest>) -> SaveUpload {
    SaveUpload {
        id: held.id().to_owned(),
        repository: repository.clone(),
        offset: incoming.offset,
        completing: completing.cloned(),
        algorithm: incoming.hasher.algorithm(),
        hash_version: Hasher::STATE_VERSION,
        hash_state: incoming.hasher.state(),
        token: incoming.token.clone(),
        peer: held.peer(),
        now: now_seconds(),
    }
}

fn ended(held: &Held) -> EndedUpload {
    EndedUpload {
        id: held.id().to_owned(),
        now: now_seconds(),
    }
}

fn expect_start(id: &str, before: Option<&Incoming>, start: Option<u64>) -> Result<(), RegistryError> {
    let offset = before.map_or(0, |before| before.offset);
    match start.filter(|start| *start != offset) {
        Some(got) => Err(RegistryError::UploadRange {
            id: id.to_owned(),
            offset,
            got,
        }),
        None => Ok(()),
    }
}

/// Says whether a body ended early: what arrived of it is as good as any other.
fn is_cut_short(error: &RegistryError) -> bool {
    match error {
        RegistryError::BodyBroken(_) => true,
        RegistryError::UploadLength { said, got } => got < said,
        _ => false,
    }
}
