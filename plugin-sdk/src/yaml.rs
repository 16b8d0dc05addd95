//! Reading YAML that strangers wrote: bounded, with the place of every value, and exactly as the Go tools of the container world read
//! it through `sigs.k8s.io/yaml` (Helm and everything of Kubernetes).
//!
//! That is YAML 1.1 with the habits of one reader, which another reader of the same text need not share:
//!
//! - Lines end at U+0085, U+2028 and U+2029 too, in comments and in values.
//! - `null`, `~` and nothing are null; `true`, `yes`, `on`, `y` and their opposites, in three spellings each, are booleans. Integers are
//!   decimal, hexadecimal (`0x`), octal (`0o` or a leading `0`) or binary (`0b`). `!!binary` is decoded; a tag that means nothing here
//!   makes a string.
//! - Every key is text in the end: `1`, `1.5` and `yes` are the keys `1`, `1.5` and `true`. Null, lists and maps are no keys.
//! - Aliases are expanded, and what they expand to counts. A merge key (`<<`) replaces what stands in front of it.
//! - Of a key that is there twice the last counts.
//!
//! Where even that reader leaves a meaning to chance, the text is refused: `1` and `"1"` as keys of one map, and a byte order mark
//! anywhere but at the front. `!!timestamp` and what `!!binary` makes of anything but text are refused as well.

mod build;
mod cursor;
mod documents;
mod scalar;
mod scanner;
mod tree;

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
    /// Whether the text is beyond one of the [`Limits`], and may be good YAML otherwise.
    pub limit: bool,
}

impl YamlError {
    fn malformed(line: u32, column: u32, message: impl Into<String>) -> Self {
        Self {
            line,
            column,
            message: message.into(),
            limit: false,
        }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line, column, message, ..
        } = self;
        write!(formatter, "The YAML cannot be read: line {line}, column {column}: {message}.")
    }
}

impl std::error::Error for YamlError {}

/// A value and where it stands. Of an alias, that is where its anchor stands; of a block of text, its `|` or `>`.
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
    /// An integer that is too large for [`Value::Int`].
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the text. Every key is a [`Value::String`].
    Map(Vec<(Node, Node)>),
}

/// Which documents of a text to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Documents {
    /// Every document of the stream.
    All,
    /// The first one. What stands behind it is not even looked at, as with `Unmarshal` in Go.
    First,
    /// The first one of each part between lines of `---`: so Kubernetes' tools cut a file before they read it. A value behind such a
    /// `---` is an error.
    Parts,
}

/// What was read of a text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Read {
    /// The documents.
    pub documents: Vec<Node>,
    /// Every key that is there twice, and every one that a merge key behind it replaces. Of those the last counts.
    pub repeated: Vec<YamlError>,
    /// The first line with something in it that was not read, because it stands behind the documents that were asked for.
    pub unread: Option<u32>,
}

/// Reads documents of a text.
pub fn read(text: &str, which: Documents, limits: &Limits) -> Result<Read, YamlError> {
    documents::read(text, which, limits)
}

/// Reads all documents of a text. A key that is there twice is an error, and so is one that a merge key behind it replaces.
pub fn parse(text: &str, limits: &Limits) -> Result<Vec<Node>, YamlError> {
    let Read { documents, repeated, .. } = read(text, Documents::All, limits)?;
    match repeated.into_iter().next() {
        Some(repeated) => Err(repeated),
        None => Ok(documents),
    }
}

/// Returns the text that Go's readers make of a float where a string is expected: `1.10` becomes `1.1`.
pub fn float_text(number: f64) -> String {
    scalar::float_text(number)
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

    /// Returns the value as JSON. What JSON has no number for becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Unsigned(value) => (*value).into(),
            Value::Float(value) => Number::from_f64(*value).map_or(serde_json::Value::Null, serde_json::Value::Number),
            Value::String(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(pairs) => {
                let member = |(key, value): &(Self, Self)| Some((key.as_str()?.to_owned(), value.to_json()));
                pairs.iter().filter_map(member).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests;
