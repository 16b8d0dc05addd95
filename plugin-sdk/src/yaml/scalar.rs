//! What a scalar means.

use super::Value;

/// What the tags of YAML itself begin with.
const CORE: &str = "tag:yaml.org,2002:";
/// The tag of a key that asks for the pairs of other maps.
pub(super) const MERGE_TAG: &str = "tag:yaml.org,2002:merge";

/// Resolves a scalar that is plain or has a tag. What is at fault with it is told as a part of a sentence.
pub(super) fn resolve(tag: Option<&str>, text: &str) -> Result<Value, String> {
    let Some(tag) = tag else { return Ok(plain(text)) };
    let wrong = |name: &str| Err(format!("{:?} is tagged !!{name}, which it is not", shown(text)));
    match tag.strip_prefix(CORE) {
        Some("binary") => binary(text).map(Value::String),
        Some("timestamp") => Err("the tag !!timestamp is not read; put the time in quotes".to_owned()),
        Some("float") => match plain(text) {
            Value::Int(number) => Ok(float(number)),
            Value::Float(number) => Ok(Value::Float(number)),
            _ => wrong("float"),
        },
        Some(name @ ("bool" | "int" | "null")) => match (name, plain(text)) {
            ("bool", value @ Value::Bool(_))
            | ("int", value @ (Value::Int(_) | Value::Unsigned(_)))
            | ("null", value @ Value::Null) => Ok(value),
            _ => wrong(name),
        },
        // A tag that means nothing here leaves the text as it is, as `!!str` does.
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// The beginning of a text, for messages: whoever wrote the text may have made it a megabyte long.
pub(super) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    let end = text.char_indices().nth(CHARACTERS_MAX);
    end.map_or_else(
        || text.to_owned(),
        |(end, _)| format!("{}…", text.get(..end).unwrap_or_default()),
    )
}

#[expect(clippy::cast_precision_loss, reason = "a float is what the author asked for")]
fn float(value: i64) -> Value {
    Value::Float(value as f64)
}

/// Resolves a plain scalar without a tag.
fn plain(text: &str) -> Value {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(Value::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => Some(Value::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(Value::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => Some(Value::Float(f64::NEG_INFINITY)),
        _ => number(text),
    };
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn number(text: &str) -> Option<Value> {
    if text.starts_with('.') {
        return separates_digits(text).then(|| decimal(&text.replace('_', ""))).flatten();
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-')) {
        return None;
    }
    let digits = text.replace('_', "");
    let (sign, unsigned) = match digits.strip_prefix(['+', '-']) {
        Some(unsigned) => (digits.get(..1).unwrap_or_default(), unsigned),
        None => ("", digits.as_str()),
    };
    integer(sign, unsigned)
        .or_else(|| decimal(&digits))
        .or_else(|| signed_binary(&digits))
}

/// Says whether every `_` stands between two digits. Only behind a leading `.` does it have to.
fn separates_digits(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    (0..bytes.len())
        .filter(|at| bytes.get(*at) == Some(&b'_'))
        .all(|at| is_digit(at.checked_sub(1).and_then(|before| bytes.get(before))) && is_digit(bytes.get(at + 1)))
}

fn integer(sign: &str, digits: &str) -> Option<Value> {
    let (digits, radix) = match digits.get(..2).filter(|_| digits.len() > 2) {
        Some("0x" | "0X") => (digits.get(2..)?, 16),
        Some("0o" | "0O") => (digits.get(2..)?, 8),
        Some("0b" | "0B") => (digits.get(2..)?, 2),
        _ if digits.len() > 1 && digits.starts_with('0') => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    // `from_str_radix` takes a sign of its own, which would be a second one here.
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    let number = u64::from_str_radix(digits, radix).ok()?;
    match (i64::try_from(number), sign) {
        (Ok(number), "-") => Some(Value::Int(-number)),
        (Ok(number), _) => Some(Value::Int(number)),
        (Err(_), "") => Some(Value::Unsigned(number)),
        (Err(_), "-") if number == i64::MIN.unsigned_abs() => Some(Value::Int(i64::MIN)),
        _ => None,
    }
}

/// Reads `0b-1`, in which Go's reader takes the sign too.
fn signed_binary(digits: &str) -> Option<Value> {
    let digits = digits.strip_prefix("0b")?;
    digits
        .starts_with(['+', '-'])
        .then(|| i64::from_str_radix(digits, 2).ok().map(Value::Int))
        .flatten()
}

/// Reads a number with a fraction or an exponent, or an integer that is too large for any other.
fn decimal(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digit = !whole.is_empty() || !fraction.is_empty();
    let exponent_is_right = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && is_digits(digits)
    });
    if !has_digit || !is_digits(whole) || !is_digits(fraction) || !exponent_is_right {
        return None;
    }
    // What is too large for a float stays a string, as in Go: the abbreviated hash `12e4567` is no number.
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.map(Value::Float)
}

/// Returns the text that a float becomes where a string is expected: the shortest that means it in single precision, with an exponent
/// below -4 and from 6 on, so that `1000000.0` is `1e+06`.
#[expect(clippy::cast_possible_truncation, reason = "Go's readers write floats in single precision")]
pub(super) fn float_text(number: f64) -> String {
    let number = number as f32;
    if !number.is_finite() {
        let text = if number.is_nan() { "NaN" } else { "Inf" };
        let sign = match number.total_cmp(&0.0) {
            _ if number.is_nan() => "",
            std::cmp::Ordering::Less => "-",
            _ => "+",
        };
        return format!("{sign}{text}");
    }
    let scientific = format!("{number:e}");
    match scientific
        .split_once('e')
        .map(|(digits, exponent)| (digits, exponent.parse::<i32>()))
    {
        Some((digits, Ok(exponent))) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}

/// Returns the text that a float becomes as a key.
pub(super) fn key_text(number: f64) -> String {
    match float_text(number).as_str() {
        "+Inf" => ".inf".to_owned(),
        "-Inf" => "-.inf".to_owned(),
        "NaN" => ".nan".to_owned(),
        text => text.to_owned(),
    }
}

/// Decodes text in base64, broken into lines or not.
fn binary(text: &str) -> Result<String, String> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let padding = digits.iter().rev().take_while(|byte| **byte == b'=').count();
    let wrong = || "what is tagged !!binary is no base64".to_owned();
    if !digits.len().is_multiple_of(4) || padding > 2 {
        return Err(wrong());
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group.iter().take_while(|digit| **digit != b'=') {
            bits = bits << 6 | sextet(*digit).ok_or_else(wrong)?;
        }
        let count = group.iter().take_while(|digit| **digit != b'=').count();
        bits <<= 6 * (4 - count);
        bytes.extend(bits.to_be_bytes().into_iter().skip(1).take(count.saturating_sub(1)));
    }
    let expected = digits.len() / 4 * 3 - padding;
    if bytes.len() != expected {
        return Err(wrong());
    }
    String::from_utf8(bytes).map_err(|_| "what is tagged !!binary is no text, which no JSON can hold".to_owned())
}

fn sextet(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}
