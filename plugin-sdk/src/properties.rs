//! The open field at the end of every record.

use serde_json::{Map, Value};

/// What a record has no field for: the members of a JSON object.
pub type Properties = Map<String, Value>;

/// Returns the text that the contract wants, which is empty for the empty object.
pub(crate) fn to_text(properties: &Properties) -> String {
    if properties.is_empty() {
        String::new()
    } else {
        Value::Object(properties.clone()).to_string()
    }
}

/// Reads what the gateway sent. It sends objects, so that anything else is as good as nothing.
pub(crate) fn from_text(text: &str) -> Properties {
    serde_json::from_str(text).unwrap_or_default()
}
