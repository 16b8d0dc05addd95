//! Pushing blobs: at one go, in sessions, in chunks, broken off, resumed, repeated.

use portolan_tests::{TestGateway, digest, digest512, raw, truncated};

async fn begin(gateway: &TestGateway, query: &str) -> String {
    gateway
        .send("POST", &format!("/v2/a/blobs/uploads/{query}"), &[], "")
        .await
        .expect(202)
        .location()
}

fn with_digest(location: &str, digest: &str) -> String {
    format!("{location}?digest={digest}")
}

#[tokio::test]
async fn a_session_takes_chunks_and_ends_with_a_digest() {
    let gateway = TestGateway::start().await;
    let answer = gateway.send("POST", "/v2/a/blobs/uploads/", &[], "").await.expect(202);
    assert!(!answer.header("docker-upload-uuid").is_empty());
    let mut location = answer.location();
    for (range, chunk, held) in [("0-3", "0123", "0-3"), ("4-5", "45", "0-5")] {
        let answer = gateway
            .send("PATCH", &location, &[("content-range", range)], chunk)
            .await
            .expect(202);
        assert_eq!(answer.header("range"), held);
        location = answer.location();
    }
    let answer = gateway.get(&location).await.expect(204);
    assert_eq!((answer.header("range"), answer.location()), ("0-5", location.clone()));
    let digest = digest("0123456");
    let answer = gateway
        .send("PUT", &with_digest(&location, &digest), &[("content-range", "6-6")], "6")
        .await
        .expect(201);
    assert_eq!(answer.location(), format!("/v2/a/blobs/{digest}"));
    assert_eq!(gateway.get(&answer.location()).await.expect(200).body, "0123456");
    gateway
        .get(&location)
        .await
        .expect_error(404, "BLOB_UPLOAD_UNKNOWN", "start the upload again");
}

#[tokio::test]
async fn a_body_without_a_length_is_taken_as_it_comes() {
    let gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    let pieces = ["ab", "cd", "ef"].map(Ok::<_, std::io::Error>);
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = gateway.send("PATCH", &location, &[], body).await.expect(202);
    assert_eq!(answer.header("range"), "0-5");
    let _ = gateway
        .send("PUT", &with_digest(&answer.location(), &digest("abcdef")), &[], "")
        .await
        .expect(201);
}

#[tokio::test]
async fn chunks_out_of_order_are_refused_and_say_where_to_go_on() {
    let gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    let _ = gateway
        .send("PATCH", &location, &[("content-range", "0-3")], "0123")
        .await
        .expect(202);
    for (method, path) in [("PATCH", location.clone()), ("PUT", with_digest(&location, &digest("x")))] {
        let answer = gateway
            .send(method, &path, &[("content-range", "6-7")], "67")
            .await
            .expect(416);
        assert_eq!((answer.header("range"), answer.location()), ("0-3", location.clone()));
        answer.expect_error(416, "BLOB_UPLOAD_INVALID", "holds 4 bytes");
    }
    for (range, said) in [
        ("4-9", "spans 6 bytes"),
        ("x", "first-last"),
        ("5-4", "first-last"),
        ("+4-5", "first-last"),
        ("4-+5", "first-last"),
    ] {
        gateway
            .send("PATCH", &location, &[("content-range", range)], "45")
            .await
            .expect_error(416, "BLOB_UPLOAD_INVALID", said);
    }
    assert_eq!(gateway.get(&location).await.expect(204).header("range"), "0-3");
}

#[tokio::test]
async fn a_session_that_does_not_exist_is_unknown_whatever_is_asked_of_it() {
    let gateway = TestGateway::start().await;
    let held = gateway.push_blob("a", "held").await;
    let location = begin(&gateway, "").await;
    let _ = gateway.delete(&location).await.expect(204);
    for gone in [location.as_str(), "/v2/a/blobs/uploads/none"] {
        for query in [
            "",
            "?digest=",
            "?digest=x",
            "?digest=sha256:00",
            &format!("?digest={held}"),
            &format!("?digest={}", digest("x")),
        ] {
            let answer = gateway.send("PUT", &format!("{gone}{query}"), &[], "held").await;
            answer.expect_error(404, "BLOB_UPLOAD_UNKNOWN", "start the upload again");
        }
        let answer = gateway.send("PATCH", gone, &[("content-range", "x")], "held").await;
        answer.expect_error(404, "BLOB_UPLOAD_UNKNOWN", "start the upload again");
    }
}

