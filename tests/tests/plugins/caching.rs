//! Answers of services are kept until something changes under a prefix that they were made from.

use portolan_tests::{Answer, TestGateway, digest};

use super::fixture::{Artifact, calls, scanned, with_everything, with_guests};

/// Pushes an artifact and waits until all that follows from it is done.
async fn push(gateway: &TestGateway, repository: &str, tag: &str) -> String {
    let artifact = Artifact::everything().with("pushed", format!("{repository}:{tag}"));
    let _ = artifact.push(gateway, repository, tag).await.expect(201);
    let _ = scanned(gateway, repository, tag).await;
    artifact.digest()
}

/// Asks for a path, and returns the answer with how many calls of the plugin it took.
async fn asked(gateway: &TestGateway, path: &str) -> (Answer, u64) {
    let before = calls(gateway, "everything", "serve", "count").await;
    let answer = gateway.get(path).await.expect(200);
    (answer, calls(gateway, "everything", "serve", "count").await - before)
}

#[tokio::test]
async fn an_answer_is_kept_until_its_prefix_changes() {
    let gateway = with_everything().await;
    push(&gateway, "team/a", "v1").await;
    let path = "/everything/entries/team";
    let (first, made) = asked(&gateway, path).await;
    assert_eq!((made, first.header("cache-control")), (1, "no-cache"));
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() > 10, "{etag}");
    let (again, made) = asked(&gateway, path).await;
    assert_eq!((made, again.text(), again.header("etag")), (0, first.text(), etag.as_str()));
    let unchanged = gateway.send("GET", path, &[("if-none-match", &etag)], "").await.expect(304);
    assert!(unchanged.body.is_empty());
    assert_eq!(unchanged.header("etag"), etag);
    let _ = gateway.send("HEAD", path, &[("if-none-match", &etag)], "").await.expect(304);
    // Conditions are those of every other answer.
    let (weak, list) = (format!("W/{etag}"), format!("\"a,b\", {etag}"));
    for (name, value, status) in [
        ("if-none-match", weak.as_str(), 304),
        ("if-none-match", &list, 304),
        ("if-none-match", "*", 304),
        ("if-none-match", "\"x\"", 200),
        ("if-match", &list, 200),
        ("if-match", &weak, 412),
        ("if-match", "\"x\"", 412),
    ] {
        let answer = gateway.send("GET", path, &[(name, value)], "").await;
        assert_eq!(answer.status, status, "{name}: {value}");
    }

    // A push elsewhere, also to a name that only begins alike, changes nothing.
    push(&gateway, "other", "v1").await;
    push(&gateway, "teams/a", "v1").await;
    assert_eq!(asked(&gateway, path).await.1, 0);
    // A push, another tag and a deletion under the prefix do.
    let mut etag = etag;
    let digest = push(&gateway, "team/b", "v1").await;
    for step in ["push", "tag", "delete"] {
        match step {
            "push" => {}
            "tag" => drop(
                gateway
                    .put_manifest("team/b", "v2", &Artifact::everything().with("pushed", "team/b:v1").manifest())
                    .await
                    .expect(201),
            ),
            _ => drop(gateway.delete(&format!("/v2/team/b/manifests/{digest}")).await.expect(202)),
        }
        let (changed, made) = asked(&gateway, path).await;
        assert_eq!(made, 1, "{step}");
        assert_ne!(changed.header("etag"), etag, "{step}");
        assert_eq!(changed.text().contains("team/b"), step != "delete", "{step}");
        let answer = gateway.send("GET", path, &[("if-none-match", &etag)], "").await.expect(200);
        etag = answer.header("etag").to_owned();
    }
}

#[tokio::test]
async fn what_entries_do_not_show_leaves_them_kept() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything().with("pushed", "once");
    let _ = artifact.push(&gateway, "team/a", "v1").await.expect(201);
    let path = "/everything/entries/team";
    let _ = asked(&gateway, path).await;
    // Scans, which come later or came already, uploads of blobs, and pushes of other types.
    let _ = scanned(&gateway, "team/a", "v1").await;
    assert_eq!(asked(&gateway, path).await.1, 0, "a scan");
    gateway.push_blob("team/a", "a blob").await;
    assert_eq!(asked(&gateway, path).await.1, 0, "a blob");
    gateway.push_image("team/a", "moved", &[b"a layer"]).await;
    assert_eq!(asked(&gateway, path).await.1, 0, "an image");
    // The same under the tag of the image takes that from it: now it shows another tag.
    let _ = gateway
        .put_manifest("team/a", "moved", &artifact.manifest())
        .await
        .expect(201);
    let (answer, made) = asked(&gateway, path).await;
    assert_eq!(made, 1);
    assert!(answer.text().contains("moved"), "{}", answer.text());
    gateway.push_image("team/a", "moved", &[b"a layer"]).await;
    let (answer, made) = asked(&gateway, path).await;
    assert_eq!((made, answer.text().contains("moved")), (1, false));
}

