//! Which key of a document Helm takes for which field.
//!
//! Helm reads Chart.yaml through Go's JSON reader, which takes a key in any case for the field that it spells, `ſ` for `s` and the sign
//! of the kelvin for `k`. Other readers take only the key itself. Of two such keys the one counts whose bytes come last, so that
//! `version` and `verſion` would name one version to people and another to Helm.

use portolan_plugin_sdk::{json, yaml::Node};

use super::fault::Fault;
use super::metadata::{DEPENDENCY_KEYS, MAINTAINER_KEYS, METADATA_KEYS};
use super::source;

/// The keys of a lock that Helm knows.
pub const LOCK_KEYS: [&str; 3] = ["generated", "digest", "dependencies"];

/// The most keys in another case that are stated for one file.
const NOTES_MAX: usize = 20;

/// Whether Go's JSON reader takes a key for a field.
pub fn folds_to(key: &str, field: &str) -> bool {
    key == field || json::mistaken_for(key, &[field]).is_some()
}

/// Finds two keys that Go's JSON reader takes for one field.
pub fn conflict<'a>(keys: impl Iterator<Item = &'a str>, fields: &[&str]) -> Option<(&'a str, &'a str)> {
    let mut seen: Vec<Option<&str>> = vec![None; fields.len()];
    for key in keys {
        let field = fields.iter().position(|field| folds_to(key, field));
        let Some(place) = field.and_then(|field| seen.get_mut(field)) else {
            continue;
        };
        if let Some(first) = place.replace(key) {
            return Some((first, key));
        }
    }
    None
}

/// Judges the keys of a file with metadata, and of the maintainers and dependencies in it.
pub fn judge(node: &Node, path: &str, fields: &[&str]) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.mapping(node, (path, ""), fields);
    for (list, fields) in [("maintainers", &MAINTAINER_KEYS[..]), ("dependencies", &DEPENDENCY_KEYS[..])] {
        let items = source::locate(node, &format!("/{list}")).and_then(Node::as_list);
        for (index, item) in items.unwrap_or_default().iter().enumerate() {
            verdict.mapping(item, (path, &format!(" (item {index} of {list})")), fields);
        }
    }
    verdict
}

/// Judges the keys of Chart.yaml or of a file that is read over it.
pub fn metadata(node: &Node, path: &str) -> Verdict {
    judge(node, path, &METADATA_KEYS)
}

/// What there is to say about keys.
#[derive(Default)]
pub struct Verdict {
    /// Two keys for one field.
    pub faults: Vec<Fault>,
    /// A key in another case.
    pub notes: Vec<Fault>,
}

impl Verdict {
    fn mapping(&mut self, node: &Node, (path, place): (&str, &str), fields: &[&str]) {
        let members = node.as_map().unwrap_or_default();
        let named = || members.iter().filter_map(|(key, _)| Some((key, key.as_str()?)));
        if let Some((first, second)) = conflict(named().map(|(_, name)| name), fields).filter(|_| self.faults.len() < NOTES_MAX) {
            let message = format!(
                "{path}{place} has the keys {first:?} and {second:?}, which are one for Helm and two for other readers. Remove one of them."
            );
            let at = named().find(|(_, name)| *name == second);
            let (line, column) = at.map_or((node.line, node.column), |(key, _)| (key.line, key.column));
            self.faults
                .push(Fault::new("helm/key-ambiguous", message).in_file(path).at(line, column));
        }
        for (key, name) in named() {
            let field = fields.iter().find(|field| **field != name && folds_to(name, field));
            if let Some(field) = field.filter(|_| self.notes.len() < NOTES_MAX) {
                let message =
                    format!("Helm takes the key {name:?} of {path}{place} for {field}, other readers do not. Write `{field}:`.");
                self.notes
                    .push(Fault::new("helm/key-case", message).in_file(path).at(key.line, key.column));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fold_as_in_go() {
        for (key, field, expected) in [
            ("name", "name", true),
            ("Name", "name", true),
            ("ver\u{17f}ion", "version", true),
            ("\u{212a}ubeVersion", "kubeVersion", true),
            ("APIVERSION", "apiVersion", true),
            ("names", "name", false),
            ("nam", "name", false),
            ("n\u{e4}me", "name", false),
        ] {
            assert_eq!(folds_to(key, field), expected, "{key}");
        }
    }

    #[test]
    fn two_keys_for_one_field_are_found() {
        let found = |keys: &[&'static str]| conflict(keys.iter().copied(), &["name", "version"]);
        assert_eq!(found(&["name", "version", "other", "Other"]), None);
        assert_eq!(found(&["Name"]), None);
        assert_eq!(found(&["name", "x", "NAME"]), Some(("name", "NAME")));
    }
}
