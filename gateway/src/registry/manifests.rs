//! Storing and deleting manifests and tags: the flow of a push.

use std::sync::Arc;

use bytes::Bytes;

use super::{Artifact, MissingReferences, Push, Reader, Registry, RegistryError, Remark, beside, now_seconds, reader::Coming};
use crate::{
    auth::{Action, Caller},
    metadata::{Applied, Command, Edge, EdgeKind, Expected, Finding, MetadataError, Opinion, PutManifest, Refused},
    oci::{Algorithm, Descriptor, Digest, Manifest, Reference, Repository, Tag, media_types},
};

/// How many digests that are missing, or whose size is wrong, an answer names.
const TOLD_MAX: usize = 10;

/// A manifest that a client sends.
pub struct ManifestPush {
    /// By what it is pushed: the tag to set, or its digest.
    pub reference: Reference,
    /// Further tags to set (distribution specification, end-7b).
    pub tags: Vec<Tag>,
    /// The `Content-Type` of the request.
    pub content_type: Option<String>,
    /// The bytes.
    pub bytes: Bytes,
}

/// A manifest that was stored.
#[derive(Debug)]
pub struct Pushed {
    /// The digest of its bytes.
    pub digest: Digest,
    /// What it refers to.
    pub subject: Option<Digest>,
    /// The tags that were set.
    pub tags: Vec<Tag>,
    /// What there is to say although the push was accepted.
    pub remarks: Vec<Remark>,
}

/// A push that was judged and only has to be stored.
pub(super) struct Prepared {
    pub(super) command: PutManifest,
    pub(super) remarks: Vec<Remark>,
}

impl Registry {
    /// Stores a manifest: reads it, asks whoever knows its type, and then stores it with its tags at one go, where its reference means
    /// until then what is expected.
    ///
    /// # Errors
    /// Says what is wrong with the manifest, what of it is missing, why a plugin rejected it, or with [`RegistryError::Unmet`] what the
    /// reference means instead. Nothing is stored then.
    pub async fn put_manifest(
        &self,
        caller: &Caller,
        repository: &Repository,
        push: ManifestPush,
        expected: Vec<Expected>,
    ) -> Result<Pushed, RegistryError> {
        let reference = push.reference.clone();
        let prepared = self.prepare(caller, repository, push, &Coming::default()).await?;
        let Prepared { command, remarks } = prepared;
        let pushed = Pushed {
            digest: command.digest.clone(),
            subject: command.subject.clone(),
            tags: command.tags.clone(),
            remarks,
        };
        let jobs = command.judged.as_ref().is_some_and(|judged| judged.scan || judged.index);
        let command = Command::PutManifest(Box::new(command));
        let applied = self
            .metadata()
            .apply(expecting(repository, &reference, expected, command))
            .await;
        applied.map_err(|error| RegistryError::of(error, repository))?;
        if jobs {
            self.jobs_wake.notify_one();
        }
        Ok(pushed)
    }

