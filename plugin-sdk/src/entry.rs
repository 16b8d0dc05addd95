//! What search, the catalogue and services know about an artifact.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Properties, bindings::types, properties};

/// A pointer from one artifact to another, or to something outside the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// How the artifact relates to the target, for example `dependency` or `image`, at most 64 bytes.
    pub kind: String,
    /// What is meant, in the words of the artifact, for example a repository and tag or an address, at most 1 024 bytes.
    pub target: String,
    /// The digest of the target, where the artifact pins one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The open field, at most 4 000 bytes.
    #[serde(default, skip_serializing_if = "Properties::is_empty", deserialize_with = "text_or_object")]
    pub properties: Properties,
}

impl Reference {
    /// Returns a reference that pins nothing.
    pub fn new(kind: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            target: target.into(),
            digest: None,
            properties: Properties::new(),
        }
    }

    /// Adds the digest of the target.
    pub fn digest(mut self, digest: impl Into<String>) -> Self {
        self.digest = Some(digest.into());
        self
    }

    /// Adds a member to the open field.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }
}

/// What search, the catalogue and services know about an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The name that people would search for, at most 256 bytes.
    pub title: String,
    /// The version, in the artifact's own scheme, at most 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What the artifact is, in one sentence, at most 1 024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Words to find the artifact by, at most 64 words of at most 64 bytes.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// What the artifact needs or contains, at most 1 000 references.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// A JSON object of whatever the plugin's own services and views need, at most 256 KiB as text.
    #[serde(default = "empty_object")]
    pub document: Value,
}

impl Entry {
    /// Returns an entry that has a title only.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            version: None,
            summary: None,
            keywords: Vec::new(),
            references: Vec::new(),
            document: empty_object(),
        }
    }

    /// Adds the version.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Adds what the artifact is, in one sentence.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// Adds words to find the artifact by.
    pub fn keywords(mut self, keywords: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.keywords.extend(keywords.into_iter().map(Into::into));
        self
    }

    /// Adds something that the artifact needs or contains.
    pub fn reference(mut self, reference: Reference) -> Self {
        self.references.push(reference);
        self
    }

    /// Sets the JSON object for the plugin's own services and views.
    pub fn document(mut self, document: Value) -> Self {
        self.document = document;
        self
    }
}

fn empty_object() -> Value {
    Value::Object(Properties::new())
}

/// Reads an open field that is either an object or the text of one.
fn text_or_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Properties, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(members) => members,
        Value::String(text) => properties::from_text(&text),
        _ => Properties::new(),
    })
}

impl From<Entry> for types::Entry {
    fn from(entry: Entry) -> Self {
        Self {
            title: entry.title,
            version: entry.version,
            summary: entry.summary,
            keywords: entry.keywords,
            references: entry.references.into_iter().map(Into::into).collect(),
            document: entry.document.to_string(),
        }
    }
}

impl From<types::Entry> for Entry {
    fn from(entry: types::Entry) -> Self {
        Self {
            title: entry.title,
            version: entry.version,
            summary: entry.summary,
            keywords: entry.keywords,
            references: entry.references.into_iter().map(Into::into).collect(),
            document: Value::Object(properties::from_text(&entry.document)),
        }
    }
}

impl From<Reference> for types::Reference {
    fn from(reference: Reference) -> Self {
        let properties = properties::to_text(&reference.properties);
        Self {
            kind: reference.kind,
            target: reference.target,
            digest: reference.digest,
            properties,
        }
    }
}

impl From<types::Reference> for Reference {
    fn from(reference: types::Reference) -> Self {
        let properties = properties::from_text(&reference.properties);
        Self {
            kind: reference.kind,
            target: reference.target,
            digest: reference.digest,
            properties,
        }
    }
}
