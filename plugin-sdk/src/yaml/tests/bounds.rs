//! What a text may cost.

use super::*;

#[test]
fn a_billion_laughs_are_not_laughed() {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let earlier = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", [earlier.as_str(); 10].join(", "));
    }
    assert!(fails(&text, &Limits::default()).contains("nearly all of its values come from aliases"));
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
fn what_aliases_stand_for_is_bounded() {
    let limits = Limits::default();
    let large = format!("a: &a {}\n", "x".repeat(100_000));
    let repeated = |times: usize| large.clone() + &(0..times).map(|at| format!("k{at}: *a\n")).collect::<String>();
    assert!(parse(&repeated(50), &limits).is_ok());
    let error = parse(&repeated(60), &limits).unwrap_err();
    assert!(
        error.limit && error.message.contains("aliases stand for more than"),
        "{error}"
    );
    assert_eq!(error.line, 54, "the alias that is too much is named");

    let mut parts = String::new();
    for part in 0..20 {
        parts += &format!("p{part}: &a [{}]\nq: [{}]\n---\n", "1, ".repeat(200), "*a, ".repeat(150));
    }
    let error = read(&parts, Documents::Parts, &limits).unwrap_err();
    assert!(
        error.limit && error.message.contains("250000 values"),
        "parts share their bounds: {error}"
    );

    let most = format!("a: &a [{}]\nb: [{}]\n", "1, ".repeat(3), "*a, ".repeat(500));
    let error = parse(&most, &limits).map(|_| ());
    assert_eq!(error, Ok(()));
    let nearly_all = format!("a: &a [{}]\nb: [{}]\n", "1, ".repeat(500), "*a, ".repeat(200));
    let error = parse(&nearly_all, &limits).unwrap_err();
    assert!(
        !error.limit && error.message.contains("nearly all of its values come from aliases"),
        "{error}"
    );
}

/// The name of a shape, and a text of it that grows with a number.
type Shape = (&'static str, fn(usize) -> String);

/// Reading a text must cost as much as the text is long, whether it is good or not: the shapes are those that made a reader look at
/// the same characters over and over.
#[test]
fn twice_the_text_is_twice_the_work() {
    let shapes: [Shape; 18] = [
        ("pipes", |n| format!("x: : y\na: {}", "| ".repeat(n))),
        ("open brackets over lines", |n| format!("a: [\n{}", "\n".repeat(n))),
        ("open braces", |n| "{".repeat(n)),
        ("nested keys", |n| format!("{}a: 1{}", "{".repeat(n), "}: 1".repeat(n))),
        ("items in brackets", |n| format!("a: [{}", "a,".repeat(n))),
        ("pairs in brackets", |n| format!("a: {{{}", "a: b,".repeat(n))),
        ("escapes", |n| format!("a: \"{}", "\\n".repeat(n))),
        ("a plain scalar in lines", |n| format!("a: b\n{}", "  c\n".repeat(n))),
        ("empty lines inside of a scalar", |n| format!("a: b\n{}  c\n", "\n".repeat(n))),
        ("empty lines of a block", |n| format!("a: |\n{}  c\n", "\n".repeat(n))),
        ("comments", |n| "#\n".repeat(n)),
        ("documents", |n| "---\n".repeat(n)),
        ("question marks", |n| "? ".repeat(n)),
        ("dashes", |n| "- ".repeat(n)),
        ("a long tag", |n| format!("a: !{} 1\n", "x".repeat(n))),
        ("a long number", |n| format!("a: 0.{}1_\n", "0".repeat(n))),
        ("keys", |n| (0..n).map(|at| format!("k{at}: 1\n")).collect()),
        ("anchors", |n| {
            (0..n).map(|at| format!("k{at}: &a{at} 1\nl{at}: *a{at}\n")).collect()
        }),
    ];
    for (name, shape) in shapes {
        let cost = |size: usize| {
            let text = shape(size);
            let before = cursor::LOOKS.get();
            let _ = read(&text, Documents::Parts, &Limits::default());
            let _ = read(&text, Documents::All, &Limits::default());
            cursor::LOOKS.get() - before
        };
        let (one, two) = (cost(4_000), cost(8_000));
        assert!(
            two <= one * 2 + one / 5 + 1_000,
            "{name}: {one} looks for a text, {two} for one twice as long"
        );
    }
}
