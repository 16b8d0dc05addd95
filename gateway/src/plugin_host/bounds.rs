//! The bounds of the contract on what guests return, and the way from the contract's records to those of the registry.
//!
//! A value beyond its bound fails the call with a sentence that names the field and the bound. What is not a bound but a matter of taste, such as
//! an unknown severity, is settled instead.

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::bindings::portolan::plugin::types;
use crate::{
    oci::Digest,
    registry::{Entry, Finding, FindingLocation, ReferenceRecord},
};

/// The most bytes of most open fields.
const PROPERTIES_BYTES_MAX: usize = 4_000;
/// The most bytes of most sentences.
const MESSAGE_BYTES_MAX: usize = 2_000;
/// The most bytes of paths, addresses and summaries.
const PATH_BYTES_MAX: usize = 1_024;
/// The most bytes of words: kinds and codes.
const WORD_BYTES_MAX: usize = 64;
/// The most findings of a verdict.
const VERDICT_FINDINGS_MAX: usize = 1_000;
/// The most findings of a scan, and changes of a comparison.
const LIST_MAX: usize = 10_000;
/// The most bytes of the document of an entry.
const DOCUMENT_BYTES_MAX: usize = 256 << 10;
/// The most bytes of a view.
const VIEW_BYTES_MAX: usize = 8 << 20;
/// The most bytes of a changed value.
const VALUE_BYTES_MAX: usize = 16 << 10;
/// The severities that count.
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

/// A value within its bounds, or a sentence that says which bound it breaks.
pub(super) type Bounded<T> = Result<T, String>;

/// A verdict within its bounds.
pub(super) struct Verdict {
    pub(super) accepted: bool,
    pub(super) findings: Vec<Finding>,
}

/// A view that was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The media type of the body.
    pub media_type: String,
    /// The body.
    pub body: bytes::Bytes,
}

/// One difference between two artifacts.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// What differs.
    pub path: String,
    /// How it differs.
    pub kind: String,
    /// The old value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The new value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How much it matters.
    pub severity: String,
    /// What the plugin has to say beyond that: a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<Box<RawValue>>,
}

/// What a guest says went wrong.
pub(super) struct GuestError {
    pub(super) code: String,
    pub(super) message: String,
}

pub(super) fn error(error: types::Error) -> Bounded<GuestError> {
    let within = || {
        max("code", error.code.len(), WORD_BYTES_MAX)?;
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if error.code.is_empty() || !error.code.bytes().all(word) {
            return Err("code is not lower case words joined by hyphens".to_owned());
        }
        max("message", error.message.len(), MESSAGE_BYTES_MAX)?;
        open_field("properties", &error.properties)
    };
    within().map_err(|fault| format!("error.{fault}"))?;
    Ok(GuestError {
        code: error.code,
        message: error.message,
    })
}

pub(super) fn verdict(verdict: types::Verdict) -> Bounded<Verdict> {
    let types::Verdict {
        accepted,
        findings: found,
        properties,
    } = verdict;
    open_field("properties", &properties).map_err(|fault| format!("verdict.{fault}"))?;
    let findings = findings(found, VERDICT_FINDINGS_MAX).map_err(|fault| format!("verdict.{fault}"))?;
    Ok(Verdict { accepted, findings })
}

/// Checks what a scan returns.
pub(super) fn scanned(found: Vec<types::Finding>) -> Bounded<Vec<Finding>> {
    findings(found, LIST_MAX)
}

fn findings(findings: Vec<types::Finding>, items_max: usize) -> Bounded<Vec<Finding>> {
    items("findings", findings.len(), items_max)?;
    each("findings", findings, finding)
}

fn finding(finding: types::Finding) -> Bounded<Finding> {
    let rule = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-./".contains(&byte);
    max("rule", finding.rule.len(), 128)?;
    if finding.rule.is_empty() || !finding.rule.bytes().all(rule) {
        return Err("rule is not made of [a-z0-9] and -./".into());
    }
    max("message", finding.message.len(), MESSAGE_BYTES_MAX)?;
    if let Some(help) = &finding.help {
        max("help", help.len(), PATH_BYTES_MAX)?;
        if !help.starts_with("https://") {
            return Err("help is not an https address".into());
        }
    }
    open_field("properties", &finding.properties)?;
    let location = finding
        .location
        .map(location)
        .transpose()
        .map_err(|fault| format!("location.{fault}"))?;
    let types::Finding {
        rule,
        message,
        help,
        properties,
        ..
    } = finding;
    Ok(Finding {
        rule,
        severity: severity(&finding.severity),
        message,
        location,
        help,
        properties,
    })
}

fn location(location: types::Location) -> Bounded<FindingLocation> {
    digest("digest", location.digest.as_deref())?;
    if let Some(path) = &location.path {
        max("path", path.len(), PATH_BYTES_MAX)?;
        if path.starts_with('/') {
            return Err("path begins with /".into());
        }
    }
    for (name, number) in [("line", location.line), ("column", location.column)] {
        if number == Some(0) {
            return Err(format!("{name} is 0; it counts from 1"));
        }
    }
    if let Some(pointer) = &location.pointer {
        max("pointer", pointer.len(), PATH_BYTES_MAX)?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err("pointer is not a JSON pointer: it does not begin with /".into());
        }
    }
    let types::Location {
        digest,
        path,
        line,
        column,
        pointer,
    } = location;
    Ok(FindingLocation {
        digest,
        path,
        line,
        column,
        pointer,
    })
}

