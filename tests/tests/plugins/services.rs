//! What a service sees of a request and of the registry, and what it can answer.

use portolan_tests::{TestGateway, digest, raw};
use serde_json::{Value, json};

use super::fixture::{Artifact, with_everything, with_guests};

/// Returns the JSON that the service answers.
async fn asked(gateway: &TestGateway, path: &str) -> Value {
    gateway.get(&format!("/everything/{path}")).await.expect(200).json()
}

#[tokio::test]
async fn a_request_is_seen_without_who_sent_it() {
    let gateway = with_everything().await;
    let headers = [
        ("authorization", "Basic c2VjcmV0"),
        ("cookie", "session=secret"),
        ("proxy-authorization", "Basic c2VjcmV0"),
        ("accept", "application/x-thing"),
        ("content-type", "text/x-thing"),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    let answer = gateway
        .send("PUT", "/everything/?a=1&b=two%20words&a=%2F", &headers, "body")
        .await
        .expect(200);
    let seen = answer.json();
    assert_eq!(
        (&seen["method"], &seen["path"], &seen["wellKnown"]),
        (&json!("PUT"), &json!(""), &Value::Null)
    );
    assert_eq!(seen["origin"], format!("http://{}", gateway.address()));
    assert_eq!(seen["query"], json!([["a", "1"], ["b", "two words"], ["a", "/"]]));
    let seen_headers = &seen["headers"];
    assert_eq!(
        (&seen_headers["accept"], &seen_headers["content-type"]),
        (&json!(["application/x-thing"]), &json!(["text/x-thing"]))
    );
    assert_eq!(
        (&seen_headers["authorization"], &seen_headers["cookie"]),
        (&json!([]), &json!([]))
    );
    assert!(!answer.text().contains("secret") && !answer.text().contains("c2Vj"));
    assert_eq!(seen["body"], json!({ "size": 4, "digest": digest("body") }));
    assert_eq!(gateway.get("/everything").await.expect(200).json()["body"], Value::Null);
    // A well-known document is another way to the same service.
    let known = gateway.get("/.well-known/everything.json").await.expect(200).json();
    assert_eq!((&known["wellKnown"], &known["path"]), (&json!("everything.json"), &json!("")));
    for path in ["/.well-known/absent.json", "/absent", "/absent/x"] {
        gateway
            .get(path)
            .await
            .expect_error(404, "NAME_UNKNOWN", "there is nothing at this path");
    }
}

#[tokio::test]
async fn paths_are_decoded_once_and_cannot_leave() {
    let gateway = with_everything().await;
    let answer = gateway.get("/everything/a%2520b").await.expect(404).json();
    assert_eq!(answer["message"], "a%20b");
    // A client of good manners would not send some of these as they are.
    for path in [
        "/everything/%2e%2e/x",
        "/everything/../x",
        "/everything/a%2fb",
        "/everything/a%5cb",
        "/everything/a%00b",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = raw(gateway.address(), request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_body_is_spooled_and_bounded() {
    let gateway = with_guests("[services]\nbody_bytes_max = \"4 MiB\"\n", &["everything"]).await;
    let body = "0123456789abcdef".repeat(3 << 16);
    let echoed = gateway.send("POST", "/everything/echo", &[], body.clone()).await.expect(200);
    assert!(echoed.body == body.as_bytes(), "three megabytes come back as they were");
    let answer = gateway
        .send("POST", "/everything/echo", &[], body.repeat(2))
        .await
        .expect(413);
    assert_eq!(answer.json()["explained"], "SIZE_INVALID", "{}", answer.text());
    assert!(
        answer.json()["message"]
            .as_str()
            .is_some_and(|message| message.contains("4194304")),
        "{}",
        answer.text()
    );
    // Nothing of it can be read by anybody: a body is no blob of a repository.
    let _ = gateway
        .get(&format!("/v2/everything/blobs/{}", digest(&body)))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_body_leaves_nothing_but_what_was_published_of_it() {
    let gateway = with_guests("[services]\nbody_bytes_max = \"4 MiB\"\n", &["everything"]).await;
    let body = "0123456789abcdef".repeat(1 << 16);
    let asked = [
        ("POST", "echo", 200, 1),
        ("POST", "no-such-action", 404, 1),
        ("POST", "fail", 500, 1),
        ("POST", "echo", 413, 5),
        ("POST", "publish/team/a?tag=v1&test.refuse=Not%20this.", 400, 1),
        (
            "POST",
            "publish-part/team/a?tag=v1&offset=7&length=900&test.refuse=Not%20this.",
            400,
            1,
        ),
    ];
    for (method, path, status, times) in asked {
        let answer = gateway
            .send(method, &format!("/everything/{path}"), &[], body.repeat(times))
            .await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        // The last handle may be that of a guest's thread, which drops it when the answer is out.
        while !gateway.on_the_way().is_empty() || !gateway.content().is_empty() {
            tokio::task::yield_now().await;
        }
    }
    let _ = gateway
        .send("POST", "/everything/publish/team/a?tag=v1", &[], body.clone())
        .await
        .expect(201);
    while !gateway.on_the_way().is_empty() {
        tokio::task::yield_now().await;
    }
    let hex = &digest(&body)["sha256:".len()..];
    assert!(gateway.content().iter().any(|name| name.starts_with(hex)));
}

#[tokio::test]
async fn a_question_has_no_body() {
    let gateway = with_everything().await;
    let before = gateway.get("/everything/").await.expect(200).json();
    for method in ["GET", "HEAD"] {
        let answer = gateway
            .send(method, "/everything/", &[], "x".repeat(2 << 20))
            .await
            .expect(200);
        if method == "GET" {
            assert_eq!((&answer.json()["body"], &before["body"]), (&Value::Null, &Value::Null));
        }
        assert!(gateway.on_the_way().is_empty());
    }
}

#[tokio::test]
async fn status_and_headers_are_the_plugins_and_some_the_gateways() {
    let gateway = with_everything().await;
    assert_eq!(gateway.get("/everything/status?code=204").await.expect(204).body.len(), 0);
    let _ = gateway.get("/everything/status?code=418").await.expect(418);
    for code in ["199", "600", "0"] {
        assert_eq!(
            gateway
                .get(&format!("/everything/status?code={code}"))
                .await
                .expect(422)
                .json()["code"],
            "invalid"
        );
    }
    let answer = gateway.get("/everything/header?name=X-Thing&value=a%20b").await.expect(200);
    assert_eq!(
        (answer.header("x-thing"), answer.header("x-content-type-options")),
        ("a b", "nosniff")
    );
    for (name, value, code) in [
        ("etag", "%22x%22", "denied"),
        ("content-length", "5", "denied"),
        ("set-cookie", "a=b", "denied"),
        ("x-a", "a%0d%0ax-forged:%20yes", "invalid"),
        ("x%20a", "a", "invalid"),
    ] {
        let answer = gateway
            .get(&format!("/everything/header?name={name}&value={value}"))
            .await
            .expect(422);
        assert_eq!(
            (answer.json()["code"].as_str(), answer.header("x-forged")),
            (Some(code), ""),
            "{name}"
        );
    }
    let (get, head) = (
        gateway.get("/everything/").await.expect(200),
        gateway.head("/everything/").await.expect(200),
    );
    assert!(head.body.is_empty());
    for name in ["content-length", "content-type", "etag"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

#[tokio::test]
async fn the_catalogue_lists_repositories_tags_and_entries() {
    let gateway = with_everything().await;
    for (repository, title) in [("team/a", "one"), ("team/b", "two"), ("teams", "three"), ("team", "four")] {
        let artifact = Artifact::everything().with("org.opencontainers.image.title", title);
        let _ = artifact
            .push(&gateway, repository, &format!("{}?tag=v1&tag=v2", artifact.digest()))
            .await
            .expect(201);
    }
    gateway.push_image("team/image", "v1", &[b"layer"]).await;
    assert_eq!(
        asked(&gateway, "repositories").await,
        json!(["team", "team/a", "team/b", "team/image", "teams"])
    );
    assert_eq!(
        asked(&gateway, "repositories/team").await,
        json!(["team", "team/a", "team/b", "team/image"])
    );
    assert_eq!(asked(&gateway, "repositories/Team").await, json!([]));
    assert_eq!(asked(&gateway, "tags/team/a").await, json!(["v1", "v2"]));
    assert_eq!(
        gateway.get("/everything/tags/absent").await.expect(422).json()["code"],
        "not-found"
    );
    let entries = asked(&gateway, "entries/team").await;
    let titles: Vec<&str> = entries
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["title"].as_str())
        .collect();
    assert_eq!(
        titles,
        ["four", "one", "two"],
        "whole segments, and no entry of what nobody indexed"
    );
    assert_eq!(
        (&entries[1]["tags"], &entries[1]["document"]["layers"]),
        (&json!(["v1", "v2"]), &json!(0))
    );
    assert_eq!(asked(&gateway, "entries?type=application/vnd.absent").await, json!([]));
    assert_eq!(
        asked(&gateway, "entries?type=application/vnd.test.everything.v1%2Bjson")
            .await
            .as_array()
            .map(Vec::len),
        Some(4)
    );
}

#[tokio::test]
async fn entries_come_in_pages() {
    let gateway = with_everything().await;
    for number in 0..5 {
        let _ = Artifact::everything()
            .with("number", number)
            .push(&gateway, "team/a", &format!("v{number}"))
            .await
            .expect(201);
    }
    let (mut digests, mut after) = (Vec::new(), String::new());
    for _ in 0..4 {
        let page = asked(&gateway, &format!("page/team?limit=2{after}")).await;
        let items = page["items"].as_array().unwrap();
        digests.extend(items.iter().map(|item| item["digest"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", next.replace(':', "%3A")),
            None => break,
        }
    }
    assert_eq!(digests.len(), 5);
    assert!(digests.is_sorted(), "{digests:?}");
    assert_eq!(
        gateway.get("/everything/page/team?after=nonsense").await.expect(422).json()["code"],
        "invalid"
    );
}

#[tokio::test]
async fn artifacts_are_opened_and_blobs_are_sent() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything().layer("a text that is sent");
    let _ = artifact.push(&gateway, "team/a", "v1").await.expect(201);
    let opened = asked(&gateway, "open/team/a?reference=v1").await;
    assert_eq!(
        (&opened["digest"], &opened["type"]),
        (&json!(artifact.digest()), &json!("application/vnd.test.everything.v1+json"))
    );
    assert_eq!(opened["layers"], json!([digest("a text that is sent")]));
    assert_eq!(
        asked(&gateway, &format!("open/team/a?reference={}", artifact.digest())).await,
        opened
    );
    for path in [
        "open/team/a?reference=absent",
        "open/absent?reference=v1",
        "open/Bad?reference=v1",
        "open/team/a?reference=a%2Fb",
    ] {
        assert_eq!(
            gateway.get(&format!("/everything/{path}")).await.expect(422).json()["code"],
            "not-found",
            "{path}"
        );
    }
    let path = format!("/everything/blob/team/a?digest={}", digest("a text that is sent"));
    let sent = gateway.get(&path).await.expect(200);
    assert_eq!(
        (sent.text().as_str(), sent.header("content-length")),
        ("a text that is sent", "19")
    );
    assert!(gateway.head(&path).await.expect(200).body.is_empty());
    // Another repository does not have it, nor does anybody have what was never pushed.
    gateway.push_blob("other", "{}").await;
    for path in [
        format!("blob/other?digest={}", digest("a text that is sent")),
        format!("blob/team/a?digest={}", digest("absent")),
    ] {
        assert_eq!(
            gateway.get(&format!("/everything/{path}")).await.expect(422).json()["code"],
            "not-found",
            "{path}"
        );
    }
}
