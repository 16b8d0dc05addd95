//! What is read, and what is refused.

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

#[test]
fn plain_scalars_resolve_as_in_go() {
    let text = "[~, null, , true, False, yes, on, 12, -7, +3, 0x1F, 0o17, 017, 08, 0b101, 1_000, 1.5, 1e3, .5, 12e03, 1.2.3, \
        99999999999999999999, 1-2, 2024-01-01, '12', \"true\", !!str 12, !!float 1, .inf, v1, 0x, +-1, 12e4567]"
        .replace(", ,", ", '',");
    let expected = json!([
        null,
        null,
        "",
        true,
        false,
        "yes",
        "on",
        12,
        -7,
        3,
        31,
        15,
        15,
        8.0,
        5,
        1000,
        1.5,
        1000.0,
        0.5,
        12000.0,
        "1.2.3",
        1e20,
        "1-2",
        "2024-01-01",
        "12",
        "true",
        "12",
        1.0,
        null,
        "v1",
        "0x",
        "+-1",
        "12e4567"
    ]);
    let node = one(&text);
    let json = node.to_json();
    for (index, expected) in expected.as_array().unwrap().iter().enumerate() {
        assert_eq!(json[index], *expected, "item {index} of {text}");
    }
    assert_eq!(json.as_array().unwrap().len(), expected.as_array().unwrap().len());
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
    assert_eq!((block.line, block.quoted, block.as_str()), (6, true, Some("block\n")));
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
fn keys_need_not_be_strings() {
    assert_eq!(
        one("1: a\ntrue: b\n? [x]\n: c\n").to_json(),
        json!({ "1": "a", "true": "b", "[\"x\"]": "c" })
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
    let (documents, repeated) = parse_lenient(text, &Limits::default()).unwrap();
    assert_eq!(documents[0].to_json(), json!({ "a": 3, "b": { "x": 2 } }));
    assert_eq!(repeated.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_billion_laughs_are_not_laughed() {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let earlier = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", [earlier.as_str(); 10].join(", "));
    }
    assert!(fails(&text, &Limits::default()).contains("more than 250000 values once aliases are expanded"));
}

#[test]
fn every_bound_holds() {
    let limits = Limits {
        depth_max: 3,
        nodes_max: 6,
        bytes_max: 40,
    };
    assert!(parse("[[[1]]]", &limits).is_ok());
    assert!(fails("[[[[1]]]]", &limits).contains("nested deeper than 3 levels"));
    assert!(fails("a: {b: {c: {d: 1}}}", &Limits { nodes_max: 99, ..limits }).contains("nested deeper"));
    assert!(fails("[1, 2, 3, 4, 5, 6]", &limits).contains("more than 6 values"));
    assert!(fails(&"---\n".repeat(9), &limits).contains("more than 6 values"));
    assert!(fails(&" ".repeat(41), &limits).contains("the text has 41 bytes, and 40 are allowed"));
}

#[test]
fn deep_nesting_ends_without_a_crash() {
    let limits = Limits {
        nodes_max: usize::MAX,
        ..Limits::default()
    };
    for open in ["[", "{a: ", "- ", "? "] {
        let message = fails(&open.repeat(50_000), &limits);
        assert!(message.contains("line 1"), "{message}");
    }
    let mut expanding = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        expanding += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert!(fails(&expanding, &limits).contains("nested deeper than 100 levels"));
}

#[test]
fn what_is_no_yaml_is_refused_with_its_place() {
    let message = fails("a: 1\nb: [1, 2\nc: 3\n", &Limits::default());
    assert!(message.starts_with("The YAML cannot be read: line "), "{message}");
    assert!(parse("a: \"open", &Limits::default()).is_err());
    assert!(parse("a:\n\tb: 1\n", &Limits::default()).is_err());
}

#[test]
fn no_damage_is_worse_than_an_error() {
    let text = concat!(
        "%YAML 1.2\n---\na: &x {b: [1, 'q', \"d\\n\"], <<: {c: 1}}\n? |\n  key\n: !!int 5\n",
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
