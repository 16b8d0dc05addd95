//! What the plugin says about itself.

use portolan_plugin_sdk::{Claim, Limits, ServiceSpec, Spec};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::chart::CONFIG_TYPE;

/// The first segment of the paths that the service answers.
pub const MOUNT: &str = "helm";

/// What an operator can configure.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Values that are no secrets although their names say so, as dotted paths into values.yaml.
    pub secrets_allow: Vec<String>,
}

/// Returns the spec, without views: those belong to the renderer.
pub fn spec() -> Spec {
    Spec::new("helm", env!("CARGO_PKG_VERSION"))
        .title("Helm charts")
        .summary("Validates, indexes, shows, scans and compares Helm charts, and serves them as a chart repository.")
        .icon(include_str!("../icon.svg"))
        .claim(Claim::new(CONFIG_TYPE).title("Helm chart"))
        .service(ServiceSpec::mount(MOUNT))
        .command("Pull", "helm pull oci://{registry}/{repository} --version {tag}")
        .command("Install", "helm install {name} oci://{registry}/{repository} --version {tag}")
        .command(
            "Show the values",
            "helm show values oci://{registry}/{repository} --version {tag}",
        )
        .command("Pull by digest", "helm pull oci://{registry}/{repository}@{digest}")
        .command(
            "Add as chart repository",
            format!("helm repo add {{name}} {{origin}}/{MOUNT}"),
        )
        .settings(settings())
        .limits(Limits {
            memory_bytes: Some(256 * 1024 * 1024),
            time_ms: None,
        })
}

fn settings() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "secretsAllow": {
                "description": "Values that are no secrets although their names say so, as dotted paths into values.yaml.",
                "type": "array",
                "items": { "type": "string", "maxLength": 1024 },
                "maxItems": 200
            }
        },
        "additionalProperties": false
    })
}
