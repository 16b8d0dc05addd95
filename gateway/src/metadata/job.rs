//! The vocabulary of jobs: what is to be done for artifacts after they were stored.

use super::Stamp;
use crate::oci::{Digest, Repository};

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// Ask the indexer.
    Index,
    /// Ask the scanner.
    Scan,
}

/// The queue that a job waits in. Jobs are taken from one queue after the other, in this order and round again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// The plugin.
    pub plugin: String,
    /// Whether the jobs are for artifacts that were stored before the plugin came.
    pub backlog: bool,
}

/// Something to be done for an artifact, at least once, by one version of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The row.
    pub id: i64,
    /// What to do.
    pub kind: JobKind,
    /// The repository.
    pub repository: Repository,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The version of the plugin that does it.
    pub stamp: Stamp,
    /// Whether the artifact was stored before the plugin came.
    pub backlog: bool,
    /// How often it was begun, this time included.
    pub tries: u32,
    /// How often it was put off.
    pub waits: u32,
    /// Why it is not done yet.
    pub error: Option<String>,
}

impl Job {
    /// Returns the queue that the job waited in.
    #[must_use]
    pub fn turn(&self) -> Turn {
        Turn {
            plugin: self.stamp.plugin.clone(),
            backlog: self.backlog,
        }
    }
}

/// What was found when a job was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Claimed {
    /// No job is due.
    Nothing,
    /// A job, for a minute or as long as it is renewed.
    Job(Box<Job>),
    /// A job that nobody can do, because its row cannot be read or what it is about is gone. It was removed.
    Removed {
        /// The queue that it waited in.
        turn: Turn,
        /// What is wrong with it.
        reason: String,
    },
}

/// How a claimed job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// It is removed: it is done, or nobody will do it.
    Removed,
    /// It failed and is tried again.
    Again {
        /// When, in seconds since 1970.
        due: u64,
        /// Why it failed.
        error: String,
    },
    /// It could not be begun. This is no try.
    PutOff {
        /// Until when, in seconds since 1970.
        due: u64,
        /// What it waits for.
        reason: String,
    },
}

/// How far the artifacts from before have been looked at: all candidates up to this one. The default is the beginning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PlanCursor {
    /// The type of the candidate.
    pub artifact_type: String,
    /// The row of the artifact.
    pub artifact: i64,
}

impl PlanCursor {
    /// Returns the place behind everything.
    #[must_use]
    pub fn end() -> Self {
        Self {
            artifact_type: char::MAX.to_string(),
            artifact: 0,
        }
    }
}

/// A page of the artifacts from before, and what a plugin has to do for them.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The set of plugins that is active, as [`super::Command::PluginsChanged`] named it.
    pub set: String,
    /// The version of the plugin, and what it does.
    pub jobs: Option<(Stamp, Vec<JobKind>)>,
    /// The rows of its artifacts.
    pub artifacts: Vec<i64>,
    /// How far everything has been looked at then.
    pub until: PlanCursor,
    /// The time now, in seconds since 1970.
    pub now: u64,
}

/// How many jobs of a kind a plugin has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCount {
    /// The plugin.
    pub plugin: String,
    /// The kind.
    pub kind: JobKind,
    /// How many there are.
    pub depth: u64,
    /// When the oldest was planned, in seconds since 1970.
    pub oldest: Option<u64>,
}