    /// Does everything of a push but storing it. What is in `coming` will be stored in the same transaction.
    pub(super) async fn prepare(
        &self,
        caller: &Caller,
        repository: &Repository,
        push: ManifestPush,
        coming: &Coming,
    ) -> Result<Prepared, RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        let size = push.bytes.len() as u64;
        if size > self.config.manifest_bytes_max {
            return Err(RegistryError::TooLarge {
                what: "the manifest",
                size,
                max: self.config.manifest_bytes_max,
            });
        }
        let algorithm = match &push.reference {
            Reference::Digest(expected) => expected.algorithm(),
            Reference::Tag(_) => Algorithm::Sha256,
        };
        let (content_type, bytes) = (push.content_type, push.bytes.clone());
        let read = move || {
            let manifest = Manifest::parse(content_type.as_deref(), &bytes)?;
            Ok::<_, RegistryError>((manifest, Digest::of(algorithm, &bytes)))
        };
        let (manifest, actual) = beside(push.bytes.len(), read).await?;
        let (digest, tags) = self.addressed(push.reference, push.tags, actual)?;
        let edges = self.edges(&manifest);
        let reader = self.reader(caller.clone()).with(coming);
        let own = expect_held(&reader, repository, &edges).await?;
        let artifact = Artifact {
            repository: repository.clone(),
            digest,
            manifest: Arc::new(manifest),
            bytes: push.bytes,
        };
        let known = self.known(&artifact).await?;
        let push = Push {
            artifact: artifact.clone(),
            tags: tags.clone(),
            known,
        };
        let judgement = self.hooks.judge(push, reader).await;
        let judgement = judgement.map_err(|rejection| RegistryError::Rejected(Box::new(rejection)))?;
        let mut remarks: Vec<Remark> = own.into_iter().map(|finding| Remark { plugin: None, finding }).collect();
        let (mut judged, mut opinions) = (None, Vec::new());
        if let Some(judgement) = judgement {
            remarks.extend(judgement.remarks);
            (judged, opinions) = (Some(judgement.judged), judgement.opinions);
        }
        let command = PutManifest {
            tags,
            edges,
            judged,
            opinions,
            ..command_for(artifact)
        };
        Ok(Prepared { command, remarks })
    }

    /// Removes a manifest and every tag that means it, or a tag alone, where the reference means what is expected.
    ///
    /// # Errors
    /// [`RegistryError::ManifestUnknown`] where it is not there, [`RegistryError::Unmet`] where it means something else.
    pub async fn delete_manifest(
        &self,
        caller: &Caller,
        repository: &Repository,
        reference: &Reference,
        expected: Vec<Expected>,
    ) -> Result<(), RegistryError> {
        self.authorise(caller, Action::Delete, repository)?;
        let command = expecting(repository, reference, expected, delete_command(repository, reference));
        match self.metadata().apply(command).await {
            // What is not there cannot be deleted, whatever was expected of it.
            Err(MetadataError::Refused(Refused::Absent | Refused::Unmet { meant: None, .. })) => {
                Err(RegistryError::ManifestUnknown(repository.clone(), reference.clone()))
            }
            other => other
                .map(|_: Applied| ())
                .map_err(|error| RegistryError::of(error, repository)),
        }
    }

    /// Settles the digest and the tags of a push whose bytes have a digest.
    fn addressed(&self, reference: Reference, mut tags: Vec<Tag>, actual: Digest) -> Result<(Digest, Vec<Tag>), RegistryError> {
        let digest = match reference {
            Reference::Digest(expected) => {
                if actual != expected {
                    return Err(RegistryError::DigestMismatch { expected, actual });
                }
                actual
            }
            Reference::Tag(tag) => {
                tags.insert(0, tag);
                actual
            }
        };
        let mut seen = std::collections::HashSet::new();
        tags.retain(|tag| seen.insert(tag.clone()));
        if tags.len() > self.config.push_tags_max {
            return Err(RegistryError::TooManyTags(self.config.push_tags_max));
        }
        Ok((digest, tags))
    }

    /// Returns what a manifest names, and which of it the repository has to hold.
    fn edges(&self, manifest: &Manifest) -> Vec<Edge> {
        let reject = self.config.missing_references == MissingReferences::Reject;
        let edge = |kind, descriptor: &Descriptor| Edge {
            kind,
            digest: descriptor.digest.clone(),
            size: descriptor.size,
            required: reject && !media_types::non_distributable(&descriptor.media_type),
        };
        let config = manifest.config.iter().map(|config| edge(EdgeKind::Config, config));
        let layers = manifest.layers.iter().map(|layer| edge(EdgeKind::Layer, layer));
        let children = manifest.manifests.iter().map(|child| match child.is_manifest() {
            true => edge(EdgeKind::Manifest, child),
            false => edge(EdgeKind::Layer, child),
        });
        config.chain(layers).chain(children).collect()
    }

    /// Returns what plugins said of the manifest when it was pushed to this repository before.
    async fn known(&self, artifact: &Artifact) -> Result<Vec<Opinion>, RegistryError> {
        let Some(record) = self.metadata().artifact(&artifact.repository, &artifact.digest).await? else {
            return Ok(Vec::new());
        };
        // The media type belongs to what was judged: the same bytes may be pushed as something else.
        if record.head.media_type != artifact.manifest.media_type {
            return Ok(Vec::new());
        }
        let owner = record.judged.map(|(artifact_type, stamp)| Opinion {
            stamp,
            artifact_type,
            entry: record.entry,
            findings: record.validated,
            failure: record.failure,
        });
        let all = owner.into_iter().chain(record.opinions);
        Ok(all.filter(|opinion| opinion.failure.is_none()).collect())
    }
}

