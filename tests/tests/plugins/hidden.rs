//! What a caller may not read does not exist, for plugins that work for that caller neither.

use portolan_tests::{Answer, TestGateway, digest};
use serde_json::{Value, json};

use super::fixture::{Artifact, scanned, with_guests};

const HIDDEN: &str = "[auth]\nhidden = [\"secret\"]\n";

/// A gateway whose repository `secret/a` holds an artifact with the tag `v1`, and `open` another; then the first is hidden. Before
/// that, every answer that could be kept was given to somebody who may read all.
async fn with_secret() -> (TestGateway, Artifact) {
    let mut gateway = with_guests("", &["everything"]).await;
    let secret = Artifact::everything()
        .with("org.opencontainers.image.title", "hidden-title")
        .layer("hidden text");
    let open = Artifact::everything()
        .with("org.opencontainers.image.title", "open-title")
        .layer("open text");
    let _ = secret.push(&gateway, "secret/a", "v1").await.expect(201);
    let _ = open.push(&gateway, "open", "v1").await.expect(201);
    let _ = scanned(&gateway, "secret/a", "v1").await;
    let _ = scanned(&gateway, "open", "v1").await;
    gateway.reconfigure(HIDDEN).await;
    (gateway, secret)
}

fn expect_no_word(answer: &Answer) {
    for word in ["hidden-title", "hidden text"] {
        assert!(!answer.text().contains(word), "{}: {}", answer.asked, answer.text());
    }
}

#[tokio::test]
async fn the_catalogue_has_nothing_of_it() {
    let (gateway, secret) = with_secret().await;
    for (path, expected) in [
        ("repositories", json!(["open"])),
        ("repositories/secret", json!([])),
        ("entries/secret", json!([])),
    ] {
        assert_eq!(
            gateway.get(&format!("/everything/{path}")).await.expect(200).json(),
            expected,
            "{path}"
        );
    }
    for path in ["entries", "page", "entries?type=application/vnd.test.everything.v1%2Bjson"] {
        let answer = gateway.get(&format!("/everything/{path}")).await.expect(200);
        expect_no_word(&answer);
        assert!(
            answer.text().contains("open-title") && !answer.text().contains("secret"),
            "{}",
            answer.text()
        );
    }
    let page = gateway.get("/everything/page/secret?limit=1").await.expect(200).json();
    assert_eq!(page, json!({ "items": [] }));
    for path in [
        "tags/secret/a".to_owned(),
        "open/secret/a?reference=v1".to_owned(),
        format!("open/secret/a?reference={}", secret.digest()),
        format!("open/open?reference={}", secret.digest()),
        format!("blob/secret/a?digest={}", digest("hidden text")),
        format!("blob/open?digest={}", digest("hidden text")),
    ] {
        let answer = gateway.get(&format!("/everything/{path}")).await.expect(422);
        expect_no_word(&answer);
        assert_eq!(answer.json()["code"], "not-found", "{path}");
    }
}

#[tokio::test]
async fn what_is_absent_and_what_is_hidden_look_alike() {
    let (gateway, _) = with_secret().await;
    for path in [
        "tags/NAME",
        "open/NAME?reference=v1",
        "revision/NAME",
        "repositories/NAME",
        "entries/NAME",
    ] {
        let ask = |name: &'static str| {
            let (gateway, path) = (&gateway, path.replace("NAME", name));
            async move {
                let answer = gateway.get(&format!("/everything/{path}")).await;
                (answer.status, answer.text().replace(name, "NAME"))
            }
        };
        assert_eq!(ask("secret/a").await, ask("absent/a").await, "{path}");
    }
}

#[tokio::test]
async fn a_service_can_change_nothing_of_it() {
    let (mut gateway, secret) = with_secret().await;
    for path in [
        "publish/secret/a?tag=v2".to_owned(),
        "publish/secret/new?tag=v1".to_owned(),
        "remove/secret/a?reference=v1".to_owned(),
        format!("remove/secret/a?reference={}", secret.digest()),
    ] {
        let answer = gateway
            .send("POST", &format!("/everything/{path}"), &[], "text")
            .await
            .expect(403);
        assert_eq!(
            (&answer.json()["explained"], &answer.json()["status"]),
            (&json!("DENIED"), &json!(403)),
            "{path}"
        );
        expect_no_word(&answer);
    }
    // A publication elsewhere cannot take its content along.
    let path = format!("/everything/publish-unstaged/open?tag=v2&digest={}", digest("hidden text"));
    let answer = gateway.send("POST", &path, &[], "").await.expect(404);
    assert_eq!(answer.json()["explained"], "MANIFEST_BLOB_UNKNOWN");
    gateway.reconfigure("").await;
    assert_eq!(
        gateway.get("/v2/secret/a/tags/list").await.expect(200).json()["tags"],
        json!(["v1"])
    );
    assert_eq!(
        gateway.get("/v2/open/tags/list").await.expect(200).json()["tags"],
        json!(["v1"])
    );
    assert_eq!(
        gateway.get("/v2/_catalog").await.expect(200).json()["repositories"],
        json!(["open", "secret/a"])
    );
}

#[tokio::test]
async fn views_comparisons_and_findings_have_nothing_of_it() {
    let (gateway, secret) = with_secret().await;
    let digest = secret.digest();
    for path in [
        "secret/a/_portolan/artifacts/v1".to_owned(),
        "secret/a/_portolan/artifacts/v1/views/text".to_owned(),
        "secret/a/_portolan/artifacts/v1/findings".to_owned(),
        "secret/a/_portolan/artifacts/v1/compare/v1".to_owned(),
        "open/_portolan/artifacts/v1/compare/v1?repository=secret/a".to_owned(),
        "secret/a/_portolan/artifacts/v1/compare/v1?repository=open".to_owned(),
        format!("open/_portolan/artifacts/{digest}"),
        format!("open/_portolan/artifacts/{digest}/views/text"),
        format!("open/_portolan/artifacts/{digest}/findings"),
        format!("open/_portolan/artifacts/v1/compare/{digest}"),
    ] {
        expect_no_word(&gateway.get(&format!("/v2/{path}")).await.expect(404));
    }
    let found = gateway.get("/v2/_portolan/search?q=title").await.expect(200);
    expect_no_word(&found);
    assert_eq!(found.json()["results"].as_array().map(Vec::len), Some(1));
    // A manifest that names a hidden layer as one that need not be there.
    let foreign = Artifact::everything().foreign_layer("hidden text");
    let _ = foreign.push(&gateway, "open", "foreign").await.expect(201);
    let answer = gateway.get("/v2/open/_portolan/artifacts/foreign/views/text").await;
    expect_no_word(&answer);
    answer.expect_error(400, "UNSUPPORTED", "The repository does not hold");
}

#[tokio::test]
async fn answers_that_were_kept_for_others_are_not_given() {
    let (mut gateway, _) = with_secret().await;
    gateway.reconfigure("").await;
    let all = gateway.get("/everything/entries").await.expect(200);
    assert!(all.text().contains("hidden-title"));
    let etag = all.header("etag").to_owned();
    gateway.reconfigure(HIDDEN).await;
    let answer = gateway
        .send("GET", "/everything/entries", &[("if-none-match", &etag)], "")
        .await
        .expect(200);
    expect_no_word(&answer);
    assert_ne!(answer.header("etag"), etag);
    assert_eq!(
        answer.json().as_array().map(Vec::len),
        Some(1),
        "{}",
        Value::from(answer.text())
    );
}
