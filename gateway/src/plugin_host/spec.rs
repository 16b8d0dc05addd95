//! What a plugin says about itself.
//!
//! The text that `describe` returns is checked against the published schema, so that an author learns of every slip at once, and then
//! read. Nothing in it is trusted to be short or harmless.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest text that `describe` may return, in bytes.
const SPEC_BYTES_MAX: usize = 256 << 10;
/// How many faults are told at once.
const FAULTS_MAX: usize = 5;
/// The first segments of paths that no service can be mounted at: those of the gateway itself, and those that it will need for a user
/// interface and for authentication.
pub const RESERVED_MOUNTS: [&str; 8] = ["v2", "healthz", "readyz", "metrics", ".well-known", "ui", "token", "auth"];

/// The published schema, ready to check.
static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(include_str!("spec.schema.json")).expect("the schema is JSON: a test reads it");
    jsonschema::validator_for(&schema).expect("the schema is a JSON Schema: a test compiles it")
});

/// Who a plugin is, which artifacts it claims, and what it offers for them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) title: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) icon: Option<String>,
    pub(super) claims: Vec<Claim>,
    #[serde(default)]
    pub(super) views: Vec<ViewSpec>,
    #[serde(default)]
    pub(super) service: ServiceSpec,
    #[serde(default)]
    pub(super) commands: Vec<CommandSpec>,
    pub(super) settings: Option<Value>,
    #[serde(default)]
    pub(super) limits: SuggestedLimits,
}

/// An artifact type that a plugin claims.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Claim {
    /// The artifact type. A `*` at the end makes a pattern.
    #[serde(rename = "type")]
    pub artifact_type: String,
    /// The name of such an artifact for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl Claim {
    /// Returns how types begin that are claimed, where this is a pattern.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        self.artifact_type.strip_suffix('*')
    }
}

/// A view that a plugin renders.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewSpec {
    /// The name of the view in addresses.
    pub name: String,
    /// The name of the view for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the view shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The media type that the view usually has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What can be asked of the view.
    #[serde(default)]
    pub options: Vec<OptionSpec>,
}

/// What can be asked of a view.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct OptionSpec {
    /// The name of the option in addresses.
    pub name: String,
    /// What the option does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the view cannot be rendered without it.
    #[serde(default)]
    pub required: bool,
}

/// Where a plugin answers a native client protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// The first segment of the paths that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
    /// The documents below `/.well-known/` that it answers.
    #[serde(default)]
    pub well_known: Vec<String>,
}

/// Something that people do with an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct CommandSpec {
    /// What it does.
    pub title: String,
    /// The command, with placeholders in braces.
    pub command: String,
}

/// What one call of the plugin usually needs at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SuggestedLimits {
    pub(super) memory_bytes: Option<u64>,
    pub(super) time_ms: Option<u64>,
}

impl Spec {
    /// Reads the text that `describe` returned. The error is a sentence for the author.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > SPEC_BYTES_MAX {
            return Err(format!(
                "describe returns {} bytes; at most {SPEC_BYTES_MAX} are allowed",
                text.len()
            ));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("describe does not return JSON: {error}"))?;
        if value.get("claims").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            return Err("it claims nothing: \"claims\" in what describe returns needs at least one artifact type".into());
        }
        let faults: Vec<String> = SCHEMA
            .iter_errors(&value)
            .take(FAULTS_MAX)
            .map(|fault| told(&fault))
            .collect();
        if !faults.is_empty() {
            return Err(format!(
                "what describe returns does not follow the schema of specs: {}",
                faults.join("; ")
            ));
        }
        let spec: Self =
            serde_json::from_value(value).map_err(|error| format!("what describe returns cannot be read: {error}"))?;
        spec.check()?;
        Ok(spec)
    }

    /// Checks what a schema cannot say.
    fn check(&self) -> Result<(), String> {
        if let Some(mount) = self.service.mount.as_deref().filter(|mount| RESERVED_MOUNTS.contains(mount)) {
            return Err(format!("its mount {mount:?} belongs to the gateway; choose another"));
        }
        let views = self.views.iter().map(|view| view.name.as_str());
        let claims = self.claims.iter().map(|claim| claim.artifact_type.as_str());
        for (what, twice) in [("view", repeated(views)), ("claim", repeated(claims))] {
            if let Some(twice) = twice {
                return Err(format!("the {what} {twice:?} occurs twice in what describe returns"));
            }
        }
        Ok(())
    }

    /// Returns the name for people.
    pub(super) fn shown_title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}

