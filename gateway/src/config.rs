//! The configuration: a TOML file, then the environment over it.
//!
//! Each module owns its settings and their defaults; this one reads them. It is the only place that looks at the environment. A bad
//! configuration is refused with the file, the line, the key and what was expected.

mod units;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use self::units::{Size, Time};
use crate::{auth::Grants, http, plugin_host, registry, services};

/// The configuration with every key, its default and what it means.
pub const DEFAULT: &str = include_str!("config/default.toml");

/// What environment variables that set a key begin with: `PORTOLAN_HTTP__LISTEN` is `listen` in `[http]`.
const ENVIRONMENT_PREFIX: &str = "PORTOLAN_";

/// Where to listen by default.
const LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5000));
/// Where data is kept by default.
const DATA: &str = "portolan-data";

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what is expected.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// The place, the key and what was expected.
        reason: String,
    },
    /// A variable of the environment is not what is expected.
    #[error("the environment sets the configuration wrongly ({variables}): {reason}")]
    Environment {
        /// The variables that are set.
        variables: String,
        /// The key and what was expected.
        reason: String,
    },
    /// The configuration would expose the gateway to a network without authentication.
    #[error(
        "{0} is not a loopback address, and this gateway lets everybody read and write: to allow that, set allow_anonymous = true in \
         [http]"
    )]
    Exposed(SocketAddr),
}

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where blobs, metadata and machine code are.
    pub data: PathBuf,
    /// How to serve.
    pub http: http::Config,
    /// The rules of the registry.
    pub registry: registry::Config,
    /// How plugins run.
    pub plugins: plugin_host::Config,
    /// How services are answered.
    pub services: services::Config,
    /// What a caller may do who does not say who they are.
    pub anonymous: Grants,
    /// What is logged.
    pub log: Log,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Which lines: `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,request=warn`.
    pub level: String,
    /// How they look.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Text,
        }
    }
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the command line sets over everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// The data folder.
    pub data: Option<PathBuf>,
    /// The folder of plugins.
    pub plugins: Option<PathBuf>,
}

