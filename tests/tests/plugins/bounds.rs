//! The bounds of the contract: a value beyond its bound fails the call, and the answer names the field and the bound.

use portolan_tests::TestGateway;

use super::fixture::{Artifact, calls, expect_nothing_stored, until, with_guests};

async fn gateway() -> TestGateway {
    with_guests("", &["evil"]).await
}

/// Pushes artifacts whose judgement is beyond a bound by one.
async fn expect_refused(cases: &[(&str, usize, &str)]) {
    let gateway = gateway().await;
    for (attack, amount, words) in cases {
        let artifact = Artifact::evil(attack).with("test.amount", amount);
        let answer = artifact.push(&gateway, "target", "v1").await;
        let said = answer.text();
        answer.expect_error(
            400,
            "MANIFEST_INVALID",
            "plugin evil could not judge this artifact: its answer breaks the contract",
        );
        assert!(said.contains(words), "{attack}: {said} does not say {words:?}");
        expect_nothing_stored(&gateway, "target", &artifact.digest(), &["v1"]).await;
    }
}

#[tokio::test]
async fn of_errors_and_verdicts() {
    expect_refused(&[
        ("error.code", 65, "error.code has 65 bytes; at most 64 are allowed"),
        (
            "error.message",
            2_001,
            "error.message has 2001 bytes; at most 2000 are allowed",
        ),
        ("error.properties", 4_000, "error.properties has"),
        (
            "verdict.findings",
            1_001,
            "verdict.findings has 1001 items; at most 1000 are allowed",
        ),
        ("verdict.properties", 4_000, "verdict.properties has"),
    ])
    .await;
}

#[tokio::test]
async fn of_findings() {
    expect_refused(&[
        ("finding.rule", 129, "findings[0].rule has 129 bytes; at most 128 are allowed"),
        (
            "finding.rule-characters",
            0,
            "findings[0].rule is not made of [a-z0-9] and -./",
        ),
        (
            "finding.message",
            2_001,
            "findings[0].message has 2001 bytes; at most 2000 are allowed",
        ),
        ("finding.help", 1_024, "findings[0].help has"),
        ("finding.help-scheme", 0, "findings[0].help is not an https address"),
        ("finding.properties", 4_000, "findings[0].properties has"),
        (
            "location.path",
            1_025,
            "findings[0].location.path has 1025 bytes; at most 1024 are allowed",
        ),
        ("location.path-absolute", 0, "findings[0].location.path begins with /"),
        (
            "location.pointer",
            1_024,
            "findings[0].location.pointer has 1025 bytes; at most 1024 are allowed",
        ),
        ("location.digest", 10, "findings[0].location.digest is not a digest"),
        ("location.line", 0, "findings[0].location.line is 0"),
    ])
    .await;
}

#[tokio::test]
async fn of_entries_and_references() {
    expect_refused(&[
        ("entry.title", 257, "entry.title has 257 bytes; at most 256 are allowed"),
        ("entry.version", 129, "entry.version has 129 bytes; at most 128 are allowed"),
        (
            "entry.summary",
            1_025,
            "entry.summary has 1025 bytes; at most 1024 are allowed",
        ),
        ("entry.keywords", 65, "entry.keywords has 65 items; at most 64 are allowed"),
        ("entry.keyword", 65, "entry.keywords[0] has 65 bytes; at most 64 are allowed"),
        (
            "entry.references",
            1_001,
            "entry.references has 1001 items; at most 1000 are allowed",
        ),
        ("entry.document", 256 << 10, "entry.document has"),
        ("entry.document-shape", 0, "entry.document is not a JSON object"),
        (
            "reference.kind",
            65,
            "entry.references[0].kind has 65 bytes; at most 64 are allowed",
        ),
        (
            "reference.target",
            1_025,
            "entry.references[0].target has 1025 bytes; at most 1024 are allowed",
        ),
        ("reference.digest", 10, "entry.references[0].digest is not a digest"),
        ("reference.properties", 4_000, "entry.references[0].properties has"),
    ])
    .await;
}

