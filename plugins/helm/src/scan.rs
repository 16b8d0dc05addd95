//! What may be wrong with a chart that is already stored: what `helm lint` finds without rendering, and what it does not look for.

pub mod address;
pub mod apis;
pub mod definitions;
pub mod dependencies;
pub mod lint;
pub mod schema;
pub mod secrets;

use portolan_plugin_sdk::yaml::Node;
use portolan_plugin_sdk::{Finding, Location};

use crate::chart::{Chart, Fault};
use crate::rule;

const FINDINGS_MAX: usize = 10_000;
const PLACE_BYTES_MAX: usize = 1024;

/// Scans a chart; `secrets_allow` names values that are no secrets although they look like it.
pub fn chart(chart: Result<&Chart, &Fault>, layer: &str, secrets_allow: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    match chart {
        Err(fault) => findings.push(rule::of_fault(fault, layer)),
        Ok(chart) => {
            let report = &mut Report {
                layer,
                findings: &mut findings,
            };
            lint::chart_file(chart, report);
            lint::values(chart, report);
            lint::templates(chart, report);
            dependencies::lint(chart, report);
            definitions::lint(chart, report);
            dependencies::insecure(chart, report);
            secrets::find(chart, secrets_allow, report);
            apis::find(chart, report);
        }
    }
    findings.sort_by_key(|finding| finding.severity);
    findings.truncate(FINDINGS_MAX);
    findings
}

/// Collects findings about one chart layer.
pub struct Report<'a> {
    layer: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Report<'_> {
    /// Reports on a file as a whole.
    pub fn file(&mut self, rule: &'static str, path: &str, message: impl Into<String>) {
        let location = Location::file(rule::cut(path, PLACE_BYTES_MAX)).digest(self.layer);
        self.findings.push(rule::finding(rule, message).at(location));
    }

    /// Reports on a line of a file, counted from 1.
    pub fn line(&mut self, rule: &'static str, path: &str, line: usize, message: impl Into<String>) {
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let location = Location::file(rule::cut(path, PLACE_BYTES_MAX)).digest(self.layer).line(line);
        self.findings.push(rule::finding(rule, message).at(location));
    }

    /// Reports on a value of a YAML file, or on the file where the value does not exist.
    pub fn value(&mut self, rule: &'static str, path: &str, place: (Option<&Node>, &str), message: impl Into<String>) {
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
}

#[cfg(test)]
mod tests;
