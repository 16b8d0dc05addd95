//! Rendered views and what was asked of them.

use serde_json::Value;

use crate::{Properties, bindings::types, properties};

/// A rendered view.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// The media type of the body, for example `text/markdown; charset=utf-8`.
    pub media_type: String,
    /// The body, at most 8 MiB.
    pub body: Vec<u8>,
    /// The open field, at most 4 000 bytes.
    pub properties: Properties,
}

impl Content {
    /// Returns a body of any media type.
    pub fn new(media_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            media_type: media_type.into(),
            body: body.into(),
            properties: Properties::new(),
        }
    }

    /// Returns plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into())
    }

    /// Returns Markdown.
    pub fn markdown(text: impl Into<String>) -> Self {
        Self::new("text/markdown; charset=utf-8", text.into())
    }

    /// Returns a JSON document.
    pub fn json(document: &Value) -> Self {
        Self::new("application/json", document.to_string())
    }
}

impl From<Content> for types::Content {
    fn from(content: Content) -> Self {
        let properties = properties::to_text(&content.properties);
        Self {
            media_type: content.media_type,
            body: content.body,
            properties,
        }
    }
}

/// The options of a view, as the request gave them. The gateway has checked their names against the spec.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    pairs: Vec<(String, String)>,
}

impl Options {
    /// Returns the first value of an option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(option, _)| *option == name).map(|(_, value)| value)
    }

    /// Returns all options with their values, in the order of the request.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self {
            pairs: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        }
    }
}
