//! Entries of whole charts.

use serde_json::json;

use super::*;
use crate::testing::Package;

fn indexed(package: &Package, annotations: &[(&str, &str)]) -> Entry {
    let annotations: Vec<_> = annotations
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let chart = Descriptor::new("chart", "sha256:abc", 700);
    entry(
        &package.chart(),
        &Source {
            chart: &chart,
            chart_hash: "abc",
            provenance: None,
            annotations: &annotations,
        },
    )
}

#[test]
fn an_entry_tells_what_chart_yaml_does() {
    let package = Package::good().file(
        "web/Chart.yaml",
        "apiVersion: v2\nname: web\nversion: 1.0.0\ndescription: Serves pages.\nkeywords: [http, '', http, pages]\nappVersion: 2.10\nnonsense: 1\n",
    );
    let entry = indexed(
        &package,
        &[(CREATED, "2026-01-02T03:04:05Z"), ("org.opencontainers.image.title", "web")],
    );
    assert_eq!(
        (entry.title.as_str(), entry.version.as_deref(), entry.summary.as_deref()),
        ("web", Some("1.0.0"), Some("Serves pages."))
    );
    assert_eq!(entry.keywords, ["http", "pages"]);
    let metadata = r#"{"name":"web","version":"1.0.0","description":"Serves pages.","keywords":["http","","http","pages"],"apiVersion":"v2","appVersion":"2.1""#;
    assert_eq!(
        entry.document,
        json!({
            "metadata": serde_json::from_str::<Value>(&format!("{metadata}}}")).unwrap(),
            "appVersion": "2.1",
            "deprecated": false,
            "chartDigest": "abc",
            "chartLayer": { "digest": "sha256:abc", "size": 700 },
            "created": "2026-01-02T03:04:05Z",
            "annotations": { CREATED: "2026-01-02T03:04:05Z", "org.opencontainers.image.title": "web" },
            "fragment": format!("{metadata},\"created\":\"2026-01-02T03:04:05Z\",\"digest\":\"abc\""),
        })
    );
}

#[test]
fn references_are_dependencies_and_images() {
    let package = Package::good()
        .file(
            "web/Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- name: db\n  version: 1.x\n  repository: oci://example.com/charts/\n\
             - name: local\n  alias: here\n",
        )
        .file(
            "web/values.yaml",
            "image:\n  registry: ghcr.io\n  repository: team/web\n  tag: 1.10\nsidecarImage: busybox:1.36\nlist:\n- image: redis@sha256:0000000000000000000000000000000000000000000000000000000000000000\n\
             metrics:\n  repository: exporter\n  tag: \"\"\nrepo:\n  repository: https://example.com\n  tag: x\n",
        )
        .file("web/templates/job.yaml", "containers:\n- name: a\n  image: \"curl:8\" # a comment\n- image: {{ .Values.x }}\n- image: busybox:1.36\n");
    let references: Vec<_> = indexed(&package, &[])
        .references
        .into_iter()
        .map(|reference| {
            format!(
                "{} {} {}",
                reference.kind,
                reference.target,
                Value::Object(reference.properties)
            )
        })
        .collect();
    assert_eq!(
        references,
        [
            r#"dependency oci://example.com/charts/db {"name":"db","version":"1.x"}"#,
            r#"dependency local {"alias":"here","name":"local"}"#,
            r#"image ghcr.io/team/web:1.1 {"source":"values.yaml: image"}"#,
            r#"image busybox:1.36 {"source":"values.yaml: sidecarImage"}"#,
            r#"image redis {"source":"values.yaml: list.0.image"}"#,
            r#"image curl:8 {"source":"templates/job.yaml:3"}"#,
        ]
    );
}

#[test]
fn a_document_that_is_too_large_loses_annotations_first() {
    let annotations = format!("  big: {}\n  small: kept\n", "x".repeat(300_000));
    let base = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    let document = indexed(
        &Package::good().file("web/Chart.yaml", format!("{base}annotations:\n{annotations}")),
        &[],
    )
    .document;
    assert_eq!(document["metadata"]["annotations"], json!({ "small": "kept" }));
    let sources = "  - https://example.com/source\n".repeat(20_000);
    let document = indexed(
        &Package::good().file("web/Chart.yaml", format!("{base}sources:\n{sources}")),
        &[],
    )
    .document;
    assert_eq!(
        document["metadata"],
        json!({ "apiVersion": "v2", "name": "web", "version": "1.0.0" })
    );
    assert!(document.to_string().len() <= DOCUMENT_BYTES_MAX);
}

#[test]
fn every_field_keeps_its_bound() {
    let long = "x".repeat(3000);
    let keywords: String = (0..100).map(|at| format!("- {at}{long}\n")).collect();
    let text = format!("apiVersion: v2\nname: {long}\nversion: 1.0.0-{long}\ndescription: {long}\nkeywords:\n{keywords}");
    let entry = indexed(&Package::good().file("web/Chart.yaml", text), &[]);
    assert!(entry.title.len() <= TITLE_BYTES_MAX && entry.version.is_none());
    assert!(entry.summary.is_some_and(|summary| summary.len() <= SUMMARY_BYTES_MAX));
    assert!(entry.keywords.len() == KEYWORDS_MAX && entry.keywords.iter().all(|word| word.len() <= KEYWORD_BYTES_MAX));
    let images: String = (0..2000).map(|at| format!("- image: web:{at}\n")).collect();
    let entry = indexed(&Package::good().file("web/templates/a.yaml", images), &[]);
    assert_eq!(entry.references.len(), 1000);
}

#[test]
fn times_are_written_anew() {
    for (text, expected) in [
        ("2026-01-02T03:04:05Z", Some("2026-01-02T03:04:05Z")),
        ("2026-01-02T03:04:05.123456789+02:00", Some("2026-01-02T01:04:05Z")),
        ("2026-13-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-23:00", None),
        ("0000-01-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ] {
        assert_eq!(time(text).as_deref(), expected, "{text}");
    }
}
