//! What a service asks the registry to change: under the registry's own rules, all or nothing, and worded by the plugin where it is refused.

use portolan_tests::{Answer, TestGateway, digest};
use serde_json::{Value, json};

use super::fixture::{Artifact, calls, expect_nothing_stored, shown, with_everything, with_guests};

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

/// Returns the code and the message of a refusal that the plugin worded.
fn explained(answer: &Answer) -> (String, String) {
    let text = |name: &str| answer.json()[name].as_str().unwrap_or_default().to_owned();
    (text("explained"), text("message"))
}

#[tokio::test]
async fn requests_that_only_read_change_nothing() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything();
    let _ = artifact.push(&gateway, "a", "v1").await.expect(201);
    let published = format!("publish-unstaged/a?tag=v2&digest={}", digest("{}"));
    for path in [
        "remove/a?reference=v1",
        &format!("remove/a?reference={}", artifact.digest()),
        &published,
    ] {
        for method in ["GET", "OPTIONS", "PROPFIND", "delete"] {
            let answer = gateway.send(method, &format!("/everything/{path}"), &[], "").await;
            let answer = answer.expect(422).json();
            assert_eq!(answer["code"], "denied", "{method} {path}");
            assert!(
                answer["message"]
                    .as_str()
                    .is_some_and(|message| message.contains("POST, PUT, PATCH and DELETE"))
            );
        }
        let _ = gateway.head(&format!("/everything/{path}")).await.expect(422);
    }
    assert_eq!(gateway.get("/v2/a/tags/list").await.expect(200).json()["tags"], json!(["v1"]));
    for (number, method) in ["POST", "PUT", "PATCH", "DELETE"].into_iter().enumerate() {
        let tag = format!("t{number}");
        let _ = artifact.push(&gateway, "a", &tag).await.expect(201);
        let path = format!("/everything/remove/a?reference={tag}");
        let _ = gateway.send(method, &path, &[], "").await.expect(202);
        let _ = gateway.get(&format!("/v2/a/manifests/{tag}")).await.expect(404);
    }
}

#[tokio::test]
async fn a_removal_by_digest_looks_at_what_is_expected() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything();
    let _ = artifact.push(&gateway, "a", "v1").await.expect(201);
    let (held, other) = (artifact.digest(), digest("other"));
    let answer = post(&gateway, &format!("remove/a?reference={held}&digest={other}"), "")
        .await
        .expect(409);
    assert!(explained(&answer).1.contains(&held), "{}", answer.text());
    let _ = gateway.get(&format!("/v2/a/manifests/{held}")).await.expect(200);
    let answer = post(&gateway, &format!("remove/a?reference={other}&digest={other}"), "")
        .await
        .expect(404);
    assert_eq!(explained(&answer).0, "MANIFEST_UNKNOWN");
    let _ = post(&gateway, &format!("remove/a?reference={held}&digest={held}"), "")
        .await
        .expect(202);
    let _ = gateway.get(&format!("/v2/a/manifests/{held}")).await.expect(404);
}

#[tokio::test]
async fn a_plugin_changes_only_what_belongs_to_it() {
    let gateway = with_guests("", &["everything", "minimal"]).await;
    let image = gateway.push_image("a", "image", &[b"layer"]).await;
    let minimal = Artifact::of("application/vnd.test.minimal");
    let _ = minimal.push(&gateway, "a", "minimal").await.expect(201);
    let kind = |kind: &str| format!("publish/a?tag=new&type={kind}");
    for (path, owner) in [
        ("remove/a?reference=image".to_owned(), "no plugin's"),
        (format!("remove/a?reference={image}"), "no plugin's"),
        ("remove/a?reference=minimal".into(), "plugin minimal's"),
        (kind("application/vnd.test.minimal"), "plugin minimal's"),
        (kind("application/vnd.other"), "no plugin's"),
    ] {
        let answer = post(&gateway, &path, "text").await.expect(403);
        let (code, message) = explained(&answer);
        assert_eq!(code, "DENIED", "{path}");
        assert!(
            message.contains("of repository a") && message.contains(owner),
            "{path}: {message}"
        );
    }
    let tags = gateway.get("/v2/a/tags/list").await.expect(200).json();
    assert_eq!(tags["tags"], json!(["image", "minimal"]));
    let _ = gateway.get(&format!("/v2/a/blobs/{}", digest("text"))).await.expect(404);
    let _ = post(&gateway, &kind("application/vnd.test.everything.kind.x"), "text")
        .await
        .expect(201);
    let _ = post(&gateway, "remove/a?reference=new", "").await.expect(202);
}

