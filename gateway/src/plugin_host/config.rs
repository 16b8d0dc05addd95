//! What an operator can set about plugins: table `[plugins]`.

use std::{collections::BTreeMap, path::PathBuf, thread::available_parallelism, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::settings::{self, Problems};

/// How plugins are found and run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder whose `*.wasm` files are loaded at start. Without one there are no plugins.
    pub folder: Option<PathBuf>,
    /// The folder in which machine code is kept.
    #[serde(skip)]
    pub cache: PathBuf,
    /// What one call may take.
    pub limits: Limits,
    /// What is set for single plugins, by their names.
    #[serde(rename = "plugin")]
    pub per_plugin: BTreeMap<String, PluginConfig>,
    /// What happens to a push whose plugin fails.
    pub failure: FailurePolicy,
    /// How many calls run at once. Without it, one less than there are processors, and at least one.
    pub threads: Option<usize>,
    /// How many calls may wait for a thread.
    pub queue_max: usize,
    /// How long a call may wait for a thread.
    #[serde(deserialize_with = "settings::time")]
    pub queue_wait_max: Duration,
    /// How many bytes the cache of results may hold.
    #[serde(deserialize_with = "settings::size")]
    pub results_cache_bytes_max: u64,
    /// The largest file that is taken for a plugin, in bytes.
    #[serde(deserialize_with = "settings::size")]
    pub component_bytes_max: u64,
    /// The memory in bytes that compiling one plugin may take, in a process of its own.
    #[serde(deserialize_with = "settings::size")]
    pub compile_memory_bytes_max: u64,
    /// How long compiling one plugin may take.
    #[serde(deserialize_with = "settings::time")]
    pub compile_time_max: Duration,
    /// The program that compiles when it is called with [`super::COMPILE_ARGUMENT`]: this one, unless it is embedded in another.
    #[serde(skip)]
    pub compile_program: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: None,
            cache: "portolan-data/code".into(),
            limits: Limits::default(),
            per_plugin: BTreeMap::new(),
            failure: FailurePolicy::Closed,
            threads: None,
            queue_max: 256,
            queue_wait_max: Duration::from_secs(10),
            results_cache_bytes_max: 64 << 20,
            component_bytes_max: 64 << 20,
            compile_memory_bytes_max: 2 << 30,
            compile_time_max: Duration::from_secs(120),
            compile_program: None,
        }
    }
}

/// How many times what a guest may pass at once is held while it runs: what it was given, and what it returns.
pub const CALL_TRANSFERS: u64 = 2;

impl Config {
    /// Returns how many calls run at once.
    #[must_use]
    pub fn calls_max(&self) -> usize {
        let but_one = || available_parallelism().map_or(1, |cores| cores.get() - 1);
        self.threads.unwrap_or_else(but_one).max(1)
    }

    /// Returns the memory in bytes that one call may take, whichever plugin it is for.
    #[must_use]
    pub fn call_bytes_max(&self) -> u64 {
        let plugins = self.per_plugin.values().map(|plugin| self.limits.with(&plugin.limits));
        let bytes = |limits: Limits| {
            let transfers = limits.transfer_bytes_max.saturating_mul(CALL_TRANSFERS);
            limits.memory_bytes_max.saturating_add(transfers)
        };
        plugins.chain([self.limits]).map(bytes).max().unwrap_or_default()
    }
}

/// What is set for one plugin.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginConfig {
    /// Whether it is used at all.
    pub enabled: bool,
    /// What it is told of the operator's wishes: an object by the schema in its spec.
    pub settings: Map<String, Value>,
    /// What one of its calls may take, where that differs from what others may.
    pub limits: LimitOverrides,
    /// What happens to a push when it fails, where that differs from the other plugins.
    pub failure: Option<FailurePolicy>,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            settings: Map::new(),
            limits: LimitOverrides::default(),
            failure: None,
        }
    }
}

/// What happens to a push whose plugin fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailurePolicy {
    /// It is refused, and nothing is stored.
    #[default]
    Closed,
    /// It is stored, and the artifact is marked with the failure.
    Open,
}

