//! What a plugin's service asks the registry to do: carried out under the registry's own rules and the caller's permissions, all or
//! nothing.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{
    Blob, BodyError, Chunk, ManifestPush, Pushed, Registry, RegistryError,
    content::Stored,
    incoming::Limit,
    manifests::{Prepared, delete_command},
    reader::Coming,
};
use crate::{
    auth::{Action, Caller},
    metadata::{BlobRecord, Command, Expected, LinkBlob},
    oci::{Digest, Manifest, Reference, Repository, Tag},
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
    /// What tags of the repository have to mean, or that they may not exist, when everything before this is done.
    pub expect: Vec<(Tag, Option<Digest>)>,
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

/// Says of the candidate types of an artifact whether it belongs to whoever asks for a change. The error is a sentence that says why not.
pub trait Owns: Fn(&[&str]) -> Result<(), String> + Send + Sync {}

impl<F: Fn(&[&str]) -> Result<(), String> + Send + Sync> Owns for F {}

/// What becomes of changes, one after the other.
#[derive(Default)]
struct Plan {
    commands: Vec<Command>,
    pushed: Vec<Pushed>,
    coming: Coming,
    /// What was stored for it.
    stored: Vec<Stored>,
}

impl Registry {
    /// Does all of the changes or none, and only with artifacts that whoever asks for them owns, as told by their candidate types. What was
    /// stored for changes that are refused does not stay.
    ///
    /// # Errors
    /// The first reason why one of them cannot be done. It names the repository.
    pub async fn carry_out(
        &self,
        caller: &Caller,
        owns: impl Owns + 'static,
        changes: Vec<Change>,
    ) -> Result<Vec<Pushed>, RegistryError> {
        self.expect_room_for(&changes)?;
        let (registry, caller) = (self.clone(), caller.clone());
        self.own(async move {
            let mut plan = Plan::default();
            let done = registry.carry_out_planned(&caller, &owns, changes, &mut plan).await;
            if done.is_err() {
                for stored in &plan.stored {
                    registry.give_back(stored).await;
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

    async fn carry_out_planned(
        &self,
        caller: &Caller,
        owns: &impl Owns,
        changes: Vec<Change>,
        plan: &mut Plan,
    ) -> Result<Vec<Pushed>, RegistryError> {
        for change in changes {
            match change {
                Change::Publish(publication) => {
                    let repository = publication.repository.clone();
                    let planned = self.plan_publication(caller, owns, publication, plan).await;
                    planned.map_err(|error| error.publishing(repository))?;
                }
                Change::Remove {
                    repository,
                    reference,
                    expected,
                } => {
                    self.plan_removal(caller, owns, (repository, reference), expected, plan)
                        .await?;
                }
            }
        }
        let commands = std::mem::take(&mut plan.commands);
        if !commands.is_empty() {
            let applied = self.metadata().apply(Command::All(commands)).await;
            applied.map_err(RegistryError::of_change)?;
            self.jobs_wake.notify_one();
        }
        Ok(std::mem::take(&mut plan.pushed))
    }

    /// Does everything of a publication but storing it. Its blobs become links in the same transaction.
    async fn plan_publication(
        &self,
        caller: &Caller,
        owns: &impl Owns,
        publication: Publication,
        plan: &mut Plan,
    ) -> Result<(), RegistryError> {
        let repository = publication.repository;
        self.authorise(caller, Action::Write, &repository)?;
        let digest = Digest::sha256(&publication.manifest);
        let reference = Reference::Digest(digest.clone());
        let manifest = Manifest::parse(Some(&publication.media_type), &publication.manifest)?;
        expect_owned(owns, &repository, &reference, &manifest.candidates())?;
        for (digest, staged) in publication.blobs {
            let (record, is_new) = self.keep(&digest, staged, plan).await?;
            plan.coming.blobs.insert((repository.clone(), digest.clone()), record.clone());
            // It is linked together with the manifest: where the publication does not happen, the blob never shows.
            plan.commands.push(Command::LinkBlob(LinkBlob {
                repository: repository.clone(),
                digest,
                size: record.size,
                location: is_new.then_some(record.location),
                is_new,
                upload: None,
                lease: self.lease(),
            }));
        }
        let push = ManifestPush {
            reference,
            tags: publication.tags,
            content_type: Some(publication.media_type),
            bytes: publication.manifest,
        };
        let Prepared { command, remarks } = self.prepare(caller, &repository, push, &plan.coming).await?;
        let size = command.bytes.len() as u64;
        plan.coming.manifests.insert((repository.clone(), digest), size);
        plan.pushed.push(Pushed {
            digest: command.digest.clone(),
            subject: command.subject.clone(),
            tags: command.tags.clone(),
            remarks,
        });
        let expectations = publication.expect.into_iter().map(|(tag, digest)| Command::Expect {
            repository: repository.clone(),
            reference: Reference::Tag(tag),
            expected: digest.map_or(Expected::Nothing, |digest| Expected::OneOf(vec![digest])),
        });
        plan.commands.extend(expectations);
        plan.commands.push(Command::PutManifest(Box::new(command)));
        Ok(())
    }

    /// Plans to remove what a reference means now. Where it means something else when it is done, nothing is.
    async fn plan_removal(
        &self,
        caller: &Caller,
        owns: &impl Owns,
        (repository, reference): (Repository, Reference),
        expected: Option<Digest>,
        plan: &mut Plan,
    ) -> Result<(), RegistryError> {
        self.authorise(caller, Action::Delete, &repository)?;
        let reader = self.reader(caller.clone());
        let meant = reader.manifest_head(&repository, &reference).await?.digest;
        if expected.is_some_and(|expected| expected != meant) {
            return Err(RegistryError::Unmet {
                repository,
                reference,
                meant: Some(meant),
            });
        }
        let candidates = reader.artifact(&repository, &meant).await?.candidates;
        let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
        expect_owned(owns, &repository, &reference, &candidates)?;
        let delete = delete_command(&repository, &reference);
        plan.commands.push(Command::Expect {
            repository,
            reference,
            expected: Expected::OneOf(vec![meant]),
        });
        plan.commands.push(delete);
        Ok(())
    }

    /// Makes staged content durable, whose digest is checked. Returns where it is, and whether it was stored for this.
    async fn keep(&self, digest: &Digest, staged: Staged, plan: &mut Plan) -> Result<(BlobRecord, bool), RegistryError> {
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
        let stored = self.put_content(digest, chunk, limit).await?;
        let Stored { size, location, .. } = stored.clone();
        plan.stored.push(stored);
        Ok((BlobRecord { size, location }, true))
    }

    /// Keeps a whole body or blob without writing it again.
    async fn keep_whole(&self, source: &Blob) -> Result<(BlobRecord, bool), RegistryError> {
        match (source.spool(), source.location()) {
            (Some(spool), _) => {
                // Where it is not linked in the end, it goes with the body.
                let Stored { size, location, .. } = spool.publish(&source.digest, source.size).await?;
                Ok((BlobRecord { size, location }, true))
            }
            // Where nothing leads to it any more when it is linked, that is refused.
            (None, Some(location)) if self.storage().size(location).await? == Some(source.size) => {
                let (size, location) = (source.size, location.clone());
                Ok((BlobRecord { size, location }, false))
            }
            (None, Some(location)) => Err(StorageError::Absent(location.clone()).into()),
            (None, None) => Err(StorageError::UploadAbsent(String::new()).into()),
        }
    }
}

fn expect_owned(
    owns: &impl Owns,
    repository: &Repository,
    reference: &Reference,
    candidates: &[&str],
) -> Result<(), RegistryError> {
    owns(candidates).map_err(|reason| RegistryError::NotOwned {
        repository: repository.clone(),
        reference: reference.clone(),
        reason,
    })
}
