//! The plugin host: loads plugins, decides which of them is asked, runs them within limits, and knows no artifact type itself.
//!
//! A plugin is a WebAssembly component. Each job runs in a fresh instance on one of a few threads, which ends with the job; guests see what they are handed
//! and can change nothing. What a guest does wrong - trap, loop, allocate, answer garbage - fails its own call with a sentence that says so.
//!
//! The way of a plugin is `load`: receive, check (`contract`), compile (`compile`), describe (`spec`), configure, activate (`set`). The way of a call is
//! `judge`, `view` or `serve`, then `threads`, `guest`, `imports` and `bounds`.

mod bindings;
mod bounds;
mod compile;
mod config;
mod contract;
mod engine;
mod exchange;
mod guest;
mod guest_log;
mod imports;
mod judge;
mod load;
mod meter;
mod plugin;
mod resources;
mod results;
mod serve;
mod set;
mod spec;
mod state;
mod threads;
mod view;
mod wasi;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Value;
use wasmtime::Engine;

use self::{
    compile::Compiler,
    guest::{Failure, Session},
    meter::Metrics,
    plugin::Plugin,
    results::Results,
    set::PluginSet,
    threads::{Busy, Lane, Threads},
};
use crate::registry::{CodeHashes, RegistryError, Stamp};

pub use bounds::{Difference, Rendered};
pub use compile::{COMPILE_ARGUMENT, compile_child};
pub use config::{CALL_TRANSFERS, Config, FailurePolicy, LimitOverrides, Limits, PluginConfig};
pub use contract::Capability;
pub use meter::CallCounts;
pub use plugin::{About, KnownType, PluginState, PluginStatus};
pub use spec::{Claim, CommandSpec, OptionSpec, RESERVED_MOUNTS, ServiceSpec, ViewSpec};

pub(crate) use exchange::{Answer, AnswerLimits, Draft, DraftPart, Inquiry, Reason};
pub(crate) use results::cache;
pub(crate) use serve::Service;
pub(crate) use state::CataloguePart;

/// Why the host cannot work.
#[derive(Debug, thiserror::Error)]
pub enum PluginHostError {
    /// The folder of plugins cannot be read.
    #[error("the folder of plugins {folder} cannot be read: {source}; correct [plugins] folder or create it")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The runtime for WebAssembly cannot be set up.
    #[error("the runtime for plugins cannot be set up: {0}")]
    Engine(String),
    /// The threads cannot be started.
    #[error("the threads for plugins cannot be started: {0}")]
    Threads(io::Error),
    /// The metadata failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Why a plugin gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No active plugin claims the artifact.
    #[error("no plugin knows this artifact's type; /v2/_portolan/types lists the types that are known")]
    NoPlugin,
    /// The plugin does not do this.
    #[error("plugin {plugin} does not {capability} artifacts")]
    NoCapability {
        /// The plugin.
        plugin: String,
        /// What was asked of it.
        capability: Capability,
    },
    /// The plugin has no such view.
    #[error("plugin {plugin} has no view {view:?} of this artifact")]
    NoView {
        /// The plugin.
        plugin: String,
        /// What was asked for.
        view: String,
    },
    /// The plugin says that it could not.
    #[error("{message}")]
    Guest {
        /// What went wrong, for programs.
        code: String,
        /// What went wrong, for people.
        message: String,
    },
    /// The plugin failed and would fail again.
    #[error("plugin {plugin} failed: {reason}")]
    Failed {
        /// The plugin.
        plugin: String,
        /// What happened.
        reason: String,
    },
    /// The plugin cannot be asked now.
    #[error("plugin {plugin} cannot be asked now: {reason}")]
    Unavailable {
        /// The plugin.
        plugin: String,
        /// Why.
        reason: String,
        /// When to try again.
        retry_after_seconds: u32,
    },
}

/// The plugins of a gateway, and what runs them.
pub struct PluginHost {
    config: Config,
    engine: Engine,
    compiler: Compiler,
    threads: Threads,
    results: Results,
    metrics: Arc<Metrics>,
    set: RwLock<Arc<PluginSet>>,
}

