//! The rules of the registry.
//!
//! [`Registry`] writes and [`Reader`] reads, always for a [`Caller`]: what the caller may not read does not exist. A push consults whoever
//! knows artifact types through [`Hooks`]; the rules here hold with and without them.

mod beside;
mod blobs;
mod code_hashes;
mod collection;
mod config;
mod content;
mod error;
mod hooks;
mod in_use;
mod incoming;
mod jobs;
mod leases;
mod manifests;
mod publish;
mod reader;
mod ready;
mod referrers;
mod sarif;
mod scrub;
mod spool;
mod tasks;
mod uploads;

use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;

use crate::{
    auth::{Action, Caller},
    metadata::Metadata,
    oci::Repository,
    storage::{SharedStorage, Storage},
};

pub use beside::beside;
pub use code_hashes::CodeHashes;
pub use collection::{CollectionStatus, Config as CollectionConfig};
pub use config::{Config, MissingReferences};
pub use error::RegistryError;
pub use hooks::{Artifact, HookError, Hooks, Judgement, NoHooks, Owner, Push, Rejection, Remark, Scanned};
pub use incoming::{Body, BodyError, Chunk, PART_BYTES};
pub use jobs::{JobCounts, JobStatus};
pub use manifests::{ManifestPush, Pushed};
pub use publish::{Change, Owns, Publication, Staged};
pub use reader::{Blob, EntryCursor, Reader};
pub use referrers::ReferrersPage;
pub use sarif::{Run, SARIF_MEDIA_TYPE, sarif};
pub use scrub::{Config as ScrubConfig, Fault, Scrub, ScrubProgress, ScrubReport, Spoilt};
pub use uploads::UploadState;

/// What plugins say is kept by the metadata; those who implement [`Hooks`] name it from here.
pub use crate::metadata::{
    ArtifactRecord, Entry, EntryItem, Expected, Finding, FindingLocation, Judged, ManifestHead, ManifestRecord, Opinion,
    ReferenceRecord, ReferrerRecord, Related, Stamp,
};

/// Writes to the registry. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

/// What every clone shares.
pub struct Shared {
    config: Config,
    storage: SharedStorage,
    metadata: Metadata,
    hooks: Arc<dyn Hooks>,
    sessions: uploads::Sessions,
    leases: leases::Leases,
    collected: collection::Collected,
    tasks: tasks::Tasks,
    probe: ready::Probe,
    jobs: jobs::Counts,
    jobs_wake: Notify,
    plan_wake: Notify,
}

impl Deref for Registry {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Registry {
    /// Puts a registry together.
    #[must_use]
    pub fn new(config: Config, storage: SharedStorage, metadata: Metadata, hooks: Arc<dyn Hooks>) -> Self {
        Self(Arc::new(Shared {
            config,
            storage,
            metadata,
            hooks,
            sessions: uploads::Sessions::default(),
            leases: leases::Leases::default(),
            collected: collection::Collected::default(),
            tasks: tasks::Tasks::default(),
            probe: ready::Probe::default(),
            jobs: jobs::Counts::new(),
            jobs_wake: Notify::new(),
            plan_wake: Notify::new(),
        }))
    }

    /// Returns what reads for a caller.
    #[must_use]
    pub fn reader(&self, caller: Caller) -> Reader {
        Reader::new(caller, self.metadata.clone(), self.storage.clone())
    }

    /// Returns the limits and rules in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn authorise(&self, caller: &Caller, action: Action, repository: &Repository) -> Result<(), RegistryError> {
        if caller.may(action, repository) {
            Ok(())
        } else {
            Err(RegistryError::Denied(repository.clone()))
        }
    }

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn storage(&self) -> &dyn Storage {
        &*self.storage
    }
}

/// Returns the time in seconds since 1970.
fn now_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}