/// A chunk that comes without its length has to have that of its range.
#[tokio::test]
async fn what_comes_is_compared_with_the_range_that_was_said() {
    let gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    for sent in [&["0123", "45"][..], &["01"], &["0123456789", "0123456789"]] {
        let location = begin(&gateway, "").await;
        let pieces: Vec<_> = sent.iter().map(|piece| Ok::<_, std::io::Error>(*piece)).collect();
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let answer = gateway.send("PATCH", &location, &[("content-range", "0-3")], body).await;
        answer.expect_error(400, "SIZE_INVALID", "4 bytes were announced");
    }
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(["01", "23"].map(Ok::<_, std::io::Error>)));
    let answer = gateway
        .send("PATCH", &location, &[("content-range", "0-3")], body)
        .await
        .expect(202);
    assert_eq!(answer.header("range"), "0-3");
}

#[tokio::test]
async fn acknowledged_bytes_of_a_session_survive_a_restart() {
    for (query, algorithm) in [
        ("", digest as fn(&'static str) -> String),
        ("?digest-algorithm=sha512", digest512),
    ] {
        let mut gateway = TestGateway::start().await;
        let location = begin(&gateway, query).await;
        let _ = gateway.send("PATCH", &location, &[], "0123").await.expect(202);
        gateway.restart().await;
        assert_eq!(gateway.get(&location).await.expect(204).header("range"), "0-3");
        let answer = gateway
            .send("PATCH", &location, &[("content-range", "4-5")], "45")
            .await
            .expect(202);
        gateway.restart().await;
        let digest = algorithm("012345678");
        let _ = gateway
            .send("PUT", &with_digest(&answer.location(), &digest), &[], "678")
            .await
            .expect(201);
        assert_eq!(
            gateway.get(&format!("/v2/a/blobs/{digest}")).await.expect(200).body,
            "012345678"
        );
    }
}

#[tokio::test]
async fn a_session_without_a_hint_can_end_with_another_algorithm() {
    let gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    let _ = gateway.send("PATCH", &location, &[], "abc").await.expect(202);
    let digest = digest512("abcdef");
    let _ = gateway
        .send("PUT", &with_digest(&location, &digest), &[], "def")
        .await
        .expect(201);
    assert_eq!(gateway.get(&format!("/v2/a/blobs/{digest}")).await.expect(200).body, "abcdef");
}

#[tokio::test]
async fn an_upload_can_be_cancelled() {
    let gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    let _ = gateway.send("PATCH", &location, &[], "abc").await.expect(202);
    let _ = gateway.delete(&location).await.expect(204);
    gateway
        .get(&location)
        .await
        .expect_error(404, "BLOB_UPLOAD_UNKNOWN", "session");
    gateway
        .delete(&location)
        .await
        .expect_error(404, "BLOB_UPLOAD_UNKNOWN", "session");
}

#[tokio::test]
async fn wrong_digests_are_refused_and_the_session_stays() {
    let gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    let _ = gateway.send("PATCH", &location, &[], "abc").await.expect(202);
    let wrong = digest("other");
    gateway
        .send("PUT", &with_digest(&location, &wrong), &[], "def")
        .await
        .expect_error(400, "DIGEST_INVALID", &wrong);
    gateway
        .send("PUT", &with_digest(&location, "sha256:x"), &[], "")
        .await
        .expect_error(400, "DIGEST_INVALID", "64");
    gateway
        .send("PUT", &location, &[], "")
        .await
        .expect_error(400, "DIGEST_INVALID", "parameter digest is missing");
    let _ = gateway.get(&format!("/v2/a/blobs/{wrong}")).await.expect(404);
    assert_eq!(gateway.get(&location).await.expect(204).header("range"), "0-2");
    let _ = gateway
        .send("PUT", &with_digest(&location, &digest("abcdef")), &[], "def")
        .await
        .expect(201);
    let path = format!("/v2/a/blobs/uploads/?digest={wrong}");
    gateway
        .send("POST", &path, &[], "abc")
        .await
        .expect_error(400, "DIGEST_INVALID", &digest("abc"));
    gateway
        .send("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", &[], "")
        .await
        .expect_error(400, "DIGEST_INVALID", "md5");
}

#[tokio::test]
async fn the_last_request_can_be_repeated() {
    let gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    let path = with_digest(&location, &digest("abc"));
    for _ in 0..2 {
        let _ = gateway.send("PUT", &path, &[], "abc").await.expect(201);
    }
}

#[tokio::test]
async fn a_session_belongs_to_its_repository() {
    let gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await.replace("/v2/a/", "/v2/b/");
    gateway
        .get(&location)
        .await
        .expect_error(404, "BLOB_UPLOAD_UNKNOWN", "session");
    gateway
        .send("PATCH", &location, &[], "x")
        .await
        .expect_error(404, "BLOB_UPLOAD_UNKNOWN", "session");
}

#[tokio::test]
async fn what_arrived_of_a_truncated_chunk_is_kept() {
    let mut gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    let request = format!("PATCH {location} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n0123");
    let answer = truncated(gateway.address(), request).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    // The gateway may still be busy with the broken request; the session is free when it answers for it.
    let mut state = gateway.get(&location).await;
    while state.status == 409 || (state.status == 204 && state.header("range") == "0-0") {
        tokio::task::yield_now().await;
        state = gateway.get(&location).await;
    }
    assert_eq!(state.expect(204).header("range"), "0-3");
    gateway.restart().await;
    let _ = gateway
        .send(
            "PUT",
            &with_digest(&location, &digest("012345")),
            &[("content-range", "4-5")],
            "45",
        )
        .await
        .expect(201);
}

#[tokio::test]
async fn a_client_that_lost_its_connection_goes_on_at_once() {
    let gateway = TestGateway::start().await;
    for repeated in 0..10 {
        let location = begin(&gateway, "").await;
        let request = format!("PATCH {location} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n");
        let mut stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
            .await
            .unwrap();
        drop(stream);
        // Whether the gateway has heard of the first one or not: the second is told nothing of it.
        let answer = gateway.send("PATCH", &location, &[], "0123").await;
        assert_eq!(answer.expect(202).header("range"), "0-3", "{repeated}");
        let _ = gateway
            .send(
                "PUT",
                &with_digest(&location, &digest("012345")),
                &[("content-range", "4-5")],
                "45",
            )
            .await
            .expect(201);
    }
}

#[tokio::test]
async fn a_chunk_that_says_where_it_goes_on_takes_over_from_a_stalled_one() {
    let gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Result<&str, std::io::Error>>();
    let body = reqwest::Body::wrap_stream(futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    }));
    let stalled = gateway.send("PATCH", &location, &[("content-range", "0-9")], body);
    let next = async {
        // The first one is there as soon as another one that does not say where it goes on would have to wait for it.
        while gateway.send("PATCH", &location, &[], "").await.status != 409 {}
        let answer = gateway.send("PATCH", &location, &[("content-range", "0-3")], "0123").await;
        assert_eq!(answer.expect(202).header("range"), "0-3");
    };
    let (stalled, ()) = tokio::join!(stalled, next);
    stalled.expect_error(409, "BLOB_UPLOAD_INVALID", "another request goes on with this upload");
    drop(sender);
    assert_eq!(gateway.get(&location).await.expect(204).header("range"), "0-3");
}

