//! A guest that misbehaves while a push is judged: one attack a test. Its own call fails within its limits, and nothing else does.

use std::time::{Duration, Instant};

use portolan_tests::{TestGateway, process::Setup};

use super::fixture::{Artifact, calls, expect_nothing_stored, guest, shown, until, with_guests};

/// Low limits, so that tests meet them soon.
const LIMITS: &str = "[plugins.plugin.evil.limits]\ncall_time_max = \"1s\"\nmemory_bytes_max = \"32 MiB\"\n";
/// What an attack may take that is ended after a second: generous, because tests run on busy machines.
const TIME_MAX: Duration = Duration::from_secs(20);

async fn gateway() -> TestGateway {
    with_guests(LIMITS, &["evil", "minimal"]).await
}

/// Checks that pushing the artifact fails, that the answer says why, and that everything else goes on.
async fn expect_refused(gateway: &TestGateway, artifact: &Artifact, words: &[&str]) {
    artifact.push_blobs(gateway, "target").await;
    let begun = Instant::now();
    let answer = gateway.put_manifest("target", "v1", &artifact.manifest()).await;
    assert!(begun.elapsed() < TIME_MAX, "it took {:?}", begun.elapsed());
    let said = answer.text();
    answer.expect_error(400, "MANIFEST_INVALID", "plugin evil could not judge this artifact");
    assert!(words.iter().all(|word| said.contains(word)), "{said} does not say {words:?}");
    expect_nothing_stored(gateway, "target", &artifact.digest(), &["v1"]).await;
    expect_at_work(gateway).await;
}

/// Checks that others, and the plugin itself, do what they should.
async fn expect_at_work(gateway: &TestGateway) {
    gateway.push_image("generic", "v1", &[b"layer"]).await;
    let _ = Artifact::of("application/vnd.test.minimal")
        .push(gateway, "known", "v1")
        .await
        .expect(201);
    let _ = Artifact::evil("nothing").push(gateway, "good", "v1").await.expect(201);
}

async fn check(attack: &str, words: &[&str]) {
    let gateway = gateway().await;
    expect_refused(&gateway, &Artifact::evil(attack).layer("something to read"), words).await;
    assert_eq!(calls(&gateway, "evil", "validate", "failed").await, 1);
}

#[tokio::test]
async fn an_endless_loop() {
    check("loop", &["longer than 1 seconds, its limit"]).await;
}

#[tokio::test]
async fn a_panic() {
    check("panic", &["trapped", "evil says hello"]).await;
}

#[tokio::test]
async fn a_trap() {
    check("trap", &["trapped"]).await;
}

#[tokio::test]
async fn an_endless_recursion() {
    check("recursion", &["trapped"]).await;
}

#[tokio::test]
async fn all_of_the_memory() {
    check("memory", &["bytes of memory; its limit is 33554432"]).await;
}

#[tokio::test]
async fn calls_of_the_host_without_end() {
    check("host-calls", &["longer than 1 seconds, its limit"]).await;
}

#[tokio::test]
async fn bytes_of_the_host_without_end() {
    check("host-bytes", &["longer than 1 seconds, its limit"]).await;
}

#[tokio::test]
async fn handles_without_end() {
    check("handles", &["handles", "its limit"]).await;
}

#[tokio::test]
async fn a_handle_that_was_never_given() {
    check("forged-handle", &["unknown handle"]).await;
}

#[tokio::test]
async fn a_verdict_of_many_megabytes() {
    let gateway = with_guests("", &["evil", "minimal"]).await;
    let artifact = Artifact::evil("finding.message").with("test.amount", 24 << 20);
    expect_refused(&gateway, &artifact, &["its call was ended"]).await;
}

#[tokio::test]
async fn a_loop_while_indexing_or_admitting() {
    let gateway = gateway().await;
    for (capability, counted) in [("indexer", "index"), ("admitter", "admit")] {
        let artifact = Artifact::evil("loop").with("test.capability", capability);
        artifact.push_blobs(&gateway, "target").await;
        let answer = gateway.put_manifest("target", "v1", &artifact.manifest()).await;
        answer.expect_error(400, "MANIFEST_INVALID", "longer than 1 seconds, its limit");
        let _ = gateway
            .get(&format!("/v2/target/manifests/{}", artifact.digest()))
            .await
            .expect(404);
        let _ = gateway.get("/v2/target/manifests/v1").await.expect(404);
        assert_eq!(calls(&gateway, "evil", counted, "failed").await, 1, "{capability}");
    }
    expect_at_work(&gateway).await;
}

