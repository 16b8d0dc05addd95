//! What a service asks the registry to change: under the registry's own rules, all or nothing, and worded by the plugin where it is refused.

use portolan_tests::{Answer, TestGateway, digest};
use serde_json::{Value, json};

use super::fixture::{Artifact, calls, expect_nothing_stored, shown, with_everything};

async fn post(gateway: &TestGateway, path: &str, body: &'static str) -> Answer {
    gateway.send("POST", &format!("/everything/{path}"), &[], body).await
}

#[tokio::test]
async fn what_is_published_is_a_push() {
    let gateway = with_everything().await;
    let answer = post(
        &gateway,
        "publish/team/a?tag=v1&tag=v2&org.opencontainers.image.title=a",
        "published text",
    )
    .await
    .expect(201);
    let published = answer.json()["published"].as_str().unwrap().to_owned();
    for tag in ["v1", "v2"] {
        let manifest = gateway.get(&format!("/v2/team/a/manifests/{tag}")).await.expect(200);
        assert_eq!(
            (digest(&manifest.body), &manifest.json()["layers"][0]["digest"]),
            (published.clone(), &json!(digest("published text")))
        );
    }
    let blob = gateway
        .get(&format!("/v2/team/a/blobs/{}", digest("published text")))
        .await
        .expect(200);
    assert_eq!(blob.text(), "published text");
    assert_eq!(shown(&gateway, "team/a", "v1").await["entry"]["title"], "a");
    // The plugin judged its own publication, for each tag.
    assert_eq!(calls(&gateway, "everything", "validate", "ok").await, 1);
    assert_eq!(calls(&gateway, "everything", "admit", "ok").await, 2);
    // Without a tag it is stored by digest alone.
    let answer = post(&gateway, "publish/team/b", "other text").await.expect(201);
    let path = format!("/v2/team/b/manifests/{}", answer.json()["published"].as_str().unwrap());
    let _ = gateway.get(&path).await.expect(200);
    assert_eq!(
        gateway.get("/v2/team/b/tags/list").await.expect(200).json()["tags"],
        json!([])
    );
}

#[tokio::test]
async fn what_is_refused_is_worded_by_the_plugin_and_changes_nothing() {
    let gateway = with_everything().await;
    let answer = post(&gateway, "publish/team/a?tag=v1&test.refuse=Not%20this.", "refused text")
        .await
        .expect(400);
    let explained = answer.json();
    assert_eq!(
        (&explained["explained"], &explained["status"]),
        (&json!("MANIFEST_INVALID"), &json!(400))
    );
    assert!(
        explained["message"]
            .as_str()
            .is_some_and(|message| message.contains("Not this.")),
        "{explained}"
    );
    assert_eq!(explained["findings"], json!(["everything/refused", "everything/also"]));
    // While it words a refusal a plugin can change nothing.
    assert_eq!(explained["stage"], "denied");
    let tag_refused = post(&gateway, "publish/team/a?tag=good&tag=refused-one", "refused text")
        .await
        .expect(400)
        .json();
    assert_eq!(tag_refused["findings"], json!(["everything/tag-refused"]));
    expect_nothing_stored(&gateway, "team/a", &digest(""), &["v1", "good", "refused-one"]).await;
    let _ = gateway
        .get(&format!("/v2/team/a/blobs/{}", digest("refused text")))
        .await
        .expect(404);
    assert_eq!(gateway.get("/everything/entries").await.expect(200).json(), json!([]));
    assert_eq!(
        gateway.get("/v2/_catalog").await.expect(200).json()["repositories"],
        json!([])
    );
    // Where it does not word the refusal, the registry does.
    let answer = post(
        &gateway,
        "unexplained-publish/team/a?tag=v1&test.refuse=Not%20this.",
        "refused text",
    )
    .await;
    answer.expect_error(400, "MANIFEST_INVALID", "Not this.");
}

