//! Names, paths and methods that are wrong.

use portolan_tests::{TestGateway, raw};

#[tokio::test]
async fn names_follow_the_grammar() {
    let gateway = TestGateway::start().await;
    let long = "a".repeat(256);
    for name in ["A", "a..b", "a/-b", "a_", &long, "%C3%BC", "a//b"] {
        gateway
            .get(&format!("/v2/{name}/tags/list"))
            .await
            .expect_error(400, "NAME_INVALID", "");
    }
    for tag in [".a", "a%2Bb", &"a".repeat(129)] {
        gateway
            .get(&format!("/v2/a/manifests/{tag}"))
            .await
            .expect_error(400, "MANIFEST_INVALID", "");
    }
}

#[tokio::test]
async fn names_may_look_like_keywords() {
    let gateway = TestGateway::start().await;
    for name in [
        "manifests",
        "a/blobs/b",
        "tags/list",
        "blobs/uploads/x",
        "referrers",
        "a/manifests/b",
    ] {
        gateway.push_image(name, "v1", &[]).await;
        let _ = gateway.get(&format!("/v2/{name}/manifests/v1")).await.expect(200);
        assert_eq!(
            gateway.get(&format!("/v2/{name}/tags/list")).await.expect(200).json()["name"],
            name
        );
    }
}

#[tokio::test]
async fn no_path_climbs() {
    let gateway = TestGateway::start().await;
    let paths = [
        "/v2/../etc/passwd",
        "/v2/a/%2e%2e/b/tags/list",
        "/v2/a%2f..%2fb/tags/list",
        "/v2/a%5cb/tags/list",
        "/v2/a/blobs/..%2f..%2fmetadata.sqlite",
        "/v2/a%00/tags/list",
    ];
    for path in paths {
        let answer = raw(
            gateway.address(),
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
        )
        .await;
        assert!(
            answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 404"),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn wrong_methods_are_told_the_right_ones() {
    let gateway = TestGateway::start().await;
    for (method, path, allowed) in [
        ("POST", "/v2/a/tags/list", "GET, HEAD"),
        ("PUT", "/v2/", "GET, HEAD"),
        ("GET", "/v2/a/blobs/uploads/", "POST"),
        ("PATCH", "/v2/a/manifests/v1", "GET, HEAD, PUT, DELETE"),
    ] {
        let answer = gateway.send(method, path, &[], "").await.expect(405);
        assert_eq!(answer.header("allow"), allowed);
        answer.expect_error(405, "UNSUPPORTED", allowed);
    }
    gateway
        .get("/v2/a/b")
        .await
        .expect_error(404, "NAME_UNKNOWN", "nothing at this path");
    gateway
        .get("/nowhere/x")
        .await
        .expect_error(404, "NAME_UNKNOWN", "nothing at this path");
}

#[tokio::test]
async fn heads_that_are_too_large_or_malformed_are_refused() {
    let gateway = TestGateway::start().await;
    let huge = raw(
        gateway.address(),
        format!("GET /v2/ HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(1 << 20)),
    )
    .await;
    assert!(huge.starts_with("HTTP/1.1 431") || huge.is_empty(), "{huge}");
    let broken = raw(gateway.address(), "nonsense\r\n\r\n").await;
    assert!(broken.starts_with("HTTP/1.1 400") || broken.is_empty(), "{broken}");
    let _ = gateway.get("/healthz").await.expect(200);
}
