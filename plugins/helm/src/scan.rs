//! What may be wrong with a chart that is already stored: what `helm lint` finds without rendering, and what it does not look for.

pub mod address;
pub mod apis;
pub mod definitions;
pub mod dependencies;
pub mod lint;
pub mod schema;
pub mod secrets;

use std::collections::BTreeMap;

use portolan_plugin_sdk::yaml::Node;
use portolan_plugin_sdk::{Finding, Location};

use crate::chart::{Chart, Fault, source};
use crate::rule;

/// The most findings of one rule: who has more of one kind has one problem, not many. No kind can push out another.
const OF_RULE_MAX: usize = 100;
const FINDINGS_MAX: usize = 10_000;
const PLACE_BYTES_MAX: usize = 1024;
const INCOMPLETE: &str = "helm/scan-incomplete";

const _: () = assert!(
    rule::RULES.len() * (OF_RULE_MAX + 1) < FINDINGS_MAX,
    "all findings fit, however many rules are met"
);

/// Scans a chart; `secrets_allow` names values that are no secrets although they look like it.
///
/// What could not be looked at is a finding too: no findings mean that nothing was found, never that nothing was looked for.
pub fn chart(chart: Result<&Chart, &Fault>, layer: &str, secrets_allow: &[String]) -> Vec<Finding> {
    let report = &mut Report {
        layer,
        findings: Vec::new(),
        met: BTreeMap::new(),
    };
    match chart {
        Err(fault) => {
            report.findings.push(rule::of_fault(fault, layer));
            let message = "The chart cannot be read, so nothing in it was looked at. Correct what the other finding names.";
            report
                .findings
                .push(rule::finding(INCOMPLETE, message).at(Location::blob(layer)));
        }
        Ok(chart) => {
            lint::chart_file(chart, report);
            lint::values(chart, report);
            lint::templates(chart, report);
            dependencies::lint(chart, report);
            definitions::lint(chart, report);
            dependencies::insecure(chart, report);
            secrets::find(chart, secrets_allow, report);
            apis::find(chart, report);
            unread(chart, report);
        }
    }
    report.finish()
}

/// Reports files that could not be read, so that no rule looked at what is in them.
fn unread(chart: &Chart, report: &mut Report) {
    let is_unread =
        |fault: &&Fault| fault.rule.ends_with("-unreadable") || matches!(fault.rule, "helm/yaml-limit" | "helm/archive-limit");
    for fault in chart.faults.iter().filter(is_unread) {
        let path = fault.path.as_deref().unwrap_or_default();
        let message = format!("{path} could not be read, so nothing in it was looked at. {}", fault.message);
        report.file(INCOMPLETE, path, message);
    }
}

/// Collects findings about one chart layer.
pub struct Report<'a> {
    layer: &'a str,
    findings: Vec<Finding>,
    /// How often each rule was met.
    met: BTreeMap<&'static str, usize>,
}

impl Report<'_> {
    /// Counts a finding and says whether there is room for it.
    fn has_room(&mut self, rule: &'static str) -> bool {
        let met = self.met.entry(rule).or_default();
        *met += 1;
        *met <= OF_RULE_MAX
    }

    /// Reports on a file as a whole.
    pub fn file(&mut self, rule: &'static str, path: &str, message: impl Into<String>) {
        self.at(rule, path, None, message);
    }

    /// Reports on a line of a file, counted from 1.
    pub fn line(&mut self, rule: &'static str, path: &str, line: usize, message: impl Into<String>) {
        self.at(rule, path, Some(line), message);
    }

    fn at(&mut self, rule: &'static str, path: &str, line: Option<usize>, message: impl Into<String>) {
        if !self.has_room(rule) {
            return;
        }
        let mut location = Location::file(rule::cut(path, PLACE_BYTES_MAX)).digest(self.layer);
        if let Some(line) = line {
            location = location.line(u32::try_from(line).unwrap_or(u32::MAX));
        }
        self.findings.push(rule::finding(rule, message).at(location));
    }

    /// Reports on a value of a YAML file, or on the file where the value does not exist.
    pub fn value(&mut self, rule: &'static str, path: &str, place: (Option<&Node>, &str), message: impl Into<String>) {
        if self.has_room(rule) {
            self.push_value(rule, path, place, message);
        }
    }

    /// Reports on the value that a pointer names in a YAML file. It is only looked up where there is room to tell it.
    pub fn pointed(&mut self, rule: &'static str, path: &str, place: (Option<&Node>, &str), message: impl Into<String>) {
        if self.has_room(rule) {
            let (root, pointer) = place;
            let node = root.and_then(|root| source::locate(root, pointer));
            self.push_value(rule, path, (node, pointer), message);
        }
    }

    fn push_value(&mut self, rule: &'static str, path: &str, place: (Option<&Node>, &str), message: impl Into<String>) {
        let mut location = Location::file(rule::cut(path, PLACE_BYTES_MAX)).digest(self.layer);
        let (node, pointer) = place;
        if pointer.len() <= PLACE_BYTES_MAX {
            location = location.pointer(pointer);
        }
        if let Some(node) = node {
            location = location.line(node.line).column(node.column);
        }
        self.findings.push(rule::finding(rule, message).at(location));
    }

    /// Returns the findings, most important first. Where a rule was met more often than is told, a finding says so.
    fn finish(&mut self) -> Vec<Finding> {
        let met = std::mem::take(&mut self.met);
        for (rule, met) in met.into_iter().filter(|(_, met)| *met > OF_RULE_MAX) {
            let left_out = met - OF_RULE_MAX;
            let message = format!(
                "{left_out} more findings of the rule {rule} are not listed. Correct those that are, and scan the chart again."
            );
            let finding = rule::finding(INCOMPLETE, message).at(Location::blob(self.layer));
            self.findings.push(finding);
        }
        let mut findings = std::mem::take(&mut self.findings);
        findings.sort_by_key(|finding| finding.severity);
        findings
    }
}

#[cfg(test)]
mod tests;
