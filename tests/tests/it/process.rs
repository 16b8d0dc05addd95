//! The gateway as a process of its own: its log, its signals, its limits.

use std::{
    fs::File,
    io::{Read, pipe},
    process::Command,
    time::Duration,
};

use bytes::Bytes;
use portolan_tests::{
    digest, metric,
    process::{GatewayProcess, Setup, environment},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Pushes a blob, then asks for it more often than a pipe holds lines of the log.
async fn use_much(gateway: &GatewayProcess) {
    let client = reqwest::Client::new();
    let blob = digest("content");
    let push = gateway.url(&format!("/v2/a/blobs/uploads/?digest={blob}"));
    assert_eq!(client.post(push).body("content").send().await.unwrap().status(), 201);
    let path = gateway.url(&format!("/v2/a/blobs/{blob}"));
    for _ in 0..1_500 {
        let answer = client.get(&path).send().await.unwrap();
        assert_eq!(answer.bytes().await.unwrap(), "content");
    }
}

async fn lines_lost(gateway: &GatewayProcess) -> u64 {
    let text = reqwest::get(gateway.url("/metrics")).await.unwrap().text().await.unwrap();
    metric(&text, "portolan_log_lines_lost_total")
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_nobody() {
    let (mut reader, writer) = pipe().unwrap();
    let gateway = Setup::new().stderr(writer).start().unwrap();
    while lines_lost(&gateway).await == 0 {
        use_much(&gateway).await;
    }
    // Once somebody reads, the log goes on and says what is missing.
    let log = std::thread::spawn(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).map(|_| text)
    });
    use_much(&gateway).await;
    gateway.stop().unwrap();
    let log = String::from_utf8(log.join().unwrap().unwrap()).unwrap();
    assert!(log.contains("lines of the log were lost"), "{}", log.len());
}

#[tokio::test]
async fn a_log_that_cannot_be_written_holds_up_nobody() {
    let (reader, closed) = pipe().unwrap();
    drop(reader);
    let full = File::options().write(true).open("/dev/full").unwrap();
    for setup in [Setup::new().stderr(full), Setup::new().stderr(closed)] {
        let gateway = setup.start().unwrap();
        use_much(&gateway).await;
        // One line for each request at least, as soon as they have been tried.
        while lines_lost(&gateway).await < 1_500 {
            tokio::task::yield_now().await;
        }
        gateway.stop().unwrap();
    }
}

/// Begins an upload whose body does not end.
async fn hang(gateway: &GatewayProcess) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest("x"));
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The gateway waits for the body now.
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 100");
    stream
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let gateway = Setup::new().config("[http]\nshutdown_max = \"1h\"").start().unwrap();
    let _hanging = hang(&gateway).await;
    gateway.terminate().unwrap();
    while TcpStream::connect(gateway.address()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gateway.terminate().unwrap();
    let status = gateway.wait().unwrap();
    assert_eq!(status.code(), Some(1), "{status}");
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_before_it_refuses() {
    let gateway = Setup::new().config("[http]\ndrain = \"1h\"").start().unwrap();
    let ready = gateway.url("/readyz");
    assert_eq!(reqwest::get(&ready).await.unwrap().status(), 200);
    gateway.terminate().unwrap();
    let answer = loop {
        let answer = reqwest::get(&ready).await.unwrap();
        if answer.status() != 200 {
            break answer;
        }
    };
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    // Everything else goes on, on new connections as well.
    assert_eq!(reqwest::get(gateway.url("/v2/")).await.unwrap().status(), 200);
    gateway.terminate().unwrap();
    assert_eq!(gateway.wait().unwrap().code(), Some(1));
}

/// Returns the limits on descriptors of a process, the soft one and the hard one.
fn descriptors(gateway: &GatewayProcess) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.id())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut numbers = line.unwrap().split_whitespace().map(str::to_owned);
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[tokio::test]
async fn descriptors_are_raised_and_connections_fit_into_them() {
    let shell = ["sh", "-c", "ulimit -S -n 256; ulimit -H -n 2048; exec \"$@\"", "sh"];
    let gateway = Setup::new().under(&shell).start().unwrap();
    assert_eq!(descriptors(&gateway), ("2048".to_owned(), "2048".to_owned()));
    let log = gateway.whole_log();
    assert!(
        log.contains("fewer connections than configured") && log.contains("connections=1408"),
        "{log}"
    );
    let config = environment("PORTOLAN_BIN").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portolan.toml");
    std::fs::write(&file, "[http]\nconnections_max = 100\n").unwrap();
    let output = Command::new(config).args(["config", "check"]).arg(&file).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.contains("is fine") && said.contains("740 file descriptors"),
        "{said}"
    );
}

/// Returns a number of `/proc/{id}/status` in mebibytes.
fn memory_mib(gateway: &GatewayProcess, field: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[tokio::test]
async fn half_sent_manifests_hold_no_more_memory_than_is_allowed() {
    const MIB: usize = 1 << 20;
    let gateway = Setup::new()
        .config("[http]\nin_flight_bytes_max = \"160 MiB\"")
        .start()
        .unwrap();
    let before = memory_mib(&gateway, "VmRSS:");
    let almost = Bytes::from(vec![b' '; 4 * MIB - 1]);
    let mut half_sent = Vec::new();
    for number in 0..60 {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let head = format!(
            "PUT /v2/a/manifests/v{number} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
            4 * MIB
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let almost = almost.clone();
        half_sent.push(tokio::spawn(async move {
            // What is not let in is not taken either.
            let _ = tokio::time::timeout(Duration::from_secs(60), stream.write_all(&almost)).await;
            stream
        }));
    }
    // As many as are let in have been taken whole: one peer has a quarter of the memory, and each takes five times its size.
    let mut whole = 0;
    while whole < 2 {
        whole = half_sent.iter().filter(|sending| sending.is_finished()).count();
        tokio::task::yield_now().await;
    }
    assert_eq!(reqwest::get(gateway.url("/v2/")).await.unwrap().status(), 200);
    let peak = memory_mib(&gateway, "VmHWM:");
    println!("{before} MiB before, {peak} MiB at the most");
    assert!(peak < before + 64, "{before} MiB before, {peak} MiB at the most");
    half_sent.iter().for_each(tokio::task::JoinHandle::abort);
}
