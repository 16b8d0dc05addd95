//! YAML of a chart: parsing under bounds, places in it, and what Helm makes of several documents.

mod loose;

use portolan_plugin_sdk::yaml::{self, Limits, Node, Value, YamlError};

use super::fault::Fault;
use super::scalar;

/// The most values in one file, with aliases resolved: ten times those of the largest public charts.
pub const NODES_MAX: usize = 200_000;
/// How deep values may nest.
pub const DEPTH_MAX: usize = 100;

/// Parses all documents of a text. Of a key that is there twice the last counts, as it does for Helm; each such key is returned too.
pub fn parse(text: &str) -> Result<(Vec<Node>, Vec<YamlError>), YamlError> {
    let bytes_max = usize::try_from(super::package::FILE_BYTES_MAX).unwrap_or(usize::MAX);
    let limits = Limits {
        depth_max: DEPTH_MAX,
        nodes_max: NODES_MAX,
        bytes_max,
    };
    yaml::parse_lenient(text, &limits).or_else(|error| yaml::parse_lenient(&loose::rewritten(text), &limits).map_err(|_| error))
}

/// Parses all documents of a file of a chart. What is wrong with it becomes a fault under `rule`; what Helm forgives is noted.
pub fn documents(content: &[u8], path: &str, rule: &'static str, notes: &mut Vec<Fault>) -> Result<Vec<Node>, Fault> {
    let Ok(text) = std::str::from_utf8(content) else {
        return Err(Fault::new(rule, format!("{path} is not UTF-8 text. Save it as UTF-8.")).in_file(path));
    };
    let (documents, duplicates) = parse(text).map_err(|error| {
        // What is never closed is noticed behind the last line, where nobody would look for it.
        let line = error.line.min(u32::try_from(text.lines().count()).unwrap_or(u32::MAX)).max(1);
        let message = format!("{path} is not valid YAML: {}. Correct line {line}.", error.message);
        Fault::new(rule, message).in_file(path).at(line, error.column)
    })?;
    if let Some(character) = text.chars().find(|character| is_forbidden(*character)) {
        let message = format!("{path} holds the control character {character:?}, which YAML does not allow. Remove it.");
        return Err(Fault::new(rule, message).in_file(path));
    }
    if let Some((line, column, problem)) = documents.iter().find_map(unsound) {
        let message = format!("{path} {problem}, which Helm cannot read. Correct line {line}.");
        return Err(Fault::new(rule, message).in_file(path).at(line, column));
    }
    notes.extend(duplicates.into_iter().take(DUPLICATES_STATED_MAX).map(|duplicate| {
        let message = format!("In {path} {}. The last one counts; remove the others.", duplicate.message);
        Fault::new("helm/yaml-duplicate-key", message)
            .in_file(path)
            .at(duplicate.line, duplicate.column)
    }));
    Ok(documents)
}

/// The most repeated keys of one file that are stated.
const DUPLICATES_STATED_MAX: usize = 20;

/// Whether a character may not stand in YAML, not even in quotes.
fn is_forbidden(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{85}')
}

/// Finds what is YAML but has no form in JSON, through which Helm reads: line, column and what it is.
fn unsound(node: &Node) -> Option<(u32, u32, &'static str)> {
    match &node.value {
        Value::Float(number) if !number.is_finite() => Some((node.line, node.column, "holds a number that is not finite")),
        Value::List(items) => items.iter().find_map(unsound),
        Value::Map(members) => members.iter().find_map(|(key, value)| match key.value {
            Value::List(_) | Value::Map(_) => {
                let problem = "has a list or mapping as key, as `{{ }}` outside of quotes makes one";
                Some((key.line, key.column, problem))
            }
            Value::Null => Some((key.line, key.column, "has nothing as key")),
            _ => unsound(key).or_else(|| unsound(value)),
        }),
        _ => None,
    }
}

