//! YAML: documents, files of values, and the metadata of charts.

use super::Shape;

pub(super) fn documents() -> Vec<Shape> {
    let read = [
        "a: yes\nb: on\nc: y\nd: n\ne: Off\nf: yEs\n",
        "a: 0X1F\nb: 0b-1\nc: 0o17\nd: 1_0\ne: .5_0\nf: ._5\ng: 08\nh: 1:30\ni: 2001-01-01\n",
        "a: 18446744073709551615\nb: 18446744073709551616\nc: -9223372036854775808\nd: 1e400\n",
        "a: !foo 1\nb: ! 1\nc: !!binary d2Vi\nd: !!str 1\ne: !<tag:yaml.org,2002:int> 0x10\n",
        "1: a\n1.50: b\nyes: c\n1e6: d\n1.23456789: e\n.inf: f\n",
        "x: &x {a: 2}\ny:\n  a: 1\n  <<: *x\n",
        "x: &x {a: 2}\ny:\n  <<: [*x, {a: 3}]\n  b: 1\n",
        "a: 1 # c\u{2028}b: 2\nc: |\n  x\u{85}d: 3\ne: \"p\u{2029}  q\"\n",
        "a:\t1\nb: [\n1,\n2\n]\nc: \"x\ny\"\n",
        "a: 1\n...\nb: [\n",
        "{a: 1} trailing",
        "a: |2-\n    b\n  c\nd: >\n  e\n  f\n\n  g\n",
        "%YAML 1.1\n%TAG !e! tag:yaml.org,2002:\n---\na: !e!str 1\n",
        "a: [b: c, ? d : e, f]\n",
        "- a\n- - b\n-\n  c:\n  - d\n",
        "",
    ];
    let mut shapes: Vec<Shape> = read.into_iter().map(|text| Shape::read(text, text)).collect();
    let refused: [(&str, &'static str); 21] = [
        ("1: a\n\"1\": b\n", "of different types"),
        ("yes: a\n\"true\": b\n", "of different types"),
        ("a: \u{feff}b\n", "byte order mark"),
        ("a: !!timestamp 2001-01-01\n", "!!timestamp is not read"),
        ("a: !!binary /w==\n", "no text"),
        ("~: a\n", "a key is null"),
        ("{a: 1}: b\n", "a list or a map"),
        ("18446744073709551615: a\n", "a key is a number"),
        ("a: .inf\n", "not finite"),
        ("a: 1\n\t\nb: 2\n", "a tab"),
        ("a: b: c\n", "no key can end"),
        ("a: @b\n", "no value may begin"),
        ("a: *x\n", "has no anchor"),
        ("a: &x [*x]\n", "contains itself"),
        ("a: !!int x\n", "which it is not"),
        ("a: {<<: 1}\n", "a merge key takes"),
        ("%YAML 1.2\n---\na: 1\n", "only 1.1 is read"),
        ("\"a\n b\": 1\n", "no key can end"),
        ("a: \u{7}\n", "control character"),
        ("a: [1, 2\n", "expected here"),
        ("a: \"\\q\"\n", "which means nothing"),
    ];
    shapes.extend(refused.into_iter().map(|(text, error)| Shape::refused(text, error, text)));
    shapes.push(Shape::refused(
        "keys in keys",
        "a list or a map",
        format!("{}a: 1{}", "{".repeat(28), "}: 1".repeat(28)),
    ));
    shapes
}

pub(super) fn values() -> Vec<Shape> {
    let read = [
        "1: a\n---\n2: b\n",
        "a: {b: 1}\n---\na: null\n",
        "a: {b: 1}\n--- # two\na: {c: 2}\n---\n",
        "---\n---\na: 1\n",
        "a: |\n x\n---\nb: 1\r\n---\r\nc: 2\r\n",
        "a: |+\n  b\r\r\n",
        "a: |\n  b",
        "# nothing\n",
    ];
    let mut shapes: Vec<Shape> = read.into_iter().map(|text| Shape::read(text, text)).collect();
    for (text, error) in [
        ("a: 1\n--- {b: 2}\n", "only a comment may follow"),
        ("a: |\n  x\n---- b\n", "only a comment may follow"),
        ("a: \"x\n---\ny\"\n", "never closed"),
        ("- a\n", "no mapping"),
    ] {
        shapes.push(Shape::refused(text, error, text));
    }
    shapes
}

pub(super) fn metadata() -> Vec<Shape> {
    let base = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    let mut shapes = Vec::new();
    for rest in [
        "appVersion: 1.10\nannotations: {a: yes, b: 010}\nkeywords: [yes, 1.0]\ndeprecated: yes\n",
        "appVersion: 123456789.123\nkubeVersion: 1e7\nicon: 18446744073709551615\n",
        "Description: a\nother: 1\n",
        "...\nname: [\n",
        "---\nname: other\n",
        "x: &x {name: other}\n<<: *x\n",
        "description: \"a\\tb\\u200bc\\u2028d\"\n",
        "dependencies: [{Name: a, import-values: [b, {child: c}], tags: [1]}]\n",
    ] {
        let text = format!("{base}{rest}");
        shapes.push(Shape::read(text.clone(), text));
    }
    for (rest, error) in [
        ("Version: 6.6.6\n", "helm/key-ambiguous"),
        ("ver\u{17f}ion: 6.6.6\n", "helm/key-ambiguous"),
        ("maintainers: [{name: a, Name: b}]\n", "helm/key-ambiguous"),
        ("deprecated: 'yes'\n", "/deprecated is not"),
        ("keywords: a\n", "/keywords is not"),
    ] {
        let text = format!("{base}{rest}");
        shapes.push(Shape::refused(text.clone(), error, text));
    }
    shapes
}
