//! Reading JSON that strangers wrote: bounded in size, depth and number of values, and without duplicate keys.
//!
//! Two readers can understand a document with a duplicate key differently. That is reason enough to refuse it.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The bounds of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The deepest nesting of arrays and objects. The reader itself gives up at 128.
    pub depth_max: usize,
    /// The most values, keys not counted.
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

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// The line, counted from 1; 0 where no place can be named.
    pub line: u32,
    /// The column in bytes, counted from 1; 0 where no place can be named.
    pub column: u32,
    /// What is wrong, without the place.
    pub message: String,
}

impl fmt::Display for JsonError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, message } = self;
        if *line == 0 {
            return write!(formatter, "The JSON cannot be read: {message}.");
        }
        write!(formatter, "The JSON cannot be read: line {line}, column {column}: {message}.")
    }
}

impl std::error::Error for JsonError {}

/// Reads one document.
pub fn parse(text: &[u8], limits: &Limits) -> Result<Value, JsonError> {
    if text.len() > limits.bytes_max {
        let message = format!("it has {} bytes, and {} are allowed", text.len(), limits.bytes_max);
        return Err(JsonError {
            line: 0,
            column: 0,
            message,
        });
    }
    let nodes = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Seed {
        limits,
        nodes: &nodes,
        depth: 0,
    }
    .deserialize(&mut deserializer)
    .map_err(|error| place(&error))?;
    deserializer.end().map_err(|error| place(&error))?;
    Ok(value)
}

/// Takes the place out of the error's text, which ends in it.
fn place(error: &serde_json::Error) -> JsonError {
    let text = error.to_string();
    let message = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message)
        .to_owned();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    JsonError {
        line: number(error.line()),
        column: number(error.column()),
        message,
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    limits: &'a Limits,
    nodes: &'a Cell<usize>,
    depth: usize,
}

impl Seed<'_> {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= self.limits.depth_max {
            return Err(E::custom(format_args!(
                "it is nested deeper than {} levels",
                self.limits.depth_max
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > self.limits.nodes_max {
            return Err(D::Error::custom(format_args!(
                "it has more than {} values",
                self.limits.nodes_max
            )));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(below)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} is there twice")));
            }
            let value = map.next_value_seed(below)?;
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str, limits: &Limits) -> String {
        parse(text.as_bytes(), limits).unwrap_err().to_string()
    }

    #[test]
    fn a_document_is_read_as_serde_reads_it() {
        let text = r#" {"a": [1, -2, 1.5, "x\n", true, null], "b": {}} "#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text.as_bytes(), &Limits::default()).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_trusted_is_refused_with_its_place() {
        let limits = Limits::default();
        let duplicate = "{\n  \"a\": 1,\n  \"a\": 2\n}";
        assert_eq!(
            fails(duplicate, &limits),
            "The JSON cannot be read: line 3, column 5: the key \"a\" is there twice."
        );
        assert!(fails("{\"a\": {\"b\": 1, \"b\": 1}}", &limits).contains("the key \"b\" is there twice"));
        assert!(fails("[1] 2", &limits).contains("line 1, column 5: trailing characters"));
        assert!(fails("[1, ", &limits).contains("EOF"));
        assert!(parse(b"\"\xff\"", &limits).is_err());
    }

    #[test]
    fn every_bound_holds() {
        let limits = Limits {
            depth_max: 2,
            nodes_max: 4,
            bytes_max: 20,
        };
        assert!(parse(b"[[1, 2]]", &limits).is_ok());
        assert!(fails("[[[1]]]", &limits).contains("nested deeper than 2 levels"));
        assert!(fails("[1,2,3,4]", &limits).contains("more than 4 values"));
        assert!(fails("[1,         2,         3]", &limits).contains("bytes, and 20 are allowed"));
        let deep = "[".repeat(100_000);
        assert!(
            parse(
                deep.as_bytes(),
                &Limits {
                    depth_max: usize::MAX,
                    ..Limits::default()
                }
            )
            .is_err()
        );
    }
}
