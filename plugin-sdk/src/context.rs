//! The circumstances of a call.

use serde::de::DeserializeOwned;

use crate::{
    Error,
    bindings::{contexts, pushes},
};

/// What every call of a capability is given first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    settings: String,
}

impl Context {
    /// Returns a context with settings: the text of a JSON object.
    pub fn new(settings: impl Into<String>) -> Self {
        Self {
            settings: settings.into(),
        }
    }

    pub(crate) fn of(context: &contexts::Context) -> Self {
        Self::new(context.settings())
    }

    /// Reads what the operator configured for this plugin. It satisfies the schema in the plugin's spec; `{}` where nothing is
    /// configured.
    ///
    /// Fails with [`Error::INVALID`] where the settings do not fit the type.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.settings)
            .map_err(|error| Error::new(Error::INVALID, format!("The settings of the plugin cannot be read: {error}.")))
    }
}

/// One tag that is being set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The full name of the repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
}

impl Push {
    /// Returns the push of a tag in a repository.
    pub fn new(repository: impl Into<String>, tag: impl Into<String>) -> Self {
        Self {
            repository: repository.into(),
            tag: tag.into(),
        }
    }

    pub(crate) fn of(push: &pushes::Push) -> Self {
        Self::new(push.repository(), push.tag())
    }

    /// Returns the last segment of the repository's name.
    pub fn repository_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }
}
