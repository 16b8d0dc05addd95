//! Connections that say little, take little, or are many: none of them holds the gateway.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use portolan_tests::{TestGateway, digest};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// Far longer than anything here takes, so that a gateway that hangs ends a test.
const FAR_TOO_LONG: Duration = Duration::from_secs(60);
/// What every connection in HTTP/2 begins with, and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The types of frames that matter here.
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// Connects from one of this machine's own addresses and sends some bytes.
pub(super) async fn open_from(peer: u8, address: SocketAddr, bytes: impl AsRef<[u8]>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let own = IpAddr::V4(Ipv4Addr::new(127, 0, 0, peer));
    socket.bind(SocketAddr::new(own, 0)).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    stream
}

async fn open(address: SocketAddr, bytes: impl AsRef<[u8]>) -> TcpStream {
    open_from(1, address, bytes).await
}

/// Reads until the gateway ends the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A connection may also end by a reset: what came before it counts.
    let _ = timeout(FAR_TOO_LONG, stream.read_to_end(&mut bytes))
        .await
        .expect("the gateway ends the connection");
    bytes
}

/// Reads the head of an answer and returns it.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(FAR_TOO_LONG, stream.read_u8()).await.expect("an answer").unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Asks from another address of this machine, which has a share of its own.
async fn metric(gateway: &TestGateway, name: &str) -> u64 {
    let client = reqwest::Client::builder().local_address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)));
    let url = format!("http://{}/metrics", gateway.address());
    let text = client.build().unwrap().get(url).send().await.unwrap().text().await.unwrap();
    portolan_tests::metric(&text, name)
}

/// An HTTP/2 client that does nothing but answer pings, until the gateway ends the connection. Returns the types of the frames that came.
async fn idle_http2(mut stream: TcpStream) -> Vec<u8> {
    let mut types = Vec::new();
    let mut frame = [0; 9];
    while stream.read_exact(&mut frame).await.is_ok() {
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        types.push(frame[3]);
        if frame[3] == PING && frame[4] == 0 {
            frame[4] = 1;
            // The gateway may have ended the connection meanwhile.
            let _ = stream.write_all(&[&frame[..], &payload].concat()).await;
        }
    }
    types
}

#[tokio::test]
async fn heads_that_never_end_are_given_up() {
    let gateway = TestGateway::with_config("[http]\nhead_max = \"200ms\"\n").await;
    for begin in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n", "GET /v2/ HT", "\x16"] {
        let mut stream = open(gateway.address(), begin).await;
        let answer = rest(&mut stream).await;
        assert!(begin == "\x16" || answer.is_empty(), "{begin:?}: {answer:?}");
    }
}