/// What one call of a plugin may take. Validating, indexing and admitting one push count as one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase"), deny_unknown_fields, default)]
pub struct Limits {
    /// The memory of the guest in bytes, all of its memories together.
    #[serde(deserialize_with = "settings::size")]
    pub memory_bytes_max: u64,
    /// The elements of all of its tables together.
    pub table_elements_max: u64,
    /// The handles that it may hold at once.
    pub handles_max: u32,
    /// How many bytes it may pass to the gateway at once, or return.
    #[serde(deserialize_with = "settings::size")]
    pub transfer_bytes_max: u64,
    /// How long it may take.
    #[serde(serialize_with = "seconds", deserialize_with = "settings::time")]
    pub call_time_max: Duration,
    /// How many lines it may log.
    pub log_lines_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 256 << 20,
            table_elements_max: 100_000,
            handles_max: 10_000,
            // A page of a response and the largest view fit; the contract's own bounds are below it.
            transfer_bytes_max: 16 << 20,
            call_time_max: Duration::from_secs(10),
            log_lines_max: 100,
        }
    }
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Limits of one plugin that differ from those of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitOverrides {
    /// In place of [`Limits::memory_bytes_max`].
    #[serde(deserialize_with = "settings::optional_size")]
    pub memory_bytes_max: Option<u64>,
    /// In place of [`Limits::table_elements_max`].
    pub table_elements_max: Option<u64>,
    /// In place of [`Limits::handles_max`].
    pub handles_max: Option<u32>,
    /// In place of [`Limits::transfer_bytes_max`].
    #[serde(deserialize_with = "settings::optional_size")]
    pub transfer_bytes_max: Option<u64>,
    /// In place of [`Limits::call_time_max`].
    #[serde(deserialize_with = "settings::optional_time")]
    pub call_time_max: Option<Duration>,
    /// In place of [`Limits::log_lines_max`].
    pub log_lines_max: Option<u32>,
}

impl Limits {
    /// Returns these limits with others in their place, where there are any.
    #[must_use]
    pub fn with(self, overrides: &LimitOverrides) -> Self {
        Self {
            memory_bytes_max: overrides.memory_bytes_max.unwrap_or(self.memory_bytes_max),
            table_elements_max: overrides.table_elements_max.unwrap_or(self.table_elements_max),
            handles_max: overrides.handles_max.unwrap_or(self.handles_max),
            transfer_bytes_max: overrides.transfer_bytes_max.unwrap_or(self.transfer_bytes_max),
            call_time_max: overrides.call_time_max.unwrap_or(self.call_time_max),
            log_lines_max: overrides.log_lines_max.unwrap_or(self.log_lines_max),
        }
    }
}

impl Config {
    /// Says what is wrong with these settings.
    pub fn problems(&self, problems: &mut Problems) {
        let (ms, hour) = (Duration::from_millis(1), Duration::from_secs(3_600));
        if let Some(folder) = self.folder.as_deref().filter(|folder| !folder.is_dir()) {
            problems.refuse("folder", format!("there is no folder {}", folder.display()));
        }
        if let Some(threads) = self.threads {
            problems.count("threads", threads, 1..=1_024);
        }
        problems.count("queue_max", self.queue_max, 1..=100_000);
        problems.time("queue_wait_max", self.queue_wait_max, ms..=hour);
        problems.size("results_cache_bytes_max", self.results_cache_bytes_max, 0..=64 << 30);
        problems.size("component_bytes_max", self.component_bytes_max, 1 << 10..=1 << 30);
        problems.size("compile_memory_bytes_max", self.compile_memory_bytes_max, 16 << 20..=64 << 30);
        problems.time("compile_time_max", self.compile_time_max, ms..=hour);
        problems.within("limits", |problems| self.limits.problems(problems));
        problems.within("plugin", |problems| {
            for (name, plugin) in &self.per_plugin {
                problems.within(name, |problems| {
                    problems.within("limits", |problems| Limits::default().with(&plugin.limits).problems(problems));
                });
            }
        });
    }
}

impl Limits {
    fn problems(&self, problems: &mut Problems) {
        // A memory of a guest has 32-bit addresses; the smallest one holds a page.
        problems.size("memory_bytes_max", self.memory_bytes_max, 64 << 10..=4 << 30);
        problems.count("table_elements_max", self.table_elements_max, 1..=10_000_000);
        problems.count("handles_max", self.handles_max, 8..=1_000_000);
        problems.size("transfer_bytes_max", self.transfer_bytes_max, 64 << 10..=1 << 30);
        let (ms, hour) = (Duration::from_millis(1), Duration::from_secs(3_600));
        problems.time("call_time_max", self.call_time_max, ms..=hour);
        problems.count("log_lines_max", self.log_lines_max, 0..=100_000);
    }
}
