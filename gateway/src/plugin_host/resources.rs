//! What guests hold handles of. The things themselves stay in the gateway.
#![allow(
    unreachable_pub,
    reason = "the generated bindings export these types again, inside of this module"
)]

use std::sync::Arc;

use bytes::Bytes;

use super::{
    exchange::{Answer, Inquiry, Reason},
    plugin::Plugin,
};
use crate::registry::{Artifact, Blob, Reader};

/// A blob that is open for reading, with what was read ahead of it.
pub struct BlobHandle {
    pub(super) blob: Blob,
    /// Where the bytes that were read ahead begin, and the bytes.
    pub(super) ahead: (u64, Bytes),
}

impl BlobHandle {
    pub(super) fn new(blob: Blob) -> Self {
        Self {
            blob,
            ahead: (0, Bytes::new()),
        }
    }
}

/// An artifact that a guest may look into.
#[derive(Clone)]
pub struct ArtifactHandle {
    pub(super) artifact: Artifact,
    pub(super) artifact_type: Arc<str>,
    pub(super) reader: Reader,
    /// How many levels of children lie above it.
    pub(super) depth: u8,
    /// Whether nothing of it may be opened.
    pub(super) sealed: bool,
}

/// The circumstances of one call.
pub struct ContextHandle {
    pub(super) settings: Arc<str>,
}

/// One tag that is being set.
pub struct PushHandle {
    pub(super) repository: String,
    pub(super) tag: String,
}

/// What a service may read of the registry.
pub struct CatalogHandle {
    pub(super) plugin: Arc<Plugin>,
    pub(super) reader: Reader,
}

/// A request in a native client protocol.
pub struct RequestHandle {
    pub(super) inquiry: Arc<Inquiry>,
}

/// The answer to a request. It lies outside of the guest's table, so that it is still there when the guest has dropped its handle.
pub struct ResponseHandle {
    pub(super) answer: Answer,
    pub(super) reader: Reader,
}

/// Why a request cannot be answered as it was asked.
pub struct RefusalHandle {
    pub(super) reason: Arc<Reason>,
}
