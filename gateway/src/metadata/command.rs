//! The writes, as values.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    job::{Claimed, JobEnd, Plan, Turn},
    record::{Entry, Finding, Opinion, Stamp},
};
use crate::oci::{Algorithm, Digest, Location, MediaType, Reference, Repository, Tag};

/// One write. It happens as a whole or not at all.
///
/// Every command that changes what services see of a repository moves its revisions in the same transaction.
#[derive(Debug, Clone)]
pub enum Command {
    /// Makes a blob visible in a repository, and ends the upload session it came from: where the session has a row, it says from now on
    /// what became of it.
    LinkBlob(LinkBlob),
    /// Makes a blob of another repository visible in this one. Refused with [`Refused::Absent`] where none of `from` holds it.
    MountBlob {
        /// The repository to mount into.
        repository: Repository,
        /// The digest of the blob.
        digest: Digest,
        /// Repositories that the caller may read, at most 100.
        from: Vec<Repository>,
        /// How long it stays without a manifest that names it.
        lease: Lease,
    },
    /// Hides a blob from a repository. Its manifests stay. Refused with [`Refused::Absent`] where it is not linked.
    UnlinkBlob {
        /// The repository.
        repository: Repository,
        /// The digest of the blob.
        digest: Digest,
        /// The time now, in seconds since 1970.
        now: u64,
    },
    /// Lets blobs that were seen stay for a while, in repositories that hold them.
    RenewLeases {
        /// The blobs.
        blobs: Vec<(Repository, Digest)>,
        /// How long they stay.
        lease: Lease,
    },
    /// Hides blobs from repositories whose lease has ended and that have no manifest that names them, and says as [`Applied::Collected`] how
    /// many they were. What nobody sees any more becomes garbage.
    Collect {
        /// What is to be looked at.
        blobs: Vec<(Repository, Digest)>,
        /// The time now, in seconds since 1970.
        now: u64,
    },
    /// Says whether the bytes of a blob are at a location: where they are gone or others, nobody sees it until it is pushed again.
    MarkBlob {
        /// The digest of the blob.
        digest: Digest,
        /// Where it was looked for.
        location: Location,
        /// Whether its bytes are there.
        is_whole: bool,
    },
    /// Forgets garbage whose bytes are gone.
    ForgetGarbage {
        /// Where they were.
        locations: Vec<Location>,
    },
    /// Says whether all leases are written: they are when the gateway stops, and are not while it runs.
    LeasesAreWritten(bool),
    /// Remembers how far an upload has come. The bytes up to the offset are durable.
    SaveUpload(SaveUpload),
    /// Forgets an upload session. It is no error where there is none.
    DropUpload {
        /// The session.
        id: String,
    },
    /// Forgets up to so many sessions that ended before a time, in seconds since 1970, and says as [`Applied::Forgotten`] how many they were.
    ForgetEndedUploads {
        /// The time.
        before: u64,
        /// The most sessions.
        n: usize,
    },
    /// Writes something, to see whether that can be done.
    Probe {
        /// The time now, in seconds since 1970.
        now: u64,
    },
    /// Stores a manifest, its tags and what a plugin said about it.
    PutManifest(Box<PutManifest>),
    /// Removes a manifest, its tags, edges, entry, findings and jobs, and what the gateway itself attached to it. Refused with
    /// [`Refused::Absent`] where it is not there.
    DeleteManifest {
        /// The repository.
        repository: Repository,
        /// The digest of the manifest.
        digest: Digest,
        /// The time now, in seconds since 1970.
        now: u64,
    },
    /// Removes a tag. Refused with [`Refused::Absent`] where it is not there.
    DeleteTag {
        /// The repository.
        repository: Repository,
        /// The tag.
        tag: Tag,
    },
    /// Changes nothing, and is refused with [`Refused::Unmet`] where a reference means something else than is expected: a condition of
    /// the commands that stand behind it in [`Command::All`].
    Expect {
        /// The repository.
        repository: Repository,
        /// The tag or digest.
        reference: Reference,
        /// What it has to mean.
        expected: Expected,
    },
    /// Several of the others, all or nothing.
    All(Vec<Command>),
    /// Stores what `index` said of an artifact that was there before. Nothing happens where the artifact is gone.
    PutEntry(Box<EntryUpdate>),
    /// Stores what a scan found, in place of what an earlier scan found, together with the referrer that shows it to OCI clients. Nothing
    /// happens where the artifact is gone.
    PutScan(Box<ScanUpdate>),
    /// Takes a due job for a minute and returns it as [`Applied::Claimed`]: the oldest of the next queue that has one.
    ClaimJob {
        /// The time now, in seconds since 1970.
        now: u64,
        /// The queue that was served last.
        after: Option<Turn>,
    },
    /// Keeps a claimed job for another minute.
    RenewJob {
        /// The job.
        id: i64,
        /// The time now, in seconds since 1970.
        now: u64,
    },
    /// Ends a claimed job. Nothing happens where it was planned anew or is gone.
    EndJob {
        /// The job.
        id: i64,
        /// How it ends.
        end: JobEnd,
    },
    /// Plans jobs for a page of artifacts from before, and remembers how far this has come. What is done or planned by the same version is
    /// left out. Refused with [`Refused::Moved`] where another set of plugins is active.
    Plan(Plan),
    /// Remembers the hash of the machine code that was compiled from a component.
    PutCode {
        /// The digest of the component.
        component: Digest,
        /// Engine version, settings and CPU features, hashed.
        engine: String,
        /// The digest of the machine code.
        code: Digest,
    },
    /// Moves the revision of everything: another set of plugins or settings is active. The artifacts from before are to be looked at anew.
    PluginsChanged {
        /// A word that differs between sets.
        set: String,
    },
}