#[tokio::test]
async fn a_refusal_names_what_was_refused_and_where() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything();
    let _ = artifact.push(&gateway, "team/other", "v1").await.expect(201);
    let both = |repository: &str, more: &str| format!("publish-and-remove/{repository}?tag=new&other=team/other&{more}");
    let moved = digest("moved");
    for (path, status, code, expected) in [
        (
            both("team/a", "reference=absent"),
            404,
            "MANIFEST_UNKNOWN",
            ["team/other", "absent"],
        ),
        (
            both("team/a", &format!("reference=v1&digest={moved}")),
            409,
            "MANIFEST_INVALID",
            ["team/other", "v1"],
        ),
        (
            both("team/a", "reference=v1&test.refuse=No."),
            400,
            "MANIFEST_INVALID",
            ["publishing to team/a", "No."],
        ),
        (both("team/a", "reference=v1&expect=old"), 201, "", ["", ""]),
        (
            both("team/a", "reference=v1&expect=new"),
            404,
            "MANIFEST_UNKNOWN",
            ["team/other", "v1"],
        ),
        (
            "publish/team/a?tag=new&expect=new".into(),
            409,
            "MANIFEST_INVALID",
            ["team/a", "new"],
        ),
    ] {
        let answer = post(&gateway, &path, "text").await.expect(status);
        let (found, message) = explained(&answer);
        assert_eq!(found, code, "{path}");
        assert!(expected.iter().all(|part| message.contains(part)), "{path}: {message}");
        if status < 400 {
            let _ = gateway.get("/v2/team/other/manifests/v1").await.expect(404);
        }
    }
    // What the plugin did not word, the gateway words alike.
    let answer = post(&gateway, "unexplained-publish/team/a?tag=new&test.refuse=No.", "text").await;
    answer.expect_error(400, "MANIFEST_INVALID", "publishing to team/a: plugin everything refuses");
}

#[tokio::test]
async fn of_several_that_expect_the_same_one_is_first() {
    let gateway = with_everything().await;
    let publish = |text: &'static str| post(&gateway, "publish/a?tag=v1&expect=v1", text);
    let answers = tokio::join!(publish("one"), publish("two"), publish("three"), publish("four"));
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let mut statuses = answers.each_ref().map(|answer| answer.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    let first = answers.iter().find(|answer| answer.status == 201).unwrap().json();
    let first = first["published"].as_str().unwrap();
    let held = gateway.get("/v2/a/manifests/v1").await.expect(200);
    assert_eq!(digest(&held.body), first);
    // What was refused left nothing.
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        assert!(explained(answer).1.contains(first), "{}", answer.text());
    }
    let entries = gateway.get("/everything/entries").await.expect(200).json();
    assert_eq!(entries.as_array().map(Vec::len), Some(1));
    // A tag that is expected to mean something is replaced once.
    let path = format!("publish/a?tag=v1&expect=v1={first}");
    let _ = post(&gateway, &path, "five").await.expect(201);
    let answer = post(&gateway, &path, "six").await.expect(409);
    assert_eq!(explained(&answer).0, "MANIFEST_INVALID");
    for expect in ["v1=none", ".v1", "a%20b"] {
        let answer = post(&gateway, &format!("publish/a?tag=v2&expect={expect}"), "text")
            .await
            .expect(422);
        assert_eq!(answer.json()["code"], "invalid", "{expect}");
    }
}