/// Says which of the required references the repository does not hold, before a plugin spends time on the manifest. The metadata checks
/// again when it stores. Returns what there is to remark on manifests whose size is given wrong.
async fn expect_held(reader: &Reader, repository: &Repository, edges: &[Edge]) -> Result<Vec<Finding>, RegistryError> {
    let (mut missing, mut remarks) = (Vec::new(), Vec::new());
    let asked = edges.iter().filter(|edge| edge.required || edge.kind == EdgeKind::Manifest);
    let asked: Vec<_> = asked.collect();
    let sizes = reader.held(repository, &asked).await?;
    for (edge, size) in asked.into_iter().zip(sizes) {
        match size {
            None if edge.required => missing.push(edge.digest.clone()),
            Some(has) if edge.kind == EdgeKind::Manifest && has != edge.size && remarks.len() < TOLD_MAX => {
                remarks.push(wrong_size(edge, has));
            }
            _ => {}
        }
        if missing.len() == TOLD_MAX {
            break;
        }
    }
    if missing.is_empty() {
        Ok(remarks)
    } else {
        Err(RegistryError::Missing {
            repository: repository.clone(),
            missing,
        })
    }
}

/// Words that an index gives another size of a manifest than it has. Old tools wrote such lists, and clients go by digest and type.
fn wrong_size(edge: &Edge, has: u64) -> Finding {
    let Edge { digest, size, .. } = edge;
    Finding {
        rule: "portolan/manifest-size".into(),
        severity: "low".into(),
        message: format!(
            "The index says that manifest {digest} has {size} bytes, but it has {has}. A client that compares sizes cannot pull it: make \
             the index anew."
        ),
        location: None,
        help: None,
        properties: String::new(),
    }
}

/// Returns the command that stores an artifact as it is, without tags, edges or a judgement.
pub(super) fn command_for(artifact: Artifact) -> PutManifest {
    let manifest = &artifact.manifest;
    PutManifest {
        media_type: manifest.media_type.clone(),
        candidates: manifest.candidates().into_iter().map(str::to_owned).collect(),
        edges: Vec::new(),
        subject: manifest.subject.as_ref().map(|subject| subject.digest.clone()),
        referrer_type: manifest.referrer_type().map(str::to_owned),
        annotations: serde_json::to_string(&manifest.annotations).expect("a map of strings is JSON"),
        tags: Vec::new(),
        judged: None,
        opinions: Vec::new(),
        now: now_seconds(),
        repository: artifact.repository,
        digest: artifact.digest,
        bytes: artifact.bytes,
    }
}

/// Makes a command conditional on what a reference means when it is applied.
fn expecting(repository: &Repository, reference: &Reference, expected: Vec<Expected>, command: Command) -> Command {
    if expected.is_empty() {
        return command;
    }
    let conditions = expected.into_iter().map(|expected| Command::Expect {
        repository: repository.clone(),
        reference: reference.clone(),
        expected,
    });
    Command::All(conditions.chain([command]).collect())
}

/// Returns the command that deletes a tag, or a manifest with its tags.
pub(super) fn delete_command(repository: &Repository, reference: &Reference) -> Command {
    let repository = repository.clone();
    match reference.clone() {
        Reference::Tag(tag) => Command::DeleteTag { repository, tag },
        Reference::Digest(digest) => Command::DeleteManifest {
            repository,
            digest,
            now: now_seconds(),
        },
    }
}