/// What an empty file holds.
pub fn nothing() -> Node {
    Node {
        line: 1,
        column: 1,
        quoted: false,
        value: Value::Null,
    }
}

/// The text of a scalar as Helm reads it; lists and mappings have none.
pub fn text(node: &Node) -> String {
    match &node.value {
        Value::String(text) => text.clone(),
        Value::List(_) | Value::Map(_) => String::new(),
        _ => scalar::text(&node.to_json()),
    }
}

/// Finds a value by JSON pointer, comparing names without case where none matches exactly, as Go's JSON reader does.
pub fn locate<'a>(node: &'a Node, pointer: &str) -> Option<&'a Node> {
    pointer.split('/').skip(1).try_fold(node, |node, part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        match &node.value {
            Value::Map(members) => member(members, &part),
            Value::List(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        }
    })
}

fn member<'a>(members: &'a [(Node, Node)], name: &str) -> Option<&'a Node> {
    let exact = members.iter().find(|(key, _)| key.as_str() == Some(name));
    let folded = || {
        members
            .iter()
            .find(|(key, _)| key.as_str().is_some_and(|key| key.eq_ignore_ascii_case(name)))
    };
    exact.or_else(folded).map(|(_, value)| value)
}

/// Merges the documents of a values file: mappings merge, of everything else the later wins.
pub fn merged(documents: Vec<Node>) -> Option<Node> {
    documents.into_iter().reduce(merge)
}

fn merge(first: Node, second: Node) -> Node {
    let (first_is_map, second_is_map) = (first.as_map().is_some(), second.as_map().is_some());
    match (first, second) {
        (first, second) if first_is_map && second.is_null() => first,
        (
            Node {
                line,
                column,
                quoted,
                value: Value::Map(members),
            },
            Node {
                value: Value::Map(later),
                ..
            },
        ) if second_is_map => Node {
            line,
            column,
            quoted,
            value: Value::Map(merge_members(members, later)),
        },
        (_, second) => second,
    }
}

fn merge_members(mut members: Vec<(Node, Node)>, later: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    for (key, value) in later {
        let known = members.iter().position(|(known, _)| known.as_str() == key.as_str());
        match known.and_then(|index| members.get_mut(index)) {
            Some((_, known)) => {
                let earlier = std::mem::replace(known, nothing());
                *known = merge(earlier, value);
            }
            None => members.push((key, value)),
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Vec<Node> {
        parse(text).unwrap().0
    }

    #[test]
    fn documents_of_values_merge() {
        for (text, expected) in [
            ("a: 1", json!({ "a": 1 })),
            (
                "a: {x: 1, y: 2}\nb: 1\n---\na: {y: 3}\nb: {}",
                json!({ "a": { "x": 1, "y": 3 }, "b": {} }),
            ),
            ("a: 1\n---\n", json!({ "a": 1 })),
            ("---\n---\na: 1", json!({ "a": 1 })),
        ] {
            assert_eq!(merged(parsed(text)).unwrap().to_json(), expected, "{text}");
        }
        assert!(merged(parsed("")).is_none());
    }

    #[test]
    fn values_are_located() {
        let node = parsed("a:\n  - B: 1\n    x/y: 2\n").remove(0);
        let line = |pointer| locate(&node, pointer).map(|found| found.line);
        assert_eq!(
            (line("/a/0/b"), line("/a/0/x~1y"), line("/a/1"), line("")),
            (Some(2), Some(3), None, Some(1))
        );
    }

    #[test]
    fn repeated_keys_are_noted_and_the_last_counts() {
        let mut notes = Vec::new();
        let documents = documents(b"a: 1\na: 2\n", "values.yaml", "helm/values-unreadable", &mut notes).unwrap();
        assert_eq!(documents[0].to_json(), json!({ "a": 2 }));
        assert_eq!((notes.len(), notes[0].position.map(|(line, _)| line)), (1, Some(2)));
    }
}
