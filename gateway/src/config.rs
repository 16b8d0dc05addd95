//! The configuration: a TOML file, then the environment over it.
//!
//! Each module owns its settings, their defaults and their bounds; this one reads them, and finds the place of what they refuse. It is the
//! only place that looks at the environment. A bad configuration is refused with everything that is wrong with it: the file, the line,
//! the key and what was expected.

mod environment;
mod place;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use self::environment::Variables;
use crate::{
    http,
    oci::Prefixes,
    plugin_host, registry, services,
    settings::{Problem, Problems},
};

/// The configuration with every key, its default and what it means.
pub const DEFAULT: &str = include_str!("config/default.toml");

/// Where data is kept by default.
const DATA: &str = "portolan-data";

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}")]
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
    /// Values that cannot be used: a line each, with the place, the key, what is wrong and what would be right.
    #[error("{}", .0.join("\n"))]
    Values(Vec<String>),
}

/// The whole configuration, table by table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where and how to serve.
    pub http: http::Config,
    /// Where data is kept.
    pub storage: Storage,
    /// The rules of the registry.
    pub registry: registry::Config,
    /// When what nobody needs goes.
    pub gc: registry::CollectionConfig,
    /// When what is stored is read and compared.
    pub scrub: registry::ScrubConfig,
    /// How plugins run.
    pub plugins: plugin_host::Config,
    /// How services are answered.
    pub services: services::Config,
    /// Who may do what.
    pub auth: Auth,
    /// What is logged.
    pub log: Log,
}

/// Where data is kept: table `[storage]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// The folder of blobs, metadata and machine code.
    pub path: PathBuf,
}

impl Default for Storage {
    fn default() -> Self {
        Self { path: DATA.into() }
    }
}

impl Storage {
    fn problems(&self, problems: &mut Problems) {
        let there = self.path.ancestors().find(|folder| folder.exists());
        if let Some(file) = there.filter(|there| !there.is_dir()) {
            let (path, file) = (self.path.display(), file.display());
            problems.refuse(
                "path",
                format!("{path} cannot be the data folder, {file} is a file; choose another with --data or here"),
            );
        }
    }
}

/// Who may do what: table `[auth]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Prefixes of repositories that nobody without credentials sees.
    pub hidden: Prefixes,
}

/// What is logged: table `[log]`.
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

impl Log {
    fn problems(&self, problems: &mut Problems) {
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.level) {
            let expected = "\"error\", \"warn\", \"info\", \"debug\", \"trace\" or directives such as \"info,request=warn\"";
            problems.refuse("level", format!("{:?} is not {expected}: {error}", self.level));
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

impl Config {
    /// Reads the configuration: the defaults, the file over them, the environment over it, the command line over everything.
    ///
    /// # Errors
    /// Names the file and the line, or the variables, with the key and what was expected; of values that cannot be used all.
    pub fn load(path: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        let text = match path {
            Some(path) => std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                path: path.to_owned(),
                source,
            })?,
            None => String::new(),
        };
        let shown = path.unwrap_or(Path::new("portolan.toml"));
        Self::from_parts(shown, &text, &Variables::of_process()?, overrides)
    }

    /// Reads the configuration from a text, with the environment left aside.
    ///
    /// # Errors
    /// Names the line, the key and what was expected.
    pub fn from_text(text: &str, overrides: Overrides) -> Result<Self, ConfigError> {
        Self::from_parts(Path::new("portolan.toml"), text, &Variables::default(), overrides)
    }

    fn from_parts(path: &Path, text: &str, variables: &Variables, overrides: Overrides) -> Result<Self, ConfigError> {
        // The file alone comes first: an error in it should name its line.
        let file: Self = toml::from_str(text).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        let config = if variables.is_empty() { file } else { variables.over(text)? };
        let config = config.with(overrides);
        let mut problems = config.problems();
        problems.sort_by_key(|problem| place::line(text, &problem.path));
        if problems.is_empty() {
            return Ok(config);
        }
        let line = |problem: &Problem| place::word(problem, path, text, variables);
        Err(ConfigError::Values(problems.iter().map(line).collect()))
    }

    /// Puts what the command line says, and what depends on other keys, in its place.
    fn with(mut self, overrides: Overrides) -> Self {
        self.http.listen = overrides.listen.unwrap_or(self.http.listen);
        self.storage.path = overrides.data.unwrap_or(self.storage.path);
        self.plugins.folder = overrides.plugins.or(self.plugins.folder).or_else(beside);
        self.plugins.cache = self.storage.path.join("code");
        self.registry.collection = self.gc.clone();
        self.registry.scrub = self.scrub.clone();
        self
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        problems.within("http", |problems| self.http.problems(problems));
        problems.within("storage", |problems| self.storage.problems(problems));
        problems.within("registry", |problems| self.registry.problems(problems));
        problems.within("gc", |problems| self.gc.problems(problems));
        problems.within("scrub", |problems| self.scrub.problems(problems));
        problems.within("plugins", |problems| self.plugins.problems(problems));
        problems.within("services", |problems| self.services.problems(problems));
        problems.within("log", |problems| self.log.problems(problems));
        problems.into_found()
    }
}

/// Returns the folder of plugins beside the program, where there is one.
fn beside() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.join("plugins");
    folder.is_dir().then_some(folder)
}

#[cfg(test)]
mod tests;
