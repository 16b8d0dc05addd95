//! JSON: tokens in any order, sound documents in between, and a client that knows four keys.

use portolan_plugin_sdk::json::{Limits, only_exact, parse};
use serde_json::{Map, Value, json};

use crate::{bytes::damage, choices::Choices, oracle::Reading};

/// Returns what our reader sees.
///
/// # Errors
/// Why it refuses.
pub fn read(input: &[u8]) -> Reading {
    let whole = parse(input, &Limits::default()).map_err(|error| error.to_string())?;
    let Some(object) = whole.as_object() else {
        return Ok(json!({ "whole": plain(&whole) }));
    };
    only_exact(object, &KNOWN).map_err(|error| error.to_string())?;
    let known = KNOWN
        .iter()
        .filter_map(|key| Some((*key, object.get(*key).filter(|value| !value.is_null())?)));
    let known: Map<String, Value> = known.map(|(key, value)| (key.to_owned(), plain(value))).collect();
    Ok(json!({ "whole": plain(&whole), "known": known }))
}

/// The keys that the client of the oracle knows.
const KNOWN: [&str; 4] = ["name", "kind", "layers", "size"];

/// Writes numbers as the bits of their value, as the oracle does, since texts of one number differ.
#[must_use]
pub fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!({ "number": format!("{:016x}", number.as_f64().unwrap_or(f64::NAN).to_bits()) }),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(key, member)| (format!(".{key}"), plain(member)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Makes a document, or something like one.
pub fn generate(choices: &mut Choices) -> Vec<u8> {
    let mut text = Vec::new();
    if choices.percent(25) {
        for _ in 0..=choices.below(6) {
            text.extend(choices.pick::<[u8]>(TOKENS));
        }
    } else {
        value(choices, 3, &mut text);
    }
    if choices.percent(20) {
        damage(&mut text, choices);
    }
    text
}

const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"a\"",
    b"\"A\"",
    b"\"",
    b":",
    b",",
    b"1",
    b"-0",
    b"true",
    b"null",
    b" ",
    b"\n",
    b"{\"a\":1}",
    b"[1]",
    b"\xef\xbb\xbf",
    b"\\",
    b"\xff",
    b"\x0c",
    b"/**/",
    b"NaN",
    b"\0",
    b"'a'",
];

const SCALARS: &[&[u8]] = &[
    b"1",
    b"null",
    b"true",
    b"false",
    b"\"x\"",
    b"\"\"",
    b"-0",
    b"-0.0",
    b"1.0",
    b"1e2",
    b"1E400",
    b"1e-400",
    b"01",
    b".5",
    b"1.",
    b"+1",
    b"0x1",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775809",
    b"-9223372036854775809",
    b"9007199254740993",
    b"0.1",
    b"2.2250738585072011e-308",
    b"1.7976931348623159e308",
    b"123456789012345678901234567890",
    b"\"\\ud800\"",
    b"\"\\ud83d\\ude00\"",
    b"\"\\udc00\\ud800\"",
    b"\"\\u0000\"",
    b"\"\\x\"",
    b"\"\x01\"",
    b"\"\x7f\"",
    b"\"\xff\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xc3\xa9\"",
    b"\"\xe2\x80\xa8\"",
    b"nul",
    b"True",
    b"8.988465674311579e307",
    b"5e-324",
    b"0.30000000000000004e1",
];

/// Keys that a client knows, and keys that Go takes for them.
const KEYS: &[&[u8]] = &[
    b"name",
    b"kind",
    b"layers",
    b"size",
    b"a",
    b"b",
    b"Name",
    b"NAME",
    b"layer\xc5\xbf",
    b"Layers",
    b"\xe2\x84\xaaind",
    b"\\u212aind",
    b"n\\u0061me",
    b"name ",
    b"",
    b"\xc5\xbfize",
    b"k\xc4\xb1nd",
    b"\xff",
    b"__proto__",
];

fn value(choices: &mut Choices, depth: usize, text: &mut Vec<u8>) {
    match choices.below(if depth == 0 { 5 } else { 10 }) {
        4 if choices.percent(50) => number(choices, text),
        0..=4 => text.extend(choices.pick::<[u8]>(SCALARS)),
        5 => list(choices, (b'[', b']'), text, |choices, text| value(choices, depth - 1, text)),
        _ => list(choices, (b'{', b'}'), text, |choices, text| {
            text.push(b'"');
            text.extend(choices.pick::<[u8]>(KEYS));
            text.extend(b"\":");
            value(choices, depth - 1, text);
        }),
    }
}

/// Writes a number of any length: its nearest double is not always the one that a quick reader finds.
fn number(choices: &mut Choices, text: &mut Vec<u8>) {
    let digits = |choices: &mut Choices, count: usize| {
        (0..=choices.below(count))
            .map(|_| choices.below(10).to_string())
            .collect::<String>()
    };
    let number = format!("{}.{}", 1 + choices.below(9), digits(choices, 20));
    let sign = if choices.percent(50) { "-" } else { "" };
    text.extend(format!("{number}e{sign}{}", choices.below(300)).bytes());
}

fn list(choices: &mut Choices, (open, close): (u8, u8), text: &mut Vec<u8>, mut item: impl FnMut(&mut Choices, &mut Vec<u8>)) {
    text.push(open);
    for number in 0..choices.below(5) {
        if number > 0 {
            text.push(b',');
        }
        item(choices, text);
    }
    text.push(close);
}
