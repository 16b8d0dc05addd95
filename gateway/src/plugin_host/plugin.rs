//! A plugin that is loaded.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    CallCounts, Capability, FailurePolicy, Limits,
    guest::Guest,
    meter::Meter,
    resources::ArtifactHandle,
    spec::{Claim, CommandSpec, ServiceSpec, Spec, ViewSpec},
};
use crate::{
    oci::Digest,
    registry::{Artifact, Reader, Stamp},
};

/// A plugin that is active.
pub(super) struct Plugin {
    pub(super) name: Arc<str>,
    /// The name of the file that it came from.
    pub(super) file: String,
    /// The size of the file in bytes.
    pub(super) size: u64,
    pub(super) stamp: Stamp,
    pub(super) contract: String,
    pub(super) capabilities: Vec<Capability>,
    pub(super) spec: Spec,
    /// The operator's settings: the text of a JSON object.
    pub(super) settings: Arc<str>,
    pub(super) limits: Limits,
    pub(super) failure: FailurePolicy,
    pub(super) guest: Guest,
    pub(super) meter: Meter,
    memory_peak: AtomicU64,
}

/// What a plugin is made of.
pub(super) struct Parts {
    pub(super) file: String,
    pub(super) size: u64,
    pub(super) stamp: Stamp,
    pub(super) contract: String,
    pub(super) capabilities: Vec<Capability>,
    pub(super) spec: Spec,
    pub(super) settings: Arc<str>,
    pub(super) limits: Limits,
    pub(super) failure: FailurePolicy,
    pub(super) guest: Guest,
    pub(super) meter: Meter,
}

/// In which state a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginState {
    /// It is asked.
    Active,
    /// It is being compiled.
    Compiling,
    /// The configuration switches it off.
    Disabled,
    /// It cannot be used.
    Quarantined,
}

/// What is known of a plugin, for operators.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginStatus {
    /// Its name; as long as it is not known, that of its file.
    pub name: String,
    /// The file that it came from.
    pub file: String,
    /// In which state it is.
    pub state: PluginState,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The digest of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The size of the file in bytes.
    pub size: u64,
    /// What it says about itself.
    #[serde(flatten)]
    pub about: Option<About>,
}

/// What an active plugin says about itself, and what became of its calls.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Its version.
    pub version: String,
    /// Its name for people.
    pub title: String,
    /// What it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The version of the contract that it was built for.
    pub contract: String,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// The artifact types that it claims.
    pub claims: Vec<Claim>,
    /// Where it answers a native client protocol.
    pub service: ServiceSpec,
    /// What one of its calls may take.
    pub limits: Limits,
    /// What happens to a push when it fails.
    pub failure: FailurePolicy,
    /// The digest of its settings.
    pub settings_digest: Digest,
    /// The most memory that one of its calls had, in bytes.
    pub memory_bytes_peak: u64,
    /// What became of its calls, by capability.
    pub calls: BTreeMap<Capability, CallCounts>,
}

/// What a plugin knows of the artifacts of a type.
#[derive(Debug, Clone)]
pub struct KnownType {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The artifact type that met a claim.
    pub artifact_type: String,
    /// The name of such artifacts for people.
    pub title: String,
    /// What it can do with them.
    pub capabilities: Vec<Capability>,
    /// How it shows them.
    pub views: Vec<ViewSpec>,
    /// How people use them.
    pub commands: Vec<CommandSpec>,
}

impl Plugin {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            file,
            size,
            stamp,
            contract,
            capabilities,
            spec,
            settings,
            limits,
            failure,
            guest,
            meter,
        } = parts;
        let (name, memory_peak) = (spec.name.as_str().into(), AtomicU64::new(0));
        Self {
            name,
            file,
            size,
            stamp,
            contract,
            capabilities,
            spec,
            settings,
            limits,
            failure,
            guest,
            meter,
            memory_peak,
        }
    }

    pub(super) fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// Remembers how much memory a call had.
    pub(super) fn note_memory(&self, bytes: u64) {
        self.memory_peak.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Returns the claim that a type meets.
    fn claim(&self, artifact_type: &str) -> Option<&Claim> {
        let exact = self.spec.claims.iter().find(|claim| claim.artifact_type == artifact_type);
        let patterns = self
            .spec
            .claims
            .iter()
            .filter(|claim| claim.prefix().is_some_and(|prefix| artifact_type.starts_with(prefix)));
        exact.or_else(|| patterns.max_by_key(|claim| claim.artifact_type.len()))
    }

    /// Returns the type under which the plugin sees an artifact: the candidate that meets a claim, else the strongest.
    pub(super) fn type_of(&self, artifact: &Artifact) -> Arc<str> {
        let manifest = &artifact.manifest;
        let claimed = manifest.types().find(|candidate| self.claim(candidate).is_some());
        claimed.or(manifest.types().next()).unwrap_or_default().into()
    }

    /// Returns an artifact as it is handed to the guest.
    pub(super) fn handle(&self, artifact: Artifact, reader: Reader) -> ArtifactHandle {
        let artifact_type = self.type_of(&artifact);
        ArtifactHandle {
            artifact,
            artifact_type,
            reader,
            depth: 0,
            sealed: false,
        }
    }

    pub(super) fn known(&self, artifact_type: String) -> KnownType {
        let title = self
            .claim(&artifact_type)
            .and_then(|claim| claim.title.as_deref())
            .unwrap_or(self.spec.shown_title());
        KnownType {
            plugin: self.name.to_string(),
            version: self.spec.version.clone(),
            title: title.to_owned(),
            artifact_type,
            capabilities: self.capabilities.clone(),
            views: if self.can(Capability::Render) {
                self.spec.views.clone()
            } else {
                Vec::new()
            },
            commands: self.spec.commands.clone(),
        }
    }

    /// Returns every type that the plugin claims, for people and programs.
    pub(super) fn types(&self) -> impl Iterator<Item = Value> {
        self.spec.claims.iter().map(|claim| {
            json!({
                "type": claim.artifact_type,
                "title": claim.title.as_deref().unwrap_or(self.spec.shown_title()),
                "plugin": &*self.name,
                "version": self.spec.version,
                "icon": self.spec.icon,
                "capabilities": self.capabilities,
                "views": if self.can(Capability::Render) { self.spec.views.as_slice() } else { &[] },
            })
        })
    }

    pub(super) fn status(&self) -> PluginStatus {
        let about = About {
            version: self.spec.version.clone(),
            title: self.spec.shown_title().to_owned(),
            summary: self.spec.summary.clone(),
            contract: self.contract.clone(),
            capabilities: self.capabilities.clone(),
            claims: self.spec.claims.clone(),
            service: self.spec.service.clone(),
            limits: self.limits,
            failure: self.failure,
            settings_digest: self.stamp.settings.clone(),
            memory_bytes_peak: self.memory_peak.load(Ordering::Relaxed),
            calls: self.meter.counts(),
        };
        PluginStatus {
            name: self.name.to_string(),
            file: self.file.clone(),
            state: PluginState::Active,
            reason: None,
            digest: Some(self.stamp.component.clone()),
            size: self.size,
            about: Some(about),
        }
    }
}
