//! YAML: pieces of it in any order, read as one document, as a file of values, and as the metadata of a chart.

use portolan_helm::chart::metadata::Source;
use portolan_helm::chart::{API_V1, Fault, Metadata, check, keys, source};
use portolan_plugin_sdk::yaml::{self, Documents, Limits, Node, Value as Seen};
use serde_json::{Value, json};

use super::json::plain;
use crate::{choices::Choices, oracle::Reading};

/// Returns what our reader sees in the first document.
///
/// # Errors
/// Why it refuses.
pub fn read(input: &[u8]) -> Reading {
    let text = std::str::from_utf8(input).map_err(|error| error.to_string())?;
    let read = yaml::read(text, Documents::First, &Limits::default()).map_err(|error| error.to_string())?;
    let document = read.documents.into_iter().next();
    if document.as_ref().is_some_and(is_infinite) {
        return Err("a number is not finite".to_owned());
    }
    Ok(plain(&document.map_or(Value::Null, |document| document.to_json())))
}

fn is_infinite(node: &Node) -> bool {
    match &node.value {
        Seen::Float(number) => !number.is_finite(),
        Seen::List(items) => items.iter().any(is_infinite),
        Seen::Map(members) => members.iter().any(|(_, value)| is_infinite(value)),
        _ => false,
    }
}

/// Returns what the Helm plugin sees in a file of values.
///
/// # Errors
/// Why it refuses.
pub fn read_values(input: &[u8]) -> Reading {
    let documents = source::parts(input, "values.yaml", "values", &mut Vec::new()).map_err(|fault| reason(&fault))?;
    if documents
        .iter()
        .any(|document| !document.is_null() && document.as_map().is_none())
    {
        return Err("values.yaml is no mapping".to_owned());
    }
    let values = source::merged(documents).filter(|values| !values.is_null());
    Ok(plain(&values.map_or_else(|| json!({}), |values| values.to_json())))
}

/// Returns what the Helm plugin sees in Chart.yaml.
///
/// # Errors
/// Why it refuses.
pub fn read_metadata(input: &[u8]) -> Reading {
    let node = source::document(input, "Chart.yaml", "metadata", &mut Vec::new()).map_err(|fault| reason(&fault))?;
    if let Some(fault) = keys::metadata(&node, "Chart.yaml").faults.into_iter().next() {
        return Err(reason(&fault));
    }
    let (mut metadata, mismatches) = Metadata::read(&node.to_json(), Source::Yaml);
    if let Some(mismatch) = mismatches.first() {
        return Err(format!("{} is not {}", mismatch.pointer, mismatch.expected));
    }
    if metadata.api_version.is_empty() {
        API_V1.clone_into(&mut metadata.api_version);
    }
    match check::metadata(&metadata, Some(&node), ("Chart.yaml", Some(&node)))
        .into_iter()
        .next()
    {
        Some(fault) => Err(reason(&fault)),
        None => written(&metadata),
    }
}

/// Writes metadata as the oracle does.
///
/// # Errors
/// When it cannot be written, which would be a fault of the plugin.
pub fn written(metadata: &Metadata) -> Reading {
    serde_json::to_value(metadata)
        .map(|value| plain(&value))
        .map_err(|error| error.to_string())
}

fn reason(fault: &Fault) -> String {
    format!("{}: {}", fault.rule, fault.message)
}

/// Makes a document, or something like one.
pub fn generate(choices: &mut Choices) -> Vec<u8> {
    let mut text = Vec::new();
    if choices.percent(60) {
        text.extend(b"a: ");
    }
    for _ in 0..=choices.below(20) {
        text.extend(choices.pick::<[u8]>(PIECES));
    }
    text
}

/// Makes a Chart.yaml, or something like one.
pub fn generate_metadata(choices: &mut Choices) -> Vec<u8> {
    let mut text = b"name: web\nversion: 1.0.0\n".to_vec();
    for _ in 0..choices.below(5) {
        text.extend(choices.pick::<[u8]>(FIELDS));
        text.extend(b": ");
        text.extend(choices.pick::<[u8]>(VALUES));
        text.push(b'\n');
    }
    if choices.percent(20) {
        text.extend(choices.pick::<[u8]>(PIECES));
    }
    text
}

