//! What Chart.yaml says before and after, dependencies apart.

use portolan_plugin_sdk::Severity;
use serde_json::{Map, Value};

use crate::chart::metadata::METADATA_KEYS;
use crate::chart::{Metadata, version};

use super::collect::{Changes, Group};
use super::values::dotted;

/// Notes the fields that differ, in the order in which Helm writes them; the version first, because everyone asks for it.
pub(super) fn compare(old: &Metadata, new: &Metadata, changes: &mut Changes) {
    let (old, new) = (members(old), members(new));
    let others = METADATA_KEYS
        .iter()
        .copied()
        .filter(|key| !matches!(*key, "version" | "dependencies"));
    for key in std::iter::once("version").chain(others) {
        let (before, after) = (old.get(key), new.get(key));
        if key == "annotations" {
            annotations(before, after, changes);
            continue;
        }
        let (before, after) = (before.map(text), after.map(text));
        let severity = severity(key, before.as_deref(), after.as_deref());
        changes.note(Group::Chart, key, before.as_deref(), after.as_deref(), severity);
    }
}

fn members(metadata: &Metadata) -> Map<String, Value> {
    serde_json::to_value(metadata)
        .ok()
        .and_then(|value| value.as_object().cloned())
        .unwrap_or_default()
}

fn annotations(before: Option<&Value>, after: Option<&Value>, changes: &mut Changes) {
    let members = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let (before, after) = (members(before), members(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (before, after) = (before.get(name).map(text), after.get(name).map(text));
        changes.note(
            Group::Chart,
            &dotted("annotations", name),
            before.as_deref(),
            after.as_deref(),
            Severity::Info,
        );
    }
}

/// The text of a value: a string as it is, anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn severity(key: &str, before: Option<&str>, after: Option<&str>) -> Severity {
    match key {
        "name" | "type" => Severity::High,
        "version" => leap(before, after),
        "deprecated" if after == Some("true") => Severity::High,
        "apiVersion" | "kubeVersion" => Severity::Medium,
        "appVersion" => match leap(before, after) {
            Severity::High => Severity::Medium,
            _ => Severity::Low,
        },
        "condition" | "tags" => Severity::Low,
        _ => Severity::Info,
    }
}

/// How much the step from one version to another matters: another major version breaks, and so does a step back.
pub(super) fn leap(before: Option<&str>, after: Option<&str>) -> Severity {
    let parsed = |text: Option<&str>| text.and_then(version::lenient);
    match (parsed(before), parsed(after)) {
        (Some(old), Some(new)) if old.major != new.major || new < old => Severity::High,
        // Below 1.0.0 every minor version may break.
        (Some(old), Some(new)) if old.minor != new.minor => {
            if old.major == 0 {
                Severity::High
            } else {
                Severity::Medium
            }
        }
        (Some(_), Some(_)) => Severity::Low,
        _ => Severity::Medium,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::chart::metadata::Source;

    use super::*;

    fn metadata(value: &Value) -> Metadata {
        Metadata::read(value, Source::Yaml).0
    }

    #[test]
    fn fields_are_compared() {
        let old = metadata(&json!({
            "name": "web", "version": "1.2.0", "appVersion": "1.0", "description": "A", "keywords": ["a"],
            "annotations": { "a.b/c": "1", "same": "x" }, "dependencies": [{ "name": "db" }],
        }));
        let new = metadata(&json!({
            "name": "web", "version": "2.0.0", "appVersion": "1.1", "keywords": ["a", "b"], "deprecated": true,
            "annotations": { "same": "x", "d": "2" }, "kubeVersion": ">=1.30",
        }));
        let mut changes = Changes::default();
        compare(&old, &new, &mut changes);
        assert_eq!(
            changes.lines(),
            [
                "changed chart.version: 1.2.0 -> 2.0.0 High",
                "removed chart.description: A -> - Info",
                r#"changed chart.keywords: ["a"] -> ["a","b"] Info"#,
                "changed chart.appVersion: 1.0 -> 1.1 Low",
                "added chart.deprecated: - -> true High",
                r#"removed chart.annotations."a.b/c": 1 -> - Info"#,
                "added chart.annotations.d: - -> 2 Info",
                "added chart.kubeVersion: - -> >=1.30 Medium",
            ]
        );
    }

    #[test]
    fn steps_between_versions_matter() {
        for (before, after, expected) in [
            ("1.0.0", "2.0.0", Severity::High),
            ("1.1.0", "1.2.0", Severity::Medium),
            ("0.1.0", "0.2.0", Severity::High),
            ("1.1.0", "1.1.1", Severity::Low),
            ("1.1.1", "1.1.0", Severity::High),
            ("1.1.0", "none", Severity::Medium),
        ] {
            assert_eq!(leap(Some(before), Some(after)), expected, "{before} {after}");
        }
    }
}
