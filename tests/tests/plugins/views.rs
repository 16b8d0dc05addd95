//! Views of one artifact and differences of two.

use portolan_tests::{TestGateway, index};
use serde_json::{Value, json};

use super::fixture::{Artifact, calls, with_everything, with_guests};

async fn view(gateway: &TestGateway, repository: &str, view: &str) -> portolan_tests::Answer {
    gateway
        .get(&format!("/v2/{repository}/_portolan/artifacts/v1/views/{view}"))
        .await
}

#[tokio::test]
async fn views_are_what_the_plugin_renders() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything().layer("grüße\n");
    let _ = artifact.push(&gateway, "a", "v1").await.expect(201);
    let text = view(&gateway, "a", "text").await.expect(200);
    assert_eq!(
        (text.text().as_str(), text.header("content-type")),
        ("grüße\n", "text/plain; charset=utf-8")
    );
    // What came from whoever pushed is not to be run by a browser.
    assert_eq!(text.header("x-content-type-options"), "nosniff");
    assert!(text.header("content-security-policy").contains("sandbox"));
    let manifest = view(&gateway, "a", "manifest").await.expect(200);
    assert_eq!(
        (manifest.text(), manifest.header("content-type")),
        (artifact.manifest().to_string(), "application/json")
    );
    let path = "/v2/a/_portolan/artifacts/v1/views/text";
    let head = gateway.head(path).await.expect(200);
    for name in ["content-length", "content-type", "etag"] {
        assert_eq!(head.header(name), text.header(name), "{name}");
    }
    let unchanged = gateway
        .send("GET", path, &[("if-none-match", text.header("etag"))], "")
        .await
        .expect(304);
    assert!(unchanged.body.is_empty());
    // A view is rendered once.
    assert_eq!(calls(&gateway, "everything", "render", "count").await, 2);
}

#[tokio::test]
async fn options_are_those_of_the_view() {
    let gateway = with_everything().await;
    let _ = Artifact::everything().push(&gateway, "a", "v1").await.expect(201);
    assert_eq!(
        view(&gateway, "a", "echo?word=ahoy&times=2").await.expect(200).text(),
        "ahoy ahoy"
    );
    assert_eq!(view(&gateway, "a", "echo?word=a%20%26%20b").await.expect(200).text(), "a & b");
    view(&gateway, "a", "echo")
        .await
        .expect_error(400, "UNSUPPORTED", "View echo needs the option \"word\"");
    view(&gateway, "a", "echo?word=a&loud=yes")
        .await
        .expect_error(400, "UNSUPPORTED", "no option \"loud\"; it has word, times");
    view(&gateway, "a", "echo?word=a&word=b")
        .await
        .expect_error(400, "UNSUPPORTED", "twice");
    view(&gateway, "a", "echo?word=a&times=many")
        .await
        .expect_error(400, "UNSUPPORTED", "The option times is not a number.");
    view(&gateway, "a", "text?line=1")
        .await
        .expect_error(400, "UNSUPPORTED", "it has none");
    view(&gateway, "a", "absent")
        .await
        .expect_error(404, "UNSUPPORTED", "has no view \"absent\"");
    // The plugin knows this view, but not of this artifact.
    view(&gateway, "a", "text")
        .await
        .expect_error(404, "UNSUPPORTED", "There is no layer with a text.");
}

#[tokio::test]
async fn a_failure_to_render_is_remembered() {
    let limits = "[plugins.plugin.evil.limits]\ncall_time_max = \"1s\"\n";
    let gateway = with_guests(limits, &["evil"]).await;
    let _ = Artifact::evil("loop")
        .with("test.capability", "renderer")
        .push(&gateway, "a", "v1")
        .await
        .expect(201);
    for _ in 0..3 {
        view(&gateway, "a", "attack").await.expect_error(
            422,
            "MANIFEST_INVALID",
            "plugin evil failed: it ran for longer than 1 seconds",
        );
    }
    assert_eq!(calls(&gateway, "evil", "render", "count").await, 1);
    let _ = Artifact::evil("panic")
        .with("test.capability", "comparer")
        .push(&gateway, "b", "v1")
        .await
        .expect(201);
    let compared = gateway.get("/v2/b/_portolan/artifacts/v1/compare/v1").await;
    compared.expect_error(422, "MANIFEST_INVALID", "evil says hello");
}

#[tokio::test]
async fn an_index_is_seen_with_its_children() {
    let gateway = with_everything().await;
    let child = Artifact::everything().layer("child");
    let _ = child.push(&gateway, "a", "child").await.expect(201);
    let mut document = index(&[child.manifest().to_string().as_bytes()]);
    document["artifactType"] = "application/vnd.test.everything.kind.parent".into();
    let _ = gateway.put_manifest("a", "v1", &document).await.expect(201);
    let expected = json!([{ "digest": child.digest(), "type": "application/vnd.test.everything.v1+json", "children": [] }]);
    assert_eq!(view(&gateway, "a", "children").await.expect(200).json(), expected);
    let _ = gateway
        .delete(&format!("/v2/a/manifests/{}", child.digest()))
        .await
        .expect(202);
    // A child that went is absent at once: what depended on it was not kept.
    let expected = json!([{ "digest": child.digest(), "error": "absent" }]);
    assert_eq!(view(&gateway, "a", "children").await.expect(200).json(), expected);
}