/// The file, table by table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    http: HttpTable,
    storage: StorageTable,
    registry: RegistryTable,
    plugins: PluginsTable,
    services: ServicesTable,
    auth: AuthTable,
    log: Log,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HttpTable {
    listen: Option<SocketAddr>,
    origin: Option<String>,
    allow_anonymous: bool,
    connections_max: Option<usize>,
    idle_max: Option<Time>,
    shutdown_max: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StorageTable {
    path: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RegistryTable {
    missing_references: Option<MissingReferences>,
    manifest_bytes_max: Option<Size>,
    blob_bytes_max: Option<Size>,
    push_tags_max: Option<usize>,
    uploads_max: Option<usize>,
    upload_idle_max: Option<Time>,
    scan_referrers: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MissingReferences {
    Reject,
    Accept,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ServicesTable {
    body_bytes_max: Option<Size>,
    cache_bytes_max: Option<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuthTable {
    /// Prefixes of repositories that nobody without credentials sees.
    hidden: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PluginsTable {
    folder: Option<PathBuf>,
    failure: Option<Failure>,
    threads: Option<usize>,
    queue_max: Option<usize>,
    queue_wait_max: Option<Time>,
    results_cache_bytes_max: Option<Size>,
    component_bytes_max: Option<Size>,
    compile_memory_bytes_max: Option<Size>,
    compile_time_max: Option<Time>,
    limits: LimitsTable,
    /// Plugins by name.
    plugin: BTreeMap<String, PluginTable>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Failure {
    Closed,
    Open,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    memory_bytes_max: Option<Size>,
    table_elements_max: Option<u64>,
    handles_max: Option<u32>,
    transfer_bytes_max: Option<Size>,
    call_time_max: Option<Time>,
    log_lines_max: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PluginTable {
    enabled: Option<bool>,
    failure: Option<Failure>,
    settings: serde_json::Map<String, serde_json::Value>,
    limits: LimitsTable,
}

impl Config {
    /// Reads the configuration: the defaults, the file over them, the environment over it, the command line over everything.
    ///
    /// # Errors
    /// Names the file and the line, or the variables, with the key and what was expected.
    pub fn load(path: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        let text = match path {
            Some(path) => std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                path: path.to_owned(),
                source,
            })?,
            None => String::new(),
        };
        let shown = path.unwrap_or(Path::new("portolan.toml"));
        Self::from_parts(shown, &text, std::env::vars(), overrides)
    }

    /// Reads the configuration from a text, with the environment left aside.
    ///
    /// # Errors
    /// Names the line, the key and what was expected.
    pub fn from_text(text: &str, overrides: Overrides) -> Result<Self, ConfigError> {
        Self::from_parts(Path::new("portolan.toml"), text, [], overrides)
    }

    fn from_parts(
        path: &Path,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
        overrides: Overrides,
    ) -> Result<Self, ConfigError> {
        let refuse = |error: &toml::de::Error| ConfigError::File {
            path: path.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        };
        // The file alone comes first: an error in it should name its line.
        let file: File = toml::from_str(text).map_err(|error| refuse(&error))?;
        let variables = environment(variables);
        let file = if variables.is_empty() {
            file
        } else {
            with_environment(text, variables)?
        };
        file.into_config(overrides)
    }
}

/// Returns the variables that set keys, with the path of the key.
fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    // Other variables may share the beginning of the name; every key lies in a table and so has two underscores.
    let ours = |(name, value): (String, String)| {
        let key = name.strip_prefix(ENVIRONMENT_PREFIX).filter(|key| key.contains("__"))?;
        Some((key.to_lowercase(), value))
    };
    variables.into_iter().filter_map(ours).collect()
}

fn with_environment(text: &str, variables: Vec<(String, String)>) -> Result<File, ConfigError> {
    let names: Vec<String> = variables
        .iter()
        .map(|(key, _)| format!("{ENVIRONMENT_PREFIX}{}", key.to_uppercase()))
        .collect();
    let refuse = |reason: String| ConfigError::Environment {
        variables: names.join(", "),
        reason,
    };
    let mut table: toml::Table = toml::from_str(text).map_err(|error| refuse(error.to_string()))?;
    for (key, value) in variables {
        // What reads as TOML is taken as that - a number, a truth value, an array -, anything else as text.
        let read = toml::from_str::<toml::Table>(&format!("value = {value}"))
            .ok()
            .and_then(|mut table| table.remove("value"));
        insert(&mut table, &key, read.unwrap_or(toml::Value::String(value))).map_err(refuse)?;
    }
    table
        .try_into()
        .map_err(|error: toml::de::Error| refuse(error.to_string().trim_end().to_owned()))
}

/// Sets `a__b__c` to a value, with tables made as needed.
fn insert(table: &mut toml::Table, key: &str, value: toml::Value) -> Result<(), String> {
    match key.split_once("__") {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((first, rest)) => match table.entry(first).or_insert_with(|| toml::Table::new().into()) {
            toml::Value::Table(inner) => insert(inner, rest, value),
            _ => Err(format!("{first} is not a table and cannot hold {rest}")),
        },
    }
}

/// Puts a value of the file in the place of a default, where there is one.
fn set<T>(place: &mut T, value: Option<impl Into<T>>) {
    if let Some(value) = value {
        *place = value.into();
    }
}

impl From<Size> for u64 {
    fn from(size: Size) -> Self {
        size.0
    }
}

impl From<Time> for Duration {
    fn from(time: Time) -> Self {
        time.0
    }
}

impl From<MissingReferences> for registry::MissingReferences {
    fn from(rule: MissingReferences) -> Self {
        match rule {
            MissingReferences::Reject => Self::Reject,
            MissingReferences::Accept => Self::Accept,
        }
    }
}

impl From<Failure> for plugin_host::FailurePolicy {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Closed => Self::Closed,
            Failure::Open => Self::Open,
        }
    }
}

impl File {
    fn into_config(self, overrides: Overrides) -> Result<Config, ConfigError> {
        let listen = overrides.listen.or(self.http.listen).unwrap_or(LISTEN);
        if !listen.ip().is_loopback() && !self.http.allow_anonymous {
            return Err(ConfigError::Exposed(listen));
        }
        let data = overrides.data.or(self.storage.path).unwrap_or_else(|| DATA.into());
        Ok(Config {
            listen,
            http: self.http.into_config(),
            registry: self.registry.into_config(),
            plugins: self.plugins.into_config(overrides.plugins, &data),
            services: self.services.into_config(),
            anonymous: Grants::all_but(self.auth.hidden),
            log: self.log,
            data,
        })
    }
}

impl HttpTable {
    fn into_config(self) -> http::Config {
        let mut config = http::Config {
            origin: self.origin,
            ..http::Config::default()
        };
        set(&mut config.connections_max, self.connections_max);
        set(&mut config.idle_max, self.idle_max);
        set(&mut config.shutdown_max, self.shutdown_max);
        config
    }
}

impl PluginsTable {
    fn into_config(self, folder: Option<PathBuf>, data: &Path) -> plugin_host::Config {
        let mut config = plugin_host::Config::default();
        config.folder = folder.or(self.folder).or_else(beside);
        config.cache = data.join("code");
        config.threads = self.threads;
        config.limits = config.limits.with(&self.limits.into());
        set(&mut config.failure, self.failure);
        set(&mut config.queue_max, self.queue_max);
        set(&mut config.queue_wait_max, self.queue_wait_max);
        set(&mut config.results_cache_bytes_max, self.results_cache_bytes_max);
        set(&mut config.component_bytes_max, self.component_bytes_max);
        set(&mut config.compile.memory_bytes_max, self.compile_memory_bytes_max);
        set(&mut config.compile.time_max, self.compile_time_max);
        config.per_plugin = self.plugin.into_iter().map(|(name, table)| (name, table.into())).collect();
        config
    }
}

impl From<PluginTable> for plugin_host::PluginConfig {
    fn from(table: PluginTable) -> Self {
        Self {
            enabled: table.enabled.unwrap_or(true),
            settings: table.settings,
            limits: table.limits.into(),
            failure: table.failure.map(Into::into),
        }
    }
}

impl From<LimitsTable> for plugin_host::LimitOverrides {
    fn from(table: LimitsTable) -> Self {
        Self {
            memory_bytes_max: table.memory_bytes_max.map(Into::into),
            table_elements_max: table.table_elements_max,
            handles_max: table.handles_max,
            transfer_bytes_max: table.transfer_bytes_max.map(Into::into),
            call_time_max: table.call_time_max.map(Into::into),
            log_lines_max: table.log_lines_max,
        }
    }
}

/// Returns the folder of plugins beside the program, where there is one.
fn beside() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.join("plugins");
    folder.is_dir().then_some(folder)
}

impl RegistryTable {
    fn into_config(self) -> registry::Config {
        let mut config = registry::Config::default();
        set(&mut config.missing_references, self.missing_references);
        set(&mut config.manifest_bytes_max, self.manifest_bytes_max);
        set(&mut config.blob_bytes_max, self.blob_bytes_max);
        set(&mut config.push_tags_max, self.push_tags_max);
        set(&mut config.uploads_max, self.uploads_max);
        set(&mut config.upload_idle_max, self.upload_idle_max);
        set(&mut config.scan_referrers, self.scan_referrers);
        config
    }
}

impl ServicesTable {
    fn into_config(self) -> services::Config {
        let mut config = services::Config::default();
        set(&mut config.body_bytes_max, self.body_bytes_max);
        set(&mut config.cache_bytes_max, self.cache_bytes_max);
        config
    }
}

#[cfg(test)]
mod tests;
