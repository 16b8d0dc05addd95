//! What a plugin has to say about an artifact.

use serde::{Deserialize, Serialize};

use crate::{Properties, bindings::types, properties};

/// How much something matters, most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It must be dealt with at once.
    Critical,
    /// It should be dealt with before the artifact is used.
    High,
    /// It should be dealt with.
    Medium,
    /// It is worth dealing with.
    Low,
    /// It is worth knowing.
    Info,
}

impl Severity {
    /// Returns the word of the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "critical" => Self::Critical,
            "high" => Self::High,
            "low" => Self::Low,
            "info" => Self::Info,
            _ => Self::Medium,
        }
    }
}

/// Where in an artifact a finding applies. A place that is unknown is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Location {
    /// The digest of the blob or child manifest.
    pub digest: Option<String>,
    /// The file inside the blob, with `/` between its parts and no `/` in front, at most 1 024 bytes: what is longer is cut.
    pub path: Option<String>,
    /// The line, counted from 1.
    pub line: Option<u32>,
    /// The column in Unicode scalar values, counted from 1.
    pub column: Option<u32>,
    /// The value inside a structured document, as a JSON pointer (RFC 6901), at most 1 024 bytes: a longer one is left out.
    pub pointer: Option<String>,
}

impl Location {
    /// Returns the place of a whole blob or child manifest.
    pub fn blob(digest: impl Into<String>) -> Self {
        Self {
            digest: Some(digest.into()),
            ..Self::default()
        }
    }

    /// Returns the place of a whole file.
    pub fn file(path: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::default()
        }
    }

    /// Adds the digest of the blob or child manifest.
    pub fn digest(mut self, digest: impl Into<String>) -> Self {
        self.digest = Some(digest.into());
        self
    }

    /// Adds the line, counted from 1.
    pub fn line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }

    /// Adds the column, counted from 1.
    pub fn column(mut self, column: u32) -> Self {
        self.column = Some(column);
        self
    }

    /// Adds the value inside the document, as a JSON pointer.
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }
}

/// One thing that a plugin has to say about an artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule that was met, stable between versions of the plugin: `[a-z0-9]` and `-./`, at most 128 bytes.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// What was found and what to do about it: full sentences, at most 2 000 bytes: what is longer is cut.
    pub message: String,
    /// Where it was found.
    pub location: Option<Location>,
    /// An `https` address that explains the rule, at most 1 024 bytes.
    pub help: Option<String>,
    /// The open field, at most 4 000 bytes.
    pub properties: Properties,
}

impl Finding {
    /// Returns a finding without a place.
    pub fn new(rule: impl Into<String>, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            severity,
            message: message.into(),
            location: None,
            help: None,
            properties: Properties::new(),
        }
    }

    /// Adds the place.
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// Adds the address that explains the rule.
    pub fn help(mut self, address: impl Into<String>) -> Self {
        self.help = Some(address.into());
        self
    }

    /// Adds a member to the open field.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }
}

/// The answer of a plugin that judges a push.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether the push may proceed.
    pub accepted: bool,
    /// What was found, most important first, at most 1 000 findings: further ones are left out.
    pub findings: Vec<Finding>,
    /// The open field, at most 4 000 bytes.
    pub properties: Properties,
}

impl Verdict {
    /// Lets the push proceed. Findings are shown to who pushed, as warnings.
    pub fn accept(findings: impl IntoIterator<Item = Finding>) -> Self {
        Self {
            accepted: true,
            findings: findings.into_iter().collect(),
            properties: Properties::new(),
        }
    }

    /// Refuses the push. The first finding is what clients show, so there should be one.
    pub fn refuse(findings: impl IntoIterator<Item = Finding>) -> Self {
        Self {
            accepted: false,
            ..Self::accept(findings)
        }
    }
}

/// The most bytes of a message.
const MESSAGE_BYTES_MAX: usize = 2_000;
/// The most bytes of a path and of a pointer.
const PLACE_BYTES_MAX: usize = 1_024;
/// The most findings of a verdict.
const VERDICT_FINDINGS_MAX: usize = 1_000;

/// Cuts a text at a character, so that it has at most so many bytes, and shows that it did. What a finding names may come from whoever
/// made the artifact: a name without end must not cost the plugin its answer.
fn cut(mut text: String, bytes_max: usize) -> String {
    const MARK: char = '…';
    if text.len() > bytes_max {
        let room = bytes_max - MARK.len_utf8();
        text.truncate(text.floor_char_boundary(room));
        text.push(MARK);
    }
    text
}

impl From<Location> for types::Location {
    fn from(location: Location) -> Self {
        let Location {
            digest,
            path,
            line,
            column,
            pointer,
        } = location;
        Self {
            digest,
            path: path.map(|path| cut(path, PLACE_BYTES_MAX)),
            line,
            column,
            // A pointer that was cut would name another value.
            pointer: pointer.filter(|pointer| pointer.len() <= PLACE_BYTES_MAX),
        }
    }
}

impl From<types::Location> for Location {
    fn from(location: types::Location) -> Self {
        let types::Location {
            digest,
            path,
            line,
            column,
            pointer,
        } = location;
        Self {
            digest,
            path,
            line,
            column,
            pointer,
        }
    }
}

impl From<Finding> for types::Finding {
    fn from(finding: Finding) -> Self {
        Self {
            rule: finding.rule,
            severity: finding.severity.as_str().to_owned(),
            message: cut(finding.message, MESSAGE_BYTES_MAX),
            location: finding.location.map(Into::into),
            help: finding.help,
            properties: properties::to_text(&finding.properties),
        }
    }
}

impl From<types::Finding> for Finding {
    fn from(finding: types::Finding) -> Self {
        Self {
            rule: finding.rule,
            severity: Severity::from_word(&finding.severity),
            message: finding.message,
            location: finding.location.map(Into::into),
            help: finding.help,
            properties: properties::from_text(&finding.properties),
        }
    }
}

impl From<Verdict> for types::Verdict {
    fn from(verdict: Verdict) -> Self {
        Self {
            accepted: verdict.accepted,
            findings: verdict
                .findings
                .into_iter()
                .take(VERDICT_FINDINGS_MAX)
                .map(Into::into)
                .collect(),
            properties: properties::to_text(&verdict.properties),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_to_what_the_contract_allows() {
        let location = Location::file("ä".repeat(2_000)).pointer("/x".repeat(600));
        let finding = Finding::new("rule", Severity::Low, "é".repeat(5_000)).at(location);
        let verdict: types::Verdict = Verdict::accept(vec![finding; 1_200]).into();
        assert_eq!(verdict.findings.len(), 1_000);
        let finding = &verdict.findings[0];
        assert_eq!(finding.message, "é".repeat(998) + "…");
        let location = finding.location.as_ref().unwrap();
        assert_eq!(location.path.as_deref(), Some(&*("ä".repeat(510) + "…")));
        assert_eq!(location.pointer, None);
        let short = Finding::new("rule", Severity::Low, "short").at(Location::file("a").pointer("/b"));
        let kept: Finding = types::Finding::from(short.clone()).into();
        assert_eq!(kept, short);
    }
}