#[tokio::test]
async fn parts_of_a_body_are_published() {
    let gateway = with_everything().await;
    let _ = post(&gateway, "publish-part/a?tag=v1&offset=7&length=4", "header:text:trailer")
        .await
        .expect(201);
    let blob = gateway.get(&format!("/v2/a/blobs/{}", digest("text"))).await.expect(200);
    assert_eq!(blob.text(), "text");
    let _ = post(&gateway, "publish-part/a?tag=whole&offset=0&length=19", "header:text:trailer")
        .await
        .expect(201);
    let _ = gateway
        .get(&format!("/v2/a/blobs/{}", digest("header:text:trailer")))
        .await
        .expect(200);
    for (offset, length) in [("10", "10"), ("20", "1"), ("18446744073709551615", "2")] {
        let answer = post(
            &gateway,
            &format!("publish-part/a?tag=v2&offset={offset}&length={length}"),
            "header:text:trailer",
        )
        .await;
        assert_eq!(answer.expect(422).json()["code"], "out-of-range", "{offset} {length}");
    }
    let _ = gateway.get("/v2/a/manifests/v2").await.expect(404);
}

#[tokio::test]
async fn what_is_not_staged_has_to_be_there() {
    let gateway = with_everything().await;
    let path = format!("publish-unstaged/a?tag=v1&digest={}", digest("x"));
    let answer = post(&gateway, &path, "").await.expect(404);
    assert_eq!(answer.json()["explained"], "MANIFEST_BLOB_UNKNOWN", "{}", answer.text());
    let _ = gateway.get("/v2/a/manifests/v1").await.expect(404);
    // That another repository has it is no help.
    gateway.push_blob("other", "x").await;
    let _ = post(&gateway, &path, "").await.expect(404);
    gateway.push_blob("a", "x").await;
    let _ = post(&gateway, &path, "").await.expect(201);
    let _ = gateway.get("/v2/a/manifests/v1").await.expect(200);
}

#[tokio::test]
async fn what_is_malformed_the_plugin_learns_at_once() {
    let gateway = with_everything().await;
    for path in [
        "publish/Bad?tag=v1",
        "publish/a?tag=not%20a%20tag",
        "remove/Bad?reference=v1",
        "remove/a?reference=v1&digest=none",
    ] {
        assert_eq!(
            post(&gateway, path, "text").await.expect(422).json()["code"],
            "invalid",
            "{path}"
        );
    }
    let many: String = (0..17).map(|number| format!("&tag=v{number}")).collect();
    assert_eq!(
        post(&gateway, &format!("publish/a?x=1{many}"), "text")
            .await
            .expect(422)
            .json()["code"],
        "limit"
    );
}

#[tokio::test]
async fn tags_and_manifests_are_removed() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything();
    let (digest, other) = (artifact.digest(), digest("other"));
    let _ = artifact
        .push(&gateway, "a", &format!("{digest}?tag=v1&tag=v2"))
        .await
        .expect(201);
    let refused = |answer: Answer, status: u16| {
        let explained = answer.expect(status).json();
        explained["explained"].as_str().unwrap_or_default().to_owned()
    };
    // Only where the tag still means what the plugin thinks it means.
    let moved = post(&gateway, &format!("remove/a?reference=v1&digest={other}"), "").await;
    assert_eq!(refused(moved, 409), "MANIFEST_INVALID");
    assert_eq!(
        refused(post(&gateway, "remove/a?reference=absent", "").await, 404),
        "MANIFEST_UNKNOWN"
    );
    let _ = gateway.get("/v2/a/manifests/v1").await.expect(200);
    let _ = post(&gateway, &format!("remove/a?reference=v1&digest={digest}"), "")
        .await
        .expect(202);
    let _ = gateway.get("/v2/a/manifests/v1").await.expect(404);
    let _ = gateway.get("/v2/a/manifests/v2").await.expect(200);
    let _ = post(&gateway, &format!("remove/a?reference={digest}"), "").await.expect(202);
    let _ = gateway.get("/v2/a/manifests/v2").await.expect(404);
    assert_eq!(
        gateway.get("/v2/_portolan/search?q=").await.expect(200).json()["results"],
        Value::from(Vec::<Value>::new())
    );
}
