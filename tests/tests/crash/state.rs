//! What a repository shows, and what operations make of it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

/// What a repository shows. Two of these are the same when no client can tell them apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The digests of its blobs.
    pub(super) blobs: BTreeSet<String>,
    /// The digests of its manifests.
    pub(super) manifests: BTreeSet<String>,
    /// What its tags mean.
    pub(super) tags: BTreeMap<String, String>,
    /// Whether the upload session is there and holds bytes. An empty session need not survive.
    pub(super) session: bool,
}

/// One thing that a client does, and that has happened as a whole or not at all.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// Pushes a blob in one piece.
    PushBlob { digest: String, bytes: Bytes },
    /// Makes a blob of another repository visible.
    Mount { digest: String },
    /// Pushes a manifest under tags: by the only one, or by its digest.
    PushManifest {
        digest: String,
        bytes: Bytes,
        tags: Vec<String>,
        by_tag: bool,
    },
    /// Removes a tag.
    DeleteTag { tag: String },
    /// Removes a manifest with its tags.
    DeleteManifest { digest: String },
    /// Hides a blob.
    DeleteBlob { digest: String },
    /// Opens an upload session.
    Open,
    /// Sends so many bytes more to the session.
    Append { bytes: usize },
    /// Ends the session with what is left.
    Finish { digest: String },
    /// Gives the session up.
    Cancel,
}

impl Operation {
    /// Names the step of the protocol that the gateway is at while it works on this.
    pub(super) fn step(&self, state: &State) -> &'static str {
        let known = |tag: &String| state.tags.contains_key(tag);
        match self {
            Self::PushBlob { bytes, .. } if bytes.len() > super::worker::SMALL_BYTES_MAX => "PUT of a large blob",
            Self::PushBlob { .. } => "PUT of a small blob",
            Self::Mount { .. } => "POST of a mount",
            Self::PushManifest { tags, .. } if tags.iter().any(known) => "PUT of a manifest over a tag",
            Self::PushManifest { tags, .. } if tags.len() > 1 => "PUT of a manifest with several tags",
            Self::PushManifest { by_tag: false, .. } => "PUT of a manifest by digest",
            Self::PushManifest { .. } => "PUT of a manifest with a new tag",
            Self::DeleteTag { .. } => "DELETE of a tag",
            Self::DeleteManifest { .. } => "DELETE of a manifest",
            Self::DeleteBlob { .. } => "DELETE of a blob",
            Self::Open => "POST of a session",
            Self::Append { .. } => "PATCH of a session",
            Self::Finish { .. } => "PUT that ends a session",
            Self::Cancel => "DELETE of a session",
        }
    }

    /// Does to a state what the gateway does to the repository when it carries this out.
    pub(super) fn apply(&self, state: &mut State) {
        match self {
            Self::PushBlob { digest, .. } | Self::Mount { digest } => {
                state.blobs.insert(digest.clone());
            }
            Self::PushManifest { digest, tags, .. } => {
                state.manifests.insert(digest.clone());
                state.tags.extend(tags.iter().map(|tag| (tag.clone(), digest.clone())));
            }
            Self::DeleteTag { tag } => {
                state.tags.remove(tag);
            }
            Self::DeleteManifest { digest } => {
                state.manifests.remove(digest);
                state.tags.retain(|_, meant| meant != digest);
            }
            Self::DeleteBlob { digest } => {
                state.blobs.remove(digest);
            }
            Self::Open => {}
            Self::Append { .. } => state.session = true,
            Self::Finish { digest } => {
                state.blobs.insert(digest.clone());
                state.session = false;
            }
            Self::Cancel => state.session = false,
        }
    }
}
