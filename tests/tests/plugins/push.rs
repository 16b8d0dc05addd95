//! The way of a push: what is asked of the plugin and how often, what of its answers clients see, and that a refusal leaves nothing.

use portolan_tests::TestGateway;
use serde_json::{Value, json};

use super::fixture::{Artifact, calls, expect_nothing_stored, scanned, shown, until, with_everything, with_guests};

/// Returns how often the plugin validated, indexed and admitted.
async fn judged(gateway: &TestGateway) -> [u64; 3] {
    [
        calls(gateway, "everything", "validate", "count").await,
        calls(gateway, "everything", "index", "count").await,
        calls(gateway, "everything", "admit", "count").await,
    ]
}

#[tokio::test]
async fn content_is_judged_once_and_every_tag_is_admitted() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything().layer("text");
    let digest = artifact.digest();
    // As Helm 4 does: first by digest, then by tag.
    let _ = artifact.push(&gateway, "a", &digest).await.expect(201);
    assert_eq!(judged(&gateway).await, [1, 1, 0]);
    let _ = gateway.put_manifest("a", "v1", &artifact.manifest()).await.expect(201);
    assert_eq!(judged(&gateway).await, [1, 1, 1]);
    let _ = gateway.put_manifest("a", "v1", &artifact.manifest()).await.expect(201);
    assert_eq!(judged(&gateway).await, [1, 1, 2]);
    let _ = gateway
        .put_manifest("a", &format!("{digest}?tag=v2&tag=v3"), &artifact.manifest())
        .await
        .expect(201);
    assert_eq!(judged(&gateway).await, [1, 1, 4]);
}

#[tokio::test]
async fn one_refused_tag_sets_none() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything().with("org.opencontainers.image.title", "a");
    let digest = artifact.digest();
    let answer = artifact
        .push(&gateway, "a", &format!("{digest}?tag=good&tag=refused-this"))
        .await;
    answer.expect_error(400, "MANIFEST_INVALID", "plugin everything refuses tag refused-this");
    expect_nothing_stored(&gateway, "a", &digest, &["good", "refused-this"]).await;
    let answer = gateway
        .put_manifest("a", &format!("{digest}?tag=one&tag=two"), &artifact.manifest())
        .await
        .expect(201);
    assert_eq!(answer.all("oci-tag"), ["one", "two"]);
    // A tag that is refused later does not move, and nor do those beside it.
    let newer = artifact.with("newer", true);
    newer
        .push(&gateway, "a", &format!("{}?tag=one&tag=refused-this", newer.digest()))
        .await
        .expect_error(400, "MANIFEST_INVALID", "refused-this");
    assert_eq!(
        gateway
            .head("/v2/a/manifests/one")
            .await
            .expect(200)
            .header("docker-content-digest"),
        digest
    );
    let _ = gateway.get(&format!("/v2/a/manifests/{}", newer.digest())).await.expect(404);
}

#[tokio::test]
async fn a_refusal_says_why_and_leaves_nothing() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything().with("test.refuse", "The kind is missing. Add it.");
    let answer = artifact.push(&gateway, "a", "v1").await.expect(400);
    assert_eq!(answer.header("content-type"), "application/json");
    let error = &answer.json()["errors"][0];
    assert_eq!(error["code"], "MANIFEST_INVALID");
    assert_eq!(
        error["message"],
        "plugin everything refuses this artifact: The kind is missing. Add it. [everything/refused] (and 1 more finding)"
    );
    let findings = &error["detail"]["findings"];
    assert_eq!(
        (&findings[0]["rule"], &findings[0]["severity"]),
        (&json!("everything/refused"), &json!("high"))
    );
    assert_eq!(findings[0]["help"], "https://example.org/rules/refused");
    assert_eq!(findings[0]["location"]["pointer"], "/kind");
    assert_eq!(findings[1]["message"], "And there is more.");
    expect_nothing_stored(&gateway, "a", &artifact.digest(), &["v1"]).await;
    // The same content is judged again: a refusal is no failure to be remembered.
    let _ = gateway.put_manifest("a", "v1", &artifact.manifest()).await.expect(400);
    assert_eq!(calls(&gateway, "everything", "validate", "refused").await, 2);
    assert_eq!(judged(&gateway).await, [2, 0, 0]);
}

#[tokio::test]
async fn bodies_and_warnings_stay_within_what_clients_read() {
    let gateway = with_guests("", &["everything", "evil"]).await;
    // Every character of it needs a second one in JSON, and once more in the detail.
    let artifact = Artifact::everything().with("test.refuse", "\"".repeat(2_000));
    let answer = artifact.push(&gateway, "a", "v1").await.expect(400);
    assert!(answer.body.len() <= 8_000, "{} bytes", answer.body.len());
    let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("plugin everything refuses this artifact: \"\"\""),
        "{message}"
    );
    // A thousand findings, and none is a reason to refuse.
    let answer = Artifact::evil("verdict.findings")
        .with("test.amount", 1_000)
        .push(&gateway, "a", "v2")
        .await
        .expect(201);
    let warnings = answer.all("warning");
    assert!(
        warnings.len() > 10 && warnings.iter().all(|warning| warning.starts_with("299 - \"")),
        "{warnings:?}"
    );
    assert!(warnings.iter().map(|warning| warning.len()).sum::<usize>() <= 4_096);
}

