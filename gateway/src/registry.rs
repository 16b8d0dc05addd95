//! The rules of the registry.
//!
//! [`Registry`] writes and [`Reader`] reads, always for a [`Caller`](crate::auth::Caller): what the caller may not read does not exist. A
//! push consults whoever knows artifact types through [`Hooks`]; the rules here hold with and without them.

mod code_hashes;
mod error;
mod hooks;
mod reader;

pub use code_hashes::CodeHashes;
pub use error::RegistryError;
pub use hooks::{Artifact, HookError, Hooks, Judgement, Known, NoHooks, Push, Rejection, Scanned};
pub use reader::{Blob, EntryCursor, Reader};

/// What plugins say is kept by the metadata; those who implement [`Hooks`] name it from here.
pub use crate::metadata::{
    ArtifactRecord, Entry, EntryItem, Finding, FindingLocation, Judged, ManifestRecord, ReferenceRecord, Stamp,
};
