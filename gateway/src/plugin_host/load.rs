//! How a plugin arrives: received, checked, compiled, described, configured, and then active or set aside with a reason.
//!
//! Each step is one function, and none but the last changes anything: what cannot be used is set aside, and nothing else notices.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;

use super::{
    Limits, PluginConfig, PluginHost, PluginHostError,
    contract::Outline,
    guest::{Failure, Guest},
    meter::Meter,
    plugin::{Parts, Plugin, PluginState, PluginStatus},
    set::PluginSet,
    spec::{self, Spec},
    threads::Lane,
};
use crate::{
    oci::Digest,
    registry::{Registry, Stamp},
};

/// The most settings of one plugin, in bytes of JSON.
const SETTINGS_BYTES_MAX: usize = 64 << 10;

/// A component that arrived.
struct Received {
    /// The name of its file.
    file: String,
    digest: Digest,
    bytes: Bytes,
}

/// A component that described itself.
struct Described {
    guest: Guest,
    outline: Outline,
    spec: Spec,
}

/// Why a plugin is not used: the state in which it is shown, and the reason, where it has one.
struct Aside(PluginState, Option<String>);

impl From<String> for Aside {
    fn from(reason: String) -> Self {
        Self(PluginState::Quarantined, Some(reason))
    }
}

impl PluginHost {
    /// Loads every `*.wasm` of the configured folder, by file name, puts them in the place of all that were loaded before, and tells the
    /// registry, which has the artifacts looked at that were stored before a plugin came.
    ///
    /// # Errors
    /// Fails where the folder cannot be read or the metadata fails. A plugin that cannot be used is quarantined instead.
    pub async fn load_folder(&self, registry: &Registry) -> Result<(), PluginHostError> {
        let files = match &self.config.folder {
            Some(folder) => components(folder)?,
            None => Vec::new(),
        };
        let mut set = PluginSet::default();
        for path in files {
            self.arrive(&path, &mut set).await;
        }
        self.warn_of_unknown_names(&set);
        let word = set.word();
        self.replace(set);
        registry.plugins_changed(word).await?;
        Ok(())
    }

    /// Says where the configuration speaks of a plugin that is not there: most likely its name is mistyped.
    fn warn_of_unknown_names(&self, set: &PluginSet) {
        let there: Vec<&str> = set.names().collect();
        for name in self.config.per_plugin.keys().filter(|name| !there.contains(&name.as_str())) {
            let loaded = there.join(", ");
            tracing::warn!(name, loaded, "[plugins.plugin] has settings for a plugin that is not there");
        }
    }

    /// Takes one file through all steps.
    async fn arrive(&self, path: &Path, set: &mut PluginSet) {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let received = match self.receive(path, file.clone()) {
            Ok(received) => received,
            Err(reason) => return set.set_aside(aside(&file, &file, None, reason.into())),
        };
        let (digest, size) = (received.digest.clone(), received.bytes.len() as u64);
        let mut name = file.clone();
        let arrived = match self.prepare(received, &mut name).await {
            Ok(plugin) => {
                let plugin = Arc::new(plugin);
                set.activate(plugin.clone()).map(|()| plugin).map_err(Aside::from)
            }
            Err(aside) => Err(aside),
        };
        match arrived {
            Ok(plugin) => tracing::info!(plugin = &*plugin.name, version = plugin.spec.version, %file, "a plugin is active"),
            Err(reason) => set.set_aside(aside(&name, &file, Some((digest, size)), reason)),
        }
    }

    /// Reads a file.
    fn receive(&self, path: &Path, file: String) -> Result<Received, String> {
        let max = self.config.component_bytes_max;
        let size = fs::metadata(path)
            .map_err(|error| format!("it cannot be read: {error}"))?
            .len();
        if size > max {
            return Err(format!("it has {size} bytes; a plugin has at most {max}"));
        }
        let bytes = fs::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
        Ok(Received {
            file,
            digest: Digest::sha256(&bytes),
            bytes: bytes.into(),
        })
    }

    /// Checks, compiles, describes and configures. `name` becomes the plugin's own as soon as it is known.
    async fn prepare(&self, received: Received, name: &mut String) -> Result<Plugin, Aside> {
        let outline = Outline::read(&received.bytes)?;
        let described = self.describe(&received, outline).await?;
        name.clone_from(&described.spec.name);
        let config = self.config.per_plugin.get(name.as_str()).cloned().unwrap_or_default();
        self.configure(received, described, config)
    }

