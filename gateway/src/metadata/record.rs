//! What reads return.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::oci::{Algorithm, Digest, Location, MediaType, Repository, Tag};

/// Which plugin said something, and with which settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The plugin's name.
    pub plugin: String,
    /// The digest of its component.
    pub component: Digest,
    /// The digest of its settings.
    pub settings: Digest,
}

/// A manifest, as it was pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestRecord {
    /// The digest.
    pub digest: Digest,
    /// The media type under which it was pushed to this repository.
    pub media_type: MediaType,
    /// The bytes.
    pub bytes: Bytes,
}

/// A blob that a repository sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRecord {
    /// The size in bytes.
    pub size: u64,
    /// Where it lies.
    pub location: Location,
}

/// A blob, whoever sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRow {
    /// The digest.
    pub digest: Digest,
    /// Where it lies.
    pub location: Location,
    /// The size in bytes.
    pub size: u64,
    /// Whether its bytes are there, as far as that is known.
    pub is_whole: bool,
}

/// Where a list of leases goes on: when the lease ended, of which blob and repository.
pub type LeaseCursor = (i64, String, i64);

/// Content whose bytes are to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// Since when nothing leads to it, in seconds since 1970.
    pub since: u64,
    /// Where it lies.
    pub location: Location,
    /// Its size in bytes.
    pub size: u64,
}

/// How much garbage there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GarbageCount {
    /// How many pieces.
    pub count: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Since when the oldest is garbage, in seconds since 1970.
    pub oldest: Option<u64>,
}

/// A manifest without its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestHead {
    /// The digest.
    pub digest: Digest,
    /// The media type under which it was pushed to this repository.
    pub media_type: MediaType,
    /// The size in bytes.
    pub size: u64,
}

/// A manifest that refers to another.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferrerRecord {
    /// The digest.
    pub digest: Digest,
    /// The media type.
    pub media_type: MediaType,
    /// The size in bytes.
    pub size: u64,
    /// The type under which it is listed.
    pub artifact_type: Option<String>,
    /// The annotations, as a JSON object.
    pub annotations: String,
}

/// What an upload session with a row is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadProgress {
    /// Bytes have come, and more may.
    Open,
    /// All bytes have come, and it is becoming the content of this digest. Whether it did can be told by whether its token is still good.
    Completing(Digest),
    /// It became this blob.
    Done(Digest),
}

/// An upload session that has a row.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadRecord {
    /// The session.
    pub id: String,
    /// What it is at.
    pub progress: UploadProgress,
    /// The repository it belongs to.
    pub repository: Repository,
    /// The number of durable bytes.
    pub offset: u64,
    /// The algorithm of the hash state.
    pub algorithm: Algorithm,
    /// The version of the hash state.
    pub hash_version: u32,
    /// The serialised state of the hasher after `offset` bytes.
    pub hash_state: Vec<u8>,
    /// The storage driver's token.
    pub token: String,
}

/// A session that has not ended, as far as it takes to give it up: a row that cannot be understood any more can still be given up.
#[derive(Debug, Clone, PartialEq)]
pub struct UnfinishedUpload {
    /// The session.
    pub id: String,
    /// When it was last written to, in seconds since 1970.
    pub used: u64,
    /// The storage driver's token.
    pub token: String,
    /// The digest that it is becoming.
    pub becoming: Option<String>,
}

/// How many sessions have not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct UnfinishedUploads {
    /// Their number, counted up to a bound.
    pub count: usize,
    /// When the one was last written to that nobody has written to for the longest time, in seconds since 1970.
    pub oldest: u64,
}

/// A pointer from an artifact to another, or to something outside of the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceRecord {
    /// How the artifact relates to the target.
    pub kind: String,
    /// What is meant, in the words of the artifact.
    pub target: String,
    /// The digest of the target, where the artifact pins one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The open field: the text of a JSON object, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub properties: String,
}

/// What an indexer says about an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The name that people would search for.
    pub title: String,
    /// The version, in the artifact's own scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What the artifact is, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Words to find the artifact by.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// What the artifact needs or contains.
    #[serde(default)]
    pub references: Vec<ReferenceRecord>,
    /// The plugin's own JSON object, as text.
    pub document: String,
}

/// Where in an artifact a finding applies.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FindingLocation {
    /// The digest of the blob or child manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The file inside the blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in Unicode scalar values, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The value inside a structured document, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// One thing that a plugin has to say about an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule that was met.
    pub rule: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: String,
    /// What was found and what to do about it.
    pub message: String,
    /// Where it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<FindingLocation>,
    /// An address that explains the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The open field: the text of a JSON object, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub properties: String,
}

/// Which capability found something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingSource {
    /// Validation, when it was pushed.
    Validate,
    /// A scan.
    Scan,
}

/// What a plugin said of an artifact when it was pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion {
    /// Which plugin, and with which settings.
    pub stamp: Stamp,
    /// The artifact type: the candidate that the plugin claims.
    pub artifact_type: String,
    /// What the plugin would have searches find, where it indexes.
    pub entry: Option<Entry>,
    /// What validation found.
    pub findings: Vec<Finding>,
    /// Why the plugin could not judge, where the policy lets such artifacts in.
    pub failure: Option<String>,
}

/// Everything known about one artifact beside its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct ArtifactRecord {
    /// The manifest.
    pub head: ManifestHead,
    /// The candidates for dispatch, in their order.
    pub candidates: Vec<String>,
    /// The artifact type that a plugin claimed, and which plugin.
    pub judged: Option<(String, Stamp)>,
    /// The entry.
    pub entry: Option<Entry>,
    /// Why the plugin could not judge, where the policy let the artifact in.
    pub failure: Option<String>,
    /// What validation found.
    pub validated: Vec<Finding>,
    /// What other plugins said that claim the artifact as well, in the order of its candidates.
    pub opinions: Vec<Opinion>,
    /// What the last scan found and which plugin scanned, where there was a scan.
    pub scanned: Option<(Stamp, Vec<Finding>)>,
    /// The tags that mean it, at most the first 100.
    pub tags: Vec<Tag>,
}

/// One artifact in a list of entries.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryItem {
    /// The repository.
    pub repository: Repository,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The artifact type that the plugin claimed.
    pub artifact_type: String,
    /// The tags that mean it, at most the first 1 000.
    pub tags: Vec<Tag>,
    /// The entry as the text of a JSON object with the fields of [`Entry`], its document as a JSON value.
    pub entry: String,
}

/// A manifest that is connected to another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Related {
    /// How: `index` for an index that names it.
    pub kind: &'static str,
    /// The manifest.
    pub head: ManifestHead,
}
