//! Secrets that should not travel in a chart: private keys and well-known tokens anywhere, and values whose name says what they are.
//!
//! No message repeats a secret: findings are stored, shown and sent on.

pub mod token;

use portolan_plugin_sdk::yaml::{Node, Value};

use super::Report;
use crate::chart::{Chart, VALUES};
use crate::place::Place;
use crate::rule::cut;

use token::Finder;

/// The longest path of a value that can be told or allowed, in bytes.
const PATH_BYTES_MAX: usize = 1024;

/// Looks for secrets in the values and, by their shape, in all content of the chart that is kept, text or not.
pub fn find(chart: &Chart, allow: &[String], report: &mut Report) {
    let mut finder = Finder::default();
    for file in &chart.files {
        // A byte that is no text must not hide what is: Helm renders such a file all the same.
        let text = String::from_utf8_lossy(file.content.as_deref().unwrap_or_default());
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let next = lines.peek().map_or("", |(_, next)| *next);
            let Some(secret) = finder.find(line, next) else {
                continue;
            };
            let message = format!(
                "The line holds {}. Everyone who can pull the chart has it: revoke it, and let users name an existing Secret instead.",
                secret.what
            );
            report.line(secret.rule, &file.path, number + 1, message);
        }
    }
    if let Some(values) = &chart.values {
        Walk { allow, report, finder }.node(values, &Place::ROOT);
    }
}

struct Walk<'a, 'f> {
    allow: &'a [String],
    report: &'a mut Report<'f>,
    finder: Finder,
}

impl Walk<'_, '_> {
    // Parsing has bounded how deep values nest.
    fn node(&mut self, node: &Node, place: &Place) {
        match &node.value {
            Value::Map(members) => {
                for (key, value) in members {
                    let name = key.as_str().unwrap_or_default();
                    let below = place.key(name);
                    self.member(name, value, &below);
                    self.node(value, &below);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.node(item, &place.item(index));
                }
            }
            _ => {}
        }
    }

    fn member(&mut self, name: &str, value: &Node, place: &Place) {
        let number;
        let text = match &value.value {
            Value::String(text) => text.as_str(),
            Value::Int(found) => {
                number = found.to_string();
                number.as_str()
            }
            _ => return,
        };
        if !names_secret(name) || !is_literal(text) || is_reference(name, text) {
            return;
        }
        // What has the shape of a token was reported with its line already.
        if text.lines().any(|line| self.finder.find(line, "").is_some()) {
            return;
        }
        let dotted = place.dotted(PATH_BYTES_MAX);
        if dotted.as_ref().is_some_and(|dotted| self.allow.contains(dotted)) {
            return;
        }
        let pointer = place.pointer(PATH_BYTES_MAX).unwrap_or_default();
        let shown = dotted.unwrap_or_else(|| cut(name, PATH_BYTES_MAX));
        let message = format!(
            "The value {shown} looks like a secret that every installation shares. Leave it empty and have it generated, or let users name \
             an existing Secret. If it is none, the operator can list it under secretsAllow in the settings of the plugin."
        );
        self.report
            .value("helm/secret/value", VALUES, (Some(value), &pointer), message);
    }
}

/// Whether the name of a value says that it is a secret itself, rather than where one is.
fn names_secret(name: &str) -> bool {
    const ENDINGS: [&str; 13] = [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "apikey",
        "accesskey",
        "secretkey",
        "privatekey",
        "encryptionkey",
        "signingkey",
        "credentials",
    ];
    const ELSEWHERE: [&str; 11] = [
        "allow",
        "require",
        "generate",
        "existing",
        "pullsecret",
        "tlssecret",
        "usesecret",
        "createsecret",
        "automount",
        "csrf",
        "public",
    ];
    let name: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending)) && !ELSEWHERE.iter().any(|part| name.contains(part))
}

/// Whether a text is more than a gap to be filled.
fn is_literal(text: &str) -> bool {
    const PLACEHOLDERS: [&str; 20] = [
        "yes",
        "no",
        "on",
        "off",
        "changeme",
        "change-me",
        "change_me",
        "changeit",
        "replaceme",
        "replace-me",
        "replace_me",
        "example",
        "placeholder",
        "redacted",
        "todo",
        "none",
        "null",
        "nil",
        "true",
        "false",
    ];
    let trimmed = text.trim();
    let lower = trimmed.to_ascii_lowercase();
    let is_template = lower.contains("{{") || lower.contains("${") || lower.starts_with("$(") || lower.starts_with('%');
    let is_gap =
        lower.starts_with('<') || lower.starts_with("your") || lower.chars().all(|character| "x*.-_ ".contains(character));
    !trimmed.is_empty() && !is_template && !is_gap && !PLACEHOLDERS.contains(&lower.as_str())
}

/// Whether a text names a Secret, a key in one, or a file rather than being a secret.
fn is_reference(name: &str, text: &str) -> bool {
    let is_path = text.starts_with('/') || text.contains("://");
    let names_object = !name.to_ascii_lowercase().ends_with("password")
        && text.contains('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'.');
    let names_kind = ["secret", "token", "password", "credentials"]
        .iter()
        .any(|kind| text.to_ascii_lowercase().ends_with(kind));
    is_path || names_object || names_kind && text.contains(['-', '_', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for (name, expected) in [
            ("password", true),
            ("adminPassword", true),
            ("rootPasswd", true),
            ("clientSecret", true),
            ("api_key", true),
            ("API-KEY", true),
            ("secretAccessKey", true),
            ("token", true),
            ("existingSecret", false),
            ("secretName", false),
            ("passwordKey", false),
            ("tokenPath", false),
            ("imagePullSecret", false),
            ("automountServiceAccountToken", false),
            ("publicAccessKey", false),
            ("allowEmptyPassword", false),
            ("key", false),
        ] {
            assert_eq!(names_secret(name), expected, "{name}");
        }
    }

    #[test]
    fn literals_and_gaps() {
        for (text, expected) in [
            ("hunter2", true),
            ("prom-operator", true),
            ("", false),
            ("  ", false),
            ("changeme", false),
            ("CHANGE_ME", false),
            ("<your token>", false),
            ("your-password", false),
            ("{{ .Values.x }}", false),
            ("${PASSWORD}", false),
            ("xxxx", false),
            ("******", false),
        ] {
            assert_eq!(is_literal(text), expected, "{text}");
        }
    }

    #[test]
    fn references_are_no_secrets() {
        for (name, text, expected) in [
            ("clientSecret", "my-client-secret", true),
            ("token", "/var/run/token", true),
            ("secret", "web-tls", true),
            ("adminPassword", "prom-operator", false),
            ("clientSecret", "a8F3-22bd", false),
            ("token", "s3cr3t", false),
        ] {
            assert_eq!(is_reference(name, text), expected, "{name}: {text}");
        }
    }
}
