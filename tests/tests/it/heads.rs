//! What every request has and every answer: hosts, heads, ids, compression, a description.

use std::collections::HashSet;

use portolan_tests::{TestGateway, raw};
use serde_json::Value;

/// Sends a request with these lines of a head and returns the status.
async fn status(gateway: &TestGateway, lines: &str) -> String {
    let answer = raw(gateway.address(), format!("{lines}\r\n\r\n")).await;
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_request_says_once_for_which_host_it_is() {
    let gateway = TestGateway::start().await;
    for good in [
        "GET /v2/ HTTP/1.1\r\nhost: registry.example:5000\r\nconnection: close",
        "GET /v2/ HTTP/1.1\r\nhost: [::1]:5000\r\nconnection: close",
        "GET http://registry.example/v2/ HTTP/1.1\r\nhost: registry.example\r\nconnection: close",
        "GET /v2/ HTTP/1.0",
    ] {
        assert_eq!(status(&gateway, good).await, "200", "{good}");
    }
    for bad in [
        "GET /v2/ HTTP/1.1\r\nconnection: close",
        "GET /v2/ HTTP/1.1\r\nhost: a\r\nhost: a\r\nconnection: close",
        "GET /v2/ HTTP/1.1\r\nhost:\r\nconnection: close",
        "GET /v2/ HTTP/1.1\r\nhost: a b\r\nconnection: close",
        "GET /v2/ HTTP/1.1\r\nhost: user@a\r\nconnection: close",
        "GET /v2/ HTTP/1.1\r\nhost: a:port\r\nconnection: close",
        "GET /v2/ HTTP/1.1\r\nhost: a/b\r\nconnection: close",
        "GET http://user@a/v2/ HTTP/1.1\r\nhost: a\r\nconnection: close",
        "GET /v2/ HTTP/1.0\r\nhost: \"a\"",
    ] {
        assert_eq!(status(&gateway, bad).await, "400", "{bad}");
    }
    let answer = raw(gateway.address(), "GET /v2/ HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(
        answer.contains("UNSUPPORTED") && answer.contains("no Host header"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_head_has_at_most_64_kib() {
    let gateway = TestGateway::start().await;
    let with = |bytes: usize| {
        let lines: String = (0..10).map(|n| format!("x-{n}: {}\r\n", "v".repeat(bytes / 10))).collect();
        format!("GET /v2/ HTTP/1.1\r\nhost: a\r\n{lines}connection: close")
    };
    assert_eq!(status(&gateway, &with(60 << 10)).await, "200");
    assert_eq!(status(&gateway, &with(66 << 10)).await, "431");
    let target = format!("GET /v2/?{} HTTP/1.1\r\nhost: a\r\nconnection: close", "q".repeat(65_520));
    assert_eq!(status(&gateway, &target).await, "431");
}

#[tokio::test]
async fn ids_are_unique_over_restarts_and_those_of_clients_are_kept() {
    let mut gateway = TestGateway::start().await;
    let mut ids = HashSet::new();
    for _ in 0..2 {
        for path in ["/v2/", "/v2/", "/nowhere", "/v2/A/tags/list", "/healthz"] {
            let answer = gateway.get(path).await;
            let id = answer.header("x-request-id").to_owned();
            assert!(!id.is_empty() && ids.insert(id.clone()), "{path}: {id:?}");
        }
        gateway.restart().await;
    }
    let answered = |id: &'static str| {
        let gateway = &gateway;
        async move {
            let answer = gateway.send("GET", "/v2/", &[("x-request-id", id)], "").await.expect(200);
            answer.header("x-request-id").to_owned()
        }
    };
    let own = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(answered(own).await, own);
    for odd in [
        "",
        "a b",
        "a\"b",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
    ] {
        let id = answered(odd).await;
        assert!(id != odd && ids.insert(id.clone()), "{odd:?}: {id:?}");
    }
}

#[tokio::test]
async fn documents_of_the_gateway_are_compressed_and_content_is_not() {
    let gateway = TestGateway::start().await;
    for n in 0..100 {
        gateway
            .push_image("team/a", &format!("a-tag-with-a-long-name-{n}"), &[])
            .await;
    }
    let long = vec![b'a'; 100_000];
    let blob = format!("/v2/team/a/blobs/{}", gateway.push_blob("team/a", long.clone()).await);
    let asks = [("accept-encoding", "gzip, br;q=0.5")];
    for path in ["/v2/team/a/tags/list", "/v2/_portolan/openapi.json"] {
        let plain = gateway.get(path).await.expect(200);
        let answer = gateway.send("GET", path, &asks, "").await.expect(200);
        assert_eq!(
            (answer.header("content-encoding"), plain.header("content-encoding")),
            ("gzip", ""),
            "{path}"
        );
        assert_eq!(answer.header("vary"), "accept-encoding");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&answer.body[..]), &mut text).unwrap();
        assert_eq!(text, plain.text(), "{path}");
        assert!(answer.body.len() < plain.body.len() / 2);
    }
    for path in [blob.as_str(), "/v2/team/a/manifests/a-tag-with-a-long-name-1", "/v2/"] {
        let (plain, answer) = (
            gateway.get(path).await,
            gateway.send("GET", path, &asks, "").await.expect(200),
        );
        assert_eq!(
            (answer.header("content-encoding"), answer.body == plain.body),
            ("", true),
            "{path}"
        );
        assert_eq!(answer.header("content-length"), plain.body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn head_tells_what_get_does_at_every_path_that_is_read_only() {
    let gateway = TestGateway::start().await;
    for path in [
        "/",
        "/healthz",
        "/readyz",
        "/v2",
        "/v2/",
        "/v2/_catalog",
        "/v2/_portolan/types",
        "/nowhere",
        "/v2/a/tags/list",
    ] {
        let (get, head) = (gateway.get(path).await, gateway.head(path).await);
        assert!(head.body.is_empty() && !get.body.is_empty(), "{path}");
        for name in ["content-length", "content-type", "docker-distribution-api-version"] {
            assert_eq!(
                (head.status, head.header(name)),
                (get.status, get.header(name)),
                "{path} {name}"
            );
        }
    }
}

/// Answers that never have a body announce no length: caches would take it for that of what they keep.
#[tokio::test]
async fn answers_without_a_body_have_no_length() {
    let gateway = TestGateway::start().await;
    let digest = gateway.push_image("a", "v1", &[]).await;
    let location = gateway
        .send("POST", "/v2/a/blobs/uploads/", &[], "")
        .await
        .expect(202)
        .location();
    for (target, status) in [("/v2/a/manifests/v1", "304"), (location.as_str(), "204")] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nif-none-match: \"{digest}\"\r\nconnection: close\r\n\r\n");
        let answer = raw(gateway.address(), request).await.to_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
        assert!(!answer.contains("content-length") && answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn everything_that_the_description_names_is_there() {
    let gateway = TestGateway::start().await;
    gateway.push_image("team/a", "v1", &[]).await;
    gateway.push_image("team/a", "v2", &[b"layer"]).await;
    let document = gateway.get("/v2/_portolan/openapi.json").await.expect(200).json();
    let digest = portolan_tests::digest("{}");
    let mut operations = 0;
    for (template, methods) in document["paths"].as_object().unwrap() {
        let names = [
            ("{repository}", "team/a"),
            ("{reference}", "v1"),
            ("{other}", "v2"),
            ("{digest}", &digest),
            ("{session}", "0"),
            ("{view}", "x"),
            ("{name}", "x"),
        ];
        let path = names
            .iter()
            .fold(template.clone(), |path, (name, value)| path.replace(name, value));
        for (method, operation) in methods
            .as_object()
            .unwrap()
            .iter()
            .filter(|(method, _)| *method != "parameters")
        {
            assert!(
                operation["summary"].is_string() && operation["responses"].is_object(),
                "{method} {template}"
            );
            let answer = gateway.send(&method.to_uppercase(), &path, &[], "").await;
            let unknown = answer.status == 404 && answer.text().contains("nothing at this path");
            assert!(
                answer.status != 405 && !unknown,
                "{method} {template}: {} {}",
                answer.status,
                answer.text()
            );
            operations += 1;
        }
    }
    assert!(operations > 25, "{operations}");
    assert_eq!(document["openapi"], Value::from("3.1.0"));
}
