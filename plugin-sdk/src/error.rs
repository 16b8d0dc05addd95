//! How a plugin, or the gateway, says that something could not be done.

use std::fmt;

use crate::{Properties, archive::ArchiveError, bindings::types, json::JsonError, properties, yaml::YamlError};

/// Why a plugin could not do what was asked. It is not how a plugin refuses an artifact: that is a [`Verdict`](crate::Verdict).
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// What went wrong, for programs: lower case words joined by hyphens, at most 64 bytes.
    pub code: String,
    /// What went wrong, for people: full sentences, at most 2 000 bytes.
    pub message: String,
    /// The open field, at most 4 000 bytes.
    pub properties: Properties,
}

impl Error {
    /// What was asked for does not exist, or not for this caller.
    pub const NOT_FOUND: &str = "not-found";
    /// The repository does not hold the content, although the artifact names it.
    pub const ABSENT: &str = "absent";
    /// It is not allowed here.
    pub const DENIED: &str = "denied";
    /// An offset or length lies outside of the content.
    pub const OUT_OF_RANGE: &str = "out-of-range";
    /// An argument, or the content, cannot be understood.
    pub const INVALID: &str = "invalid";
    /// A bound was met.
    pub const LIMIT: &str = "limit";

    /// Returns an error: one of the codes above or a word of the plugin's own, and full sentences.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            properties: Properties::new(),
        }
    }

    /// Says whether this is an error of the given code.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<ArchiveError> for Error {
    fn from(error: ArchiveError) -> Self {
        let code = if matches!(error, ArchiveError::Limit { .. }) {
            Self::LIMIT
        } else {
            Self::INVALID
        };
        Self::new(code, error.to_string())
    }
}

impl From<YamlError> for Error {
    fn from(error: YamlError) -> Self {
        Self::new(Self::INVALID, error.to_string())
    }
}

impl From<JsonError> for Error {
    fn from(error: JsonError) -> Self {
        Self::new(Self::INVALID, error.to_string())
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        Self {
            code: error.code,
            message: error.message,
            properties: properties::from_text(&error.properties),
        }
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        Self {
            code: error.code,
            message: error.message,
            properties: properties::to_text(&error.properties),
        }
    }
}
