//! Every rule of the plugin on one page: its id, how much it matters, what happens when it is met, and where it is explained.
//!
//! The README holds the same table with the remedies; a test compares them.

use portolan_plugin_sdk::{Finding, Location, Severity};

use crate::chart::Fault;

/// What happens when a rule is met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// The push is refused.
    Refused,
    /// The push proceeds, and the client is told.
    Warned,
    /// Scanning reports it.
    Reported,
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The id, stable between versions.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What happens when it is met.
    pub outcome: Outcome,
    /// The address that explains it.
    pub help: &'static str,
}

const CHARTS: &str = "https://helm.sh/docs/topics/charts/";
const CHART_FILE: &str = "https://helm.sh/docs/topics/charts/#the-chartyaml-file";
const STRUCTURE: &str = "https://helm.sh/docs/topics/charts/#the-chart-file-structure";
const VERSIONS: &str = "https://helm.sh/docs/topics/charts/#charts-and-versioning";
const API_VERSION: &str = "https://helm.sh/docs/topics/charts/#the-apiversion-field";
const TYPES: &str = "https://helm.sh/docs/topics/charts/#chart-types";
const DEPENDENCIES: &str = "https://helm.sh/docs/topics/charts/#chart-dependencies";
const VALUES: &str = "https://helm.sh/docs/topics/charts/#templates-and-values";
const SCHEMA: &str = "https://helm.sh/docs/topics/charts/#schema-files";
const DEFINITIONS: &str = "https://helm.sh/docs/chart_best_practices/custom_resource_definitions/";
const REGISTRIES: &str = "https://helm.sh/docs/topics/registries/";
const PROVENANCE: &str = "https://helm.sh/docs/topics/provenance/";
const SECRETS: &str = "https://kubernetes.io/docs/concepts/configuration/secret/";
const MIGRATION: &str = "https://kubernetes.io/docs/reference/using-api/deprecation-guide/";

const fn refused(id: &'static str, help: &'static str) -> Rule {
    Rule {
        id,
        severity: Severity::High,
        outcome: Outcome::Refused,
        help,
    }
}

const fn warned(id: &'static str, severity: Severity, help: &'static str) -> Rule {
    Rule {
        id,
        severity,
        outcome: Outcome::Warned,
        help,
    }
}

const fn reported(id: &'static str, severity: Severity, help: &'static str) -> Rule {
    Rule {
        id,
        severity,
        outcome: Outcome::Reported,
        help,
    }
}

/// All rules.
pub const RULES: &[Rule] = &[
    // The manifest.
    refused("helm/manifest-kind", REGISTRIES),
    refused("helm/config-missing", REGISTRIES),
    refused("helm/config-duplicate", REGISTRIES),
    refused("helm/config-unreadable", REGISTRIES),
    refused("helm/chart-layer-missing", REGISTRIES),
    refused("helm/chart-layer-duplicate", REGISTRIES),
    warned("helm/chart-layer-legacy", Severity::Low, REGISTRIES),
    warned("helm/config-differs", Severity::Medium, REGISTRIES),
    warned("helm/annotation-differs", Severity::Low, REGISTRIES),
    // The archive.
    refused("helm/archive-unreadable", CHARTS),
    refused("helm/archive-empty", STRUCTURE),
    refused("helm/archive-limit", CHARTS),
    refused("helm/archive-path", STRUCTURE),
    refused("helm/archive-link", STRUCTURE),
    warned("helm/archive-folder", Severity::Low, STRUCTURE),
    refused("helm/archive-duplicate", STRUCTURE),
    // Chart.yaml and the other files that Helm parses.
    refused("helm/chart-yaml-missing", CHART_FILE),
    refused("helm/chart-yaml-unreadable", CHART_FILE),
    refused("helm/chart-yaml-type", CHART_FILE),
    refused("helm/api-version-invalid", API_VERSION),
    refused("helm/name-missing", CHART_FILE),
    refused("helm/name-invalid", CHART_FILE),
    refused("helm/version-missing", VERSIONS),
    refused("helm/version-invalid", VERSIONS),
    refused("helm/type-invalid", TYPES),
    refused("helm/maintainer-empty", CHART_FILE),
    refused("helm/dependency-empty", DEPENDENCIES),
    refused("helm/dependency-alias", DEPENDENCIES),
    refused("helm/dependency-duplicate", DEPENDENCIES),
    refused("helm/requirements-unreadable", DEPENDENCIES),
    refused("helm/lock-unreadable", DEPENDENCIES),
    refused("helm/subchart-unreadable", DEPENDENCIES),
    refused("helm/values-unreadable", VALUES),
    refused("helm/yaml-limit", CHARTS),
    refused("helm/key-ambiguous", CHART_FILE),
    refused("helm/requirements-metadata", DEPENDENCIES),
    warned("helm/key-case", Severity::Medium, CHART_FILE),
    warned("helm/yaml-unread", Severity::Medium, CHARTS),
    warned("helm/yaml-duplicate-key", Severity::Medium, CHARTS),
    warned("helm/api-version-missing", Severity::Low, API_VERSION),
    warned("helm/api-version-experimental", Severity::Low, API_VERSION),
    warned("helm/version-lenient", Severity::Medium, VERSIONS),
    // Provenance.
    refused("helm/provenance-unreadable", PROVENANCE),
    refused("helm/provenance-mismatch", PROVENANCE),
    warned("helm/provenance-duplicate", Severity::Medium, PROVENANCE),
    // Repository and tag.
    warned("helm/repository-name", Severity::Medium, REGISTRIES),
    warned("helm/tag-version", Severity::Medium, REGISTRIES),
    // What `helm lint` says.
    reported("helm/lint/hl01", Severity::High, CHART_FILE),
    reported("helm/lint/hl02", Severity::High, CHART_FILE),
    reported("helm/lint/hl03", Severity::Medium, CHART_FILE),
    reported("helm/lint/hl04", Severity::High, CHART_FILE),
    reported("helm/lint/hl05", Severity::High, API_VERSION),
    reported("helm/lint/hl06", Severity::High, VERSIONS),
    reported("helm/lint/hl07", Severity::High, VERSIONS),
    reported(
        "helm/lint/hl08",
        Severity::High,
        "https://helm.sh/docs/topics/charts/#the-appversion-field",
    ),
    reported("helm/lint/hl09", Severity::High, CHART_FILE),
    reported("helm/lint/hl10", Severity::High, CHART_FILE),
    reported("helm/lint/hl11", Severity::Info, CHART_FILE),
    reported("helm/lint/hl12", Severity::High, CHART_FILE),
    reported("helm/lint/hl13", Severity::High, TYPES),
    reported("helm/lint/hl14", Severity::High, DEPENDENCIES),
    reported("helm/lint/hl15", Severity::Medium, VERSIONS),
    reported("helm/lint/hl16", Severity::Info, VALUES),
    reported("helm/lint/hl17", Severity::High, SCHEMA),
    reported("helm/lint/hl18", Severity::Medium, STRUCTURE),
    reported("helm/lint/hl27", Severity::High, DEPENDENCIES),
    reported("helm/lint/hl28", Severity::Medium, DEPENDENCIES),
    reported("helm/lint/hl29", Severity::High, DEPENDENCIES),
    reported("helm/lint/hl30", Severity::High, DEFINITIONS),
    // What Helm does not look for.
    reported("helm/secret/private-key", Severity::Critical, SECRETS),
    reported("helm/secret/token", Severity::Critical, SECRETS),
    reported("helm/secret/value", Severity::High, SECRETS),
    reported("helm/dependency-http", Severity::Medium, DEPENDENCIES),
    reported("helm/api-removed", Severity::High, MIGRATION),
    reported("helm/api-deprecated", Severity::Medium, MIGRATION),
    reported("helm/scan-incomplete", Severity::Medium, CHARTS),
];

