//! Manifests that several plugins claim. Clients go by rules of their own, so a plugin speaks for those who take the artifact for its type
//! even where another plugin owns it.

use portolan_tests::{TestGateway, digest};
use serde_json::{Value, json};

use super::fixture::{Artifact, calls, expect_nothing_stored, scanned, shown, with_guests};

const MINIMAL: &str = "application/vnd.test.minimal";
const EVERYTHING: &str = "application/vnd.test.everything.v1+json";

/// Returns the manifest of an artifact that is of one type by `artifactType` and of another by its config.
fn two_types(artifact: &Artifact, config: &str) -> Value {
    let mut manifest = artifact.manifest();
    manifest["config"]["mediaType"] = config.into();
    manifest
}

async fn validated(gateway: &TestGateway, plugins: [&str; 2]) -> [u64; 2] {
    [
        calls(gateway, plugins[0], "validate", "count").await,
        calls(gateway, plugins[1], "validate", "count").await,
    ]
}

#[tokio::test]
async fn each_is_asked_and_the_first_owns_the_artifact() {
    let gateway = with_guests("", &["everything", "claim-all"]).await;
    // `claim-all` claims every image manifest, by its last candidate.
    let artifact = Artifact::everything()
        .with("test.warn", "The kind is unusual.")
        .layer("a secret");
    let answer = artifact.push(&gateway, "a", "v1").await.expect(201);
    let title = artifact.digest();
    assert_eq!(
        answer.all("warning"),
        [
            "299 - \"plugin everything: The repository is named differently. [everything/name]\"".to_owned(),
            "299 - \"plugin everything: The kind is unusual. [everything/warned]\"".into(),
            format!("299 - \"plugin claim-all: {title} is tagged v1 in a. [claim-all/admitted]\""),
            "299 - \"plugin claim-all: 2 blobs with 10 bytes were read. [claim-all/validated]\"".into(),
        ]
    );
    let findings = scanned(&gateway, "a", "v1").await.json();
    let page = shown(&gateway, "a", "v1").await;
    assert_eq!(
        (&page["plugin"]["name"], &page["entry"]["title"]),
        (&json!("everything"), &json!("untitled"))
    );
    let opinions = page["opinions"].as_array().unwrap();
    assert_eq!(opinions.len(), 1);
    assert_eq!(
        (&opinions[0]["plugin"], &opinions[0]["findings"]["info"]),
        (&json!("claim-all"), &json!(1))
    );
    // One run for each plugin, under its own name; only the owner scans and is found.
    let tools: Vec<_> = findings["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| {
            let driver = &run["tool"]["driver"];
            let results = run["results"].as_array().unwrap();
            (
                driver["name"].as_str().unwrap(),
                driver["version"].as_str().unwrap(),
                results
                    .iter()
                    .map(|result| result["ruleId"].as_str().unwrap())
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    let own = vec!["everything/warned", "everything/secret", "everything/layer"];
    let others = vec!["claim-all/validated"];
    assert_eq!(tools, [("everything", "1.0.0", own), ("claim-all", "1.0.0", others)]);
    assert_eq!(calls(&gateway, "claim-all", "scan", "count").await, 0);
    let found = gateway.get("/v2/_portolan/search?q=").await.expect(200).json();
    assert_eq!(found["results"].as_array().unwrap().len(), 1);
    assert_eq!(found["results"][0]["type"], EVERYTHING);
}

#[tokio::test]
async fn what_any_of_them_refuses_is_not_stored() {
    let gateway = with_guests("", &["everything", "minimal"]).await;
    let artifact = Artifact::of(MINIMAL).with("test.refuse", "The kind is missing.");
    artifact.push_blobs(&gateway, "a").await;
    let manifest = two_types(&artifact, EVERYTHING);
    let answer = gateway.put_manifest("a", "v1", &manifest).await;
    answer.expect_error(
        400,
        "MANIFEST_INVALID",
        "plugin everything refuses this artifact: The kind is missing.",
    );
    assert_eq!(validated(&gateway, ["minimal", "everything"]).await, [1, 1]);
    expect_nothing_stored(&gateway, "a", &digest(manifest.to_string()), &["v1"]).await;
    // A tag that the second does not want is not set either.
    let manifest = two_types(&Artifact::of(MINIMAL), EVERYTHING);
    let answer = gateway.put_manifest("a", "refused-this", &manifest).await;
    answer.expect_error(400, "MANIFEST_INVALID", "plugin everything refuses tag refused-this");
    expect_nothing_stored(&gateway, "a", &digest(manifest.to_string()), &["refused-this"]).await;
    let _ = gateway.put_manifest("a", "v1", &manifest).await.expect(201);
    let page = shown(&gateway, "a", "v1").await;
    assert_eq!((&page["plugin"]["name"], &page["type"]), (&json!("minimal"), &json!(MINIMAL)));
    assert_eq!(page["opinions"][0]["type"], EVERYTHING);
    assert_eq!(
        (&page["entry"], &page["views"]),
        (&Value::Null, &json!([])),
        "the second shows nothing"
    );
}

#[tokio::test]
async fn none_is_asked_again_about_the_same_content() {
    let gateway = with_guests("", &["everything", "minimal"]).await;
    let artifact = Artifact::of(MINIMAL).with("test.warn", "The kind is unusual.");
    artifact.push_blobs(&gateway, "a").await;
    let manifest = two_types(&artifact, EVERYTHING);
    let digest = digest(manifest.to_string());
    let first = gateway.put_manifest("a", &digest, &manifest).await.expect(201);
    let again = gateway
        .put_manifest("a", &format!("{digest}?tag=v1&tag=v2"), &manifest)
        .await
        .expect(201);
    assert_eq!(validated(&gateway, ["minimal", "everything"]).await, [1, 1]);
    assert_eq!(calls(&gateway, "everything", "index", "count").await, 1);
    assert_eq!(calls(&gateway, "everything", "admit", "count").await, 2);
    assert_eq!(
        first.all("warning"),
        ["299 - \"plugin everything: The kind is unusual. [everything/warned]\""]
    );
    assert_eq!(again.all("warning").last(), first.all("warning").last());
    // Elsewhere it is another artifact.
    artifact.push_blobs(&gateway, "b").await;
    let _ = gateway.put_manifest("b", &digest, &manifest).await.expect(201);
    assert_eq!(validated(&gateway, ["minimal", "everything"]).await, [2, 2]);
}

#[tokio::test]
async fn the_failure_of_any_of_them_goes_by_its_own_policy() {
    let mut gateway = with_guests("", &["everything", "evil"]).await;
    let artifact = Artifact::everything();
    artifact.push_blobs(&gateway, "a").await;
    let manifest = two_types(&artifact, "application/vnd.test.evil.trap");
    let answer = gateway.put_manifest("a", "v1", &manifest).await;
    answer.expect_error(400, "MANIFEST_INVALID", "plugin evil could not judge this artifact");
    expect_nothing_stored(&gateway, "a", &digest(manifest.to_string()), &["v1"]).await;
    gateway.reconfigure("[plugins.plugin.evil]\nfailure = \"open\"\n").await;
    let _ = gateway.put_manifest("a", "v1", &manifest).await.expect(201);
    let page = shown(&gateway, "a", "v1").await;
    assert_eq!(
        (&page["plugin"]["name"], &page["failure"]),
        (&json!("everything"), &Value::Null)
    );
    let opinion = &page["opinions"][0];
    assert_eq!(opinion["plugin"], "evil");
    assert!(opinion["failure"].is_string(), "{opinion}");
    // A failure is nothing that is known of the content.
    let _ = gateway.put_manifest("a", "v1", &manifest).await.expect(201);
    assert_eq!(validated(&gateway, ["everything", "evil"]).await[0], 1);
}

#[tokio::test]
async fn none_is_passed_by_many_types_in_front() {
    let gateway = with_guests("", &["everything", "minimal"]).await;
    let artifact = Artifact::of(MINIMAL).with("test.refuse", "It is seen.");
    let artifact = (0..100).fold(artifact, |artifact, n| artifact.layer(format!("{n}")));
    artifact.push_blobs(&gateway, "a").await;
    let mut manifest = artifact.manifest();
    for (n, layer) in manifest["layers"].as_array_mut().unwrap().iter_mut().enumerate() {
        layer["mediaType"] = if n == 99 {
            EVERYTHING.into()
        } else {
            format!("application/vnd.test.pad.{n}").into()
        };
    }
    let answer = gateway.put_manifest("a", "v1", &manifest).await;
    answer.expect_error(
        400,
        "MANIFEST_INVALID",
        "plugin everything refuses this artifact: It is seen.",
    );
}

#[tokio::test]
async fn a_plugin_opens_the_blobs_of_an_index() {
    let gateway = with_guests("", &["claim-all"]).await;
    gateway.push_blob("a", "layer").await;
    gateway.push_blob("a", "{}").await;
    let child = Artifact::of("test/child");
    let _ = child.push(&gateway, "a", "child").await.expect(201);
    let manifest = child.manifest().to_string();
    let mut document = portolan_tests::index(&[b"layer", manifest.as_bytes()]);
    document["manifests"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into();
    let answer = gateway.put_manifest("a", "cache", &document).await.expect(201);
    let expected = format!("1 blobs with {} bytes were read.", 5 + manifest.len());
    assert!(
        answer.all("warning").iter().any(|warning| warning.contains(&expected)),
        "{:?}",
        answer.all("warning")
    );
}
