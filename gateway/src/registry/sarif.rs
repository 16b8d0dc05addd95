//! Findings as a SARIF 2.1.0 document, and the manifest that attaches it to an artifact.
//!
//! The bytes depend on nothing but the findings and the plugin: no times, no names of hosts. The same result is the same blob.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Artifact, Finding, FindingLocation, RegistryError, manifests::command_for};
use crate::{
    metadata::{Edge, EdgeKind, PutManifest},
    oci::{Digest, Manifest, media_types},
};

/// The media type of a SARIF document, and the artifact type of a referrer that carries one.
pub const SARIF_MEDIA_TYPE: &str = "application/sarif+json";

/// What one plugin found.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// Its version; empty where that is not known.
    pub version: &'a str,
    /// What it found.
    pub findings: &'a [Finding],
}

/// Returns findings as a SARIF 2.1.0 document with a run for each plugin.
#[must_use]
pub fn sarif(runs: &[Run<'_>]) -> Bytes {
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": runs.iter().map(run).collect::<Vec<_>>(),
    });
    serde_json::to_vec(&document)
        .expect("a JSON value has only string keys")
        .into()
}

fn run(run: &Run<'_>) -> Value {
    let Run {
        plugin,
        version,
        findings,
    } = run;
    let rules: BTreeSet<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    let help = |rule: &str| {
        findings
            .iter()
            .filter(|finding| finding.rule == rule)
            .find_map(|finding| finding.help.as_deref())
    };
    let rules: Vec<Value> = rules
        .into_iter()
        .map(|rule| match help(rule) {
            Some(help) => json!({ "id": rule, "helpUri": help }),
            None => json!({ "id": rule }),
        })
        .collect();
    json!({
        "tool": { "driver": { "name": plugin, "version": version, "rules": rules } },
        "columnKind": "unicodeCodePoints",
        "results": findings.iter().map(result).collect::<Vec<_>>(),
    })
}

fn result(finding: &Finding) -> Value {
    let level = match finding.severity.as_str() {
        "critical" | "high" => "error",
        "low" | "info" => "note",
        _ => "warning",
    };
    let mut properties: serde_json::Map<String, Value> = serde_json::from_str(&finding.properties).unwrap_or_default();
    properties.insert("severity".into(), finding.severity.as_str().into());
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level,
        "message": { "text": finding.message },
        "properties": properties,
    });
    if let (Some(location), Some(result)) = (finding.location.as_ref().and_then(location), result.as_object_mut()) {
        result.insert("locations".into(), json!([location]));
    }
    result
}

/// Returns a SARIF location, where anything of the place is known.
fn location(place: &FindingLocation) -> Option<Value> {
    let mut location = serde_json::Map::new();
    let uri = place.path.as_deref().map(uri_of).or_else(|| place.digest.clone());
    if let Some(uri) = uri {
        let mut physical = json!({ "artifactLocation": { "uri": uri } });
        let line = place.line.filter(|line| *line > 0);
        if let (Some(line), Some(physical)) = (line, physical.as_object_mut()) {
            let column = place.column.filter(|column| *column > 0);
            let region = column.map_or(
                json!({ "startLine": line }),
                |column| json!({ "startLine": line, "startColumn": column }),
            );
            physical.insert("region".into(), region);
        }
        location.insert("physicalLocation".into(), physical);
    }
    if let Some(pointer) = &place.pointer {
        location.insert("logicalLocations".into(), json!([{ "fullyQualifiedName": pointer }]));
    }
    (!location.is_empty()).then_some(Value::Object(location))
}

/// Returns a path as a URI reference: everything but unreserved characters and `/` is escaped (RFC 3986).
fn uri_of(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Returns the manifest that attaches a document of findings to an artifact. Its config is the document itself.
pub(super) fn referrer(subject: &Artifact, document: &Bytes) -> Result<PutManifest, RegistryError> {
    let digest = Digest::sha256(document);
    let size = document.len() as u64;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_types::OCI_MANIFEST,
        "artifactType": SARIF_MEDIA_TYPE,
        "config": { "mediaType": SARIF_MEDIA_TYPE, "digest": digest, "size": size },
        "layers": [],
        "subject": {
            "mediaType": subject.manifest.media_type.as_str(),
            "digest": subject.digest,
            "size": subject.bytes.len(),
        },
    });
    let bytes: Bytes = serde_json::to_vec(&manifest)
        .expect("a JSON value has only string keys")
        .into();
    let artifact = Artifact {
        repository: subject.repository.clone(),
        digest: Digest::sha256(&bytes),
        manifest: Arc::new(Manifest::parse(None, &bytes)?),
        bytes,
    };
    let edges = vec![Edge {
        kind: EdgeKind::Config,
        digest,
        size,
        required: true,
    }];
    Ok(PutManifest {
        edges,
        ..command_for(artifact)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_deterministic_and_escape_paths() {
        let place = FindingLocation {
            path: Some("a b/ü.yaml".into()),
            line: Some(3),
            pointer: Some("/x".into()),
            ..FindingLocation::default()
        };
        let finding = Finding {
            rule: "x/one".into(),
            severity: "high".into(),
            message: "Mend it.".into(),
            location: Some(place),
            help: Some("https://example.org/one".into()),
            properties: String::new(),
        };
        let findings = [finding.clone(), finding];
        let run = Run {
            plugin: "x",
            version: "1.0.0",
            findings: &findings,
        };
        let document = sarif(&[run]);
        assert_eq!(document, sarif(&[run]));
        let value: Value = serde_json::from_slice(&document).unwrap();
        let run = &value["runs"][0];
        assert_eq!(
            run["tool"]["driver"]["rules"],
            json!([{ "id": "x/one", "helpUri": "https://example.org/one" }])
        );
        let physical = &run["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(physical["artifactLocation"]["uri"], "a%20b/%C3%BC.yaml");
        assert_eq!(physical["region"]["startLine"], 3);
        assert_eq!(run["results"][1]["level"], "error");
    }
}
