//! What is read, and what is refused.

mod bounds;

use serde_json::json;

use super::*;

fn one(text: &str) -> Node {
    let mut documents = parse(text, &Limits::default()).unwrap();
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

fn fails(text: &str, limits: &Limits) -> String {
    parse(text, limits).unwrap_err().to_string()
}

/// Reads the first document, as Helm reads Chart.yaml.
fn first(text: &str) -> serde_json::Value {
    let read = read(text, Documents::First, &Limits::default()).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    read.documents.first().map_or(serde_json::Value::Null, Node::to_json)
}

#[test]
fn plain_scalars_resolve_as_in_go() {
    for (text, expected) in [
        ("null", json!(null)),
        ("~", json!(null)),
        ("", json!(null)),
        ("true", json!(true)),
        ("False", json!(false)),
        ("yes", json!(true)),
        ("on", json!(true)),
        ("Y", json!(true)),
        ("n", json!(false)),
        ("Off", json!(false)),
        ("yEs", json!("yEs")),
        ("12", json!(12)),
        ("-7", json!(-7)),
        ("+3", json!(3)),
        ("0x1F", json!(31)),
        ("0X1F", json!(31)),
        ("-0x1f", json!(-31)),
        ("0o17", json!(15)),
        ("017", json!(15)),
        ("08", json!(8.0)),
        ("0b101", json!(5)),
        ("0b-1", json!(-1)),
        ("1_000", json!(1000)),
        ("1__0", json!(10)),
        ("_1", json!("_1")),
        ("1.5", json!(1.5)),
        ("1e3", json!(1000.0)),
        (".5", json!(0.5)),
        (".5_0", json!(0.5)),
        ("._5", json!("._5")),
        ("12e03", json!(12000.0)),
        ("12e4567", json!("12e4567")),
        ("1.2.3", json!("1.2.3")),
        ("9223372036854775808", json!(9_223_372_036_854_775_808_u64)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("99999999999999999999", json!(1e20)),
        ("1-2", json!("1-2")),
        ("2024-01-02", json!("2024-01-02")),
        ("1:30", json!("1:30")),
        ("v1", json!("v1")),
        ("0x", json!("0x")),
        ("+-1", json!("+-1")),
        ("'12'", json!("12")),
        ("\"yes\"", json!("yes")),
        ("<<", json!("<<")),
    ] {
        assert_eq!(first(&format!("a: {text}\n")), json!({ "a": expected }), "{text}");
    }
}

#[test]
fn tags_mean_what_they_mean_in_go() {
    for (text, expected) in [
        ("!!str 12", json!("12")),
        ("!!str", json!("")),
        ("!!float 1", json!(1.0)),
        ("!!int \"1\"", json!(1)),
        ("!!bool 'yes'", json!(true)),
        ("!!null ''", json!(null)),
        ("!!binary d2Vi", json!("web")),
        ("!!binary |\n  d2\n  Vi\n", json!("web")),
        ("!local 010", json!("010")),
        ("! 1", json!("1")),
        ("!<tag:yaml.org,2002:int> 0x10", json!(16)),
        ("!!map [1]", json!([1])),
    ] {
        assert_eq!(first(&format!("a: {text}\n")), json!({ "a": expected }), "{text}");
    }
    assert_eq!(first("%TAG !e! tag:yaml.org,2002:\n---\na: !e!str 1\n"), json!({ "a": "1" }));
    assert_eq!(first("%TAG !! tag:x,2000:\n---\na: !!int 1\n"), json!({ "a": "1" }));
    for (text, expected) in [
        ("!!int x", "is tagged !!int, which it is not"),
        ("!!int 1.5", "is tagged !!int"),
        ("!!null x", "is tagged !!null"),
        ("!!float x", "is tagged !!float"),
        ("!!binary d2V", "no base64"),
        ("!!binary /w==", "no text"),
        ("!!timestamp 2001-01-01", "!!timestamp is not read"),
        ("!x!y 1", "no directive defines"),
        ("!<> 1", "a tag has no name"),
    ] {
        let message = fails(&format!("a: {text}\n"), &Limits::default());
        assert!(message.contains(expected), "{text}: {message}");
    }
    assert!(fails("%YAML 1.2\n---\na: 1\n", &Limits::default()).contains("only 1.1 is read"));
}

#[test]
fn places_and_quotes_are_known() {
    let node = one("name: web\nversion: \"1.0\"\nlist:\n  - a\n  - |\n    block\n");
    let (key, version) = node.get_pair("version").unwrap();
    assert_eq!((key.line, key.column, key.quoted), (2, 1, false));
    assert_eq!(
        (version.line, version.column, version.quoted, version.as_str()),
        (2, 10, true, Some("1.0"))
    );
    assert!(!node.get("name").unwrap().quoted);
    let block = node.pointer("/list/1").unwrap();
    assert_eq!((block.line, block.quoted, block.as_str()), (5, true, Some("block\n")));
    assert_eq!(node.pointer("/list").unwrap().as_list().unwrap().len(), 2);
    assert_eq!(node.pointer("/list/2"), None);
    assert_eq!(one("a/b: {m~n: 1}").pointer("/a~1b/m~0n").unwrap().as_int(), Some(1));
}

#[test]
fn every_document_is_read() {
    let documents = parse("---\na: 1\n---\n- 2\n...\n---\n", &Limits::default()).unwrap();
    let json = documents.iter().map(Node::to_json).collect::<Vec<_>>();
    assert_eq!(json, [json!({ "a": 1 }), json!([2]), json!(null)]);
    assert!(parse("", &Limits::default()).unwrap().is_empty());
    assert!(parse("# nothing but a comment\n", &Limits::default()).unwrap().is_empty());
    assert_eq!(one("\u{feff}a: 1").to_json(), json!({ "a": 1 }));
}

#[test]
fn aliases_and_merge_keys_are_expanded() {
    let text =
        "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\none: {<<: *base, b: 9}\ntwo: {<<: [*base, *more]}\nsame: *base\n";
    let json = one(text).to_json();
    assert_eq!(json["one"], json!({ "a": 1, "b": 9 }));
    assert_eq!(json["two"], json!({ "a": 1, "b": 2, "c": 4 }));
    assert_eq!(json["same"], json!({ "a": 1, "b": 2 }));
    assert!(fails("a: {<<: 1}", &Limits::default()).contains("a merge key takes a map"));
    assert!(fails("a: &x [*x]", &Limits::default()).contains("contains itself"));
    assert!(fails("a: *nowhere", &Limits::default()).contains("line 1"));
}

#[test]
fn keys_are_text_in_the_end() {
    let text = "1: a\n1.50: b\nyes: c\n0x10: d\n1e6: e\n1.23456789: f\n.inf: g\n2001-01-01: h\n";
    let expected = json!({
        "1": "a", "1.5": "b", "true": "c", "16": "d", "1e+06": "e", "1.2345679": "f", ".inf": "g", "2001-01-01": "h"
    });
    let node = one(text);
    assert_eq!(node.to_json(), expected);
    assert_eq!(node.get("true").and_then(Node::as_str), Some("c"));
    for (text, expected) in [
        ("~: a", "a key is null"),
        ("{a: b}: c", "a key is a list or a map"),
        ("? [x]\n: c", "a key is a list or a map"),
        ("{{ a }}: c", "a key is a list or a map"),
        ("18446744073709551615: a", "a key is a number"),
        ("-0.0: a", "a key is a number"),
        (
            "1: a\n\"1\": b",
            "line 2, column 1: the keys \"1\" here and on line 1 are of different types",
        ),
        ("yes: a\n'true': b", "left to chance"),
        ("1: a\n1.0: b", "left to chance"),
        ("1.00000001: a\n1.00000002: b", "left to chance"),
    ] {
        let message = fails(text, &Limits::default());
        assert!(message.contains(expected), "{text}: {message}");
    }
    let message = fails("1: a\n0x1: b", &Limits::default());
    assert!(
        message.contains("is there twice"),
        "one number written in two ways is one key: {message}"
    );
}

#[test]
fn a_repeated_key_is_an_error_or_reported() {
    let text = "a: 1\nb: {x: 1, x: 2}\na: 3\n";
    let message = fails(text, &Limits::default());
    assert_eq!(
        message,
        "The YAML cannot be read: line 2, column 11: the key \"x\" is there twice, first on line 2."
    );
    let Read { documents, repeated, .. } = read(text, Documents::All, &Limits::default()).unwrap();
    assert_eq!(documents[0].to_json(), json!({ "a": 3, "b": { "x": 2 } }));
    assert_eq!(repeated.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_merge_key_replaces_what_stands_in_front_of_it() {
    let base = "base: &base {a: 2, b: 2}\n";
    for (text, expected, repeated) in [
        ("x: {<<: *base, a: 1}", json!({ "a": 1, "b": 2 }), &[][..]),
        (
            "x: {a: 1, <<: *base}",
            json!({ "a": 2, "b": 2 }),
            &["the merge key replaces the key \"a\" of line 2"],
        ),
        (
            "x: {a: 1, <<: [{a: 3}, *base]}",
            json!({ "a": 3, "b": 2 }),
            &["the merge key replaces"],
        ),
        (
            "x: {<<: {a: 3}, <<: *base}",
            json!({ "a": 2, "b": 2 }),
            &["the key \"<<\" is there twice"],
        ),
        ("x: {\"<<\": 1}", json!({ "<<": 1 }), &[]),
        ("x: {!!merge <<: *base}", json!({ "a": 2, "b": 2 }), &[]),
        ("x: {<<: {<<: *base, b: 4}}", json!({ "a": 2, "b": 4 }), &[]),
    ] {
        let read = read(&format!("{base}{text}\n"), Documents::First, &Limits::default()).unwrap();
        assert_eq!(read.documents[0].to_json()["x"], expected, "{text}");
        let messages: Vec<_> = read.repeated.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(messages.len(), repeated.len(), "{text}: {messages:?}");
        assert!(
            messages.iter().zip(repeated).all(|(message, part)| message.contains(part)),
            "{messages:?}"
        );
    }
    assert!(fails("a: &a {<<: *a}", &Limits::default()).contains("contains itself"));
    assert!(fails("a: &a [1]\nb: {<<: *a}", &Limits::default()).contains("a merge key takes a map"));
}

#[test]
fn lines_end_where_they_end_for_go() {
    for (end, kept) in [
        ("\n", "\n"),
        ("\r", "\n"),
        ("\r\n", "\n"),
        ("\u{85}", "\n"),
        ("\u{2028}", "\u{2028}"),
        ("\u{2029}", "\u{2029}"),
    ] {
        let text = format!("a: 1 # c{end}b: x{end}c: |{end}  y{end}d: \"p{end}  q\"{end}");
        let folded = if kept == "\n" { " " } else { kept };
        let expected = json!({ "a": 1, "b": "x", "c": format!("y{kept}"), "d": format!("p{folded}q") });
        assert_eq!(first(&text), expected, "{end:?}");
    }
    for text in ["a: b\u{feff}", "a: 1\n---\n\u{feff}b: 2", "\u{feff}\u{feff}a: 1"] {
        assert!(fails(text, &Limits::default()).contains("byte order mark"), "{text:?}");
    }
    for text in ["a: \u{7}", "a: 1\n# \u{0}", "\u{7f}: 1", "a: \u{fffe}"] {
        assert!(fails(text, &Limits::default()).contains("control character"), "{text:?}");
    }
    assert!(fails("a: 1\nb: \u{1}", &Limits::default()).contains("line 2, column 4"));
}

#[test]
fn what_go_forgives_is_read() {
    for (text, expected) in [
        ("a:\t1\nb: x\t\n", json!({ "a": 1, "b": "x" })),
        ("a: [\n1,\n2\n]\nb: 3\n", json!({ "a": [1, 2], "b": 3 })),
        (
            "a:\n  b: {\n  \"x\": 1,\n  z: [\n  2]\n  }\nc: 3\n",
            json!({ "a": { "b": { "x": 1, "z": [2] } }, "c": 3 }),
        ),
        ("a: \"x\ny\"\nb: 1\n", json!({ "a": "x y", "b": 1 })),
        (
            "a: 'it''s\ny'\nb: it's [not\nc:\t1\n",
            json!({ "a": "it's y", "b": "it's [not", "c": 1 }),
        ),
        (
            "a: |\n  it's [\n  b:\tc\nd:\t1 # [\ne: x|\n",
            json!({ "a": "it's [\nb:\tc\n", "d": 1, "e": "x|" }),
        ),
        ("a: >\n  b\n  c\n\n  d\n", json!({ "a": "b c\nd\n" })),
        ("a: |+\n  b\n\n\nc: 1\n", json!({ "a": "b\n\n\n", "c": 1 })),
        ("a: |2-\n    b\n  c\n", json!({ "a": "  b\nc" })),
        ("a:\n- 1\n- 2\nb: 3\n", json!({ "a": [1, 2], "b": 3 })),
        (
            "a: {b, c: d}\nf: [g: h, 1]\n",
            json!({ "a": { "b": null, "c": "d" }, "f": [{ "g": "h" }, 1] }),
        ),
        ("? a\n: b\n", json!({ "a": "b" })),
        ("a: \"\\x41\\u00e9\\\n  b\"\n", json!({ "a": "A\u{e9}b" })),
        ("{a: 1} trailing", json!({ "a": 1 })),
    ] {
        assert_eq!(first(text), expected, "{text}");
    }
    for text in [
        "a: 1\n\t\nb: 2\n",
        "a: b: c\n",
        "a: @b\n",
        "a: `b\n",
        "a: %b\n",
        "- a\nb: 1\n",
        "a: 'x\n",
        "\"a\n b\": 1\n",
    ] {
        assert!(parse(text, &Limits::default()).is_err(), "{text:?}");
    }
    assert!(parse(&format!("{}: 1", "k".repeat(2000)), &Limits::default()).is_err());
    assert!(parse(&format!("? {}\n: 1", "k".repeat(2000)), &Limits::default()).is_ok());
}

#[test]
fn documents_are_read_as_the_tool_reads_them() {
    let read = |text: &str, which| {
        let read = read(text, which, &Limits::default()).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let documents: Vec<_> = read.documents.iter().map(Node::to_json).collect();
        (json!(documents), read.unread)
    };
    for (text, first, parts) in [
        (
            "a: 1\n---\nb: 2\n",
            (json!([{ "a": 1 }]), Some(3)),
            (json!([{ "a": 1 }, { "b": 2 }]), None),
        ),
        (
            "a: 1\n--- # c\nb: 2\n",
            (json!([{ "a": 1 }]), Some(3)),
            (json!([{ "a": 1 }, { "b": 2 }]), None),
        ),
        (
            "a: |+\n  b\r\r\n",
            (json!([{ "a": "b\n\n" }]), None),
            (json!([{ "a": "b\n" }]), None),
        ),
        ("a: |\n  b", (json!([{ "a": "b" }]), None), (json!([{ "a": "b\n" }]), None)),
        (
            "a: 1\n...\nb: [\n",
            (json!([{ "a": 1 }]), Some(3)),
            (json!([{ "a": 1 }]), Some(3)),
        ),
        (
            "---\n---\na: 1\n",
            (json!([null]), Some(3)),
            (json!([null, { "a": 1 }]), None),
        ),
        (
            "a: 1\n---   \r\nb: 2\n---\n",
            (json!([{ "a": 1 }]), Some(3)),
            (json!([{ "a": 1 }, { "b": 2 }]), None),
        ),
        (
            "a: 1\n...\n# c\n---\n",
            (json!([{ "a": 1 }]), None),
            (json!([{ "a": 1 }]), None),
        ),
        (
            "a: |\n x\n---\nb: |\n---\nc: 1\n",
            (json!([{ "a": "x\n" }]), Some(4)),
            (json!([{ "a": "x\n" }, { "b": "" }, { "c": 1 }]), None),
        ),
        ("# c\n", (json!([]), None), (json!([]), None)),
    ] {
        assert_eq!(read(text, Documents::First), first, "{text:?}");
        assert_eq!(read(text, Documents::Parts), parts, "{text:?}");
    }
    let fails = |text: &str, which| super::read(text, which, &Limits::default()).unwrap_err();
    assert_eq!(fails("a: 1\n---\nb: 2\nc: @\n", Documents::Parts).line, 4);
    assert_eq!(fails("a: \"x\n---\ny\"\n", Documents::Parts).line, 1);
    assert_eq!(fails("a: 1\n--- {b: 2}\n", Documents::Parts).line, 2);
    assert!(
        fails("a: |\n  x\n---- b\n", Documents::Parts)
            .message
            .contains("only a comment may follow")
    );
}

#[test]
fn what_is_no_yaml_is_refused_with_its_place() {
    let message = fails("a: 1\nb: [1, 2\nc: 3\n", &Limits::default());
    assert!(message.starts_with("The YAML cannot be read: line "), "{message}");
    assert!(parse("a: \"open", &Limits::default()).is_err());
    assert!(parse("a:\n\tb: 1\n", &Limits::default()).is_err());
}

#[test]
fn a_line_that_is_indented_with_a_tab_is_named() {
    for text in ["a: 1\nb: |\n\tx\n", "a:\n  b: x\n\ty\n"] {
        let error = parse(text, &Limits::default()).unwrap_err();
        assert_eq!(error.line, 3, "{text:?}: {error}");
    }
}

#[test]
fn no_damage_is_worse_than_an_error() {
    let text = concat!(
        "%YAML 1.1\n---\na: &x {b: [1, 'q', \"d\\n\"], <<: {c: 1}}\n? |\n  key\n: !!int 5\n",
        "list:\n- *x\n- >-\n  folded\n...\n--- {x: ä}\n"
    );
    assert_eq!(parse(text, &Limits::default()).unwrap().len(), 2);
    for (place, character) in text.char_indices() {
        let _ = parse(&text[..place], &Limits::default());
        for other in ["", "\t", "[", "{", "*x", "&x ", ": ", "- ", "'", "\u{0}", "\u{feff}"] {
            let damaged = format!("{}{other}{}", &text[..place], &text[place + character.len_utf8()..]);
            let _ = parse(&damaged, &Limits::default());
        }
    }
}
