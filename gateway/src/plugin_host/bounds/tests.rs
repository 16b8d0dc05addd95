//! Every bound of the contract on returned values, at the bound and one beyond it.

use super::*;

fn a_finding() -> types::Finding {
    types::Finding {
        rule: "a/b-1.2".into(),
        severity: "high".into(),
        message: "It is wrong.".into(),
        location: Some(types::Location {
            digest: None,
            path: Some("a/b".into()),
            line: Some(1),
            column: Some(1),
            pointer: Some("/a".into()),
        }),
        help: Some("https://example.test/".into()),
        properties: String::new(),
    }
}

fn an_entry() -> types::Entry {
    let reference = types::Reference {
        kind: "image".into(),
        target: "a".into(),
        digest: None,
        properties: String::new(),
    };
    types::Entry {
        title: "a".into(),
        version: None,
        summary: None,
        keywords: vec!["a".into()],
        references: vec![reference],
        document: "{}".into(),
    }
}

fn a_change() -> types::Change {
    types::Change {
        path: "a".into(),
        kind: "added".into(),
        before: None,
        after: None,
        severity: "low".into(),
        properties: String::new(),
    }
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// A JSON object of exactly so many bytes.
fn json(bytes: usize) -> String {
    format!("{{\"a\":\"{}\"}}", text(bytes - 8))
}

/// A field, a value at its bound and one beyond it.
type Case<T> = (&'static str, fn(&mut T), fn(&mut T));

/// Expects that `fits` is within and `breaks` beyond its bound, and that the fault names the field.
fn check<T, U>(make: impl Fn() -> T, checked: impl Fn(T) -> Bounded<U>, cases: &[Case<T>]) {
    for (field, fits, breaks) in cases {
        let mut value = make();
        fits(&mut value);
        if let Err(fault) = checked(value) {
            panic!("{field} should fit: {fault}");
        }
        let mut value = make();
        breaks(&mut value);
        match checked(value) {
            Ok(_) => panic!("{field} should break its bound"),
            Err(fault) => assert!(fault.contains(field), "{field}: {fault}"),
        }
    }
}

#[test]
fn findings_are_bounded() {
    fn place(finding: &mut types::Finding) -> &mut types::Location {
        finding.location.get_or_insert_with(|| panic!("the finding has a location"))
    }
    check(
        a_finding,
        finding,
        &[
            ("rule", |f| f.rule = text(128), |f| f.rule = text(129)),
            ("rule", |_| {}, |f| f.rule = "A".into()),
            ("rule", |_| {}, |f| f.rule = String::new()),
            ("message", |f| f.message = text(2_000), |f| f.message = text(2_001)),
            (
                "help",
                |f| f.help = Some(format!("https://{}", text(1_016))),
                |f| f.help = Some(format!("https://{}", text(1_017))),
            ),
            ("help", |f| f.help = None, |f| f.help = Some("http://a".into())),
            ("properties", |f| f.properties = json(4_000), |f| f.properties = json(4_001)),
            ("properties", |f| f.properties = "{}".into(), |f| f.properties = "[]".into()),
            (
                "location.path",
                |f| place(f).path = Some(text(1_024)),
                |f| place(f).path = Some(text(1_025)),
            ),
            ("location.path", |_| {}, |f| place(f).path = Some("/a".into())),
            (
                "location.pointer",
                |f| place(f).pointer = Some(format!("/{}", text(1_023))),
                |f| place(f).pointer = Some(format!("/{}", text(1_024))),
            ),
            (
                "location.pointer",
                |f| place(f).pointer = Some(String::new()),
                |f| place(f).pointer = Some("a".into()),
            ),
            ("location.line", |_| {}, |f| place(f).line = Some(0)),
            ("location.column", |_| {}, |f| place(f).column = Some(0)),
            (
                "location.digest",
                |f| place(f).digest = Some(Digest::sha256(b"").to_string()),
                |f| place(f).digest = Some("sha256:00".into()),
            ),
        ],
    );
}

#[test]
fn entries_are_bounded() {
    check(
        an_entry,
        entry,
        &[
            ("entry.title", |e| e.title = text(256), |e| e.title = text(257)),
            (
                "entry.version",
                |e| e.version = Some(text(128)),
                |e| e.version = Some(text(129)),
            ),
            (
                "entry.summary",
                |e| e.summary = Some(text(1_024)),
                |e| e.summary = Some(text(1_025)),
            ),
            (
                "entry.keywords",
                |e| e.keywords = vec![text(64); 64],
                |e| e.keywords = vec![text(64); 65],
            ),
            ("entry.keywords[0]", |_| {}, |e| e.keywords = vec![text(65)]),
            (
                "entry.references",
                |e| e.references = vec![e.references[0].clone(); 1_000],
                |e| e.references = vec![e.references[0].clone(); 1_001],
            ),
            (
                "entry.references[0].kind",
                |e| e.references[0].kind = text(64),
                |e| e.references[0].kind = text(65),
            ),
            (
                "entry.references[0].target",
                |e| e.references[0].target = text(1_024),
                |e| e.references[0].target = text(1_025),
            ),
            (
                "entry.references[0].digest",
                |_| {},
                |e| e.references[0].digest = Some("x".into()),
            ),
            (
                "entry.references[0].properties",
                |e| e.references[0].properties = json(4_000),
                |e| e.references[0].properties = json(4_001),
            ),
            (
                "entry.document",
                |e| e.document = json(256 << 10),
                |e| e.document = json((256 << 10) + 1),
            ),
            ("entry.document", |e| e.document = String::new(), |e| e.document = "1".into()),
            (
                "entry.document",
                |_| {},
                |e| e.document = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200)),
            ),
        ],
    );
}

