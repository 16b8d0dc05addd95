//! How two artifacts differ.

use crate::{Properties, Severity, bindings::types, properties};

/// One difference between two artifacts.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What differs: a path inside the artifact, in words that suit the type, at most 1 024 bytes.
    pub path: String,
    /// How it differs: `added`, `removed`, `changed`, or a word of the plugin's own, at most 64 bytes.
    pub kind: String,
    /// The old value, as text, at most 16 KiB.
    pub before: Option<String>,
    /// The new value, as text, at most 16 KiB.
    pub after: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// The open field, at most 4 000 bytes.
    pub properties: Properties,
}

impl Change {
    /// Returns a change of the plugin's own kind, worth knowing and without values.
    pub fn new(path: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            kind: kind.into(),
            before: None,
            after: None,
            severity: Severity::Info,
            properties: Properties::new(),
        }
    }

    /// Says that something is there that was not.
    pub fn added(path: impl Into<String>, after: impl Into<String>) -> Self {
        Self {
            after: Some(after.into()),
            ..Self::new(path, "added")
        }
    }

    /// Says that something is no longer there.
    pub fn removed(path: impl Into<String>, before: impl Into<String>) -> Self {
        Self {
            before: Some(before.into()),
            ..Self::new(path, "removed")
        }
    }

    /// Says that something has another value.
    pub fn changed(path: impl Into<String>, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self {
            before: Some(before.into()),
            after: Some(after.into()),
            ..Self::new(path, "changed")
        }
    }

    /// Sets how much it matters.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Adds a member to the open field.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }
}

impl From<Change> for types::Change {
    fn from(change: Change) -> Self {
        Self {
            path: change.path,
            kind: change.kind,
            before: change.before,
            after: change.after,
            severity: change.severity.as_str().to_owned(),
            properties: properties::to_text(&change.properties),
        }
    }
}
