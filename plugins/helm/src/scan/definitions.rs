//! The definitions of custom resources in crds/, which Helm installs as they are: templates there stay what they are.

use portolan_plugin_sdk::yaml::{Node, Value};

use super::Report;
use crate::chart::{Chart, source};

const RULE: &str = "helm/lint/hl30";
const FOLDER: &str = "crds";

/// Judges crds/.
pub fn lint(chart: &Chart, report: &mut Report) {
    if chart.file(FOLDER).is_some() {
        report.file(
            RULE,
            FOLDER,
            "crds is a file. Make it a folder with definitions of custom resources.",
        );
    }
    for file in chart.crds() {
        let Some(content) = &file.content else { continue };
        match source::parts(content, &file.path, RULE, &mut Vec::new()) {
            Err(fault) => {
                let message = format!(
                    "{} Files in crds/ are not rendered: move a template to templates/.",
                    fault.message
                );
                report.line(RULE, &file.path, fault.position.map_or(1, |(line, _)| line as usize), message);
            }
            Ok(documents) => {
                for document in documents.iter().filter(|document| !matches!(document.value, Value::Null)) {
                    definition(document, &file.path, report);
                }
            }
        }
    }
}

fn definition(document: &Node, path: &str, report: &mut Report) {
    let text = |key: &str| document.get(key).map(source::text).unwrap_or_default();
    let version = text("apiVersion");
    if !version.starts_with("apiextensions.k8s.io") {
        let message = format!(
            "A document in crds/ has the apiVersion {version:?} instead of apiextensions.k8s.io/v1. Move it to templates/."
        );
        report.value(
            RULE,
            path,
            (document.get("apiVersion").or(Some(document)), "/apiVersion"),
            message,
        );
    }
    let kind = text("kind");
    if kind != "CustomResourceDefinition" {
        let message =
            format!("A document in crds/ has the kind {kind:?} instead of CustomResourceDefinition. Move it to templates/.");
        report.value(RULE, path, (document.get("kind").or(Some(document)), "/kind"), message);
    }
}
