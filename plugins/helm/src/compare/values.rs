//! Which default values a chart has before and after, key by key.

use std::collections::BTreeMap;

use portolan_plugin_sdk::Severity;
use portolan_plugin_sdk::yaml::{Node, Value};

use super::collect::{Changes, Group};

/// Notes keys that came, went or have another default. Mappings are entered; lists are values of their own.
///
/// A key that went matters most: whoever set it is no longer heard.
pub(super) fn compare(old: Option<&Node>, new: Option<&Node>, changes: &mut Changes) {
    let mut walk = Walk {
        path: String::new(),
        changes,
    };
    walk.mappings(members(old), members(new));
}

/// Both values at once, with the path that leads to them: it is one text, to which every key is added only once.
struct Walk<'a> {
    path: String,
    changes: &'a mut Changes,
}

impl Walk<'_> {
    fn mappings(&mut self, old: &[(Node, Node)], new: &[(Node, Node)]) {
        let mut both: BTreeMap<&str, (Option<&Node>, Option<&Node>)> = BTreeMap::new();
        for (key, value) in old {
            both.entry(key.as_str().unwrap_or_default()).or_default().0 = Some(value);
        }
        for (key, value) in new {
            both.entry(key.as_str().unwrap_or_default()).or_default().1 = Some(value);
        }
        let start = self.path.len();
        for (key, (before, after)) in both {
            if start > 0 {
                self.path.push('.');
            }
            self.path.push_str(&quoted(key));
            self.values(before, after);
            self.path.truncate(start);
        }
    }

    // Parsing has bounded how deep values nest.
    fn values(&mut self, before: Option<&Node>, after: Option<&Node>) {
        let (old, new) = (members(before), members(after));
        if !old.is_empty() || !new.is_empty() {
            // A mapping that was none or empty and is no longer, or the other way round, is told by what is in it.
            return self.mappings(old, new);
        }
        let (before, after) = (before.map(text), after.map(text));
        let severity = match (&before, &after) {
            (Some(_), None) => Severity::High,
            (Some(_), Some(_)) => Severity::Medium,
            _ => Severity::Low,
        };
        self.changes
            .note(Group::Values, &self.path, before.as_deref(), after.as_deref(), severity);
    }
}

fn members(node: Option<&Node>) -> &[(Node, Node)] {
    node.and_then(Node::as_map).unwrap_or_default()
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
        let parsed = |text: &str| source::merged(source::parts(text.as_bytes(), "values.yaml", "x", &mut Vec::new()).unwrap());
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