/// Finds a rule by id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// States a finding under a rule. Messages are cut where the contract ends them.
pub fn finding(id: &'static str, message: impl Into<String>) -> Finding {
    let message = cut(&message.into(), MESSAGE_BYTES_MAX);
    match rule(id) {
        Some(rule) => Finding::new(id, rule.severity, message).help(rule.help),
        None => Finding::new(id, Severity::Medium, message),
    }
}

/// States a fault of a chart as finding in the layer with the given digest.
pub fn of_fault(fault: &Fault, layer: &str) -> Finding {
    let mut location = Location::blob(layer);
    if let Some(path) = &fault.path {
        location = Location::file(cut(path, PLACE_BYTES_MAX)).digest(layer);
    }
    if let Some((line, column)) = fault.position {
        location = location.line(line).column(column);
    }
    if let Some(pointer) = fault
        .pointer
        .as_ref()
        .filter(|pointer| !pointer.is_empty() && pointer.len() <= PLACE_BYTES_MAX)
    {
        location = location.pointer(pointer);
    }
    finding(fault.rule, fault.message.clone()).at(location)
}

const MESSAGE_BYTES_MAX: usize = 2000;
const PLACE_BYTES_MAX: usize = 1024;

/// Cuts text to at most `bytes_max` bytes, at a character, and shows that it did.
pub fn cut(text: &str, bytes_max: usize) -> String {
    const MARK: char = '…';
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let room = bytes_max.saturating_sub(MARK.len_utf8());
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let mut kept = text.get(..end).unwrap_or_default().to_owned();
    kept.push(MARK);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_rule_with_severity_and_outcome() {
        let readme = include_str!("../README.md");
        for rule in RULES {
            let severity = format!("{:?}", rule.severity).to_lowercase();
            let outcome = format!("{:?}", rule.outcome).to_lowercase();
            let start = format!("| `{}` | {severity} | {outcome} | ", rule.id);
            assert!(
                readme.lines().any(|line| line.starts_with(&start)),
                "the README lacks {start}"
            );
        }
        assert_eq!(
            readme.matches("| `helm/").count(),
            RULES.len(),
            "the README has rules that do not exist"
        );
    }

    #[test]
    fn ids_are_unique_and_within_the_bounds() {
        for (index, rule) in RULES.iter().enumerate() {
            assert!(RULES.iter().take(index).all(|other| other.id != rule.id), "{}", rule.id);
            assert!(
                rule.id
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-./".contains(&byte))
            );
            assert!(rule.help.starts_with("https://"));
        }
    }

    #[test]
    fn text_is_cut_at_characters() {
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("ääää", 6), "ä…");
        assert!(cut(&"x".repeat(3000), 2000).len() <= 2000);
    }
}
