//! Dependencies that are declared and those that lie in charts/.

use std::collections::HashSet;

use super::Report;
use crate::chart::Chart;

/// Judges whether both sides agree, as `helm lint` does.
pub fn lint(chart: &Chart, report: &mut Report) {
    let (file, _) = chart.dependencies_source();
    let declared: HashSet<&str> = chart
        .metadata
        .dependencies()
        .map(|dependency| dependency.name.as_str())
        .collect();
    let present: HashSet<&str> = chart
        .subcharts
        .iter()
        .map(|subchart| subchart.metadata.name.as_str())
        .collect();
    for subchart in chart
        .subcharts
        .iter()
        .filter(|subchart| !declared.contains(subchart.metadata.name.as_str()))
    {
        let name = &subchart.metadata.name;
        let message = format!(
            "charts/{} holds the chart {name:?}, which {file} does not declare. Add it to the dependencies.",
            subchart.entry
        );
        report.file("helm/lint/hl27", &format!("charts/{}", subchart.entry), message);
    }
    let mut keys = HashSet::new();
    for (index, dependency) in chart.metadata.dependencies.iter().enumerate() {
        let Some(dependency) = dependency else { continue };
        if !present.contains(dependency.name.as_str()) {
            let message = format!(
                "The dependency {:?} is not in charts/, so the chart cannot be installed as it is. Run `helm dependency update` before \
                 packaging it.",
                dependency.name
            );
            at(chart, index, "", "helm/lint/hl28", message, report);
        }
        if !keys.insert(dependency.key()) {
            let message = format!(
                "Two dependencies are called {:?}. Give one of them an alias of its own.",
                dependency.key()
            );
            at(chart, index, "", "helm/lint/hl29", message, report);
        }
    }
}

/// Reports repositories that are read without encryption.
pub fn insecure(chart: &Chart, report: &mut Report) {
    for (index, dependency) in chart.metadata.dependencies.iter().enumerate() {
        let Some(dependency) = dependency else { continue };
        if dependency
            .repository
            .get(..7)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
        {
            let message = format!(
                "The dependency {:?} comes from {}, which anyone on the way can change. Use https:// or oci://.",
                dependency.name, dependency.repository
            );
            at(chart, index, "/repository", "helm/dependency-http", message, report);
        }
    }
}

fn at(chart: &Chart, index: usize, below: &str, rule: &'static str, message: String, report: &mut Report) {
    let (file, node) = chart.dependencies_source();
    let pointer = format!("/dependencies/{index}{below}");
    report.pointed(rule, file, (node, &pointer), message);
}
