//! What the registry asks of whoever knows artifact types.
//!
//! The trait lies here, below the plugin host, so that a push can consult plugins and plugins can read the registry without a cycle.
//! Whoever implements it gets a [`Reader`] and nothing else: it cannot write.

use std::sync::Arc;

use bytes::Bytes;

use super::Reader;
use crate::{
    metadata::{Finding, Judged, Opinion, Stamp},
    oci::{Digest, Manifest, Repository, Tag},
};

/// A manifest with its bytes, in the repository whose links its blobs resolve through. It may not be stored yet.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The repository.
    pub repository: Repository,
    /// The digest of the bytes.
    pub digest: Digest,
    /// What the manifest says.
    pub manifest: Arc<Manifest>,
    /// The manifest as it was pushed.
    pub bytes: Bytes,
}

/// A push that is to be judged.
#[derive(Debug, Clone)]
pub struct Push {
    /// What is pushed.
    pub artifact: Artifact,
    /// The tags that are to be set.
    pub tags: Vec<Tag>,
    /// What plugins said of the same manifest when it was pushed to the same repository before: where plugin and settings are still the
    /// same, validating and indexing again would say the same.
    pub known: Vec<Opinion>,
}

/// A push that may proceed.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What the owner said: the plugin that is asked about the artifact from now on.
    pub judged: Judged,
    /// What the others said that claim it as well, in the order of its candidates. Clients go by rules of their own, so each of these
    /// plugins may speak for clients that will take the artifact for theirs.
    pub opinions: Vec<Opinion>,
    /// What was found and is to be shown to the client: of each plugin first what `admit` found, then what validation found.
    pub remarks: Vec<Remark>,
}

/// One thing to tell the client of a push that may proceed.
#[derive(Debug, Clone, PartialEq)]
pub struct Remark {
    /// Who says it, where several plugins were asked.
    pub plugin: Option<String>,
    /// What was found.
    pub finding: Finding,
}

/// Why a push may not proceed.
#[derive(Debug, Clone, PartialEq)]
pub enum Rejection {
    /// A plugin refused it.
    Refused {
        /// The plugin.
        plugin: String,
        /// The tag that may not be set, where the content is fine.
        tag: Option<Tag>,
        /// Why, the most important first.
        findings: Vec<Finding>,
    },
    /// The plugin failed on this artifact and would fail again: a trap, a limit, an answer that breaks the contract.
    Failed {
        /// The plugin.
        plugin: String,
        /// What happened, for the person who pushed.
        reason: String,
    },
    /// The plugin cannot be asked now.
    Unavailable {
        /// The plugin.
        plugin: String,
        /// Why.
        reason: String,
        /// When to try again.
        retry_after_seconds: u32,
    },
}

/// Why a job could not be done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HookError {
    /// The version of the plugin that it was planned for is not asked about the artifact any more. There is nothing to do.
    #[error("no active plugin does this for the artifact")]
    NoPlugin,
    /// The plugin failed on this artifact and would fail again.
    #[error("plugin {plugin} failed: {reason}")]
    Failed {
        /// The plugin.
        plugin: String,
        /// What happened.
        reason: String,
    },
    /// It failed and may not fail again: storage trouble, a call that took too long.
    #[error("plugin {plugin} could not do it: {reason}")]
    Later {
        /// The plugin.
        plugin: String,
        /// What happened.
        reason: String,
    },
    /// It could not even be begun: a full queue, no free thread.
    #[error("plugin {plugin} cannot be asked now: {reason}")]
    Busy {
        /// The plugin.
        plugin: String,
        /// What it waits for.
        reason: String,
    },
}

/// Who is asked about artifacts with some candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct Owner {
    /// The plugin, its version and its settings.
    pub stamp: Stamp,
    /// The candidate that met its claim.
    pub artifact_type: String,
    /// Whether it has something to do when an artifact is indexed.
    pub index: bool,
    /// Whether it scans.
    pub scan: bool,
}

/// What a scan found.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// The plugin.
    pub stamp: Stamp,
    /// The version of the plugin.
    pub version: String,
    /// What it found, the most important first.
    pub findings: Vec<Finding>,
}

/// Admits and observes pushes.
#[async_trait::async_trait]
pub trait Hooks: Send + Sync + 'static {
    /// Judges a push: each plugin that claims the artifact by one of its candidates validates and indexes the content, then admits it for
    /// each tag. Returns nothing where nobody claims it.
    ///
    /// # Errors
    /// Says why the push may not proceed. Nothing may be stored then.
    async fn judge(&self, push: Push, reader: Reader) -> Result<Option<Judgement>, Rejection>;

    /// Says who is asked about artifacts with these candidates, the strongest first.
    fn owner(&self, candidates: &[String]) -> Option<Owner>;

    /// Returns how many jobs may run at once.
    fn jobs_at_once(&self) -> usize;

    /// Has a stored artifact validated and indexed by one version of a plugin. What validation finds is kept; the artifact stays.
    async fn index(&self, stamp: &Stamp, artifact: Artifact, reader: Reader) -> Result<Judged, HookError>;

    /// Has a stored artifact scanned by one version of a plugin.
    async fn scan(&self, stamp: &Stamp, artifact: Artifact, reader: Reader) -> Result<Scanned, HookError>;
}

/// Nobody knows any type: every push is stored generically.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

#[async_trait::async_trait]
impl Hooks for NoHooks {
    async fn judge(&self, _: Push, _: Reader) -> Result<Option<Judgement>, Rejection> {
        Ok(None)
    }

    fn owner(&self, _: &[String]) -> Option<Owner> {
        None
    }

    fn jobs_at_once(&self) -> usize {
        1
    }

    async fn index(&self, _: &Stamp, _: Artifact, _: Reader) -> Result<Judged, HookError> {
        Err(HookError::NoPlugin)
    }

    async fn scan(&self, _: &Stamp, _: Artifact, _: Reader) -> Result<Scanned, HookError> {
        Err(HookError::NoPlugin)
    }
}
