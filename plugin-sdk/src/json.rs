//! Reading JSON that strangers wrote: bounded in size, depth and number of values, and without what two readers understand
//! differently.
//!
//! A document is refused that has a key twice, is no UTF-8 or holds half of a surrogate pair: Go takes the last key and replaces the
//! rest. Go also takes a key in any case for one that it knows. Which keys those are only their reader knows, so that whoever
//! takes members out of an object calls [`only_exact`] with their names first.

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

/// Says which of the keys that a reader knows Go takes a key for, although it is not written like it: `encoding/json` prefers the
/// exact key, but takes one of any case as well, and so does whatever reads YAML by way of it. The Kelvin sign is a `k` then, and
/// the long s an `s`.
///
/// The known keys are ASCII.
pub fn mistaken_for<'known>(key: &str, known: &[&'known str]) -> Option<&'known str> {
    let folded = || {
        key.chars().map(|letter| match letter {
            '\u{212a}' => 'k',
            '\u{17f}' => 's',
            other => other.to_ascii_lowercase(),
        })
    };
    let alike = |name: &&&str| **name != key && folded().eq(name.chars().map(|letter| letter.to_ascii_lowercase()));
    known.iter().find(alike).copied().filter(|_| !known.contains(&key))
}

/// Refuses an object with a key that Go takes for a known one although it is not written like it (see [`mistaken_for`]).
pub fn only_exact(object: &Map<String, Value>, known: &[&str]) -> Result<(), JsonError> {
    let mistaken = object.keys().find_map(|key| Some((key, mistaken_for(key, known)?)));
    match mistaken {
        None => Ok(()),
        Some((key, known)) => Err(JsonError {
            line: 0,
            column: 0,
            message: format!(
                "the key {:?} is taken for {known:?} by readers to whom case means nothing",
                shown(key)
            ),
        }),
    }
}

/// The characters of a key that an error shows: a key can be as long as the document.
const KEY_SHOWN_CHARS: usize = 100;

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

fn shown(key: &str) -> &str {
    let cut = key.char_indices().nth(KEY_SHOWN_CHARS).map_or(key.len(), |(at, _)| at);
    key.get(..cut).unwrap_or_default()
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
                return Err(A::Error::custom(format_args!("the key {:?} is there twice", shown(&key))));
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
    fn text_is_what_it_says() {
        let limits = Limits::default();
        for text in [
            &b"\"\\ud800\""[..],
            b"\"\\udc00\\ud800\"",
            b"\"\xff\"",
            b"\"\xed\xa0\x80\"",
            b"\"\x01\"",
            b"\xef\xbb\xbf1",
        ] {
            assert!(parse(text, &limits).is_err(), "{text:?}");
        }
        assert_eq!(parse(b"\"\\ud83d\\ude00\\u0000\"", &limits).unwrap(), "\u{1f600}\0");
    }

    #[test]
    fn numbers_are_the_nearest_that_there_are() {
        let limits = Limits::default();
        for (text, value) in [
            ("18446744073709551616", 18_446_744_073_709_551_616.0),
            ("8.988465674311579e307", 8.988_465_674_311_579e307),
        ] {
            assert_eq!(parse(text.as_bytes(), &limits).unwrap().as_f64(), Some(value));
        }
        assert_eq!(
            parse(b"9007199254740993", &limits).unwrap().as_u64(),
            Some(9_007_199_254_740_993)
        );
        for text in ["1e400", "01", "+1", ".5", "1.", "0x1", "NaN"] {
            assert!(parse(text.as_bytes(), &limits).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_that_are_taken_for_known_ones_are_found() {
        let known = ["name", "layers", "kind", "Kind2"];
        for (key, taken_for) in [
            ("name", None),
            ("names", None),
            ("Name", Some("name")),
            ("layer\u{17f}", Some("layers")),
            ("\u{212a}IND", Some("kind")),
            ("k\u{131}nd", None),
            ("kind2", Some("Kind2")),
            ("", None),
        ] {
            assert_eq!(mistaken_for(key, &known), taken_for, "{key}");
        }
        assert_eq!(mistaken_for("A", &["a", "A"]), None);
        let object = |text: &str| {
            parse(text.as_bytes(), &Limits::default())
                .unwrap()
                .as_object()
                .unwrap()
                .clone()
        };
        assert_eq!(only_exact(&object(r#"{"name": 1, "Other": 2}"#), &known), Ok(()));
        assert_eq!(
            only_exact(&object(r#"{"name": 1, "NAME": 2}"#), &known)
                .unwrap_err()
                .to_string(),
            "The JSON cannot be read: the key \"NAME\" is taken for \"name\" by readers to whom case means nothing."
        );
    }

    #[test]
    fn a_key_of_any_length_makes_a_short_error() {
        let key = "k".repeat(100_000);
        assert!(fails(&format!("{{\"{key}\": 1, \"{key}\": 2}}"), &Limits::default()).len() < 250);
    }

    #[test]
    fn twice_the_document_costs_twice_as_much() {
        let cost = |members: usize| {
            let members: Vec<String> = (0..members)
                .map(|number| format!("\"{number:0100}\": [{number}, \"text\"]"))
                .collect();
            let text = format!("{{{}}}", members.join(","));
            allocation_counter::measure(|| drop(parse(text.as_bytes(), &Limits::default()).unwrap()))
        };
        let (once, twice) = (cost(10_000), cost(20_000));
        assert!(
            twice.count_total <= 2 * once.count_total + 20,
            "{once:?} for a size, {twice:?} for twice that"
        );
        assert!(
            twice.bytes_max <= 2 * once.bytes_max + 10_000,
            "{once:?} for a size, {twice:?} for twice that"
        );
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