#[tokio::test]
async fn two_artifacts_are_compared() {
    let gateway = with_everything().await;
    let before = Artifact::everything()
        .with("same", 1)
        .with("gone", "old")
        .with("changed", "old");
    let after = Artifact::everything()
        .with("same", 1)
        .with("new", "new")
        .with("changed", "new");
    let _ = before.push(&gateway, "team/a", "v1").await.expect(201);
    let _ = after.push(&gateway, "team/a", "v2").await.expect(201);
    let _ = after.push(&gateway, "other", "v9").await.expect(201);
    let changes = json!([
        { "path": "annotations/changed", "kind": "changed", "before": "old", "after": "new", "severity": "medium" },
        { "path": "annotations/gone", "kind": "removed", "before": "old", "severity": "high" },
        { "path": "annotations/new", "kind": "added", "after": "new", "severity": "info" },
    ]);
    let without_properties = |mut changes: Value| {
        changes
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(|change| drop(change.as_object_mut().unwrap().remove("properties")));
        changes
    };
    for (path, repository) in [("v1/compare/v2", "team/a"), ("v1/compare/v9?repository=other", "other")] {
        let compared = gateway
            .get(&format!("/v2/team/a/_portolan/artifacts/{path}"))
            .await
            .expect(200)
            .json();
        assert_eq!(
            compared["before"],
            json!({ "repository": "team/a", "digest": before.digest() })
        );
        assert_eq!(
            compared["after"],
            json!({ "repository": repository, "digest": after.digest() })
        );
        assert_eq!(without_properties(compared["changes"].clone()), changes);
    }
    // The second came from the cache.
    assert_eq!(calls(&gateway, "everything", "compare", "count").await, 1);
    let same = gateway
        .get("/v2/team/a/_portolan/artifacts/v1/compare/v1")
        .await
        .expect(200)
        .json();
    assert_eq!(same["changes"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_compared_says_why() {
    let gateway = with_guests("", &["claim-all", "everything", "minimal"]).await;
    let _ = Artifact::everything().push(&gateway, "a", "everything").await.expect(201);
    let _ = Artifact::of("application/vnd.test.minimal")
        .push(&gateway, "a", "minimal")
        .await
        .expect(201);
    let compare = |path: &'static str| {
        let gateway = &gateway;
        async move { gateway.get(&format!("/v2/a/_portolan/artifacts/{path}")).await }
    };
    compare("minimal/compare/minimal")
        .await
        .expect_error(404, "UNSUPPORTED", "plugin minimal does not compare artifacts");
    compare("everything/compare/absent")
        .await
        .expect_error(404, "MANIFEST_UNKNOWN", "absent");
    compare("everything/compare/everything?repository=absent")
        .await
        .expect_error(404, "MANIFEST_UNKNOWN", "absent");
    compare("everything/compare/everything?repository=Bad")
        .await
        .expect_error(400, "NAME_INVALID", "Bad");
    compare("everything/compare/minimal")
        .await
        .expect_error(404, "UNSUPPORTED", "does not compare");
}

#[tokio::test]
async fn a_blob_that_only_another_repository_holds_is_absent() {
    let gateway = with_guests("[registry]\nmissing_references = \"accept\"\n", &["everything"]).await;
    let foreign = Artifact::everything().foreign_layer("a secret of another");
    gateway.push_blob("other", "a secret of another").await;
    let _ = foreign.push(&gateway, "a", "v1").await.expect(201);
    view(&gateway, "a", "text")
        .await
        .expect_error(400, "UNSUPPORTED", "The repository does not hold sha256:");
    assert_eq!(
        super::fixture::shown(&gateway, "a", "v1").await["entry"]["document"]["bytes"],
        0
    );
    // A manifest that names what its repository does not hold, of which another has everything, and a view of it in the cache.
    let whole = Artifact::everything().layer("a secret of another");
    let _ = whole.push(&gateway, "other", "v1").await.expect(201);
    assert_eq!(
        view(&gateway, "other", "text").await.expect(200).text(),
        "a secret of another"
    );
    gateway.push_blob("b", "{}").await;
    let _ = gateway.put_manifest("b", "v1", &whole.manifest()).await.expect(201);
    let answer = view(&gateway, "b", "text").await;
    assert!(!answer.text().contains("a secret of another"));
    answer.expect_error(400, "UNSUPPORTED", "The repository does not hold sha256:");
    // It is there as soon as the repository has it, and gone when it has not.
    gateway.push_blob("b", "a secret of another").await;
    assert_eq!(view(&gateway, "b", "text").await.expect(200).text(), "a secret of another");
    let digest = portolan_tests::digest("a secret of another");
    let _ = gateway.delete(&format!("/v2/b/blobs/{digest}")).await.expect(202);
    view(&gateway, "b", "text")
        .await
        .expect_error(400, "UNSUPPORTED", "The repository does not hold sha256:");
}