#[tokio::test]
async fn a_slow_client_is_given_up_and_what_arrived_is_kept() {
    let gateway = TestGateway::with_config("[http]\npause_max = \"200ms\"\n").await;
    let location = begin(&gateway, "").await;
    let body = futures_util::stream::unfold(true, |first| async move {
        if !first {
            std::future::pending::<()>().await;
        }
        Some((Ok::<_, std::io::Error>("0123"), false))
    });
    let answer = gateway.send("PATCH", &location, &[], reqwest::Body::wrap_stream(body)).await;
    answer.expect_error(408, "BLOB_UPLOAD_INVALID", "nothing came for");
    assert_eq!(gateway.get(&location).await.expect(204).header("range"), "0-3");
}

#[tokio::test]
async fn blobs_beyond_the_limit_are_refused_before_they_are_read() {
    let gateway = TestGateway::with_config("[registry]\nblob_bytes_max = \"1 KiB\"\n").await;
    let (most, more) = ("0".repeat(1_024), "0".repeat(1_025));
    let path = |content: &String| format!("/v2/a/blobs/uploads/?digest={}", digest(content));
    let _ = gateway.send("POST", &path(&most), &[], most.clone()).await.expect(201);
    gateway
        .send("POST", &path(&more), &[], more.clone())
        .await
        .expect_error(413, "SIZE_INVALID", "at most 1024");
    let location = begin(&gateway, "").await;
    gateway
        .send("PATCH", &location, &[], more)
        .await
        .expect_error(413, "SIZE_INVALID", "at most 1024");
    let pieces = (0..5).map(|_| Ok::<_, std::io::Error>("0".repeat(250)));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    gateway
        .send("PATCH", &location, &[], body)
        .await
        .expect_error(413, "SIZE_INVALID", "at most 1024");
    assert!(gateway.on_the_way().is_empty());
}

