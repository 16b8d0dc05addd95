//! Requests on conditions: what a client has, what it wants to keep.

use portolan_tests::{MANIFEST, TestGateway, digest, manifest};

const TAG: &str = "/v2/a/manifests/v1";

/// Starts a gateway with two layers from which manifests can be made.
async fn with_layers() -> TestGateway {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    for layer in ["one", "two"] {
        gateway.push_blob("a", layer).await;
    }
    gateway
}

/// Puts a manifest of one layer under a path, on conditions, and returns the status and the entity tag.
async fn put(gateway: &TestGateway, path: &str, layer: &'static [u8], conditions: &[(&str, &str)]) -> (u16, String) {
    let headers = [&[("content-type", MANIFEST)], conditions].concat();
    let body = manifest(b"{}", &[layer]).to_string();
    let answer = gateway.send("PUT", path, &headers, body).await;
    if answer.status == 412 {
        answer.clone().expect_error(412, "DENIED", "nothing was changed");
    }
    (answer.status, answer.header("etag").to_owned())
}

fn etag(layer: &'static [u8]) -> String {
    format!("\"{}\"", digest(manifest(b"{}", &[layer]).to_string()))
}

async fn tagged(gateway: &TestGateway) -> String {
    gateway.get(TAG).await.header("etag").to_owned()
}

#[tokio::test]
async fn a_push_creates_only_where_it_is_told_to() {
    let gateway = with_layers().await;
    let create = [("if-none-match", "*")];
    assert_eq!(put(&gateway, TAG, b"one", &create).await, (201, etag(b"one")));
    for layer in [&b"one"[..], b"two"] {
        assert_eq!(put(&gateway, TAG, layer, &create).await.0, 412);
    }
    assert_eq!(tagged(&gateway).await, etag(b"one"));
    // By digest it is the manifest that has to be new.
    let by_digest = |layer| format!("/v2/a/manifests/{}", etag(layer).trim_matches('"'));
    assert_eq!(put(&gateway, &by_digest(b"one"), b"one", &create).await.0, 412);
    assert_eq!(put(&gateway, &by_digest(b"two"), b"two", &create).await.0, 201);
    // What was deleted can be created again.
    let _ = gateway.delete(TAG).await.expect(202);
    assert_eq!(put(&gateway, TAG, b"two", &create).await.0, 201);
}

#[tokio::test]
async fn of_many_that_create_one_does() {
    let gateway = with_layers().await;
    let pushes = (0..20).map(|n| {
        put(
            &gateway,
            TAG,
            if n % 2 == 0 { b"one" } else { b"two" },
            &[("if-none-match", "*")],
        )
    });
    let answers = futures_util::future::join_all(pushes).await;
    let created: Vec<&String> = answers
        .iter()
        .filter(|(status, _)| *status == 201)
        .map(|(_, etag)| etag)
        .collect();
    assert_eq!(created, [&tagged(&gateway).await]);
    assert!(answers.iter().all(|(status, _)| [201, 412].contains(status)), "{answers:?}");
}

#[tokio::test]
async fn a_push_replaces_only_what_the_client_knows() {
    let gateway = with_layers().await;
    // There is nothing to replace.
    for wanted in ["*", &etag(b"one")] {
        assert_eq!(put(&gateway, TAG, b"one", &[("if-match", wanted)]).await.0, 412);
    }
    let _ = put(&gateway, TAG, b"one", &[]).await;
    let weak = format!("W/{}", etag(b"one"));
    for wanted in [etag(b"two").as_str(), &weak, "\"x\"", "\"", ""] {
        assert_eq!(put(&gateway, TAG, b"two", &[("if-match", wanted)]).await.0, 412, "{wanted}");
    }
    let list = format!("\"x\", {}", etag(b"one"));
    assert_eq!(put(&gateway, TAG, b"two", &[("if-match", &list)]).await.0, 201);
    assert_eq!(put(&gateway, TAG, b"one", &[("if-match", "*")]).await.0, 201);
    // Not where it is this already, whatever else it may be.
    assert_eq!(put(&gateway, TAG, b"two", &[("if-none-match", &weak)]).await.0, 412);
    assert_eq!(put(&gateway, TAG, b"two", &[("if-none-match", &etag(b"two"))]).await.0, 201);
    // A client that lost is told what there is.
    let headers = [("content-type", MANIFEST), ("if-match", &etag(b"one"))];
    let answer = gateway
        .send("PUT", TAG, &headers, manifest(b"{}", &[b"one"]).to_string())
        .await;
    answer.expect_error(412, "DENIED", etag(b"two").trim_matches('"'));
}

