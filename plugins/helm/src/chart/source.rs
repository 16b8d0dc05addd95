//! YAML of a chart: parsing under bounds, places in it, and what Helm makes of several documents.

mod merge;

use portolan_plugin_sdk::yaml::{self, Documents, Limits, Node, Read, Value, YamlError};

use super::fault::Fault;
use super::{keys, scalar};

/// The most values in one file, with aliases resolved: ten times those of the largest public charts.
pub const NODES_MAX: usize = 200_000;
/// How deep values may nest.
pub const DEPTH_MAX: usize = 100;

/// Reads the first document of a text, which is the one that Helm reads; of an empty text it is null.
pub fn first(text: &str) -> Result<Node, YamlError> {
    Ok(read(text, Documents::First)?.documents.pop().unwrap_or_else(nothing))
}

fn read(text: &str, which: Documents) -> Result<Read, YamlError> {
    let bytes_max = usize::try_from(super::package::FILE_BYTES_MAX).unwrap_or(usize::MAX);
    let limits = Limits {
        depth_max: DEPTH_MAX,
        nodes_max: NODES_MAX,
        bytes_max,
    };
    yaml::read(text, which, &limits)
}

/// Reads a file of a chart of which Helm reads one document. What is wrong with it becomes a fault under `rule`; what Helm forgives is
/// noted.
pub fn document(content: &[u8], path: &str, rule: &'static str, notes: &mut Vec<Fault>) -> Result<Node, Fault> {
    let documents = documents(content, (path, Documents::First), rule, notes)?;
    Ok(documents.into_iter().next().unwrap_or_else(nothing))
}

/// Reads a file of a chart that Helm cuts into documents at lines of `---`.
pub fn parts(content: &[u8], path: &str, rule: &'static str, notes: &mut Vec<Fault>) -> Result<Vec<Node>, Fault> {
    documents(content, (path, Documents::Parts), rule, notes)
}

fn documents(
    content: &[u8],
    (path, which): (&str, Documents),
    rule: &'static str,
    notes: &mut Vec<Fault>,
) -> Result<Vec<Node>, Fault> {
    let Ok(text) = std::str::from_utf8(content) else {
        return Err(Fault::new(rule, format!("{path} is not UTF-8 text. Save it as UTF-8.")).in_file(path));
    };
    let Read {
        documents,
        repeated,
        unread,
    } = read(text, which).map_err(|error| {
        // What is never closed is noticed behind the last line, where nobody would look for it.
        let line = error.line.min(u32::try_from(text.lines().count()).unwrap_or(u32::MAX)).max(1);
        let problem = &error.message;
        let (rule, message) = if error.limit {
            let message =
                format!("{path} is beyond what this registry reads, though Helm may load it: {problem}. Simplify line {line}.");
            ("helm/yaml-limit", message)
        } else {
            (rule, format!("{path} is not valid YAML: {problem}. Correct line {line}."))
        };
        Fault::new(rule, message).in_file(path).at(line, error.column)
    })?;
    if let Some(Node { line, column, .. }) = documents.iter().find_map(infinite) {
        let message = format!("{path} holds a number that is not finite, which Helm cannot read. Correct line {line}.");
        return Err(Fault::new(rule, message).in_file(path).at(*line, *column));
    }
    notes.extend(repeated.into_iter().take(REPEATED_STATED_MAX).map(|repeated| {
        let message = format!("In {path} {}. The last one counts; remove the others.", repeated.message);
        Fault::new("helm/yaml-duplicate-key", message)
            .in_file(path)
            .at(repeated.line, repeated.column)
    }));
    notes.extend(unread.map(|line| {
        let message =
            format!("Helm does not read {path} from line {line} on, because a document ended before. Remove what stands there.");
        Fault::new("helm/yaml-unread", message).in_file(path).at(line, 1)
    }));
    Ok(documents)
}

/// The most repeated keys of one file that are stated.
const REPEATED_STATED_MAX: usize = 20;

/// Finds a number that JSON, through which Helm reads, has no form for.
fn infinite(node: &Node) -> Option<&Node> {
    match &node.value {
        Value::Float(number) if !number.is_finite() => Some(node),
        Value::List(items) => items.iter().find_map(infinite),
        Value::Map(members) => members.iter().find_map(|(_, value)| infinite(value)),
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
            .find(|(key, _)| key.as_str().is_some_and(|key| keys::folds_to(key, name)))
    };
    exact.or_else(folded).map(|(_, value)| value)
}

/// Merges the documents of a values file as Helm does.
pub fn merged(documents: Vec<Node>) -> Option<Node> {
    merge::merged(documents)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Vec<Node> {
        read(text, Documents::Parts).unwrap().documents
    }

    #[test]
    fn documents_of_values_merge() {
        for (text, expected) in [
            ("a: 1", json!({ "a": 1 })),
            (
                "a: {x: 1, z: 2}\nb: 1\n---\na: {z: 3}\nb: {}",
                json!({ "a": { "x": 1, "z": 3 }, "b": {} }),
            ),
            ("a: 1\n---\n", json!({ "a": 1 })),
            ("---\n---\na: 1", json!({ "a": 1 })),
            ("a: {b: 1}\n--- # two\na: null", json!({ "a": null })),
            ("a: 1\n---\na: {b: 1}\n---\na: {c: 2}", json!({ "a": { "b": 1, "c": 2 } })),
            ("1: a\n---\n2: b\n---\n0x1: c", json!({ "1": "c", "2": "b" })),
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
        let document = document(b"a: 1\na: 2\n", "values.yaml", "helm/values-unreadable", &mut notes).unwrap();
        assert_eq!(document.to_json(), json!({ "a": 2 }));
        assert_eq!((notes.len(), notes[0].position.map(|(line, _)| line)), (1, Some(2)));
    }

    #[test]
    fn what_helm_does_not_read_is_noted() {
        for (text, line) in [("a: 1\n...\nb: [\n", 3), ("{a: 1} b\n", 1)] {
            let mut notes = Vec::new();
            let documents = parts(text.as_bytes(), "values.yaml", "helm/values-unreadable", &mut notes).unwrap();
            assert_eq!(merged(documents).unwrap().to_json(), json!({ "a": 1 }), "{text}");
            let found: Vec<_> = notes.iter().map(|note| (note.rule, note.position)).collect();
            assert_eq!(found, [("helm/yaml-unread", Some((line, 1)))], "{text}");
        }
    }

    #[test]
    fn bounds_are_told_as_bounds() {
        let read = |text: &str| document(text.as_bytes(), "values.yaml", "helm/values-unreadable", &mut Vec::new());
        let deep = read(&format!("a: {}{}", "[".repeat(600), "]".repeat(600))).unwrap_err();
        assert_eq!(deep.rule, "helm/yaml-limit");
        assert!(
            deep.message.starts_with(
                "values.yaml is beyond what this registry reads, though Helm may load it: it is nested deeper than 100"
            ),
            "{}",
            deep.message
        );
        let many = read(&format!("a: [{}]", "1,".repeat(NODES_MAX))).unwrap_err();
        assert_eq!(many.rule, "helm/yaml-limit");
        assert_eq!(read("a: [").unwrap_err().rule, "helm/values-unreadable");
    }
}
