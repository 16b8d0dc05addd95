//! Scalars as Go writes them: Helm's view of numbers where Chart.yaml should hold strings.

use portolan_plugin_sdk::yaml::float_text;
use serde_json::Value;

/// Names the type of a value for people.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// Writes a scalar as text; lists and mappings have none.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float_text(float),
            _ => number.to_string(),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_read_as_go_writes_them() {
        for (value, expected) in [
            (json!(1.1), "1.1"),
            (json!(3), "3"),
            (json!(-7), "-7"),
            (json!(1.0), "1"),
            (json!(1_000_000.0), "1e+06"),
            (json!(123_456.5), "123456.5"),
            (json!(1e21), "1e+21"),
            (json!(0.00001), "1e-05"),
            (json!(1.123_456_789), "1.1234568"),
            (json!(18_446_744_073_709_551_615_u64), "18446744073709551615"),
            (json!(true), "true"),
        ] {
            assert_eq!(text(&value), expected);
        }
    }
}
