//! YAML of a chart: parsing under bounds, places in it, and what Helm makes of several documents.

use portolan_plugin_sdk::yaml::{self, Limits, Node, Value, YamlError};

use super::fault::Fault;

/// The most values in one file: ten times those of the largest public charts, with aliases resolved.
pub const NODES_MAX: usize = 200_000;
/// How deep values may nest.
pub const DEPTH_MAX: usize = 100;

/// Parses all documents of a file.
pub fn parse(text: &str) -> Result<Vec<Node>, YamlError> {
    let bytes_max = usize::try_from(super::package::FILE_BYTES_MAX).unwrap_or(usize::MAX);
    yaml::parse(text, &Limits { depth_max: DEPTH_MAX, nodes_max: NODES_MAX, bytes_max })
}

/// Parses all documents of a file of a chart; what is wrong with it becomes a fault under `rule`.
pub fn documents(content: &[u8], path: &str, rule: &'static str) -> Result<Vec<Node>, Fault> {
    let Ok(text) = std::str::from_utf8(content) else {
        return Err(Fault::new(rule, format!("{path} is not UTF-8 text. Save it as UTF-8.")).in_file(path));
    };
    parse(text).map_err(|error| {
        Fault::new(rule, format!("{path} is not valid YAML: {}. Correct line {}.", error.message, error.line))
            .in_file(path)
            .at(error.line, error.column)
    })
}

/// What an empty file holds.
pub fn nothing() -> Node {
    Node { line: 1, column: 1, value: Value::Null }
}

/// Finds a value by JSON pointer, comparing names without case where none matches exactly.
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
    let exact = members.iter().rev().find(|(key, _)| key.as_str() == Some(name));
    let folded = || members.iter().find(|(key, _)| key.as_str().is_some_and(|key| key.eq_ignore_ascii_case(name)));
    exact.or_else(folded).map(|(_, value)| value)
}

/// Merges the documents of a values file: mappings merge, of everything else the later wins.
pub fn merged(documents: Vec<Node>) -> Option<Node> {
    documents.into_iter().reduce(merge)
}

fn merge(first: Node, second: Node) -> Node {
    let Node { line, column, value: Value::Map(mut members), .. } = first.clone() else { return second };
    let Value::Map(later) = second.value else {
        return if matches!(second.value, Value::Null) { first } else { second };
    };
    for (key, value) in later {
        match members.iter().position(|(known, _)| known.as_str() == key.as_str()) {
            Some(index) => {
                if let Some((_, known)) = members.get_mut(index) {
                    *known = merge(known.clone(), value);
                }
            }
            None => members.push((key, value)),
        }
    }
    Node { line, column, value: Value::Map(members), ..first }
}