#[tokio::test]
async fn what_was_found_and_accepted_arrives_as_warnings() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything().with("test.warn", "Say \"kind\" and not \\k.\r\nForged: yes");
    let answer = artifact.push(&gateway, "a", "v1").await.expect(201);
    // What concerns this push comes before what concerns the content.
    assert_eq!(
        answer.all("warning"),
        [
            "299 - \"The repository is named differently. [everything/name]\"",
            "299 - \"Say \\\"kind\\\" and not \\\\k.??Forged: yes [everything/warned]\"",
        ]
    );
    assert_eq!(answer.header("forged"), "");
    // A push that is not judged again says the same again.
    let again = gateway.put_manifest("a", "v1", &artifact.manifest()).await.expect(201);
    assert_eq!(again.all("warning"), answer.all("warning"));
    // `admit` is given the entry, and this one has the name of the repository.
    let answer = Artifact::everything()
        .with("org.opencontainers.image.title", "a")
        .push(&gateway, "team/a", "v1")
        .await
        .expect(201);
    assert_eq!(answer.all("warning"), Vec::<&str>::new());
}

#[tokio::test]
async fn admitting_opens_nothing() {
    let gateway = with_everything().await;
    let answer = Artifact::everything().push(&gateway, "a", "opens").await.expect(201);
    assert_eq!(answer.all("warning"), ["299 - \"Opening gave denied. [everything/opened]\""]);
}

#[tokio::test]
async fn an_error_of_the_plugin_is_no_verdict() {
    let mut gateway = with_everything().await;
    let artifact = Artifact::everything().with("test.error", "no-idea");
    let answer = artifact.push(&gateway, "a", "v1").await;
    answer.expect_error(
        400,
        "MANIFEST_INVALID",
        "could not judge this artifact: it could not do this: The manifest asked for an error. (no-idea)",
    );
    expect_nothing_stored(&gateway, "a", &artifact.digest(), &["v1"]).await;
    gateway.reconfigure("[plugins]\nfailure = \"open\"\n").await;
    let _ = artifact.push(&gateway, "a", "v1").await.expect(201);
    let failure = shown(&gateway, "a", "v1").await["failure"].as_str().unwrap().to_owned();
    assert!(failure.contains("The manifest asked for an error."), "{failure}");
}

#[tokio::test]
async fn settings_reach_the_plugin_and_new_ones_judge_again() {
    let mut gateway = with_guests(
        "[plugins.plugin.everything.settings]\ngreeting = \"hello\"\n",
        &["everything"],
    )
    .await;
    let artifact = Artifact::everything();
    let _ = artifact.push(&gateway, "a", "v1").await.expect(201);
    assert_eq!(shown(&gateway, "a", "v1").await["entry"]["document"]["greeting"], "hello");
    let _ = scanned(&gateway, "a", "v1").await;
    // What was stored before is looked at again, without anybody pushing it.
    gateway
        .reconfigure("[plugins.plugin.everything.settings]\ngreeting = \"goodbye\"\n")
        .await;
    let path = "/v2/a/_portolan/artifacts/v1";
    let _ = until(&gateway, path, |answer| {
        answer.json()["entry"]["document"]["greeting"] == "goodbye"
    })
    .await;
    gateway
        .reconfigure("[plugins.plugin.everything.settings]\nrefuse = true\n")
        .await;
    let answer = artifact.push(&gateway, "b", "v1").await;
    answer.expect_error(400, "MANIFEST_INVALID", "The settings refuse everything.");
    // What is stored stays.
    let _ = gateway.get("/v2/a/manifests/v1").await.expect(200);
}

#[tokio::test]
async fn a_plugin_finds_what_was_pushed_before_it_came() {
    let mut gateway = with_guests("[plugins.plugin.everything]\nenabled = false\n", &["everything"]).await;
    let artifact = Artifact::everything()
        .with("org.opencontainers.image.title", "early")
        .layer("a secret");
    let _ = artifact.push(&gateway, "before", "v1").await.expect(201);
    let generic = shown(&gateway, "before", "v1").await;
    assert_eq!(
        (&generic["plugin"], &generic["entry"], &generic["views"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    gateway.reconfigure("").await;
    let findings = scanned(&gateway, "before", "v1").await.json();
    assert_eq!(findings["runs"][0]["results"][0]["ruleId"], "everything/secret", "{findings}");
    let late = until(&gateway, "/v2/before/_portolan/artifacts/v1", |answer| {
        !answer.json()["entry"].is_null()
    })
    .await
    .json();
    let _ = artifact.push(&gateway, "after", "v1").await.expect(201);
    let _ = scanned(&gateway, "after", "v1").await;
    // Judged at the push or by a job, alone or after another capability in one instance: the same result.
    let pushed = shown(&gateway, "after", "v1").await;
    for part in ["entry", "type", "plugin"] {
        assert_eq!(late[part], pushed[part], "{part}");
    }
    assert_eq!(scanned(&gateway, "after", "v1").await.json(), findings);
}
