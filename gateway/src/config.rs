//! The configuration: a TOML file, then the environment over it.
//!
//! Each module owns its settings and their defaults; this one reads them. It is the only place that looks at the environment. A bad
//! configuration is refused with the file, the line, the key and what was expected.

mod units;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use self::units::{Size, Time};
use crate::{auth::Grants, http, plugin_host, registry, services};

/// The configuration with every key, its default and what it means.
pub const DEFAULT: &str = include_str!("config/default.toml");

/// What environment variables that set a key begin with: `PORTOLAN_HTTP__LISTEN` is `listen` in `[http]`.
const ENVIRONMENT_PREFIX: &str = "PORTOLAN_";

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
    allow_anonymous: bool,
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
        Self { level: "info".into(), format: LogFormat::Text }
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

