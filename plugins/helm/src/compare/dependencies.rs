//! Which charts a chart needs before and after.

use std::collections::BTreeMap;

use portolan_plugin_sdk::Severity;

use crate::chart::{Dependency, Metadata};

use super::collect::{Changes, Group};
use super::metadata::leap;
use super::values::quoted;

/// Notes dependencies that came, went or are wanted in another version or from elsewhere. They are told apart by the name under which
/// the chart uses them.
pub(super) fn compare(old: &Metadata, new: &Metadata, changes: &mut Changes) {
    let (old, new) = (by_key(old), by_key(new));
    let keys: std::collections::BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    for key in keys {
        let path = quoted(key);
        match (old.get(key), new.get(key)) {
            (Some(before), Some(after)) => fields(&path, before, after, changes),
            (before, after) => {
                let text = |dependency: &&Dependency| shown(dependency);
                let (before, after) = (before.map(text), after.map(text));
                changes.note(
                    Group::Dependencies,
                    &path,
                    before.as_deref(),
                    after.as_deref(),
                    Severity::Medium,
                );
            }
        }
    }
}

fn by_key(metadata: &Metadata) -> BTreeMap<&str, &Dependency> {
    metadata
        .dependencies()
        .map(|dependency| (dependency.key(), dependency))
        .collect()
}

/// A dependency in one line: name, version and repository.
fn shown(dependency: &Dependency) -> String {
    let parts = [&dependency.name, &dependency.version, &dependency.repository];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

fn fields(path: &str, before: &Dependency, after: &Dependency, changes: &mut Changes) {
    let mut note = |field: &str, before: &str, after: &str, severity| {
        let present = |text| Some(text).filter(|text: &&str| !text.is_empty());
        changes.note(
            Group::Dependencies,
            &format!("{path}.{field}"),
            present(before),
            present(after),
            severity,
        );
    };
    let step = match leap(Some(lowest(&before.version)), Some(lowest(&after.version))) {
        Severity::High => Severity::Medium,
        _ => Severity::Low,
    };
    note("name", &before.name, &after.name, Severity::Medium);
    note("version", &before.version, &after.version, step);
    note("repository", &before.repository, &after.repository, Severity::Medium);
    note("condition", &before.condition, &after.condition, Severity::Low);
    note("tags", &before.tags.join(", "), &after.tags.join(", "), Severity::Low);
    let import = |dependency: &Dependency| match dependency.import_values.as_slice() {
        [] => String::new(),
        values => serde_json::Value::from(values).to_string(),
    };
    note("import-values", &import(before), &import(after), Severity::Low);
}

/// The version that a range begins with, where it is one of the usual forms.
fn lowest(range: &str) -> &str {
    let range = range.trim_start_matches(['^', '~', '>', '=', ' ']);
    range.split([' ', ',', '|']).next().unwrap_or(range)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::chart::metadata::Source;

    use super::*;

    fn metadata(dependencies: &Value) -> Metadata {
        Metadata::read(&json!({ "dependencies": dependencies }), Source::Yaml).0
    }

    #[test]
    fn dependencies_are_compared() {
        let old = metadata(&json!([
            { "name": "db", "version": "^1.2.0", "repository": "https://a.example" },
            { "name": "cache", "version": "1.0.0", "repository": "oci://a.example" },
            { "name": "db", "alias": "other", "version": "1.0.0", "repository": "" },
        ]));
        let new = metadata(&json!([
            { "name": "db", "version": "^2.0.0", "repository": "https://a.example", "condition": "db.enabled" },
            { "name": "db", "alias": "other", "version": "1.0.1", "repository": "" },
            { "name": "queue", "version": "3.0.0", "repository": "" },
        ]));
        let mut changes = Changes::default();
        compare(&old, &new, &mut changes);
        assert_eq!(
            changes.lines(),
            [
                "removed dependencies.cache: cache 1.0.0 oci://a.example -> - Medium",
                "changed dependencies.db.version: ^1.2.0 -> ^2.0.0 Medium",
                "added dependencies.db.condition: - -> db.enabled Low",
                "changed dependencies.other.version: 1.0.0 -> 1.0.1 Low",
                "added dependencies.queue: - -> queue 3.0.0 Medium",
            ]
        );
    }
}