pub(super) fn entry(entry: types::Entry) -> Bounded<Entry> {
    let within = || {
        max("title", entry.title.len(), 256)?;
        max("version", entry.version.as_ref().map_or(0, String::len), 128)?;
        max("summary", entry.summary.as_ref().map_or(0, String::len), PATH_BYTES_MAX)?;
        items("keywords", entry.keywords.len(), 64)?;
        for (n, word) in entry.keywords.iter().enumerate() {
            max(&format!("keywords[{n}]"), word.len(), WORD_BYTES_MAX)?;
        }
        items("references", entry.references.len(), 1_000)?;
        object("document", &entry.document, DOCUMENT_BYTES_MAX)
    };
    within().map_err(|fault| format!("entry.{fault}"))?;
    let types::Entry {
        title,
        version,
        summary,
        keywords,
        references,
        document,
    } = entry;
    let references = each("entry.references", references, reference)?;
    let document = if document.is_empty() { "{}".into() } else { document };
    Ok(Entry {
        title,
        version,
        summary,
        keywords,
        references,
        document,
    })
}

fn reference(reference: types::Reference) -> Bounded<ReferenceRecord> {
    max("kind", reference.kind.len(), WORD_BYTES_MAX)?;
    max("target", reference.target.len(), PATH_BYTES_MAX)?;
    digest("digest", reference.digest.as_deref())?;
    open_field("properties", &reference.properties)?;
    let types::Reference {
        kind,
        target,
        digest,
        properties,
    } = reference;
    Ok(ReferenceRecord {
        kind,
        target,
        digest,
        properties,
    })
}

pub(super) fn content(content: types::Content) -> Bounded<Rendered> {
    let within = || {
        media_type(&content.media_type)?;
        max("body", content.body.len(), VIEW_BYTES_MAX)?;
        open_field("properties", &content.properties)
    };
    within().map_err(|fault| format!("content.{fault}"))?;
    Ok(Rendered {
        media_type: content.media_type,
        body: content.body.into(),
    })
}

pub(super) fn changes(changes: Vec<types::Change>) -> Bounded<Vec<Difference>> {
    items("changes", changes.len(), LIST_MAX)?;
    each("changes", changes, change)
}

fn change(change: types::Change) -> Bounded<Difference> {
    max("path", change.path.len(), PATH_BYTES_MAX)?;
    max("kind", change.kind.len(), WORD_BYTES_MAX)?;
    max("before", change.before.as_ref().map_or(0, String::len), VALUE_BYTES_MAX)?;
    max("after", change.after.as_ref().map_or(0, String::len), VALUE_BYTES_MAX)?;
    open_field("properties", &change.properties)?;
    let types::Change {
        path,
        kind,
        before,
        after,
        ..
    } = change;
    let properties = RawValue::from_string(change.properties).ok();
    Ok(Difference {
        path,
        kind,
        before,
        after,
        severity: severity(&change.severity),
        properties,
    })
}

/// Returns an entry in the words of the contract.
pub(super) fn entry_of(entry: &Entry) -> types::Entry {
    let reference = |reference: &ReferenceRecord| types::Reference {
        kind: reference.kind.clone(),
        target: reference.target.clone(),
        digest: reference.digest.clone(),
        properties: reference.properties.clone(),
    };
    types::Entry {
        title: entry.title.clone(),
        version: entry.version.clone(),
        summary: entry.summary.clone(),
        keywords: entry.keywords.clone(),
        references: entry.references.iter().map(reference).collect(),
        document: entry.document.clone(),
    }
}

/// Checks a media type, which may have parameters.
pub(super) fn media_type(text: &str) -> Bounded<()> {
    max("media-type", text.len(), 255)?;
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if printable && text.parse::<crate::oci::MediaType>().is_ok() {
        Ok(())
    } else {
        Err("media-type is not a media type".into())
    }
}

/// Checks the open field of a record.
pub(super) fn open_field(name: &str, text: &str) -> Bounded<()> {
    object(name, text, PROPERTIES_BYTES_MAX)
}

/// Checks the text of a JSON object, where the empty text stands for the empty object.
fn object(name: &str, text: &str, bytes_max: usize) -> Bounded<()> {
    max(name, text.len(), bytes_max)?;
    if text.is_empty() {
        return Ok(());
    }
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{name} is not a JSON object: {error}")),
    }
}

fn digest(name: &str, text: Option<&str>) -> Bounded<()> {
    match text.map(str::parse::<Digest>) {
        Some(Err(error)) => Err(format!("{name} is not a digest: {error}")),
        _ => Ok(()),
    }
}

/// Any word that is none of the severities counts as the middle one.
fn severity(word: &str) -> String {
    if SEVERITIES.contains(&word) {
        word.to_owned()
    } else {
        "medium".to_owned()
    }
}

fn max(name: &str, size: usize, bytes_max: usize) -> Bounded<()> {
    if size <= bytes_max {
        Ok(())
    } else {
        Err(format!("{name} has {size} bytes; at most {bytes_max} are allowed"))
    }
}

fn items(name: &str, count: usize, items_max: usize) -> Bounded<()> {
    if count <= items_max {
        Ok(())
    } else {
        Err(format!("{name} has {count} items; at most {items_max} are allowed"))
    }
}

/// Checks every item of a list and says which one breaks a bound.
fn each<T, U>(name: &str, list: Vec<T>, check: impl Fn(T) -> Bounded<U>) -> Bounded<Vec<U>> {
    let checked = list
        .into_iter()
        .enumerate()
        .map(|(n, item)| check(item).map_err(|fault| format!("{name}[{n}].{fault}")));
    checked.collect()
}

#[cfg(test)]
mod tests;