const FIELDS: &[&[u8]] = &[
    b"description",
    b"appVersion",
    b"keywords",
    b"annotations",
    b"deprecated",
    b"maintainers",
    b"dependencies",
    b"type",
    b"icon",
    b"apiVersion",
    b"kubeVersion",
    b"sources",
    b"home",
    b"other",
    b"Description",
    b"ver\xc5\xbfion",
    b"\xe2\x84\xaaeywords",
    b"<<",
    b"name",
    b"tags",
    b"Deprecated",
    b"1",
];

const VALUES: &[&[u8]] = &[
    b"x",
    b"1",
    b"1.10",
    b"yes",
    b"~",
    b"010",
    b"0x1F",
    b"1e7",
    b"123456789.123",
    b"[a, 1, yes]",
    b"{a: yes, b: 010}",
    b"true",
    b"'yes'",
    b"\"a\\tb\\u200bc\"",
    b"[{name: a, email: b}]",
    b"[{name: a, Name: b}]",
    b"[~]",
    b"[{name: a, version: 1.0, tags: [b]}]",
    b"[{name: a, import-values: [b, {child: c, parent: d}], enabled: yes}]",
    b"!!binary d2Vi",
    b"!t 1",
    b"[]",
    b"{}",
    b"18446744073709551615",
    b"2001-01-01",
    b"|\n  a\n  b",
    b"-.inf",
    b"[{a: b}]",
    b"a\xe2\x80\xa8name: c",
];

const PIECES: &[&[u8]] = &[
    b"a",
    b"b: ",
    b": ",
    b":\n  ",
    b"\n",
    b"\n  ",
    b"\n    ",
    b" ",
    b"\t",
    b"- ",
    b"? ",
    b"[",
    b"]",
    b"{",
    b"}",
    b", ",
    b"\"",
    b"'",
    b"#",
    b" # ",
    b"# c\n",
    b"1",
    b"x: &x {a: 1}\n",
    b"&x ",
    b"*x",
    b"<<: *x\n",
    b"<<: ",
    b"!!str ",
    b"!!int ",
    b"!!float ",
    b"!!bool ",
    b"!!null ",
    b"!!binary ",
    b"!!merge ",
    b"!!map ",
    b"!t ",
    b"! ",
    b"!<tag:yaml.org,2002:int> ",
    b"%TAG !e! tag:yaml.org,2002:\n",
    b"!e!str ",
    b"%YAML 1.1\n",
    b"|\n",
    b"|-\n  ",
    b">\n  ",
    b">+\n",
    b"|2\n",
    b"---\n",
    b"--- ",
    b"--- # c\n",
    b"...\n",
    b"\r\n",
    b"\r",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
    b"\xef\xbb\xbf",
    b"~",
    b"null",
    b"true",
    b"yes",
    b"off",
    b"y",
    b"0x1f",
    b"0X1F",
    b"0o7",
    b"010",
    b"08",
    b"0b-1",
    b"1_0",
    b"1e3",
    b".5",
    b".5_0",
    b"+1",
    b"-.inf",
    b".nan",
    b"1:30",
    b"2001-01-01",
    b"9999999999999999999",
    b"18446744073709551615",
    b"\"a\\n\\x41\\u00e9\"",
    b"\"\\\n  x\"",
    b"'it''s'",
    b"\"a\n  b\"",
    b"\\",
    b"%",
    b"@",
    b"`",
    b"a b",
    b"a:b",
    b"c: d\n",
    b"  c: 3\n",
    b"- x\n",
    b"- a: 1\n  b: 2\n",
    b"- - a\n",
    b"? a\n: b\n",
    b"\"k\" : v\n",
    b"[a: b]",
    b"[]",
    b"{}",
    b"\n\n",
    b"d:\te\n",
    b"|",
    b">",
    b"1.5: ",
    b"yes: ",
    b"~: ",
    b"\"1\": ",
    b"\xc3\xa9",
    b"\x07",
    b"\xff",
];
