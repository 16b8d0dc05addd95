//! The plugins that are loaded, and which of them is asked about an artifact or a request.
//!
//! A set never changes: whoever works with one sees the same plugins to the end, and a new set takes its place at once.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::plugin::{Plugin, PluginStatus};
use crate::oci::Digest;

/// Every plugin that was found.
#[derive(Default, Clone)]
pub(super) struct PluginSet {
    active: Vec<Arc<Plugin>>,
    /// Those that are not used, and why.
    idle: Vec<PluginStatus>,
    /// Types that are claimed exactly.
    exact: HashMap<String, usize>,
    /// How types begin that are claimed by pattern, the longest first.
    patterns: Vec<(String, usize)>,
    mounts: HashMap<String, usize>,
    well_known: HashMap<String, usize>,
}

impl PluginSet {
    /// Adds a plugin. The error names what is taken, and by whom.
    pub(super) fn activate(&mut self, plugin: Arc<Plugin>) -> Result<(), String> {
        self.conflict(&plugin)?;
        let index = self.active.len();
        for claim in &plugin.spec.claims {
            match claim.prefix() {
                Some(prefix) => self.patterns.push((prefix.to_owned(), index)),
                None => drop(self.exact.insert(claim.artifact_type.clone(), index)),
            }
        }
        self.patterns.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        if plugin.can(super::Capability::Serve) {
            self.mounts
                .extend(plugin.spec.service.mount.iter().map(|mount| (mount.clone(), index)));
            self.well_known.extend(
                plugin
                    .spec
                    .service
                    .well_known
                    .iter()
                    .map(|document| (document.clone(), index)),
            );
        }
        self.active.push(plugin);
        Ok(())
    }

    /// Adds a plugin that is not used.
    pub(super) fn set_aside(&mut self, status: PluginStatus) {
        self.idle.push(status);
    }

    /// Returns the names of all plugins that were found, used or not.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let active = self.active.iter().map(|plugin| &*plugin.name);
        active.chain(self.idle.iter().map(|status| status.name.as_str()))
    }

    fn conflict(&self, plugin: &Plugin) -> Result<(), String> {
        let owner = |index: &usize| self.active.get(*index).map_or("", |owner| owner.file.as_str());
        if let Some(other) = self.active.iter().find(|other| other.name == plugin.name) {
            return Err(format!(
                "its name {:?} is taken by {}; remove one of the two",
                &*plugin.name, other.file
            ));
        }
        for claim in &plugin.spec.claims {
            let taken = match claim.prefix() {
                Some(prefix) => self
                    .patterns
                    .iter()
                    .find(|(other, _)| other == prefix)
                    .map(|(_, index)| index),
                None => self.exact.get(&claim.artifact_type),
            };
            if let Some(index) = taken {
                return Err(format!(
                    "it claims {}, which {} claims already; remove one of the two",
                    claim.artifact_type,
                    owner(index)
                ));
            }
        }
        let service = &plugin.spec.service;
        if let Some((mount, index)) = service.mount.as_ref().and_then(|mount| self.mounts.get_key_value(mount)) {
            return Err(format!(
                "its mount {mount:?} is taken by {}; remove one of the two",
                owner(index)
            ));
        }
        match service
            .well_known
            .iter()
            .find_map(|document| self.well_known.get_key_value(document))
        {
            Some((document, index)) => Err(format!(
                "its document /.well-known/{document} is taken by {}; remove one of the two",
                owner(index)
            )),
            None => Ok(()),
        }
    }

    /// Returns the plugin that is asked about an artifact, and the candidate that met its claim: the first candidate that anybody claims,
    /// exactly before by pattern, by the longest pattern before others.
    pub(super) fn dispatch<'a>(&self, candidates: impl IntoIterator<Item = &'a str>) -> Option<(&Arc<Plugin>, &'a str)> {
        candidates
            .into_iter()
            .find_map(|candidate| Some((self.active.get(self.claiming(candidate)?)?, candidate)))
    }

    /// Returns every plugin that claims one of the candidates, each once and with the first that met a claim of it. The first plugin is the
    /// one that [`PluginSet::dispatch`] returns.
    pub(super) fn claimants<'a>(&self, candidates: impl IntoIterator<Item = &'a str>) -> Vec<(&Arc<Plugin>, &'a str)> {
        let (mut asked, mut found) = (HashSet::new(), Vec::new());
        for candidate in candidates {
            if let Some(index) = self.claiming(candidate)
                && asked.insert(index)
            {
                found.extend(self.active.get(index).map(|plugin| (plugin, candidate)));
            }
        }
        found
    }

    /// Returns which plugin claims a type.
    fn claiming(&self, candidate: &str) -> Option<usize> {
        let pattern = || {
            let met = self
                .patterns
                .iter()
                .find(|(prefix, _)| candidate.starts_with(prefix.as_str()));
            met.map(|(_, index)| index)
        };
        self.exact.get(candidate).or_else(pattern).copied()
    }

    /// Returns the plugin that answers below a mount.
    pub(super) fn mounted(&self, mount: &str) -> Option<&Arc<Plugin>> {
        self.active.get(*self.mounts.get(mount)?)
    }

    /// Returns the plugin that answers a well-known document.
    pub(super) fn well_known(&self, document: &str) -> Option<&Arc<Plugin>> {
        self.active.get(*self.well_known.get(document)?)
    }

    pub(super) fn active(&self) -> &[Arc<Plugin>] {
        &self.active
    }

    /// Returns what is known of every plugin, sorted by name.
    pub(super) fn statuses(&self) -> Vec<PluginStatus> {
        let mut statuses: Vec<_> = self
            .active
            .iter()
            .map(|plugin| plugin.status())
            .chain(self.idle.iter().cloned())
            .collect();
        statuses.sort_by(|one, other| (&one.name, &one.file).cmp(&(&other.name, &other.file)));
        statuses
    }

    /// Returns a word that differs between sets of active plugins, versions and settings.
    pub(super) fn word(&self) -> String {
        let stamps = self
            .active
            .iter()
            .map(|plugin| format!("{} {} {}\n", plugin.name, plugin.stamp.component, plugin.stamp.settings));
        Digest::sha256(stamps.collect::<String>().as_bytes()).to_string()
    }
}