impl PluginHost {
    /// Sets everything up that plugins need. There are none before [`PluginHost::load_folder`].
    ///
    /// # Errors
    /// Fails where the machine does not let WebAssembly or threads be set up.
    pub fn new(config: Config, hashes: CodeHashes) -> Result<Arc<Self>, PluginHostError> {
        let threads = config.calls_max();
        let engine =
            engine::running(threads, &largest(&config)).map_err(|error| PluginHostError::Engine(format!("{error:#}")))?;
        let compiler = Compiler::new(engine.clone(), hashes, &config);
        let threads =
            Threads::start(&engine, threads, config.queue_max, config.queue_wait_max).map_err(PluginHostError::Threads)?;
        let (results, metrics) = (Results::new(config.results_cache_bytes_max), Arc::new(Metrics::new()));
        Ok(Arc::new(Self {
            config,
            engine,
            compiler,
            threads,
            results,
            metrics,
            set: RwLock::default(),
        }))
    }

    /// Returns every artifact type that an active plugin claims.
    #[must_use]
    pub fn types(&self) -> Vec<Value> {
        self.set().active().iter().flat_map(|plugin| plugin.types()).collect()
    }

    /// Returns what is known of every plugin, sorted by name.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginStatus> {
        self.set().statuses()
    }

    /// Returns what is known of one plugin.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<PluginStatus> {
        self.plugins().into_iter().find(|plugin| plugin.name == name)
    }

    /// Returns what the plugin knows that is asked about artifacts with these candidates.
    #[must_use]
    pub fn known(&self, candidates: &[String]) -> Option<KnownType> {
        let set = self.set();
        let (plugin, candidate) = set.dispatch(candidates.iter().map(String::as_str))?;
        Some(plugin.known(candidate.to_owned()))
    }

    /// Returns the version of a plugin that said something; empty where it is no longer active.
    #[must_use]
    pub fn version(&self, stamp: &Stamp) -> String {
        let set = self.set();
        let plugin = set.active().iter().find(|plugin| plugin.stamp == *stamp);
        plugin.map_or_else(String::new, |plugin| plugin.spec.version.clone())
    }

    /// Returns the counters of calls as text for Prometheus, without the line that ends an exposition.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        self.metrics.text()
    }

    /// Returns the plugins as they are now.
    fn set(&self) -> Arc<PluginSet> {
        self.set.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a set in the place of the one before. Calls that run finish with the old one.
    fn replace(&self, set: PluginSet) {
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
    }

    /// Runs a job that somebody waits for in a fresh instance of a plugin. The capability is charged where the instance cannot even be made.
    async fn on_thread<T: Send + 'static>(
        &self,
        plugin: &Arc<Plugin>,
        capability: Capability,
        job: impl FnOnce(&mut Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.in_lane(Lane::Front, plugin, capability, job).await
    }

    /// Runs a job that nobody waits for, as [`PluginHost::on_thread`] does.
    async fn in_background<T: Send + 'static>(
        &self,
        plugin: &Arc<Plugin>,
        capability: Capability,
        job: impl FnOnce(&mut Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.in_lane(Lane::Back, plugin, capability, job).await
    }

    async fn in_lane<T: Send + 'static>(
        &self,
        lane: Lane,
        plugin: &Arc<Plugin>,
        capability: Capability,
        job: impl FnOnce(&mut Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let this = plugin.clone();
        let job = move |clock, runtime| job(&mut Session::begin(this, capability, clock, runtime)?);
        let done = self.threads.run(lane, plugin.limits.call_time_max, job).await;
        done.unwrap_or_else(|busy| {
            plugin
                .meter
                .count(capability, meter::Outcome::Unavailable, std::time::Duration::ZERO);
            Err(busy.into())
        })
    }
}

/// Returns limits that no plugin's own exceed: the pool of memory is laid out for them.
fn largest(config: &Config) -> Limits {
    config
        .per_plugin
        .values()
        .map(|plugin| config.limits.with(&plugin.limits))
        .fold(config.limits, |largest, limits| Limits {
            memory_bytes_max: largest.memory_bytes_max.max(limits.memory_bytes_max),
            table_elements_max: largest.table_elements_max.max(limits.table_elements_max),
            ..largest
        })
}