/// Checks the operator's settings against the schema in the spec. The error is a sentence for the operator.
pub(super) fn check_settings(schema: Option<&Value>, settings: &Value) -> Result<(), String> {
    let Some(schema) = schema else {
        return match settings.as_object() {
            Some(settings) if !settings.is_empty() => Err("settings are configured, but this plugin has none".into()),
            _ => Ok(()),
        };
    };
    let validator =
        jsonschema::validator_for(schema).map_err(|error| format!("the schema of its settings is not usable: {error}"))?;
    let faults: Vec<String> = validator
        .iter_errors(settings)
        .take(FAULTS_MAX)
        .map(|fault| told(&fault))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("the configured settings do not suit it: {}", faults.join("; ")))
    }
}

/// Says where a fault is and what it is.
fn told(fault: &jsonschema::ValidationError<'_>) -> String {
    let place = fault.instance_path().to_string();
    let fault: String = fault.to_string().chars().take(300).collect();
    if place.is_empty() {
        fault
    } else {
        format!("{place}: {fault}")
    }
}

fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::HashSet::new();
    let mut names = names;
    names.find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(change: impl FnOnce(&mut Value)) -> Result<Spec, String> {
        let mut spec = json!({ "name": "note", "version": "1.0.0", "claims": [{ "type": "application/vnd.test.note" }] });
        change(&mut spec);
        Spec::parse(&spec.to_string())
    }

    #[test]
    fn reads_a_whole_spec() {
        let spec = check(|spec| {
            spec["views"] = json!([{ "name": "text", "title": "Text", "mediaType": "text/plain", "options": [{ "name": "line", "description": "Which.", "required": true }] }]);
            spec["service"] = json!({ "mount": "notes", "wellKnown": ["notes.json"] });
            spec["commands"] = json!([{ "title": "Pull", "command": "pull {repository}" }]);
            spec["settings"] = json!({ "type": "object" });
            spec["limits"] = json!({ "memoryBytes": 1 << 20, "timeMs": 100 });
            spec["x-anything"] = json!(1);
        });
        let spec = spec.unwrap();
        assert!(spec.views[0].options[0].required);
        assert_eq!(spec.service.mount.as_deref(), Some("notes"));
        assert_eq!(spec.limits.memory_bytes, Some(1 << 20));
    }

    #[test]
    fn says_what_is_wrong() {
        let cases: [(&str, Value, &str); 12] = [
            ("name", json!("Note"), "/name"),
            ("version", json!(""), "/version"),
            ("claims", json!([]), "claims nothing"),
            ("claims", json!([{ "type": "a b" }]), "/claims/0/type"),
            ("claims", json!([{ "type": "*" }]), "/claims/0/type"),
            ("claims", json!([{ "type": "a/b*c" }]), "/claims/0/type"),
            ("claims", json!([{ "type": "a/b" }, { "type": "a/b" }]), "twice"),
            ("service", json!({ "mount": "v2" }), "belongs to the gateway"),
            ("service", json!({ "wellKnown": ["../x"] }), "/service/wellKnown/0"),
            ("views", json!([{ "name": "a", "option": [] }]), "'option'"),
            ("views", json!([{ "name": "a" }, { "name": "a" }]), "twice"),
            ("colour", json!("red"), "'colour'"),
        ];
        for (key, value, expected) in cases {
            let error = check(|spec| spec[key] = value.clone()).expect_err(key);
            assert!(error.contains(expected), "{key} {value}: {error}");
        }
        for mount in RESERVED_MOUNTS.iter().filter(|mount| !mount.starts_with('.')) {
            let error = check(|spec| spec["service"] = json!({ "mount": mount })).expect_err(mount);
            assert!(error.contains("belongs to the gateway"), "{mount}: {error}");
        }
        assert!(Spec::parse("{").unwrap_err().contains("JSON"));
        assert!(Spec::parse(&" ".repeat(SPEC_BYTES_MAX + 1)).unwrap_err().contains("at most"));
        assert!(check(|spec| spec["claims"] = json!([{ "type": "application/*" }])).is_ok());
    }

    #[test]
    fn settings_have_to_suit_the_schema() {
        let schema =
            json!({ "type": "object", "properties": { "strict": { "type": "boolean" } }, "additionalProperties": false });
        assert!(check_settings(Some(&schema), &json!({ "strict": true })).is_ok());
        assert!(
            check_settings(Some(&schema), &json!({ "strict": 1 }))
                .unwrap_err()
                .contains("/strict")
        );
        assert!(check_settings(None, &json!({})).is_ok());
        assert!(check_settings(None, &json!({ "a": 1 })).unwrap_err().contains("has none"));
    }
}
