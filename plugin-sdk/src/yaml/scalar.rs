//! What a plain scalar means.

use super::Value;

/// Resolves a scalar without quotes and without a tag.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        _ => number(text).unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// Resolves a scalar by a tag of the core schema. Other tags mean nothing here.
pub(super) fn tagged(suffix: &str, text: &str, quoted: bool) -> Value {
    match suffix {
        "str" | "binary" => Value::String(text.to_owned()),
        "null" => Value::Null,
        "int" | "float" | "bool" => match resolve(text) {
            Value::Int(value) if suffix == "float" => float(value),
            value => value,
        },
        _ if quoted => Value::String(text.to_owned()),
        _ => resolve(text),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a float is what the author asked for")]
fn float(value: i64) -> Value {
    Value::Float(value as f64)
}

fn number(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    integer(text).or_else(|| decimal(text))
}

fn integer(text: &str) -> Option<Value> {
    let digits = text.replace('_', "");
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (digits.get(2..)?, 16),
        Some("0o") => (digits.get(2..)?, 8),
        Some("0b") => (digits.get(2..)?, 2),
        _ if digits.len() > 1 && digits.starts_with('0') => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    // `from_str_radix` takes a sign of its own, which would be a second one here.
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok().map(Value::Int)
}

/// Reads a number with a fraction or an exponent, or an integer that is too large for [`Value::Int`].
fn decimal(text: &str) -> Option<Value> {
    let digits = text.replace('_', "");
    let shape = |character: char| character.is_ascii_digit() || matches!(character, '.' | 'e' | 'E' | '+' | '-');
    let has_digit = digits.contains(|character: char| character.is_ascii_digit());
    if !has_digit || !digits.chars().all(shape) {
        return None;
    }
    // What is too large for a float stays a string, as in Go: the abbreviated hash `12e4567` is no number.
    digits
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .map(Value::Float)
}