#[tokio::test]
async fn of_many_that_replace_the_same_one_does() {
    let gateway = with_layers().await;
    let _ = put(&gateway, TAG, b"one", &[]).await;
    let known = etag(b"one");
    let conditions = [("if-match", known.as_str())];
    let pushes = (0..20).map(|_| put(&gateway, TAG, b"two", &conditions));
    let statuses = futures_util::future::join_all(pushes).await;
    assert_eq!(
        statuses.iter().filter(|(status, _)| *status == 201).count(),
        1,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn manifests_and_tags_are_deleted_on_conditions() {
    let gateway = with_layers().await;
    let _ = put(&gateway, TAG, b"one", &[]).await;
    let by_digest = format!("/v2/a/manifests/{}", etag(b"one").trim_matches('"'));
    for path in [TAG, &by_digest] {
        for condition in [
            ("if-match", "\"x\""),
            ("if-none-match", "*"),
            ("if-none-match", &etag(b"one")),
        ] {
            let answer = gateway.send("DELETE", path, &[condition], "").await;
            answer.expect_error(412, "DENIED", "nothing was changed");
        }
        let _ = gateway.get(path).await.expect(200);
    }
    let _ = gateway
        .send("DELETE", TAG, &[("if-match", &etag(b"one"))], "")
        .await
        .expect(202);
    let _ = gateway.send("DELETE", &by_digest, &[("if-match", "*")], "").await.expect(202);
    for path in [TAG, &by_digest] {
        let answer = gateway.send("DELETE", path, &[("if-match", "*")], "").await;
        answer.expect_error(404, "MANIFEST_UNKNOWN", "");
    }
}

#[tokio::test]
async fn blobs_are_deleted_on_conditions() {
    let gateway = TestGateway::start().await;
    let blob = gateway.push_blob("a", "x").await;
    let (path, etag) = (format!("/v2/a/blobs/{blob}"), format!("\"{blob}\""));
    for condition in [
        ("if-match", "\"x\""),
        ("if-none-match", etag.as_str()),
        ("if-none-match", "*"),
    ] {
        gateway
            .send("DELETE", &path, &[condition], "")
            .await
            .expect_error(412, "DENIED", "");
    }
    let _ = gateway.send("DELETE", &path, &[("if-match", &etag)], "").await.expect(202);
    gateway
        .send("DELETE", &path, &[("if-match", &etag)], "")
        .await
        .expect_error(404, "BLOB_UNKNOWN", "");
}

#[tokio::test]
async fn reads_tell_whether_the_client_has_it_and_whether_it_is_what_it_wants() {
    let gateway = with_layers().await;
    let _ = put(&gateway, TAG, b"one", &[]).await;
    let manifest = etag(b"one");
    let (blob, blob_etag) = (format!("/v2/a/blobs/{}", digest("one")), format!("\"{}\"", digest("one")));
    let date = "Sat, 28 Nov 2026 00:00:00 GMT";
    for (path, etag) in [(TAG, &manifest), (blob.as_str(), &blob_etag)] {
        let (weak, list) = (format!("W/{etag}"), format!("\"x\",{etag}"));
        let cases = [
            ("if-none-match", etag.as_str(), 304),
            ("if-none-match", &weak, 304),
            ("if-none-match", &list, 304),
            ("if-none-match", "*", 304),
            ("if-none-match", "\"x\"", 200),
            ("if-none-match", "\"", 200),
            ("if-match", etag, 200),
            ("if-match", "*", 200),
            ("if-match", &weak, 412),
            ("if-match", "\"x\"", 412),
            // Nothing has a date, so nothing can be newer or older.
            ("if-modified-since", date, 200),
            ("if-unmodified-since", date, 200),
        ];
        for method in ["GET", "HEAD"] {
            for (name, value, status) in cases {
                let answer = gateway.send(method, path, &[(name, value)], "").await;
                assert_eq!(answer.status, status, "{method} {path} {name}: {value}");
                assert!(
                    status == 412 || answer.header("etag") == etag,
                    "{method} {path} {name}: {value}"
                );
                assert!(status != 304 || answer.body.is_empty());
            }
            // What is wanted comes before what is had, and a missing thing before both.
            let both = [("if-match", "\"x\""), ("if-none-match", etag.as_str())];
            assert_eq!(gateway.send(method, path, &both, "").await.status, 412);
        }
    }
    let _ = gateway
        .send("GET", "/v2/a/manifests/none", &[("if-match", "*")], "")
        .await
        .expect(404);
}

#[tokio::test]
async fn ranges_are_answered_of_the_version_that_the_client_has() {
    let gateway = with_layers().await;
    let (path, etag) = (format!("/v2/a/blobs/{}", digest("one")), format!("\"{}\"", digest("one")));
    let weak = format!("W/{etag}");
    let cases = [
        (etag.as_str(), 206),
        (&weak, 200),
        ("\"x\"", 200),
        ("Sat, 28 Nov 2026 00:00:00 GMT", 200),
    ];
    for (condition, status) in cases {
        let headers = [("range", "bytes=1-1"), ("if-range", condition)];
        let answer = gateway.send("GET", &path, &headers, "").await;
        assert_eq!(
            (answer.status, answer.body.len()),
            (status, if status == 206 { 1 } else { 3 }),
            "{condition}"
        );
    }
    // Who has it already needs no range, not even one that lies outside.
    let headers = [("range", "bytes=9-"), ("if-none-match", etag.as_str())];
    let _ = gateway.send("GET", &path, &headers, "").await.expect(304);
}

#[tokio::test]
async fn upload_sessions_have_no_entity_tag() {
    let gateway = TestGateway::start().await;
    let location = gateway
        .send("POST", "/v2/a/blobs/uploads/", &[], "")
        .await
        .expect(202)
        .location();
    for condition in ["*", "\"x\""] {
        for (method, path) in [
            ("PATCH", location.clone()),
            ("PUT", format!("{location}?digest={}", digest("abc"))),
        ] {
            let answer = gateway.send(method, &path, &[("if-match", condition)], "abc").await;
            answer.expect_error(412, "DENIED", "If-Match");
        }
    }
    let _ = gateway
        .send("PATCH", &location, &[("if-none-match", "*")], "abc")
        .await
        .expect(202);
    assert_eq!(gateway.get(&location).await.expect(204).header("range"), "0-2");
}
