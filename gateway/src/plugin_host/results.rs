//! What plugins said before: results of pure calls, and failures.
//!
//! A result depends on the plugin, its settings and the artifact alone, so it holds in every repository. Whether it may be shown is another question:
//! whoever takes a result from here first makes sure that everything the artifact names is linked where it is asked for.

use std::{
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{
    bounds::{Difference, Rendered},
    contract::Capability,
    plugin::Plugin,
};
use crate::{oci::Digest, registry::Artifact};

/// How long a failure is remembered: clients repeat a request a few times, and then somebody may have changed something.
const FAILURE_AGE_MAX: Duration = Duration::from_secs(60);
/// How many failures are remembered.
const FAILURES_MAX: usize = 4_096;
/// What an entry of the cache needs beside what it holds, in bytes.
const ENTRY_BYTES: u64 = 512;
/// How large results are, roughly, when the cache decides how many it expects.
const EXPECTED_BYTES: u64 = 8 << 10;

/// What a result depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    component: Digest,
    settings: Digest,
    capability: Capability,
    artifacts: Vec<(Digest, String)>,
    arguments: Vec<(String, String)>,
}

impl Key {
    pub(super) fn new(
        plugin: &Plugin,
        capability: Capability,
        artifacts: &[&Artifact],
        arguments: Vec<(String, String)>,
    ) -> Self {
        let artifacts = artifacts
            .iter()
            .map(|artifact| (artifact.digest.clone(), artifact.manifest.media_type.to_string()));
        let (component, settings) = (plugin.stamp.component.clone(), plugin.stamp.settings.clone());
        Self {
            component,
            settings,
            capability,
            artifacts: artifacts.collect(),
            arguments,
        }
    }
}

/// A result that may be given again.
#[derive(Clone)]
pub(super) enum Kept {
    View(Rendered),
    Differences(Arc<Vec<Difference>>),
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Kept> for Bytes {
    fn weight(&self, key: &Key, kept: &Kept) -> u64 {
        let arguments: usize = key.arguments.iter().map(|(name, value)| name.len() + value.len()).sum();
        let body = match kept {
            Kept::View(view) => view.body.len(),
            Kept::Differences(differences) => differences.iter().map(size).sum(),
        };
        ENTRY_BYTES + (arguments + body) as u64
    }
}

fn size(difference: &Difference) -> usize {
    let values = difference.before.as_ref().map_or(0, String::len) + difference.after.as_ref().map_or(0, String::len);
    let properties = difference.properties.as_ref().map_or(0, |properties| properties.get().len());
    size_of::<Difference>() + difference.path.len() + difference.kind.len() + values + properties
}

/// Returns a cache of at most `bytes_max`, whose items have about `expected_bytes` but may also be large.
///
/// A view or an index of some megabytes would be dropped as soon as it came if it fell into one of many shards, or into the small part that
/// is for newcomers by default.
pub(crate) fn cache<K: Eq + Hash, V: Clone, W: Weighter<K, V> + Clone>(
    bytes_max: u64,
    expected_bytes: u64,
    size: W,
) -> Cache<K, V, W> {
    let expected = usize::try_from(bytes_max / expected_bytes).unwrap_or(usize::MAX).max(16);
    let options = OptionsBuilder::new()
        .estimated_items_capacity(expected)
        .weight_capacity(bytes_max)
        .shards(1)
        .hot_allocation(0.5)
        .build()
        .expect("a capacity is given");
    Cache::with_options(options, size, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

/// The memory of the host.
pub(super) struct Results {
    kept: Cache<Key, Kept, Bytes>,
    failures: Cache<Key, (Instant, Arc<str>)>,
}

impl Results {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            kept: cache(bytes_max, EXPECTED_BYTES, Bytes),
            failures: Cache::new(FAILURES_MAX),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Kept> {
        self.kept.get(key)
    }

    pub(super) fn keep(&self, key: Key, kept: Kept) {
        self.kept.insert(key, kept);
    }

    /// Returns why the same call failed a moment ago.
    pub(super) fn failed(&self, key: &Key) -> Option<Arc<str>> {
        let (when, reason) = self.failures.get(key)?;
        if when.elapsed() < FAILURE_AGE_MAX {
            return Some(reason);
        }
        self.failures.remove(key);
        None
    }

    pub(super) fn remember_failure(&self, key: Key, reason: &str) {
        self.failures.insert(key, (Instant::now(), reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(argument: &str) -> Key {
        Key {
            component: Digest::sha256(b"a"),
            settings: Digest::sha256(b"b"),
            capability: Capability::Render,
            artifacts: vec![(Digest::sha256(b"c"), "a/b".into())],
            arguments: vec![("view".into(), argument.into())],
        }
    }

    #[test]
    fn results_are_bounded_by_their_bytes() {
        let results = Results::new(1 << 20);
        for n in 0..100 {
            let view = Rendered {
                media_type: "text/plain".into(),
                body: vec![0; 100 << 10].into(),
            };
            results.keep(key(&n.to_string()), Kept::View(view));
        }
        assert!(results.kept.weight() <= 1 << 20);
        assert!(results.kept.len() >= 2);
    }

    #[test]
    fn failures_are_remembered_by_what_they_depend_on() {
        let results = Results::new(1 << 20);
        results.remember_failure(key("a"), "it trapped");
        assert_eq!(results.failed(&key("a")).as_deref(), Some("it trapped"));
        assert_eq!(results.failed(&key("b")), None);
    }
}
