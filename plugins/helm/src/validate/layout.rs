//! Which blobs of a manifest are the config, the chart and its provenance.

use portolan_plugin_sdk::{Descriptor, Finding};

use crate::chart::{CHART_TYPE, CONFIG_TYPE, LEGACY_CHART_TYPE, PROVENANCE_TYPE};
use crate::rule;

/// The media types of manifests that only list others.
const INDEX_TYPES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// The blobs of a chart.
#[derive(Debug)]
pub struct Layout<'a> {
    /// The metadata as JSON.
    pub config: &'a Descriptor,
    /// The packaged chart.
    pub chart: &'a Descriptor,
    /// The provenance files, at most one in a good manifest.
    pub provenance: Vec<&'a Descriptor>,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// Finds the blobs of a chart among those of a manifest. Layers of other types are left alone, as Helm leaves them.
pub fn judge<'a>(media_type: &str, config: Option<&'a Descriptor>, layers: &'a [Descriptor]) -> Result<Layout<'a>, Vec<Finding>> {
    if INDEX_TYPES.contains(&media_type) {
        let message = "The manifest is an index, in which Helm finds no chart. Push the image manifest of the chart alone.";
        return Err(vec![rule::finding("helm/manifest-kind", message)]);
    }
    let of_type = |media_type: &'static str| layers.iter().filter(move |layer| layer.media_type == media_type);
    let mut problems = Vec::new();
    let config = config.filter(|config| config.media_type == CONFIG_TYPE);
    if config.is_none() {
        problems.push(rule::finding(
            "helm/config-missing",
            format!("The config of the manifest is not of type {CONFIG_TYPE}, and Helm would not pull the chart. Push it with `helm push`."),
        ));
    }
    if of_type(CONFIG_TYPE).next().is_some() {
        problems.push(rule::finding(
            "helm/config-duplicate",
            format!("A layer of the manifest is of type {CONFIG_TYPE}, which is that of the config. Leave it out of the layers."),
        ));
    }
    let charts: Vec<&Descriptor> = of_type(CHART_TYPE).chain(of_type(LEGACY_CHART_TYPE)).collect();
    let chart = match charts.as_slice() {
        [] => {
            let message =
                format!("The manifest has no chart: no layer is of type {CHART_TYPE}. Push the chart with `helm push`.");
            problems.push(rule::finding("helm/chart-layer-missing", message));
            None
        }
        [chart] => Some(*chart),
        several => {
            let message = format!("The manifest has {} chart layers. Push each chart on its own.", several.len());
            problems.push(rule::finding("helm/chart-layer-duplicate", message));
            None
        }
    };
    match (config, chart) {
        (Some(config), Some(chart)) if problems.is_empty() => Ok(Layout {
            config,
            chart,
            provenance: of_type(PROVENANCE_TYPE).collect(),
            findings: legacy(chart),
        }),
        _ => Err(problems),
    }
}

fn legacy(chart: &Descriptor) -> Vec<Finding> {
    if chart.media_type != LEGACY_CHART_TYPE {
        return Vec::new();
    }
    let message = format!(
        "The chart layer is of type {LEGACY_CHART_TYPE}, which Helm will stop to accept. Push it again with a current Helm."
    );
    vec![rule::finding("helm/chart-layer-legacy", message)]
}
