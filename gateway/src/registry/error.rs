//! Why the registry could not do what was asked. Statuses are the business of `http`.

use super::{BodyError, Rejection};
use crate::{
    metadata::{MetadataError, Refused},
    oci::{Digest, DigestError, ManifestError, Reference, Repository},
    storage::StorageError,
};

/// Why the registry could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is no such repository, or none that the caller may see.
    #[error("repository {0} is not known to this registry")]
    RepositoryUnknown(Repository),
    /// There is no such manifest.
    #[error("repository {0} has no manifest {1}")]
    ManifestUnknown(Repository, Reference),
    /// There is no such blob.
    #[error("repository {0} has no blob {1}")]
    BlobUnknown(Repository, Digest),
    /// There is no such upload session.
    #[error("there is no upload session {0:?} in this repository; it may have ended or expired: start the upload again")]
    UploadUnknown(String),
    /// Another request is writing to the session.
    #[error("another request is writing to upload session {0:?}; wait for it or ask for the session's state")]
    UploadBusy(String),
    /// A chunk does not begin where the last one ended.
    #[error(
        "the chunk begins at byte {got}, but the session holds {offset} bytes; ask for the session's state and go on from there"
    )]
    UploadRange {
        /// The session.
        id: String,
        /// The number of bytes that the session holds.
        offset: u64,
        /// Where the chunk begins.
        got: u64,
    },
    /// The body is not as long as the request said.
    #[error("{said} bytes were announced, but {got} arrived; what arrived is kept and can be continued")]
    UploadLength {
        /// What the request said.
        said: u64,
        /// What arrived.
        got: u64,
    },
    /// The body broke off. What arrived is kept in the session.
    #[error("the body broke off: {0}")]
    BodyBroken(BodyError),
    /// As many upload sessions hold bytes as the gateway keeps, and none of them has paused for long.
    #[error("too many uploads are open; try again in {retry_after_seconds} seconds")]
    UploadsFull {
        /// When one of them may have to make room.
        retry_after_seconds: u64,
    },
    /// Nothing can be stored now.
    #[error("{0}; the gateway's log says why")]
    NotReady(&'static str),
    /// The content is not what the digest says.
    #[error("the content has digest {actual}, but {expected} was given")]
    DigestMismatch {
        /// What was given.
        expected: Digest,
        /// What the content has.
        actual: Digest,
    },
    /// A digest is malformed.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The manifest is malformed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A manifest was stored when the rules were laxer. It is served as it is, but nobody can say what it means.
    #[error(
        "manifest {digest} of repository {repository} was stored under older rules and is served as it was pushed, but nothing can be \
         told about it: {error}"
    )]
    Unreadable {
        /// The repository.
        repository: Repository,
        /// The manifest.
        digest: Digest,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// Something is larger than the configuration allows.
    #[error("{what} has {size} bytes; this gateway accepts at most {max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes, as far as it is known.
        size: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// A manifest names what the repository does not hold.
    #[error("the manifest names content that repository {repository} does not hold: {}; push it first", shown(.missing))]
    Missing {
        /// The repository.
        repository: Repository,
        /// The first ten that are missing.
        missing: Vec<Digest>,
    },
    /// A descriptor gives another size than the content has.
    #[error("the manifest says that {digest} has {said} bytes, but in repository {repository} it has {has}")]
    DescriptorSize {
        /// The repository.
        repository: Repository,
        /// The blob.
        digest: Digest,
        /// What the descriptor says.
        said: u64,
        /// What it has.
        has: u64,
    },
    /// More tags than one push may set.
    #[error("one push may set at most {0} tags")]
    TooManyTags(usize),
    /// A reference means something else than the request made a condition.
    #[error("reference {reference} of repository {repository} means {}, which is not what the request expects; nothing was changed", meaning(.meant))]
    Unmet {
        /// The repository.
        repository: Repository,
        /// The tag or digest.
        reference: Reference,
        /// What it means, if anything.
        meant: Option<Digest>,
    },
    /// Whoever asks for a change may not change this artifact.
    #[error("{reference} of repository {repository} may not be changed in this way: {reason}")]
    NotOwned {
        /// The repository.
        repository: Repository,
        /// The tag or digest.
        reference: Reference,
        /// Why, as a sentence.
        reason: String,
    },
    /// Something that a plugin publishes cannot be stored.
    #[error("publishing to {repository}: {error}")]
    Publishing {
        /// The repository.
        repository: Repository,
        /// Why.
        error: Box<RegistryError>,
    },
    /// A plugin rejected the push.
    #[error("a plugin rejected the push")]
    Rejected(Box<Rejection>),
    /// The caller may not do this.
    #[error("you may not change repository {0}")]
    Denied(Repository),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The metadata failed.
    #[error(transparent)]
    Metadata(MetadataError),
}

fn shown(digests: &[Digest]) -> String {
    digests.iter().map(Digest::as_str).collect::<Vec<_>>().join(", ")
}

fn meaning(digest: &Option<Digest>) -> &str {
    digest.as_ref().map_or("nothing", Digest::as_str)
}

impl RegistryError {
    /// Words what the metadata refused, for the repository that the command was about.
    pub(super) fn of(error: MetadataError, repository: &Repository) -> Self {
        match error {
            MetadataError::Refused(Refused::Absent) => Self::RepositoryUnknown(repository.clone()),
            other => Self::of_change(other),
        }
    }

    /// Words what the metadata refused of several commands, where the refusal says which one it was.
    pub(super) fn of_change(error: MetadataError) -> Self {
        match error {
            MetadataError::Refused(Refused::Missing { repository, missing }) => Self::Missing { repository, missing },
            MetadataError::Refused(Refused::Size {
                repository,
                digest,
                said,
                has,
            }) => Self::DescriptorSize {
                repository,
                digest,
                said,
                has,
            },
            MetadataError::Refused(Refused::Unmet {
                repository,
                reference,
                meant,
            }) => Self::Unmet {
                repository,
                reference,
                meant,
            },
            other => Self::Metadata(other),
        }
    }

    /// Says to which repository something was to be published, where the error does not name it.
    pub(super) fn publishing(self, repository: Repository) -> Self {
        match self {
            named @ (Self::Denied(_) | Self::NotOwned { .. } | Self::Missing { .. } | Self::DescriptorSize { .. }) => named,
            error => Self::Publishing {
                repository,
                error: Box::new(error),
            },
        }
    }
}

impl From<MetadataError> for RegistryError {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(error)
    }
}
