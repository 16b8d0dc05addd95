//! Bodies that come slowly, and the memory that they hold meanwhile.

use std::time::Duration;

use portolan_tests::{MANIFEST, TestGateway, manifest};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::connections::{gets_without_window, open_from};

/// Far longer than anything here takes, so that a gateway that hangs ends a test.
const FAR_TOO_LONG: Duration = Duration::from_secs(60);

/// Begins a request whose body has a length, and sends the beginning of the body.
async fn begin(gateway: &TestGateway, method: &str, path: &str, length: usize, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream
}

/// Reads an answer after which the gateway ends the connection.
async fn answer(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(FAR_TOO_LONG, stream.read_to_end(&mut bytes));
    // A connection may also end by a reset: what came before it counts.
    let _ = read.await.expect("the gateway ends the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn metric(gateway: &TestGateway, name: &str) -> u64 {
    let text = gateway.get("/metrics").await.expect(200).text();
    portolan_tests::metric(&text, name)
}

async fn begin_upload(gateway: &TestGateway) -> String {
    gateway
        .send("POST", "/v2/a/blobs/uploads/", &[], "")
        .await
        .expect(202)
        .location()
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_for_its_rate() {
    let gateway = TestGateway::with_config("[http]\npause_max = \"500ms\"\nrate_min = \"1 MiB\"\n").await;
    let path = begin_upload(&gateway).await;
    let stream = begin(&gateway, "PATCH", &path, 1_000_000, b"").await;
    let (reader, mut writer) = stream.into_split();
    let drip = async {
        // No pause is as long as is allowed.
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let read = async {
        let (mut reader, mut bytes) = (reader, Vec::new());
        let _ = reader.read_to_end(&mut bytes).await;
        String::from_utf8(bytes).unwrap()
    };
    let said = tokio::select! {
        said = timeout(FAR_TOO_LONG, read) => said.expect("the gateway gives up"),
        () = async { drip.await; std::future::pending().await } => unreachable!("the answer comes"),
    };
    assert!(
        said.starts_with("HTTP/1.1 408") && said.contains("at least 1048576 a second"),
        "{said}"
    );
    assert!(said.to_lowercase().contains("connection: close"), "{said}");
}

#[tokio::test]
async fn manifests_that_do_not_come_make_room_for_those_that_do() {
    let limits = "[http]\nin_flight_bytes_max = \"16 MiB\"\nin_flight_wait_max = \"1200ms\"\n";
    let gateway = TestGateway::with_config(limits).await;
    let image = gateway.push_image("a", "v1", &[]).await;
    let length = 4 << 20;
    // All of the peer's share of the memory for bodies is reserved for what never comes whole.
    let stalled = begin(&gateway, "PUT", "/v2/a/manifests/v2", length, &vec![b' '; length - 1]).await;
    while metric(&gateway, "portolan_http_in_flight_bytes{direction=\"in\"}").await < length as u64 {
        tokio::task::yield_now().await;
    }
    let mut manifest = gateway.get("/v2/a/manifests/v1").await.expect(200).text();
    manifest.push_str(&" ".repeat(8_000));
    let pushed = gateway
        .send("PUT", "/v2/a/manifests/v3", &[("content-type", MANIFEST)], manifest)
        .await
        .expect(201);
    assert_ne!(pushed.header("docker-content-digest"), image);
    let said = answer(stalled).await;
    assert!(
        said.starts_with("HTTP/1.1 503") && said.to_lowercase().contains("retry-after: 5"),
        "{said}"
    );
    assert_eq!(metric(&gateway, "portolan_http_pressed_total{direction=\"in\"}").await, 1);
    assert_eq!(metric(&gateway, "portolan_http_in_flight_bytes{direction=\"in\"}").await, 0);
}

#[tokio::test]
async fn a_peer_that_takes_all_it_can_get_keeps_nobody_else_waiting() {
    const MIB: u64 = 1 << 20;
    const LAYER: &[u8] = &[b'x'; 100_000];
    // Nobody is pressed within this test.
    let limits = "[http]\nin_flight_bytes_max = \"16 MiB\"\nin_flight_wait_max = \"1h\"\n";
    let gateway = TestGateway::with_config(limits).await;
    let mut greedy = Vec::new();
    for number in 0..20 {
        // A body of unknown length may be as long as any.
        let head = format!("PUT /v2/a/manifests/v{number} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        greedy.push(open_from(2, gateway.address(), head).await);
    }
    let taken = async {
        while metric(&gateway, "portolan_http_in_flight_bytes{direction=\"in\"}").await < 4 * MIB {
            tokio::task::yield_now().await;
        }
    };
    timeout(FAR_TOO_LONG, taken).await.expect("a share is taken whole");
    let pushed = timeout(FAR_TOO_LONG, gateway.push_image("b", "v1", &[LAYER]));
    let _ = pushed.await.expect("others have memory");
    assert_eq!(
        metric(&gateway, "portolan_http_in_flight_bytes{direction=\"in\"}").await,
        4 * MIB
    );
    assert_eq!(metric(&gateway, "portolan_http_pressed_total{direction=\"in\"}").await, 0);
}

#[tokio::test]
async fn who_finds_no_memory_is_told_when_to_come_back() {
    let limits = "[http]\nin_flight_bytes_max = \"16 MiB\"\nin_flight_wait_max = \"1h\"\n";
    let gateway = TestGateway::with_config(limits).await;
    let length = 4 << 20;
    let _stalled = begin(&gateway, "PUT", "/v2/a/manifests/v2", length, b"").await;
    while metric(&gateway, "portolan_http_in_flight_bytes{direction=\"in\"}").await < length as u64 {
        tokio::task::yield_now().await;
    }
    // A large head is there before it can be waited for.
    let large = "v".repeat(8_000);
    let answer = gateway.send("GET", "/v2/", &[("x", &large)], "").await.expect(503);
    assert_eq!(answer.header("retry-after"), "5");
    answer.expect_error(503, "TOOMANYREQUESTS", "no memory for this request");
    let _ = gateway.get("/v2/").await.expect(200);
}

#[tokio::test]
async fn a_compressed_answer_holds_what_it_is_made_of_until_it_has_left() {
    let gateway = TestGateway::start().await;
    let subject = gateway.push_image("a", "v1", &[]).await;
    let mut referrer = manifest(b"{}", &[]);
    referrer["subject"] = json!({ "mediaType": MANIFEST, "digest": subject, "size": 1 });
    let large = 3 << 20;
    referrer["annotations"] = json!({ "note": "x".repeat(large) });
    let _ = gateway.put_manifest("a", "v2", &referrer).await.expect(201);
    let path = format!("/v2/a/referrers/{subject}");
    let out = "portolan_http_in_flight_bytes{direction=\"out\"}";
    let mut unread = TcpStream::connect(gateway.address()).await.unwrap();
    unread.write_all(&gets_without_window(&path, 1)).await.unwrap();
    let held = async {
        while metric(&gateway, out).await < large as u64 {
            tokio::task::yield_now().await;
        }
    };
    timeout(FAR_TOO_LONG, held).await.expect("all of it is reserved");
    drop(unread);
    let free = async {
        while metric(&gateway, out).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(FAR_TOO_LONG, free).await.expect("nothing stays reserved");
    let answer = gateway
        .send("GET", &path, &[("accept-encoding", "gzip")], "")
        .await
        .expect(200);
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert!(answer.body.starts_with(&[0x1f, 0x8b]) && answer.body.len() < large / 8);
}