#[test]
fn lists_are_bounded() {
    assert!(scanned(vec![a_finding(); 10_000]).is_ok());
    assert!(
        scanned(vec![a_finding(); 10_001])
            .unwrap_err()
            .contains("findings has 10001 items; at most 10000")
    );
    let judged = |count| {
        verdict(types::Verdict {
            accepted: true,
            findings: vec![a_finding(); count],
            properties: String::new(),
        })
    };
    assert!(judged(1_000).is_ok());
    assert!(
        judged(1_001)
            .err()
            .unwrap()
            .contains("verdict.findings has 1001 items; at most 1000")
    );
    let mut findings = vec![a_finding(); 3];
    findings[2].message = text(2_001);
    assert_eq!(
        scanned(findings).unwrap_err(),
        "findings[2].message has 2001 bytes; at most 2000 are allowed"
    );
    assert!(changes(vec![a_change(); 10_001]).unwrap_err().contains("at most 10000"));
}

#[test]
fn verdicts_and_errors_are_bounded() {
    let make = || types::Verdict {
        accepted: true,
        findings: Vec::new(),
        properties: String::new(),
    };
    check(
        make,
        verdict,
        &[(
            "verdict.properties",
            |v| v.properties = json(4_000),
            |v| v.properties = json(4_001),
        )],
    );
    let make = || types::Error {
        code: "not-found".into(),
        message: "x".into(),
        properties: String::new(),
    };
    check(
        make,
        error,
        &[
            ("error.code", |e| e.code = text(64), |e| e.code = text(65)),
            ("error.code", |_| {}, |e| e.code = "Not Found".into()),
            ("error.message", |e| e.message = text(2_000), |e| e.message = text(2_001)),
            (
                "error.properties",
                |e| e.properties = json(4_000),
                |e| e.properties = json(4_001),
            ),
        ],
    );
}

#[test]
fn views_are_bounded() {
    let make = || types::Content {
        media_type: "text/plain; charset=utf-8".into(),
        body: Vec::new(),
        properties: String::new(),
    };
    check(
        make,
        content,
        &[
            (
                "content.body",
                |c| c.body = vec![0; 8 << 20],
                |c| c.body = vec![0; (8 << 20) + 1],
            ),
            (
                "content.media-type",
                |c| c.media_type = format!("a/{}", text(253)),
                |c| c.media_type = format!("a/{}", text(254)),
            ),
            ("content.media-type", |_| {}, |c| c.media_type = "text/plain\r\na: b".into()),
            (
                "content.properties",
                |c| c.properties = json(4_000),
                |c| c.properties = json(4_001),
            ),
        ],
    );
}

#[test]
fn changes_are_bounded() {
    check(
        a_change,
        change,
        &[
            ("path", |c| c.path = text(1_024), |c| c.path = text(1_025)),
            ("kind", |c| c.kind = text(64), |c| c.kind = text(65)),
            (
                "before",
                |c| c.before = Some(text(16 << 10)),
                |c| c.before = Some(text((16 << 10) + 1)),
            ),
            (
                "after",
                |c| c.after = Some(text(16 << 10)),
                |c| c.after = Some(text((16 << 10) + 1)),
            ),
            ("properties", |c| c.properties = json(4_000), |c| c.properties = json(4_001)),
        ],
    );
}

#[test]
fn unknown_severities_are_in_the_middle() {
    let found = |word: &str| {
        finding(types::Finding {
            severity: word.into(),
            ..a_finding()
        })
        .unwrap()
        .severity
    };
    assert_eq!(
        (found("critical"), found("CRITICAL"), found("")),
        ("critical".into(), "medium".into(), "medium".into())
    );
}
