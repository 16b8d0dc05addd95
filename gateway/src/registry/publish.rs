//! What a plugin's service asks the registry to do: carried out under the registry's own rules and the caller's permissions, all or
//! nothing.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{
    Blob, BodyError, Chunk, ManifestPush, Pushed, Registry, RegistryError,
    content::Pin,
    incoming::Limit,
    manifests::{Prepared, delete_command},
    reader::Coming,
};
use crate::{
    auth::{Action, Caller},
    metadata::{Command, MetadataError, Refused},
    oci::{Digest, Reference, Repository, Tag},
    storage::StorageError,
};

/// Content that a publication brings with it.
#[derive(Clone)]
pub enum Staged {
    /// Bytes that a plugin made.
    Bytes(Bytes),
    /// A part of a body or blob.
    Part {
        /// Where the bytes are.
        source: Blob,
        /// Where they begin.
        offset: u64,
        /// How many they are.
        length: u64,
    },
}

/// A manifest to store, and what comes with it.
pub struct Publication {
    /// The repository to store it in.
    pub repository: Repository,
    /// The tags to set. Without one the manifest is stored by digest alone.
    pub tags: Vec<Tag>,
    /// The media type of the manifest.
    pub media_type: String,
    /// The manifest.
    pub manifest: Bytes,
    /// Blobs that the repository may not hold yet.
    pub blobs: Vec<(Digest, Staged)>,
}

/// One thing to do.
pub enum Change {
    /// Store a manifest.
    Publish(Publication),
    /// Delete a tag, or a manifest by digest.
    Remove {
        /// The repository.
        repository: Repository,
        /// What to delete.
        reference: Reference,
        /// What the reference has to mean.
        expected: Option<Digest>,
    },
}

impl Registry {
    /// Does all of the changes or none. What was stored for changes that are refused does not stay.
    ///
    /// # Errors
    /// The first reason why one of them cannot be done.
    pub async fn carry_out(&self, caller: &Caller, changes: Vec<Change>) -> Result<Vec<Pushed>, RegistryError> {
        self.expect_room_for(&changes)?;
        let (registry, caller) = (self.clone(), caller.clone());
        self.own(async move {
            let mut pins = Vec::new();
            let done = registry.carry_out_pinned(&caller, changes, &mut pins).await;
            if done.is_err() {
                for pin in pins {
                    registry.give_back(pin).await;
                }
            }
            done
        })
        .await
    }

    /// Refuses what grows where nothing that grows can be written. Removals are carried out.
    fn expect_room_for(&self, changes: &[Change]) -> Result<(), RegistryError> {
        if changes.iter().any(|change| matches!(change, Change::Publish(_))) {
            self.expect_room()?;
        }
        Ok(())
    }

    async fn carry_out_pinned(
        &self,
        caller: &Caller,
        changes: Vec<Change>,
        pins: &mut Vec<Pin>,
    ) -> Result<Vec<Pushed>, RegistryError> {
        let (mut commands, mut pushed, mut coming, mut about) = (Vec::new(), Vec::new(), Coming::default(), None);
        for change in changes {
            match change {
                Change::Publish(publication) => {
                    let repository = publication.repository.clone();
                    let prepared = self
                        .prepare_publication(caller, publication, &mut coming, &mut commands, pins)
                        .await?;
                    let Prepared { command, remarks } = prepared;
                    let size = command.bytes.len() as u64;
                    coming.manifests.insert((repository.clone(), command.digest.clone()), size);
                    let (digest, subject, tags) = (command.digest.clone(), command.subject.clone(), command.tags.clone());
                    pushed.push(Pushed {
                        digest,
                        subject,
                        tags,
                        remarks,
                    });
                    commands.push(Command::PutManifest(Box::new(command)));
                    about.get_or_insert((repository, None));
                }
                Change::Remove {
                    repository,
                    reference,
                    expected,
                } => {
                    self.authorise(caller, Action::Delete, &repository)?;
                    commands.push(delete_command(&repository, &reference, expected));
                    about.get_or_insert((repository, Some(reference)));
                }
            }
        }
        let Some((repository, reference)) = about else {
            return Ok(pushed);
        };
        match (self.metadata().apply(Command::All(commands)).await, reference) {
            (Err(MetadataError::Refused(Refused::Absent)), Some(reference)) => {
                Err(RegistryError::ManifestUnknown(repository, reference))
            }
            (Err(MetadataError::Refused(Refused::Moved)), Some(Reference::Tag(tag))) => {
                Err(RegistryError::Moved(repository, tag))
            }
            (applied, _) => {
                applied.map_err(|error| RegistryError::of(error, &repository))?;
                self.jobs_wake.notify_one();
                Ok(pushed)
            }
        }
    }

    /// Does everything of a publication but storing it. Its blobs become links in the same transaction.
    async fn prepare_publication(
        &self,
        caller: &Caller,
        publication: Publication,
        coming: &mut Coming,
        commands: &mut Vec<Command>,
        pins: &mut Vec<Pin>,
    ) -> Result<Prepared, RegistryError> {
        let repository = publication.repository;
        self.authorise(caller, Action::Write, &repository)?;
        for (digest, staged) in publication.blobs {
            pins.push(self.pin(&digest).await);
            let size = self.keep(&digest, staged).await?;
            coming.blobs.insert((repository.clone(), digest.clone()), size);
            // It is linked together with the manifest: where the publication does not happen, the blob never shows.
            commands.push(Command::LinkBlob {
                repository: repository.clone(),
                digest,
                size,
                upload: None,
            });
        }
        let digest = Digest::sha256(&publication.manifest);
        let push = ManifestPush {
            reference: Reference::Digest(digest),
            tags: publication.tags,
            content_type: Some(publication.media_type),
            bytes: publication.manifest,
        };
        self.prepare(caller, &repository, push, coming).await
    }

    /// Makes staged content durable under its digest, which is checked and has to be pinned. Returns its size.
    async fn keep(&self, digest: &Digest, staged: Staged) -> Result<u64, RegistryError> {
        let (length, body) = match staged {
            Staged::Bytes(bytes) => (bytes.len() as u64, stream::iter([Ok(bytes)]).boxed()),
            Staged::Part { source, length, .. } if source.digest == *digest && source.size == length => {
                return self.keep_whole(&source).await;
            }
            Staged::Part { source, offset, length } => {
                let pieces = source.stream(offset..offset.saturating_add(length)).await?;
                (
                    length,
                    pieces
                        .map(|piece| piece.map_err(|error| BodyError::Broken(error.to_string())))
                        .boxed(),
                )
            }
        };
        let chunk = Chunk {
            start: None,
            length: Some(length),
            body,
        };
        let limit = Limit {
            what: "the staged blob",
            bytes_max: self.config.blob_bytes_max,
        };
        self.put_content(digest, chunk, limit).await
    }

    /// Keeps a whole body or blob without writing it again.
    async fn keep_whole(&self, source: &Blob) -> Result<u64, RegistryError> {
        match source.spool() {
            Some(spool) => spool.publish(&source.digest, source.size).await?,
            // Nobody removes it while it is pinned, but somebody may have before.
            None if self.storage().confirm(&source.digest).await? != Some(source.size) => {
                return Err(StorageError::Absent(source.digest.clone()).into());
            }
            None => {}
        }
        Ok(source.size)
    }
}