#[tokio::test]
async fn one_request_writes_to_a_session_at_a_time() {
    let gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Result<&str, std::io::Error>>();
    let body = reqwest::Body::wrap_stream(futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    }));
    sender.send(Ok("0123")).unwrap();
    let first = gateway.send("PATCH", &location, &[], body);
    let second = async {
        // A chunk that does not say where it goes on waits for nobody's client. An empty one may come before the first request.
        let mut answer = gateway.send("PATCH", &location, &[], "").await;
        while answer.status != 409 {
            assert_eq!(answer.expect(202).header("range"), "0-0");
            answer = gateway.send("PATCH", &location, &[], "").await;
        }
        // Whoever asks is told what is durable.
        assert_eq!(gateway.get(&location).await.expect(204).header("range"), "0-0");
        gateway
            .send("PATCH", &location, &[], "x")
            .await
            .expect_error(409, "BLOB_UPLOAD_INVALID", "another request");
        drop(sender);
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.expect(202).header("range"), "0-3");
}

#[tokio::test]
async fn a_client_may_wait_for_the_word_to_go_on() {
    let gateway = TestGateway::start().await;
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest("abc"));
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n");
    let answer = raw(gateway.address(), format!("{head}abc")).await;
    assert!(
        answer.starts_with("HTTP/1.1 100 Continue\r\n") && answer.contains("HTTP/1.1 201 Created"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_is_not_told_to_send_what_is_refused() {
    let gateway = TestGateway::start().await;
    let other = begin(&gateway, "").await.replacen("/v2/a/", "/v2/b/", 1);
    let nobody = "/v2/a/blobs/uploads/00000000000000000000000000000000".to_owned();
    for path in [other, nobody] {
        let head =
            format!("PATCH {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n");
        let answer = raw(gateway.address(), head).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}

#[tokio::test]
async fn a_session_without_bytes_lives_for_minutes_and_needs_no_gateway_for_it() {
    let mut gateway = TestGateway::start().await;
    let location = begin(&gateway, "?digest-algorithm=sha512").await;
    gateway.restart().await;
    assert_eq!(gateway.get(&location).await.expect(204).header("range"), "0-0");
    // Nobody can make up the name of a session, whatever digest they give.
    let last = if location.ends_with('0') { "1" } else { "0" };
    let forged = format!("{}{last}", &location[..location.len() - 1]);
    let known = gateway.push_blob("a", "abc").await;
    for path in [forged, "/v2/a/blobs/uploads/0123456789abcdef".to_owned()] {
        gateway.get(&path).await.expect_error(404, "BLOB_UPLOAD_UNKNOWN", "session");
        gateway
            .send("PUT", &with_digest(&path, &known), &[], "abc")
            .await
            .expect_error(404, "BLOB_UPLOAD_UNKNOWN", "session");
    }
    let _ = gateway.delete(&location).await.expect(204);
    gateway
        .get(&location)
        .await
        .expect_error(404, "BLOB_UPLOAD_UNKNOWN", "session");
}

#[tokio::test]
async fn a_closing_put_can_be_repeated_after_a_restart() {
    let mut gateway = TestGateway::start().await;
    let location = begin(&gateway, "").await;
    let _ = gateway.send("PATCH", &location, &[], "0123").await.expect(202);
    let path = with_digest(&location, &digest("012345"));
    let _ = gateway
        .send("PUT", &path, &[("content-range", "4-5")], "45")
        .await
        .expect(201);
    gateway.restart().await;
    let _ = gateway
        .send("PUT", &path, &[("content-range", "4-5")], "45")
        .await
        .expect(201);
    gateway
        .send("PUT", &with_digest(&location, &digest("other")), &[], "")
        .await
        .expect_error(404, "BLOB_UPLOAD_UNKNOWN", "session");
}

#[tokio::test]
async fn a_refused_push_takes_no_space() {
    let gateway = TestGateway::start().await;
    let large = vec![7_u8; 3 << 20];
    for wrong in [digest("other"), digest512("other")] {
        let location = begin(&gateway, "").await;
        gateway
            .send("PUT", &with_digest(&location, &wrong), &[], large.clone())
            .await
            .expect_error(400, "DIGEST_INVALID", &wrong);
        gateway
            .send("POST", &format!("/v2/a/blobs/uploads/?digest={wrong}"), &[], large.clone())
            .await
            .expect_error(400, "DIGEST_INVALID", &wrong);
        assert!(gateway.on_the_way().is_empty());
        let _ = gateway.send("PATCH", &location, &[], "abc").await.expect(202);
        gateway
            .send("PUT", &with_digest(&location, &wrong), &[], large.clone())
            .await
            .expect_error(400, "DIGEST_INVALID", &wrong);
        assert_eq!(gateway.on_the_way(), [3]);
        assert_eq!(gateway.get(&location).await.expect(204).header("range"), "0-2");
        let _ = gateway.delete(&location).await.expect(204);
        assert!(gateway.on_the_way().is_empty());
    }
    assert_eq!(gateway.content(), Vec::<String>::new());
}
