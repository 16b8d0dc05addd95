//! Which default values a chart has before and after, key by key.

use std::collections::{BTreeMap, BTreeSet};

use portolan_plugin_sdk::Severity;
use portolan_plugin_sdk::yaml::{Node, Value};

use super::collect::{Changes, Group};

/// Notes keys that came, went or have another default. Mappings are entered; lists are values of their own.
///
/// A key that went matters most: whoever set it is no longer heard.
pub(super) fn compare(old: Option<&Node>, new: Option<&Node>, changes: &mut Changes) {
    let (old, new) = (leaves(old), leaves(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let (before, after) = (old.get(key), new.get(key));
        // A mapping that was empty and is no longer, or the other way round, is told by what is in it.
        if before.is_none() && holds(&old, key) || after.is_none() && holds(&new, key) {
            continue;
        }
        let text = |node: &&Node| text(node);
        let (before, after) = (before.map(text), after.map(text));
        let severity = match (&before, &after) {
            (Some(_), None) => Severity::High,
            (Some(_), Some(_)) => Severity::Medium,
            _ => Severity::Low,
        };
        changes.note(Group::Values, key, before.as_deref(), after.as_deref(), severity);
    }
}

/// Whether a key is a mapping with keys of its own.
fn holds(leaves: &BTreeMap<String, &Node>, key: &str) -> bool {
    let start = format!("{key}.");
    leaves
        .range(start.clone()..)
        .next()
        .is_some_and(|(path, _)| path.starts_with(&start))
}

fn leaves(values: Option<&Node>) -> BTreeMap<String, &Node> {
    let mut found = BTreeMap::new();
    let members = values.and_then(Node::as_map).unwrap_or_default();
    // Parsing has bounded how deep values nest.
    members
        .iter()
        .for_each(|(key, value)| enter(quoted(&name(key)), value, &mut found));
    found
}

fn enter<'a>(path: String, node: &'a Node, found: &mut BTreeMap<String, &'a Node>) {
    match node.as_map() {
        Some(members) if !members.is_empty() => {
            members
                .iter()
                .for_each(|(key, value)| enter(dotted(&path, &name(key)), value, found));
        }
        _ => {
            found.insert(path, node);
        }
    }
}

fn name(key: &Node) -> String {
    key.as_str().map_or_else(|| key.to_json().to_string(), str::to_owned)
}

/// The text of a value. What would read like a value of another type is quoted: `"1"` is not `1`.
fn text(node: &Node) -> String {
    match &node.value {
        Value::String(text) if !is_mistakable(text) => text.clone(),
        _ => node.to_json().to_string(),
    }
}

fn is_mistakable(text: &str) -> bool {
    text.is_empty() || serde_json::from_str::<serde_json::Value>(text).is_ok()
}

/// Joins a key to the path of its mapping.
pub(super) fn dotted(path: &str, key: &str) -> String {
    format!("{path}.{}", quoted(key))
}

/// Quotes a key that would read like several.
pub(super) fn quoted(key: &str) -> String {
    if key.is_empty() || key.contains(['.', '"', ' ', '\n']) {
        serde_json::Value::from(key).to_string()
    } else {
        key.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::chart::source;

    use super::*;

    fn compared(old: &str, new: &str) -> Vec<String> {
        let parsed = |text: &str| source::merged(source::parse(text).unwrap().0);
        let mut changes = Changes::default();
        compare(parsed(old).as_ref(), parsed(new).as_ref(), &mut changes);
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let line = |change: &portolan_plugin_sdk::Change| {
            format!(
                "{} {}: {} -> {} {:?}",
                change.kind,
                change.path,
                shown(&change.before),
                shown(&change.after),
                change.severity
            )
        };
        changes.finish().iter().map(line).collect()
    }

    #[test]
    fn values_are_compared_key_by_key() {
        let old =
            "image:\n  tag: \"1.0\"\n  pull: Always\nreplicas: 1\nhosts: [a]\nlabels: {a.b/c: x}\nempty: {}\nsame: {x: [1]}\n";
        let new = "image:\n  tag: 1.0\nreplicas: 2\nhosts: [a, b]\nlabels: {}\nempty:\n  now: null\nsame: {x: [1]}\n";
        assert_eq!(
            compared(old, new),
            [
                "added values.empty.now: - -> null Low",
                r#"changed values.hosts: ["a"] -> ["a","b"] Medium"#,
                "removed values.image.pull: Always -> - High",
                r#"changed values.image.tag: "1.0" -> 1.0 Medium"#,
                r#"removed values.labels."a.b/c": x -> - High"#,
                "changed values.replicas: 1 -> 2 Medium",
            ]
        );
    }

    #[test]
    fn comments_and_order_do_not_matter() {
        assert_eq!(compared("# a\na: 1\nb: 2\n", "b: 2\na: 1\n"), [""; 0]);
        assert_eq!(compared("", ""), [""; 0]);
        assert_eq!(compared("", "a: ''"), [r#"added values.a: - -> "" Low"#]);
    }
}