#[tokio::test]
async fn silence_between_requests_is_no_slow_head() {
    let gateway = TestGateway::with_config("[http]\nhead_max = \"100ms\"\n").await;
    let request = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut stream = open(gateway.address(), request).await;
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut body = [0; r#"{"status":"ok"}"#.len()];
    stream.read_exact(&mut body).await.unwrap();
    // Twice as long as a head may take.
    for _ in 0..2 {
        rest(&mut open(gateway.address(), "P").await).await;
    }
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
    // A head that begins after silence may take no longer than the first one.
    stream.read_exact(&mut body).await.unwrap();
    stream.write_all(b"GET /heal").await.unwrap();
    assert_eq!(rest(&mut stream).await, b"");
}

#[tokio::test]
async fn an_idle_http2_connection_is_told_to_go_away() {
    let gateway = TestGateway::with_config("[http]\nkeep_alive_max = \"200ms\"\n").await;
    let stream = open(gateway.address(), PREFACE).await;
    let types = timeout(FAR_TOO_LONG, idle_http2(stream)).await.expect("the gateway ends it");
    assert!(types.contains(&GOAWAY), "{types:?}");
    let mut stream = open(gateway.address(), "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(rest(&mut stream).await.ends_with(br#"{"status":"ok"}"#));
}

#[tokio::test]
async fn who_says_nothing_makes_room_for_who_asks() {
    let limits = "[http]\nconnections_max = 16\nconnections_per_peer_max = 16\nhead_max = \"1h\"\nkeep_alive_max = \"1h\"\n";
    let gateway = TestGateway::with_config(limits).await;
    let mut silent = Vec::new();
    for number in 0..20 {
        let begin: &[u8] = if number % 2 == 0 { b"P" } else { PREFACE };
        silent.push(open(gateway.address(), begin).await);
    }
    let answered = timeout(FAR_TOO_LONG, gateway.get("/healthz")).await;
    let _ = answered.expect("a connection gets its turn").expect(200);
}

#[tokio::test]
async fn stopping_waits_for_nobody_who_says_nothing() {
    let limits = "[http]\nhead_max = \"1h\"\nkeep_alive_max = \"1h\"\nshutdown_max = \"1h\"\n";
    let mut gateway = TestGateway::with_config(limits).await;
    let mut silent = Vec::new();
    for begin in [b"".as_slice(), b"P", b"GET /v2/ HT", PREFACE] {
        for _ in 0..5 {
            silent.push(open(gateway.address(), begin).await);
        }
    }
    let mut kept = open(gateway.address(), "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(head(&mut kept).await.starts_with("HTTP/1.1 200"));
    timeout(FAR_TOO_LONG, gateway.restart()).await.expect("the gateway stops");
    assert!(rest(&mut kept).await.ends_with(br#"{"status":"ok"}"#));
}

#[tokio::test]
async fn a_peer_has_its_share_of_connections_and_others_theirs() {
    let gateway = TestGateway::with_config("[http]\nconnections_max = 16\nconnections_per_peer_max = 3\n").await;
    let upload = "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let blob = digest("12345");
    let upload = upload.replacen("uploads/", &format!("uploads/?digest={blob}"), 1);
    let mut busy = Vec::new();
    for _ in 0..3 {
        let mut stream = open(gateway.address(), &upload).await;
        // The gateway waits for the body now.
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 100"));
        busy.push(stream);
    }
    let refused = rest(&mut open(gateway.address(), "").await).await;
    let refused = String::from_utf8(refused).unwrap();
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.contains("too many connections from this peer"),
        "{refused}"
    );
    assert_eq!(metric(&gateway, "portolan_http_connections_refused_total").await, 1);
    for stream in &mut busy {
        stream.write_all(b"12345").await.unwrap();
        assert!(head(stream).await.starts_with("HTTP/1.1 201"));
    }
}

/// What a client of HTTP/2 sends that lets nothing of an answer in but its head: an initial window of no bytes, and some requests for a
/// path. It understands what is compressed.
pub(super) fn gets_without_window(path: &str, streams: u8) -> Vec<u8> {
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0".to_vec();
    let head = [b"\x82\x86\x04", &[path.len() as u8][..], path.as_bytes(), b"\x41\x01a\x90"].concat();
    for stream in 0..streams {
        sent.extend([0, 0, head.len() as u8, 1, 5, 0, 0, 0, 2 * stream + 1]);
        sent.extend(&head);
    }
    sent
}

#[tokio::test]
async fn a_small_answer_that_is_not_taken_holds_no_connection() {
    let limits = "[http]\npause_max = \"300ms\"\nkeep_alive_max = \"300ms\"\n";
    let gateway = TestGateway::with_config(limits).await;
    let stream = open(gateway.address(), gets_without_window("/v2/", 1)).await;
    let types = timeout(FAR_TOO_LONG, idle_http2(stream)).await.expect("the gateway ends it");
    let reset = types.iter().position(|kind| *kind == RST_STREAM);
    let away = types.iter().position(|kind| *kind == GOAWAY);
    assert!(
        reset.is_some() && reset < away,
        "the stream ends, then its idle connection: {types:?}"
    );
}

/// A blob that fits into no buffer on its way.
const LARGE_BYTES: usize = 32 << 20;

async fn push_large(gateway: &TestGateway) -> String {
    gateway.push_blob("a", vec![7; LARGE_BYTES]).await
}

fn get(blob: &str) -> String {
    format!("GET /v2/a/blobs/{blob} HTTP/1.1\r\nhost: a\r\n\r\n")
}

#[tokio::test]
async fn a_reader_that_stops_loses_its_connection() {
    let gateway = TestGateway::with_config("[http]\npause_max = \"300ms\"\n").await;
    let blob = push_large(&gateway).await;
    let mut stream = open(gateway.address(), get(&blob)).await;
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let ended = async {
        // The one that asks is open, and maybe one that pushed.
        while metric(&gateway, "portolan_http_in_flight_bytes{direction=\"out\"}").await > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(FAR_TOO_LONG, ended).await.expect("the gateway gives up");
    assert!(rest(&mut stream).await.len() < LARGE_BYTES);
}

#[tokio::test]
async fn a_reader_may_pause_for_longer_than_a_head_may_take() {
    let limits = "[http]\nhead_max = \"100ms\"\nkeep_alive_max = \"100ms\"\npause_max = \"1h\"\n";
    let gateway = TestGateway::with_config(limits).await;
    let blob = push_large(&gateway).await;
    let mut stream = open(gateway.address(), get(&blob)).await;
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for _ in 0..3 {
        rest(&mut open(gateway.address(), "P").await).await;
    }
    let mut body = vec![0; LARGE_BYTES];
    timeout(FAR_TOO_LONG, stream.read_exact(&mut body)).await.unwrap().unwrap();
    assert!(body.iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_alone() {
    let gateway = TestGateway::with_config("[http]\npause_max = \"300ms\"\n").await;
    let blob = push_large(&gateway).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", gateway.address());
    let unread = client.get(url(&format!("/v2/a/blobs/{blob}"))).send().await.unwrap();
    assert_eq!(unread.status(), 200);
    let ended = async {
        while metric(&gateway, "portolan_http_in_flight_bytes{direction=\"out\"}").await > 0 {
            // The connection lives on.
            assert_eq!(client.get(url("/healthz")).send().await.unwrap().status(), 200);
        }
    };
    timeout(FAR_TOO_LONG, ended).await.expect("the gateway gives up");
    assert!(unread.bytes().await.is_err());
    // Who reads gets everything, on the same connection.
    let read = client.get(url(&format!("/v2/a/blobs/{blob}"))).send().await.unwrap();
    assert!(read.bytes().await.unwrap() == vec![7; LARGE_BYTES]);
}

/// Returns how many descriptors of this process, which the gateway runs in, lead to a folder.
fn descriptors_below(folder: &std::path::Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(folder)).count()
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_no_descriptor() {
    let gateway = TestGateway::start().await;
    let blob = push_large(&gateway).await;
    let path = format!("/v2/a/blobs/{blob}");
    let mut unread = Vec::new();
    for _ in 0..6 {
        let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        for _ in 0..50 {
            let answer = client
                .get(format!("http://{}{path}", gateway.address()))
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 200);
            unread.push(answer);
        }
    }
    let one = async {
        // The file of content that is read stays open, however many read it.
        while descriptors_below(&gateway.data().join("blobs")) > 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(FAR_TOO_LONG, one).await.expect("one file stays open");
    assert_eq!(gateway.get(&path).await.expect(200).body.len(), LARGE_BYTES);
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_in_order() {
    let gateway = TestGateway::start().await;
    let one = gateway.push_blob("a", "the first").await;
    let two = gateway.push_blob("a", "the second").await;
    let get = |digest: &str, close: &str| format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: a\r\n{close}\r\n");
    let close = "Connection: close\r\n";
    let requests = get(&one, "") + &get(&two, "") + &get(&one, close);
    let answers = String::from_utf8(rest(&mut open(gateway.address(), requests).await).await).unwrap();
    let answers: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).collect();
    let ends = ["the first", "the second", "the first"];
    assert_eq!(answers.len(), ends.len(), "{answers:?}");
    for (answer, end) in answers.iter().zip(ends) {
        assert!(
            answer.starts_with("200 ") && answer.ends_with(&format!("\r\n\r\n{end}")),
            "{answer}"
        );
    }
    // The second request reads what the body of the first one has pushed, also where that looks like requests.
    for body in ["x".to_owned(), "GET / HTTP/1.1\r\n\r\n".repeat(5)] {
        let location = gateway.send("POST", "/v2/b/blobs/uploads/", &[], "").await.expect(202);
        let session = location.header("location").to_owned();
        let path = session.find("/v2/").map_or(session.as_str(), |start| &session[start..]);
        let pushed = digest(&body);
        let separator = if path.contains('?') { '&' } else { '?' };
        let put = format!(
            "PUT {path}{separator}digest={pushed} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let get = format!("GET /v2/b/blobs/{pushed} HTTP/1.1\r\nHost: a\r\n{close}\r\n");
        let answers = String::from_utf8(rest(&mut open(gateway.address(), put + &get).await).await).unwrap();
        assert!(answers.starts_with("HTTP/1.1 201 "), "{answers}");
        let (_, second) = answers
            .split_once("\r\n\r\nHTTP/1.1 ")
            .expect("an answer without a body, then another one");
        assert!(
            second.starts_with("200 ") && second.ends_with(&format!("\r\n\r\n{body}")),
            "{second}"
        );
    }
}