/// What a reference has to mean. A digest means itself where its repository holds the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Anything.
    Something,
    /// Nothing: it does not exist.
    Nothing,
    /// One of these manifests.
    OneOf(Vec<Digest>),
    /// None of these manifests. It may mean nothing at all.
    NoneOf(Vec<Digest>),
}

impl Expected {
    /// Says whether this is what a reference means.
    #[must_use]
    pub fn holds(&self, meant: Option<&Digest>) -> bool {
        match self {
            Self::Something => meant.is_some(),
            Self::Nothing => meant.is_none(),
            Self::OneOf(digests) => meant.is_some_and(|meant| digests.contains(meant)),
            Self::NoneOf(digests) => meant.is_none_or(|meant| !digests.contains(meant)),
        }
    }
}

/// A blob to make visible in a repository.
#[derive(Debug, Clone)]
pub struct LinkBlob {
    /// The repository.
    pub repository: Repository,
    /// The digest of the blob.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    /// Where its bytes lie, durably, from now on; what was there before becomes garbage. Without it, the blob is there already: else it is
    /// refused with [`Refused::Absent`].
    pub location: Option<Location>,
    /// Whether nobody can know of the location yet. Else it may be garbage, and is refused with [`Refused::Absent`] then.
    pub is_new: bool,
    /// The upload session that ends with it.
    pub upload: Option<EndedUpload>,
    /// How long it stays without a manifest that names it.
    pub lease: Lease,
}

/// How long something stays that no manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The time now, in seconds since 1970.
    pub now: u64,
    /// When the lease ends, in seconds since 1970.
    pub until: u64,
}

/// How far an upload has come.
#[derive(Debug, Clone, PartialEq)]
pub struct SaveUpload {
    /// The session, as it appears in its location.
    pub id: String,
    /// The repository it belongs to.
    pub repository: Repository,
    /// The number of durable bytes.
    pub offset: u64,
    /// The digest that it is becoming, where all bytes have come.
    pub completing: Option<Digest>,
    /// The algorithm of the hash state.
    pub algorithm: Algorithm,
    /// The version of the hash state.
    pub hash_version: u32,
    /// The serialised state of the hasher after `offset` bytes.
    pub hash_state: Vec<u8>,
    /// The storage driver's token.
    pub token: String,
    /// Who sent the bytes, to share places between them. Empty where that is not known.
    pub peer: String,
    /// The time now, in seconds since 1970.
    pub now: u64,
}

/// An upload session that ends with a blob.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedUpload {
    /// The session, as it appears in its location.
    pub id: String,
    /// The time now, in seconds since 1970.
    pub now: u64,
}

/// How one thing is named by a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// The config: a blob.
    Config,
    /// A layer, or what an index names and is no manifest: a blob.
    Layer,
    /// A manifest of an index. Its size is not compared: lists by old tools are wrong about it, and a pull goes by digest and type.
    Manifest,
}

/// One thing that a manifest names.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// How it is named.
    pub kind: EdgeKind,
    /// The digest.
    pub digest: Digest,
    /// The size that the descriptor gives.
    pub size: u64,
    /// Whether the manifest may only be stored where the repository holds it.
    pub required: bool,
}

/// A manifest to store.
#[derive(Debug, Clone)]
pub struct PutManifest {
    /// The repository.
    pub repository: Repository,
    /// The digest of the bytes.
    pub digest: Digest,
    /// The media type under which it was pushed.
    pub media_type: MediaType,
    /// The manifest as it was pushed.
    pub bytes: Bytes,
    /// The candidates for dispatch, in their order.
    pub candidates: Vec<String>,
    /// What the manifest names.
    pub edges: Vec<Edge>,
    /// What the manifest refers to.
    pub subject: Option<Digest>,
    /// The type under which it is listed as a referrer.
    pub referrer_type: Option<String>,
    /// The annotations of the manifest, as a JSON object, which a list of referrers repeats.
    pub annotations: String,
    /// The tags to set.
    pub tags: Vec<Tag>,
    /// What the owner said, where a plugin claims the artifact.
    pub judged: Option<Judged>,
    /// What the other plugins said that claim it. They are looked at where `judged` is there.
    pub opinions: Vec<Opinion>,
    /// The time now, in seconds since 1970.
    pub now: u64,
}

