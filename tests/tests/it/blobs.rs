//! Pulling blobs: whole, in ranges, conditionally, by HEAD.

use portolan_tests::{TestGateway, digest, digest512};

const CONTENT: &[u8] = b"0123456789";

async fn with_blob() -> (TestGateway, String) {
    let gateway = TestGateway::start().await;
    let digest = gateway.push_blob("team/a", CONTENT).await;
    (gateway, format!("/v2/team/a/blobs/{digest}"))
}

#[tokio::test]
async fn a_blob_comes_back_with_headers_that_caches_and_clients_need() {
    let (gateway, path) = with_blob().await;
    let answer = gateway.get(&path).await.expect(200);
    assert_eq!(answer.body, CONTENT);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("content-length"), "10");
    assert_eq!(answer.header("docker-content-digest"), digest(CONTENT));
    assert_eq!(answer.header("etag"), format!("\"{}\"", digest(CONTENT)));
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
    assert!(!answer.header("x-request-id").is_empty());
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let (gateway, path) = with_blob().await;
    let (head, get) = (gateway.head(&path).await.expect(200), gateway.get(&path).await.expect(200));
    assert!(head.body.is_empty());
    for name in [
        "content-length",
        "content-type",
        "etag",
        "docker-content-digest",
        "cache-control",
    ] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

#[tokio::test]
async fn ranges_are_answered_in_every_form() {
    let (gateway, path) = with_blob().await;
    let cases: [(&str, u16, &str, &[u8]); 8] = [
        ("bytes=0-3", 206, "bytes 0-3/10", b"0123"),
        ("bytes=4-", 206, "bytes 4-9/10", b"456789"),
        ("bytes=-2", 206, "bytes 8-9/10", b"89"),
        ("bytes=8-100", 206, "bytes 8-9/10", b"89"),
        ("bytes=-100", 206, "bytes 0-9/10", CONTENT),
        ("bytes=0-1,4-5", 200, "", CONTENT),
        ("lines=0-1", 200, "", CONTENT),
        ("bytes=x", 200, "", CONTENT),
    ];
    for (range, status, content_range, body) in cases {
        let answer = gateway.send("GET", &path, &[("range", range)], "").await.expect(status);
        assert_eq!(
            (answer.header("content-range"), &answer.body[..]),
            (content_range, body),
            "{range}"
        );
    }
    // A number has no sign.
    for range in ["bytes=+0-3", "bytes=0-+3", "bytes=-+2"] {
        let answer = gateway.send("GET", &path, &[("range", range)], "").await.expect(200);
        assert_eq!(answer.body, CONTENT, "{range}");
    }
    // HEAD tells of the whole.
    for range in ["bytes=0-3", "bytes=10-"] {
        let answer = gateway.send("HEAD", &path, &[("range", range)], "").await.expect(200);
        assert_eq!(
            (answer.header("content-length"), answer.header("content-range")),
            ("10", ""),
            "{range}"
        );
    }
    for range in ["bytes=10-", "bytes=5-0", "bytes=100-200"] {
        let answer = gateway.send("GET", &path, &[("range", range)], "").await.expect(416);
        assert_eq!(answer.header("content-range"), "bytes */10", "{range}");
        answer.expect_error(416, "SIZE_INVALID", "10 bytes");
    }
}

#[tokio::test]
async fn a_client_that_has_the_blob_gets_304() {
    let (gateway, path) = with_blob().await;
    let etag = gateway.get(&path).await.header("etag").to_owned();
    for tag in [etag.as_str(), "*", &format!("\"x\", {etag}"), &format!("W/{etag}")] {
        let answer = gateway.send("GET", &path, &[("if-none-match", tag)], "").await.expect(304);
        assert!(answer.body.is_empty(), "{tag}");
        assert_eq!(answer.header("etag"), etag);
    }
    let _ = gateway
        .send("GET", &path, &[("if-none-match", "\"other\"")], "")
        .await
        .expect(200);
    // A range of another version is not wanted.
    let answer = gateway
        .send("GET", &path, &[("range", "bytes=0-1"), ("if-range", "\"other\"")], "")
        .await
        .expect(200);
    assert_eq!(answer.body, CONTENT);
}

#[tokio::test]
async fn blobs_are_never_compressed() {
    let (gateway, path) = with_blob().await;
    let answer = gateway
        .send("GET", &path, &[("accept-encoding", "gzip, br")], "")
        .await
        .expect(200);
    assert_eq!((answer.header("content-encoding"), &answer.body[..]), ("", CONTENT));
}

#[tokio::test]
async fn empty_blobs_and_sha512_are_blobs_like_any_other() {
    let gateway = TestGateway::start().await;
    let empty = gateway.push_blob("a", "").await;
    let answer = gateway.get(&format!("/v2/a/blobs/{empty}")).await.expect(200);
    assert_eq!((answer.header("content-length"), answer.body.len()), ("0", 0));
    let long = digest512(CONTENT);
    let path = format!("/v2/a/blobs/uploads/?digest={long}");
    let _ = gateway.send("POST", &path, &[], CONTENT).await.expect(201);
    let answer = gateway.get(&format!("/v2/a/blobs/{long}")).await.expect(200);
    assert_eq!(
        (answer.body.as_ref(), answer.header("docker-content-digest")),
        (CONTENT, long.as_str())
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_unknown() {
    let (gateway, _) = with_blob().await;
    let missing = digest("missing");
    gateway
        .get(&format!("/v2/team/a/blobs/{missing}"))
        .await
        .expect_error(404, "BLOB_UNKNOWN", &missing);
    gateway
        .get(&format!("/v2/team/b/blobs/{}", digest(CONTENT)))
        .await
        .expect_error(404, "BLOB_UNKNOWN", "team/b");
    gateway
        .get("/v2/team/a/blobs/sha256:00")
        .await
        .expect_error(400, "DIGEST_INVALID", "64");
    gateway
        .get("/v2/team/a/blobs/md5:00")
        .await
        .expect_error(400, "DIGEST_INVALID", "sha256 or sha512");
}

#[tokio::test]
async fn content_survives_a_restart() {
    let (mut gateway, path) = with_blob().await;
    gateway.restart().await;
    assert_eq!(gateway.get(&path).await.expect(200).body, CONTENT);
}

#[tokio::test]
async fn http2_without_tls_works_as_well() {
    let (gateway, path) = with_blob().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let response = client
        .get(format!("http://{}{path}", gateway.address()))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (response.version(), response.status().as_u16()),
        (reqwest::Version::HTTP_2, 200)
    );
    assert_eq!(response.bytes().await.unwrap(), CONTENT);
}