#[tokio::test]
async fn a_loop_while_scanning() {
    let gateway = gateway().await;
    let artifact = Artifact::evil("loop").with("test.capability", "scanner");
    let _ = artifact.push(&gateway, "target", "v1").await.expect(201);
    let _ = until(&gateway, "/v2/_portolan/plugins/evil", |answer| {
        answer.json()["calls"]["scan"]["failed"] == 1
    })
    .await;
    // The artifact stays, and other scans are done.
    let _ = gateway.get("/v2/target/manifests/v1").await.expect(200);
    let _ = Artifact::evil("nothing").push(&gateway, "good", "v1").await.expect(201);
    let _ = super::fixture::scanned(&gateway, "good", "v1").await;
    assert_eq!(calls(&gateway, "evil", "scan", "failed").await, 1);
}

#[tokio::test]
async fn a_failure_is_remembered() {
    let gateway = gateway().await;
    let artifact = Artifact::evil("loop");
    artifact.push_blobs(&gateway, "target").await;
    artifact.push_blobs(&gateway, "other").await;
    let first = gateway.put_manifest("target", "v1", &artifact.manifest()).await.expect(400);
    // A client repeats what failed, and somebody may push the same elsewhere: the same answer, and no further call.
    for repository in ["target", "target", "other"] {
        let begun = Instant::now();
        let again = gateway.put_manifest(repository, "v1", &artifact.manifest()).await.expect(400);
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "it took {:?}, as long as a call",
            begun.elapsed()
        );
        assert_eq!(again.text(), first.text());
    }
    assert_eq!(calls(&gateway, "evil", "validate", "count").await, 1);
    expect_nothing_stored(&gateway, "target", &artifact.digest(), &["v1"]).await;
}

#[tokio::test]
async fn an_operator_can_have_pushes_stored_although_the_plugin_failed() {
    let gateway = with_guests(&format!("[plugins.plugin.evil]\nfailure = \"open\"\n{LIMITS}"), &["evil"]).await;
    let artifact = Artifact::evil("loop");
    let _ = artifact.push(&gateway, "target", "v1").await.expect(201);
    let marked = shown(&gateway, "target", "v1").await;
    assert!(
        marked["failure"]
            .as_str()
            .is_some_and(|failure| failure.contains("longer than 1 seconds")),
        "{marked}"
    );
    assert!(marked["entry"].is_null(), "{marked}");
    assert_eq!(marked["tags"], serde_json::json!(["v1"]));
    // What is sound is not marked, and a verdict that refuses still refuses.
    let _ = Artifact::evil("nothing").push(&gateway, "target", "v2").await.expect(201);
    assert!(shown(&gateway, "target", "v2").await["failure"].is_null());
    Artifact::evil("verdict.silent")
        .push(&gateway, "target", "v3")
        .await
        .expect_error(400, "MANIFEST_INVALID", "plugin evil refuses");
}

/// What guests log can be seen only where the gateway is a process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_log_lines_and_lines_that_are_forged() {
    let process = Setup::new().plugin(guest("evil")).start().unwrap();
    let client = reqwest::Client::new();
    for attack in ["log-flood", "log-control"] {
        let artifact = Artifact::evil(attack).with("test.amount", 5_000);
        let digest = portolan_tests::digest("{}");
        let upload = process.url(&format!("/v2/target/blobs/uploads/?digest={digest}"));
        assert_eq!(client.post(upload).body("{}").send().await.unwrap().status(), 201);
        let put = client
            .put(process.url(&format!("/v2/target/manifests/{attack}")))
            .body(artifact.manifest().to_string());
        let answer = put.header("content-type", portolan_tests::MANIFEST).send().await.unwrap();
        let (status, said) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 201, "{attack}: it is no reason to refuse a push: {said}");
    }
    let log = process.whole_log();
    let flood = log.lines().filter(|line| line.contains("xxxxxxxx")).collect::<Vec<_>>();
    assert_eq!(flood.len(), 100, "as many lines as a call may log");
    assert!(flood.iter().all(|line| line.len() < 5_000), "a line is cut");
    assert!(log.contains("dropped=4900"), "the rest is counted: {}", process.log());
    assert!(
        log.lines().any(|line| line.contains("red") && line.contains("forged line")),
        "the forged line stays in its line"
    );
}