#[tokio::test]
async fn requests_that_differ_share_nothing() {
    let gateway = with_everything().await;
    push(&gateway, "team/a", "v1").await;
    let (first, _) = asked(&gateway, "/everything/entries/team").await;
    for kind in ["application/vnd.test.everything.v1%2Bjson", "application/vnd.absent"] {
        let (other, made) = asked(&gateway, &format!("/everything/entries/team?type={kind}")).await;
        assert_eq!(made, 1);
        // The tag tells what is sent, whatever was asked.
        assert_eq!(
            first.header("etag") == other.header("etag"),
            first.body == other.body,
            "{kind}"
        );
    }
    // A header that the plugin may see may change the answer; any other does not.
    let before = calls(&gateway, "everything", "serve", "count").await;
    let _ = gateway
        .send("GET", "/everything/entries/team", &[("accept", "application/x-thing")], "")
        .await
        .expect(200);
    assert_eq!(calls(&gateway, "everything", "serve", "count").await, before + 1);
    let _ = gateway
        .send(
            "GET",
            "/everything/entries/team",
            &[("user-agent", "somebody"), ("authorization", "Basic eA==")],
            "",
        )
        .await
        .expect(200);
    assert_eq!(calls(&gateway, "everything", "serve", "count").await, before + 1);
    // Neither what changes something is kept, nor what did not work.
    for path in ["/everything/absent", "/everything/tags/absent"] {
        let before = calls(&gateway, "everything", "serve", "count").await;
        for _ in 0..2 {
            assert_eq!(gateway.get(path).await.header("etag"), "");
        }
        assert_eq!(calls(&gateway, "everything", "serve", "count").await, before + 2, "{path}");
    }
}

#[tokio::test]
async fn the_revision_moves_with_what_is_under_the_prefix() {
    let gateway = with_everything().await;
    let revision = |prefix: &'static str| {
        let gateway = &gateway;
        async move {
            gateway
                .get(&format!("/everything/revision/{prefix}"))
                .await
                .expect(200)
                .text()
        }
    };
    push(&gateway, "team/a", "v1").await;
    let (all, team, other) = (revision("").await, revision("team").await, revision("other").await);
    assert!(team.len() <= 66, "{team}");
    let digest = push(&gateway, "other/a", "v1").await;
    assert_eq!(revision("team").await, team);
    let (newer_all, newer_other) = (revision("").await, revision("other").await);
    assert!(newer_all != all && newer_other != other);
    let _ = gateway.delete(&format!("/v2/other/a/manifests/{digest}")).await.expect(202);
    assert_eq!(revision("team").await, team);
    assert!(revision("").await != newer_all && revision("other").await != newer_other);
}

#[tokio::test]
async fn tags_outlive_a_restart() {
    let mut gateway = with_guests("[http]\norigin = \"https://registry.example\"\n", &["everything"]).await;
    push(&gateway, "team/a", "v1").await;
    let path = "/everything/entries/team";
    let etag = asked(&gateway, path).await.0.header("etag").to_owned();
    gateway.restart().await;
    let _ = gateway.send("GET", path, &[("if-none-match", &etag)], "").await.expect(304);
    push(&gateway, "team/b", "v1").await;
    let _ = gateway.send("GET", path, &[("if-none-match", &etag)], "").await.expect(200);
}

#[tokio::test]
async fn a_kept_blob_goes_with_its_link() {
    let gateway = with_everything().await;
    gateway.push_blob("team/a", "kept").await;
    let path = format!("/everything/blob/team/a?digest={}", digest("kept"));
    assert_eq!(gateway.get(&path).await.expect(200).text(), "kept");
    assert_eq!(asked(&gateway, &path).await.1, 0);
    let _ = gateway
        .delete(&format!("/v2/team/a/blobs/{}", digest("kept")))
        .await
        .expect(202);
    let _ = gateway.get(&path).await.expect(422);
}
