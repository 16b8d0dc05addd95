//! Reading YAML that strangers wrote: bounded, with the place of every value, and with plain scalars resolved as the Go tools of the
//! container world resolve them.
//!
//! `null`, `~` and nothing are null; `true` and `false` in three spellings are booleans, while `yes`, `no`, `on` and `off` stay
//! strings; integers are decimal, hexadecimal (`0x`), octal (`0o` or a leading `0`) or binary (`0b`). Aliases are expanded and merge
//! keys (`<<`) applied, and what they expand to counts.

mod build;
mod scalar;

use std::fmt;

use serde_json::Number;

/// The bounds of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The deepest nesting of lists and maps.
    pub depth_max: usize,
    /// The most values and keys in all documents together. Every expansion of an alias counts in full.
    pub nodes_max: usize,
    /// The most bytes of text.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 100,
            nodes_max: 250_000,
            bytes_max: 5 << 20,
        }
    }
}

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// The line, counted from 1.
    pub line: u32,
    /// The column in Unicode scalar values, counted from 1.
    pub column: u32,
    /// What is wrong, without the place.
    pub message: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, message } = self;
        write!(formatter, "The YAML cannot be read: line {line}, column {column}: {message}.")
    }
}

impl std::error::Error for YamlError {}

/// A value and where it stands. Of an alias, that is where its anchor stands; of a block scalar, where its content begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The line, counted from 1.
    pub line: u32,
    /// The column in Unicode scalar values, counted from 1.
    pub column: u32,
    /// Whether it is a scalar in quotes or a block scalar, and so a string whatever it looks like.
    pub quoted: bool,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the text. Merged pairs come last.
    Map(Vec<(Node, Node)>),
}

/// Reads all documents of a text. A key that is there twice is an error.
pub fn parse(text: &str, limits: &Limits) -> Result<Vec<Node>, YamlError> {
    let (documents, duplicates) = build::build(text, limits)?;
    match duplicates.into_iter().next() {
        Some(duplicate) => Err(duplicate),
        None => Ok(documents),
    }
}

/// Reads all documents of a text. Of a key that is there twice the last counts, as it does for most tools; every repetition is
/// returned beside the documents.
pub fn parse_lenient(text: &str, limits: &Limits) -> Result<(Vec<Node>, Vec<YamlError>), YamlError> {
    build::build(text, limits)
}

impl Node {
    /// Returns the value of a key, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.get_pair(key).map(|(_, value)| value)
    }

    /// Returns a key and its value, where this is a map that has it.
    pub fn get_pair(&self, key: &str) -> Option<(&Self, &Self)> {
        self.as_map()?
            .iter()
            .find(|(name, _)| name.as_str() == Some(key))
            .map(|(name, value)| (name, value))
    }

    /// Returns the text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value {
            Some(text)
        } else {
            None
        }
    }

    /// Returns the value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self.value {
            Some(value)
        } else {
            None
        }
    }

    /// Returns the value of an integer.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(value) = self.value {
            Some(value)
        } else {
            None
        }
    }

    /// Returns the pairs of a map.
    pub fn as_map(&self) -> Option<&[(Self, Self)]> {
        if let Value::Map(pairs) = &self.value {
            Some(pairs)
        } else {
            None
        }
    }

    /// Returns the items of a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Value::List(items) = &self.value {
            Some(items)
        } else {
            None
        }
    }

    /// Says whether this is null.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// Returns what a JSON pointer (RFC 6901) means here.
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |node, token| {
            let token = token.replace("~1", "/").replace("~0", "~");
            match &node.value {
                Value::List(items) => items.get(token.parse::<usize>().ok()?),
                _ => node.get(&token),
            }
        })
    }

    /// Returns the value as JSON. Keys become strings; what JSON has no number for becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => Number::from_f64(*value).map_or(serde_json::Value::Null, serde_json::Value::Number),
            Value::String(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(pairs) => pairs.iter().map(|(key, value)| (key.to_key(), value.to_json())).collect(),
        }
    }

    /// Returns the text that this has as a key of a JSON object.
    fn to_key(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            _ => self.to_json().to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