    /// Compiles a component and asks what it is.
    async fn describe(&self, received: &Received, outline: Outline) -> Result<Described, String> {
        let component = self.compiler.component(&received.digest, received.bytes.clone()).await?;
        let guest = Guest::link(&self.engine, &component, &outline.capabilities, outline.wasi);
        let guest = guest.map_err(|error| format!("it does not fit the contract: {error:#}"))?;
        let (limits, file) = (self.config.limits, Arc::from(received.file.as_str()));
        let described = self.threads.run(Lane::Front, limits.call_time_max, move |clock, runtime| {
            let text = guest.describe(&file, &limits, clock, runtime);
            (guest, text)
        });
        let (guest, text) = described.await.map_err(|busy| busy.to_string())?;
        let text = text.map_err(|failure| match failure {
            Failure::Guest { message, .. } => message,
            failure => format!("describe failed: {failure}"),
        })?;
        Ok(Described {
            guest,
            outline,
            spec: Spec::parse(&text)?,
        })
    }

    /// Gives a plugin the operator's settings and limits.
    fn configure(&self, received: Received, described: Described, config: PluginConfig) -> Result<Plugin, Aside> {
        if !config.enabled {
            return Err(Aside(PluginState::Disabled, None));
        }
        let Described { guest, outline, spec } = described;
        let settings = Value::Object(config.settings);
        spec::check_settings(spec.settings.as_ref(), &settings)?;
        let text = settings.to_string();
        if text.len() > SETTINGS_BYTES_MAX {
            return Err(format!(
                "its settings have {} bytes; at most {SETTINGS_BYTES_MAX} are allowed",
                text.len()
            )
            .into());
        }
        let stamp = Stamp {
            plugin: spec.name.clone(),
            component: received.digest,
            settings: Digest::sha256(text.as_bytes()),
        };
        Ok(Plugin::new(Parts {
            file: received.file,
            size: received.bytes.len() as u64,
            stamp,
            contract: outline.contract,
            capabilities: outline.capabilities,
            settings: text.into(),
            limits: limits(self.config.limits, &spec).with(&config.limits),
            failure: config.failure.unwrap_or(self.config.failure),
            guest,
            meter: Meter::new(spec.name.clone(), self.metrics.clone()),
            spec,
        }))
    }
}

/// Lowers limits to what a plugin says it needs.
fn limits(limits: Limits, spec: &Spec) -> Limits {
    let memory = spec.limits.memory_bytes.unwrap_or(limits.memory_bytes_max);
    let time = spec.limits.time_ms.map_or(limits.call_time_max, Duration::from_millis);
    Limits {
        memory_bytes_max: limits.memory_bytes_max.min(memory),
        call_time_max: limits.call_time_max.min(time),
        ..limits
    }
}

/// Returns what is shown of a plugin that is not used, and tells the operator.
fn aside(name: &str, file: &str, known: Option<(Digest, u64)>, Aside(state, reason): Aside) -> PluginStatus {
    match &reason {
        Some(reason) => tracing::error!(file, reason, "a plugin is quarantined"),
        None => tracing::info!(file, plugin = name, "a plugin is disabled by the configuration"),
    }
    let (digest, size) = known.map_or((None, 0), |(digest, size)| (Some(digest), size));
    PluginStatus {
        name: name.into(),
        file: file.into(),
        state,
        reason,
        digest,
        size,
        about: None,
    }
}

/// Returns the components in a folder, by file name.
fn components(folder: &Path) -> Result<Vec<PathBuf>, PluginHostError> {
    let failed = |source| PluginHostError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_can_lower_limits_and_not_raise_them() {
        let spec = |limits: &str| {
            Spec::parse(&format!(
                r#"{{"name":"a","version":"1","claims":[{{"type":"a/b"}}],"limits":{limits}}}"#
            ))
            .unwrap()
        };
        let base = Limits::default();
        let low = limits(base, &spec(r#"{"memoryBytes":65536,"timeMs":5}"#));
        assert_eq!((low.memory_bytes_max, low.call_time_max), (65_536, Duration::from_millis(5)));
        let high = limits(base, &spec(r#"{"memoryBytes":1099511627776,"timeMs":3600000}"#));
        assert_eq!(high, base);
    }
}
