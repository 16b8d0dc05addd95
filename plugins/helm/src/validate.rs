//! Whether the content of an artifact is a chart that Helm can load.
//!
//! What Helm could not load is refused; what Helm forgives, though it will surprise someone, is told to the client. The layout of the
//! manifest is judged first, because without exactly one chart layer there is nothing else to judge.

pub mod agreement;
pub mod layout;
pub mod provenance;

use portolan_plugin_sdk::{Finding, Verdict};

use crate::chart::{API_V1, API_V2, API_V3, Chart, Fault, MANIFEST, source, version};
use crate::rule::{self, Outcome};

/// What a push holds beside the manifest's layout.
pub struct Content<'a> {
    /// The digest of the chart layer.
    pub layer: &'a str,
    /// The SHA-256 of the chart layer in hexadecimal digits.
    pub chart_hash: &'a str,
    /// The chart, or why there is none.
    pub chart: &'a Result<Chart, Fault>,
    /// The digest and the bytes of the config; one that is too large has none.
    pub config: (String, Option<Vec<u8>>),
    /// The digest and the bytes of each provenance layer; one that is too large has none.
    pub provenance: &'a [(String, Option<Vec<u8>>)],
    /// The annotations of the manifest.
    pub annotations: &'a [(String, String)],
}

/// Judges the content of a chart whose layout is right.
pub fn content(content: &Content) -> Vec<Finding> {
    let (config, mut findings) = agreement::config(&content.config.0, content.config.1.as_deref());
    match content.chart {
        Err(fault) => findings.push(rule::of_fault(fault, content.layer)),
        Ok(chart) => {
            findings.extend(chart.faults.iter().map(|fault| rule::of_fault(fault, content.layer)));
            if chart.faults.is_empty() {
                findings.extend(provenance(content, chart));
                findings.extend(
                    config
                        .map(|config| agreement::differences(&config, chart, &content.config.0))
                        .unwrap_or_default(),
                );
                findings.extend(agreement::annotations(content.annotations, chart));
            }
            findings.extend(forgiven(chart).iter().map(|fault| rule::of_fault(fault, content.layer)));
        }
    }
    findings
}

/// The verdict on findings: one that refuses is enough, and those come first.
pub fn verdict(mut findings: Vec<Finding>) -> Verdict {
    const FINDINGS_MAX: usize = 1000;
    let refuses = |finding: &Finding| rule::rule(&finding.rule).is_none_or(|rule| rule.outcome == Outcome::Refused);
    findings.sort_by_key(|finding| !refuses(finding));
    findings.truncate(FINDINGS_MAX);
    if findings.iter().any(refuses) {
        Verdict::refuse(findings)
    } else {
        Verdict::accept(findings)
    }
}

fn provenance(content: &Content, chart: &Chart) -> Vec<Finding> {
    let package = chart.metadata.package();
    let mut findings: Vec<Finding> = content
        .provenance
        .iter()
        .filter_map(|(digest, bytes)| provenance::judge(digest, bytes.as_deref(), &package, content.chart_hash))
        .collect();
    if content.provenance.len() > 1 {
        let message = format!(
            "The manifest has {} provenance layers, of which Helm uses the last. Push the chart with one.",
            content.provenance.len()
        );
        findings.push(rule::finding("helm/provenance-duplicate", message));
    }
    findings
}

/// What Helm forgives in a chart.
fn forgiven(chart: &Chart) -> Vec<Fault> {
    let mut faults = chart.notes.clone();
    faults.extend(api_version(chart));
    faults.extend(loose_version(chart));
    faults.extend(folder(chart));
    faults
}

fn api_version(chart: &Chart) -> Option<Fault> {
    let manifest = chart.manifest.as_ref()?;
    let found = source::locate(manifest, "/apiVersion");
    let fault = match chart.metadata.api_version.as_str() {
        API_V1 if found.is_none() => Fault::new(
            "helm/api-version-missing",
            "Chart.yaml has no apiVersion, so Helm takes the chart for one of Helm 2. Add `apiVersion: v2`.",
        ),
        API_V1 | API_V2 => return None,
        API_V3 => Fault::new(
            "helm/api-version-experimental",
            "Helm reads charts with apiVersion v3 only with its experimental support switched on. Use `apiVersion: v2`.",
        ),
        // A version that does not exist keeps Helm from loading the chart; that is a fault of the chart itself.
        _ => return None,
    };
    let fault = fault.in_file(MANIFEST).pointing("/apiVersion");
    Some(match found {
        Some(node) => fault.at(node.line, node.column),
        None => fault,
    })
}

fn loose_version(chart: &Chart) -> Option<Fault> {
    let text = &chart.metadata.version;
    let meant = version::lenient(text).filter(|_| version::strict(text).is_none())?;
    let message = format!(
        "Helm reads the version {text:?} as {meant}, but lists tags only by strict semantic versions, so version ranges will not find \
         this chart. Write \"{meant}\" in Chart.yaml."
    );
    let fault = Fault::new("helm/version-lenient", message)
        .in_file(MANIFEST)
        .pointing("/version");
    let node = chart
        .manifest
        .as_ref()
        .and_then(|manifest| source::locate(manifest, "/version"));
    Some(match node {
        Some(node) => fault.at(node.line, node.column),
        None => fault,
    })
}

fn folder(chart: &Chart) -> Option<Fault> {
    let name = &chart.metadata.name;
    if !chart.other_roots.is_empty() {
        let message = format!(
            "The archive has several folders at its top, {:?} and {:?} among them; Helm mixes their files. Package the chart with `helm package`.",
            chart.root,
            chart.other_roots.first().map_or("", String::as_str)
        );
        return Some(Fault::new("helm/archive-folder", message));
    }
    (!name.is_empty() && chart.root != *name).then(|| {
        let message = format!(
            "The folder in the archive is called {:?}, the chart {name:?}. Give them one name.",
            chart.root
        );
        Fault::new("helm/archive-folder", message)
    })
}

#[cfg(test)]
mod tests;
