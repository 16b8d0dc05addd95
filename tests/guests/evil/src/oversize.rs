//! Attacks by what the guest returns: each field beyond its bound, and lists without end.

use portolan_plugin_sdk::{Change, Content, Entry, Error, Finding, Location, Reference, Response, Severity, Verdict};

fn text(bytes: usize) -> String {
    "a".repeat(bytes)
}

/// Returns how many items a list gets: so many that the guest's own memory is not what ends the attack.
fn count(amount: usize) -> usize {
    amount.min(200_000)
}

/// Returns the verdict, or the error, that an attack on one of their fields makes.
pub(crate) fn verdict(name: &str, amount: usize) -> Result<Verdict, Error> {
    let mut verdict = Verdict::accept([]);
    match name {
        "error.code" => return Err(Error::new(text(amount), "The code is too long.")),
        "error.message" => return Err(Error::new("evil", text(amount))),
        "error.properties" => {
            let mut error = Error::new("evil", "The properties are too long.");
            error.properties.insert("text".to_owned(), text(amount).into());
            return Err(error);
        }
        "verdict.findings" => verdict.findings = vec![finding(); count(amount)],
        "verdict.properties" => {
            verdict.properties.insert("text".to_owned(), text(amount).into());
        }
        "verdict.silent" => return Ok(Verdict::refuse([])),
        _ => verdict.findings.extend(bad_finding(name, amount)),
    }
    Ok(verdict)
}

fn finding() -> Finding {
    Finding::new("evil/finding", Severity::Info, "This is one of many.")
}

fn bad_finding(name: &str, amount: usize) -> Option<Finding> {
    let good = finding();
    Some(match name {
        "finding.rule" => Finding {
            rule: text(amount),
            ..good
        },
        "finding.rule-characters" => Finding {
            rule: "Evil Rule\n".to_owned(),
            ..good
        },
        "finding.message" => Finding {
            message: text(amount),
            ..good
        },
        "finding.message-control" => Finding {
            message: "one\r\ntwo\u{1b}[31m \"three\" \u{e9}".to_owned(),
            ..good
        },
        "finding.help" => good.help(format!("https://example.org/{}", text(amount))),
        "finding.help-scheme" => good.help("javascript:alert(1)"),
        "finding.properties" => good.property("text", text(amount)),
        "location.path" => good.at(Location::file(text(amount))),
        "location.path-absolute" => good.at(Location::file("/etc/passwd")),
        "location.pointer" => good.at(Location::default().pointer(format!("/{}", text(amount)))),
        "location.digest" => good.at(Location::blob(text(amount))),
        "location.line" => good.at(Location::file("a").line(0)),
        _ => return None,
    })
}

/// Returns the entry that an attack on one of its fields makes.
pub(crate) fn entry(name: &str, amount: usize) -> Entry {
    let good = Entry::new("evil");
    let reference = Reference::new("image", "evil");
    match name {
        "entry.title" => Entry::new(text(amount)),
        "entry.version" => good.version(text(amount)),
        "entry.summary" => good.summary(text(amount)),
        "entry.keywords" => good.keywords((0..count(amount)).map(|number| number.to_string())),
        "entry.keyword" => good.keywords([text(amount)]),
        "entry.references" => Entry {
            references: vec![reference; count(amount)],
            ..good
        },
        "entry.document" => good.document(serde_json::json!({ "text": text(amount) })),
        "entry.document-shape" => good.document(serde_json::json!([1, 2, 3])),
        "reference.kind" => good.reference(Reference::new(text(amount), "evil")),
        "reference.target" => good.reference(Reference::new("image", text(amount))),
        "reference.digest" => good.reference(reference.digest(text(amount))),
        "reference.properties" => good.reference(reference.property("text", text(amount))),
        _ => good,
    }
}

/// Returns the content that an attack on one of its fields makes.
pub(crate) fn content(name: &str, amount: usize) -> Content {
    let mut content = Content::text("evil");
    match name {
        "content.body" => content.body = vec![b'a'; amount],
        "content.media-type" => content.media_type = "text/plain\r\nx-forged: yes".to_owned(),
        "content.properties" => {
            content.properties.insert("text".to_owned(), text(amount).into());
        }
        _ => {}
    }
    content
}

/// Returns the findings of a scan that an attack makes.
pub(crate) fn findings(name: &str, amount: usize) -> Vec<Finding> {
    if name == "scan.findings" {
        vec![finding(); count(amount)]
    } else {
        bad_finding(name, amount).into_iter().collect()
    }
}

/// Returns the changes that an attack makes.
pub(crate) fn changes(name: &str, amount: usize) -> Vec<Change> {
    let good = Change::added("evil", "1");
    match name {
        "compare.changes" => vec![good; count(amount)],
        "change.path" => vec![Change::added(text(amount), "1")],
        "change.kind" => vec![Change::new("evil", text(amount))],
        "change.before" => vec![Change::removed("evil", text(amount))],
        "change.after" => vec![Change::added("evil", text(amount))],
        "change.properties" => vec![good.property("text", text(amount))],
        _ => vec![good],
    }
}

/// Answers a request with more than a client could want.
pub(crate) fn answer(name: &str, amount: usize, response: &Response) -> Result<(), Error> {
    match name {
        "body" => {
            let piece = vec![b'a'; 1 << 20];
            (0..amount.div_ceil(piece.len())).for_each(|_| response.write(&piece));
            Ok(())
        }
        "headers" => (0..amount).try_for_each(|number| response.header(&format!("x-evil-{number}"), &text(1_000))),
        "stage" => {
            (0..amount).try_for_each(|number| response.stage("text/plain", format!("{number:01000}").as_bytes()).map(drop))
        }
        _ => Ok(()),
    }
}