#[tokio::test]
async fn values_at_their_bounds_are_taken() {
    let gateway = gateway().await;
    let cases = [
        ("verdict.findings", 1_000),
        ("finding.rule", 128),
        ("finding.message", 2_000),
        ("location.path", 1_024),
        ("entry.title", 256),
        ("entry.version", 128),
        ("entry.summary", 1_024),
        ("entry.keywords", 64),
        ("entry.keyword", 64),
        ("entry.references", 1_000),
        ("entry.document", (256 << 10) - 20),
        ("reference.kind", 64),
        ("reference.target", 1_024),
    ];
    for (attack, amount) in cases {
        let _ = Artifact::evil(attack)
            .with("test.amount", amount)
            .push(&gateway, "target", attack)
            .await
            .expect(201);
    }
}

#[tokio::test]
async fn control_characters_never_reach_a_header() {
    let gateway = gateway().await;
    let answer = Artifact::evil("finding.message-control")
        .push(&gateway, "target", "v1")
        .await
        .expect(201);
    assert_eq!(
        answer.all("warning"),
        ["299 - \"one??two?[31m \\\"three\\\" ? [evil/finding]\""]
    );
}

#[tokio::test]
async fn of_views() {
    let gateway = gateway().await;
    let cases = [
        (
            "content.body",
            (8 << 20) + 1,
            "content.body has 8388609 bytes; at most 8388608 are allowed",
        ),
        ("content.media-type", 0, "content.media-type is not a media type"),
        ("content.properties", 4_000, "content.properties has"),
    ];
    for (attack, amount, words) in cases {
        let _ = Artifact::evil(attack)
            .with("test.amount", amount)
            .push(&gateway, "target", attack)
            .await
            .expect(201);
        let answer = gateway
            .get(&format!("/v2/target/_portolan/artifacts/{attack}/views/attack"))
            .await;
        answer.expect_error(422, "MANIFEST_INVALID", words);
    }
}

#[tokio::test]
async fn of_changes() {
    let gateway = gateway().await;
    let cases = [
        (
            "compare.changes",
            10_001,
            "changes has 10001 items; at most 10000 are allowed",
        ),
        (
            "change.path",
            1_025,
            "changes[0].path has 1025 bytes; at most 1024 are allowed",
        ),
        ("change.kind", 65, "changes[0].kind has 65 bytes; at most 64 are allowed"),
        (
            "change.before",
            (16 << 10) + 1,
            "changes[0].before has 16385 bytes; at most 16384 are allowed",
        ),
        (
            "change.after",
            (16 << 10) + 1,
            "changes[0].after has 16385 bytes; at most 16384 are allowed",
        ),
        ("change.properties", 4_000, "changes[0].properties has"),
    ];
    for (attack, amount, words) in cases {
        let _ = Artifact::evil(attack)
            .with("test.amount", amount)
            .push(&gateway, "target", attack)
            .await
            .expect(201);
        let answer = gateway
            .get(&format!("/v2/target/_portolan/artifacts/{attack}/compare/{attack}"))
            .await;
        answer.expect_error(422, "MANIFEST_INVALID", words);
    }
}

#[tokio::test]
async fn of_scans() {
    let gateway = gateway().await;
    let artifact = Artifact::evil("scan.findings").with("test.amount", 10_001);
    let _ = artifact.push(&gateway, "target", "v1").await.expect(201);
    let _ = until(&gateway, "/v2/_portolan/plugins/evil", |answer| {
        answer.json()["calls"]["scan"]["failed"] == 1
    })
    .await;
    let findings = gateway.get("/v2/target/_portolan/artifacts/v1/findings").await.expect(200);
    assert_eq!(findings.header("portolan-scanned"), "no");
    assert_eq!(
        calls(&gateway, "evil", "scan", "count").await,
        1,
        "it would fail again and is not tried again"
    );
}