/// What a plugin said about a manifest while it was pushed.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The plugin.
    pub stamp: Stamp,
    /// The artifact type: the candidate that the plugin claims.
    pub artifact_type: String,
    /// The entry, where the plugin has an indexer and it succeeded.
    pub entry: Option<Entry>,
    /// What validation found.
    pub findings: Vec<Finding>,
    /// Why the plugin could not judge, where the operator's policy lets such artifacts in.
    pub failure: Option<String>,
    /// Whether a scan is to be planned.
    pub scan: bool,
    /// Whether an index job is to be planned, because the plugin could not be asked now.
    pub index: bool,
}

/// What `index` said of an artifact that was stored before.
#[derive(Debug, Clone)]
pub struct EntryUpdate {
    /// The repository.
    pub repository: Repository,
    /// The digest of the manifest.
    pub digest: Digest,
    /// What the plugin says. Its `scan` and `index` are not looked at.
    pub judged: Judged,
}

/// What a scan found.
#[derive(Debug, Clone)]
pub struct ScanUpdate {
    /// The repository.
    pub repository: Repository,
    /// The digest of the manifest that was scanned.
    pub digest: Digest,
    /// The plugin.
    pub stamp: Stamp,
    /// What it found.
    pub findings: Vec<Finding>,
    /// The findings as a SARIF 2.1.0 document.
    pub sarif: Bytes,
    /// Where the document lies in the storage, where a manifest shows it.
    pub document: Option<Location>,
    /// The manifest that refers to the artifact and shows the document to OCI clients, where the operator wants one. Its `subject` is the
    /// artifact, its config blob the document, whose bytes are in the storage already.
    pub referrer: Option<Box<PutManifest>>,
    /// The time now, in seconds since 1970.
    pub now: u64,
}

impl Command {
    /// Says whether the command makes nothing larger. Such commands are carried out where the disk is full: deletions, and what a start
    /// needs so that there is somebody to delete.
    pub(super) fn frees(&self) -> bool {
        match self {
            Self::UnlinkBlob { .. }
            | Self::Collect { .. }
            | Self::ForgetGarbage { .. }
            | Self::LeasesAreWritten(_)
            | Self::DropUpload { .. }
            | Self::ForgetEndedUploads { .. }
            | Self::DeleteManifest { .. }
            | Self::DeleteTag { .. }
            | Self::Expect { .. }
            | Self::PluginsChanged { .. }
            | Self::EndJob {
                end: JobEnd::Removed, ..
            } => true,
            Self::All(commands) => commands.iter().all(Self::frees),
            _ => false,
        }
    }

    /// Adds the repositories whose rows the command needs.
    pub(super) fn repositories<'a>(&'a self, all: &mut BTreeSet<&'a Repository>) {
        match self {
            Self::LinkBlob(LinkBlob { repository, .. })
            | Self::UnlinkBlob { repository, .. }
            | Self::DeleteManifest { repository, .. }
            | Self::DeleteTag { repository, .. }
            | Self::Expect { repository, .. } => {
                all.insert(repository);
            }
            Self::MountBlob { repository, from, .. } => all.extend(from.iter().chain([repository])),
            Self::PutManifest(put) => {
                all.insert(&put.repository);
            }
            Self::PutEntry(update) => {
                all.insert(&update.repository);
            }
            Self::PutScan(update) => {
                all.insert(&update.repository);
            }
            Self::All(commands) => commands.iter().for_each(|command| command.repositories(all)),
            Self::RenewLeases { blobs, .. } | Self::Collect { blobs, .. } => {
                all.extend(blobs.iter().map(|(repository, _)| repository));
            }
            Self::MarkBlob { .. }
            | Self::ForgetGarbage { .. }
            | Self::LeasesAreWritten(_)
            | Self::SaveUpload(_)
            | Self::DropUpload { .. }
            | Self::ForgetEndedUploads { .. }
            | Self::Probe { .. }
            | Self::ClaimJob { .. }
            | Self::RenewJob { .. }
            | Self::EndJob { .. }
            | Self::Plan(_)
            | Self::PutCode { .. }
            | Self::PluginsChanged { .. } => {}
        }
    }
}

/// What a command did.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It was done.
    Done,
    /// It was done, and something was there before: a manifest or link that existed already.
    Existed,
    /// The size of the blob that was mounted.
    Mounted(u64),
    /// What was found when a job was asked for.
    Claimed(Claimed),
    /// How many rows were forgotten.
    Forgotten(u64),
    /// How many blobs were hidden because no manifest named them.
    Collected(u64),
}

/// Which precondition of a command does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// What is to be changed is not there.
    Absent,
    /// Another set of plugins is active than was expected.
    Moved,
    /// A reference means something else than [`Command::Expect`] asked for.
    Unmet {
        /// The repository.
        repository: Repository,
        /// The tag or digest.
        reference: Reference,
        /// What it means, if anything.
        meant: Option<Digest>,
    },
    /// The repository does not hold what a manifest names.
    Missing {
        /// The repository.
        repository: Repository,
        /// At most the first 10.
        missing: Vec<Digest>,
    },
    /// The descriptor of a blob gives another size than the blob has.
    Size {
        /// The repository.
        repository: Repository,
        /// The blob.
        digest: Digest,
        /// What the descriptor says.
        said: u64,
        /// What it has.
        has: u64,
    },
}
