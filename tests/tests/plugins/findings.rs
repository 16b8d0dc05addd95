//! Findings: a SARIF document that is one, and a referrer that any OCI client can list.

use std::{path::Path, process::Command};

use portolan_tests::{TestGateway, digest};
use serde_json::{Value, json};

use super::fixture::{Artifact, scanned, until, with_everything, with_guests};

/// Checks a document against the JSON Schema of SARIF 2.1.0.
fn expect_sarif(document: &Value) {
    let validator = jsonschema::options().should_validate_formats(true).build(&schema()).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(document)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(document["version"], "2.1.0");
}

/// Returns the schema from the sources of a package that cargo fetches.
fn schema() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "serde-sarif").unwrap();
    let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
    let mut schema: Value = serde_json::from_slice(&std::fs::read(folder.join("src/schema.json")).unwrap()).unwrap();
    // A slip in the published schema, a bracket that was never opened, makes it no schema to those who look closely.
    for part in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][part]["properties"]["language"];
        assert_eq!(language["pattern"], "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$");
        language["pattern"] = "^[a-zA-Z]{2}(-[a-zA-Z]{2})?$".into();
    }
    schema
}

fn rules(document: &Value) -> Vec<&str> {
    document["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|result| result["ruleId"].as_str())
        .collect()
}

/// Returns the referrers of an artifact that hold findings.
async fn referrers(gateway: &TestGateway, repository: &str, digest: &str) -> Vec<Value> {
    let path = format!("/v2/{repository}/referrers/{digest}?artifactType=application/sarif%2Bjson");
    gateway.get(&path).await.expect(200).json()["manifests"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn findings_are_sarif() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything()
        .with("test.warn", "The kind is unusual.")
        .layer("one\nthe secret is here\n")
        .layer("two");
    let _ = artifact.push(&gateway, "a", "v1").await.expect(201);
    let answer = scanned(&gateway, "a", "v1").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/sarif+json");
    let document = answer.json();
    expect_sarif(&document);
    assert_eq!(
        rules(&document),
        [
            "everything/warned",
            "everything/secret",
            "everything/layer",
            "everything/layer"
        ]
    );
    let driver = &document["runs"][0]["tool"]["driver"];
    assert_eq!((&driver["name"], &driver["version"]), (&json!("everything"), &json!("1.0.0")));
    let secret = &document["runs"][0]["results"][1];
    assert_eq!(
        (&secret["level"], &secret["properties"]["severity"]),
        (&json!("error"), &json!("high"))
    );
    assert_eq!(
        secret["locations"][0]["physicalLocation"]["region"],
        json!({ "startLine": 2, "startColumn": 1 })
    );
    let counts = super::fixture::shown(&gateway, "a", "v1").await["findings"].clone();
    assert_eq!(
        (
            &counts["validate"]["medium"],
            &counts["scan"]["high"],
            &counts["scan"]["info"]
        ),
        (&json!(1), &json!(1), &json!(2))
    );
}

#[tokio::test]
async fn findings_of_every_shape_are_sarif() {
    let gateway = with_guests("", &["evil"]).await;
    for (attack, amount) in [
        ("finding.message-control", 0),
        ("finding.help", 100),
        ("finding.properties", 100),
        ("location.path", 100),
        ("location.pointer", 100),
        ("scan.findings", 500),
    ] {
        let artifact = Artifact::evil(attack).with("test.amount", amount);
        let _ = artifact.push(&gateway, "a", attack).await.expect(201);
        let document = scanned(&gateway, "a", attack).await.json();
        expect_sarif(&document);
        assert!(!rules(&document).is_empty(), "{attack}: {document}");
    }
}

#[tokio::test]
async fn the_result_of_a_scan_is_a_referrer() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything().layer("a secret");
    let subject = artifact.digest();
    let _ = artifact.push(&gateway, "a", "v1").await.expect(201);
    let _ = scanned(&gateway, "a", "v1").await;
    let listed = referrers(&gateway, "a", &subject).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    let referrer = listed[0]["digest"].as_str().unwrap();
    let manifest = gateway.get(&format!("/v2/a/manifests/{referrer}")).await.expect(200);
    assert_eq!(digest(&manifest.body), referrer);
    let manifest = manifest.json();
    assert_eq!(
        (&manifest["subject"]["digest"], &manifest["artifactType"]),
        (&json!(subject), &json!("application/sarif+json"))
    );
    let document = gateway
        .get(&format!("/v2/a/blobs/{}", manifest["config"]["digest"].as_str().unwrap()))
        .await
        .expect(200)
        .json();
    expect_sarif(&document);
    assert_eq!(rules(&document), ["everything/secret", "everything/layer"]);
    // It is no push: no plugin was asked about it.
    assert_eq!(super::fixture::calls(&gateway, "everything", "validate", "count").await, 1);
    let shown = super::fixture::shown(&gateway, "a", "v1").await;
    assert!(
        shown["references"]["from"]
            .as_array()
            .unwrap()
            .iter()
            .any(|from| from["digest"] == referrer),
        "{shown}"
    );
    // It goes with its artifact, and its content as well.
    let _ = gateway.delete(&format!("/v2/a/manifests/{subject}")).await.expect(202);
    let _ = gateway.get(&format!("/v2/a/manifests/{referrer}")).await.expect(404);
    let _ = gateway
        .get(&format!("/v2/a/blobs/{}", manifest["config"]["digest"].as_str().unwrap()))
        .await
        .expect(404);
    assert_eq!(referrers(&gateway, "a", &subject).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_newer_result_takes_the_place_of_the_older() {
    // First the plugin that claims by pattern scans, then the one that claims exactly.
    let mut gateway = with_guests("[plugins.plugin.everything]\nenabled = false\n", &["claim-all", "everything"]).await;
    let artifact = Artifact::everything().layer("a secret");
    let subject = artifact.digest();
    let _ = artifact.push(&gateway, "a", "v1").await.expect(201);
    let document = scanned(&gateway, "a", "v1").await.json();
    assert!(rules(&document).contains(&"claim-all/scanned"), "{document}");
    let older = referrers(&gateway, "a", &subject).await;
    gateway.reconfigure("").await;
    let path = "/v2/a/_portolan/artifacts/v1/findings";
    let document = until(&gateway, path, |answer| answer.text().contains("everything/secret"))
        .await
        .json();
    assert!(!rules(&document).contains(&"claim-all/scanned"), "{document}");
    let newer = referrers(&gateway, "a", &subject).await;
    assert_eq!((older.len(), newer.len()), (1, 1), "{newer:?}");
    assert_ne!(older[0]["digest"], newer[0]["digest"]);
    let _ = gateway
        .get(&format!("/v2/a/manifests/{}", older[0]["digest"].as_str().unwrap()))
        .await
        .expect(404);
}

#[tokio::test]
async fn operators_may_not_want_referrers() {
    let gateway = with_guests("[registry]\nscan_referrers = false\n", &["everything"]).await;
    let artifact = Artifact::everything().layer("a secret");
    let _ = artifact.push(&gateway, "a", "v1").await.expect(201);
    assert!(rules(&scanned(&gateway, "a", "v1").await.json()).contains(&"everything/secret"));
    assert_eq!(referrers(&gateway, "a", &artifact.digest()).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_artifact_that_nobody_knows_has_no_findings() {
    let gateway = with_everything().await;
    gateway.push_image("a", "v1", &[b"layer"]).await;
    let answer = gateway.get("/v2/a/_portolan/artifacts/v1/findings").await.expect(200);
    assert_eq!(answer.header("portolan-scanned"), "no");
    expect_sarif(&answer.json());
    let _ = gateway.get("/v2/a/_portolan/artifacts/absent/findings").await.expect(404);
}
