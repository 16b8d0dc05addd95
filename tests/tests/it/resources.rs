//! What the gateway does with memory and with a disk that is full.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use portolan_tests::{
    MANIFEST, TestGateway, digest, manifest,
    process::{GatewayProcess, Setup},
};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::connections::gets_without_window;

const MIB: usize = 1 << 20;
/// How large a blob is that has to pass through little memory.
const BLOB_MIB: usize = 1024;
/// How much memory an upload and a download may cost.
const EXTRA_MIB_MAX: usize = 64;

/// Returns a number of `/proc/{id}/status` in mebibytes.
fn memory_mib(gateway: &GatewayProcess, field: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .expect("the kernel tells the memory of a process");
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_blob_costs_little_memory() {
    let gateway = Setup::new().start().unwrap();
    let piece = Bytes::from((0..MIB).map(|at| ((at * 7) >> 5) as u8).collect::<Vec<u8>>());
    let mut hasher = Sha256::new();
    (0..BLOB_MIB).for_each(|_| hasher.update(&piece));
    let expected = hasher.finalize();
    let hex = expected.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let client = reqwest::Client::new();
    let before = memory_mib(&gateway, "VmRSS:");
    let body = reqwest::Body::wrap_stream(stream::repeat(piece).take(BLOB_MIB).map(Ok::<_, std::io::Error>));
    let path = format!("/v2/a/blobs/uploads/?digest=sha256:{hex}");
    let answer = client.post(gateway.url(&path)).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", gateway.log());
    let answer = client
        .get(gateway.url(&format!("/v2/a/blobs/sha256:{hex}")))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.content_length(), Some((BLOB_MIB * MIB) as u64));
    let (mut pieces, mut hasher) = (answer.bytes_stream(), Sha256::new());
    while let Some(piece) = pieces.next().await {
        hasher.update(piece.unwrap());
    }
    assert_eq!(hasher.finalize(), expected);
    let peak = memory_mib(&gateway, "VmHWM:");
    println!("{BLOB_MIB} MiB pushed and pulled: {before} MiB before, {peak} MiB at the most");
    assert!(peak < before + EXTRA_MIB_MAX, "{before} MiB before, {peak} MiB at the most");
}

/// How much more memory that may take in MiB: what is held, and pages that each thread that reads metadata keeps from now on.
const CACHES_AND_EXTRA_MIB_MAX: usize = 72;
/// How many answers are asked for at once that nobody takes.
const UNREAD: u8 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_wait_for_memory_are_not_held() {
    let limits = "[http]\nin_flight_bytes_max = \"16 MiB\"\nin_flight_wait_max = \"1200ms\"\n";
    let gateway = Setup::new().config(limits).start().unwrap();
    let client = reqwest::Client::new();
    let config = gateway.url(&format!("/v2/a/blobs/uploads/?digest={}", digest("{}")));
    assert_eq!(client.post(config).body("{}").send().await.unwrap().status(), 201);
    let mut large = manifest(b"{}", &[]);
    large["annotations"] = serde_json::json!({ "note": "x".repeat(3 * MIB) });
    let put = client.put(gateway.url("/v2/a/manifests/v1")).header("content-type", MANIFEST);
    assert_eq!(put.body(large.to_string()).send().await.unwrap().status(), 201);
    let before = memory_mib(&gateway, "VmHWM:");
    let mut unread = TcpStream::connect(gateway.address()).await.unwrap();
    unread
        .write_all(&gets_without_window("/v2/a/manifests/v1", UNREAD))
        .await
        .unwrap();
    // Every one is told something: that it comes, or that there is no memory.
    let (mut heads, mut frame) = (0, [0; 9]);
    while heads < UNREAD {
        unread.read_exact(&mut frame).await.unwrap();
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize;
        unread.read_exact(&mut vec![0; length]).await.unwrap();
        heads += u8::from(frame[3] == 1);
    }
    let peak = memory_mib(&gateway, "VmHWM:");
    println!("{UNREAD} answers of 3 MiB: {before} MiB before, {peak} MiB at the most");
    assert!(
        peak < before + CACHES_AND_EXTRA_MIB_MAX,
        "{before} MiB before, {peak} MiB at the most"
    );
}

/// A small disk, which is gone when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Self {
        std::fs::create_dir(at).unwrap();
        let options = format!("size={size}");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "portolan-test"])
            .arg(at)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "a small tmpfs cannot be mounted: {said}; run this test as root, or in a container that may mount"
        );
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A test that fails may leave files open; the kernel lets go of the disk with the last of them.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&folder.path().join("disk"), "32m");
    let data = disk.0.join("data");
    let mut gateway = TestGateway::over(&data).await;
    let image = gateway.push_image("a", "v1", &[b"layer"]).await;
    // Something else takes most of the disk.
    let other = disk.0.join("other");
    std::fs::write(&other, vec![0; 20 * MIB]).unwrap();
    let location = gateway
        .send("POST", "/v2/a/blobs/uploads/", &[], "")
        .await
        .expect(202)
        .location();
    let (chunk, mut content) = (vec![7; MIB], Vec::new());
    let refused = loop {
        let answer = gateway.send("PATCH", &location, &[], chunk.clone()).await;
        if answer.status != 202 {
            break answer;
        }
        content.extend_from_slice(&chunk);
        assert!(content.len() < 32 * MIB, "a disk of 32 MiB took more");
    };
    assert!(!content.is_empty());
    assert!(
        refused.clone().expect(507).text().contains("storage is full"),
        "{}",
        refused.text()
    );
    let small = digest(vec![8; MIB]);
    let refused = gateway
        .send("POST", &format!("/v2/a/blobs/uploads/?digest={small}"), &[], vec![8; MIB])
        .await
        .expect(507);
    assert!(refused.text().contains("free some space"), "{}", refused.text());
    // What was acknowledged is there, and the gateway can even be restarted.
    let held = format!("0-{}", content.len() - 1);
    for _ in 0..2 {
        assert_eq!(gateway.get(&location).await.expect(204).header("range"), held);
        let _ = gateway.get("/v2/a/manifests/v1").await.expect(200);
        let layer = gateway.get(&format!("/v2/a/blobs/{}", digest("layer"))).await.expect(200);
        assert_eq!(layer.body, "layer");
        let _ = gateway.get(&format!("/v2/a/blobs/{small}")).await.expect(404);
        gateway.restart().await;
    }
    // With some space it goes on where it was.
    std::fs::remove_file(&other).unwrap();
    let _ = gateway.send("PATCH", &location, &[], chunk.clone()).await.expect(202);
    content.extend_from_slice(&chunk);
    let whole = digest(&content);
    let _ = gateway
        .send("PUT", &format!("{location}?digest={whole}"), &[], "")
        .await
        .expect(201);
    assert!(gateway.get(&format!("/v2/a/blobs/{whole}")).await.expect(200).body == content);
    assert_eq!(
        gateway
            .get("/v2/a/manifests/v1")
            .await
            .expect(200)
            .header("docker-content-digest"),
        image
    );
    drop(gateway);
}

/// Takes all that is left of a disk.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for piece in [MIB, 4096, 1] {
        while std::io::Write::write_all(&mut file, &vec![1; piece]).is_ok() {}
    }
}

#[tokio::test]
async fn a_full_disk_takes_deletions_and_gives_space_back_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&folder.path().join("disk"), "48m");
    let data = disk.0.join("data");
    let mut gateway = TestGateway::over(&data).await;
    let mut images = Vec::new();
    for number in 0..300 {
        let tag = format!("v{number}");
        images.push(gateway.push_image("a", &tag, &[b"layer"]).await);
    }
    let location = |answer: portolan_tests::Answer| answer.location();
    let begin = || async { location(gateway.send("POST", "/v2/a/blobs/uploads/", &[], "").await.expect(202)) };
    let (kept, cancelled) = (begin().await, begin().await);
    for session in [&kept, &cancelled] {
        let _ = gateway.send("PATCH", session, &[], vec![7; MIB]).await.expect(202);
    }
    let other = disk.0.join("other");
    fill(&other);
    // What is refused takes nothing, in either way.
    let refused = gateway.send("PATCH", &kept, &[], vec![7; 3 * MIB]).await;
    let _ = refused.expect(507);
    let _ = gateway
        .send("PUT", &format!("{kept}?digest={}", digest("x")), &[], vec![7; 3 * MIB])
        .await
        .expect(507);
    assert_eq!(gateway.on_the_way(), [MIB as u64, MIB as u64]);
    let not_ready = gateway.get("/readyz").await.expect(503);
    assert!(not_ready.text().contains("cannot be written"), "{}", not_ready.text());
    // Every deletion is done, with and without a condition, many more of them than the log has room for.
    for (number, image) in images.iter().enumerate() {
        let tag = format!("\"{image}\"");
        let conditional = [("if-match", tag.as_str())];
        let conditions = if number % 2 == 0 { &conditional[..] } else { &[] };
        let path = format!("/v2/a/manifests/v{number}");
        let _ = gateway.send("DELETE", &path, conditions, "").await.expect(202);
    }
    let _ = gateway.delete(&format!("/v2/a/blobs/{}", digest("layer"))).await.expect(202);
    assert_eq!(
        gateway.get("/v2/a/tags/list").await.expect(200).json()["tags"],
        serde_json::json!([])
    );
    fill(&disk.0.join("more"));
    let _ = gateway.delete(&cancelled).await.expect(204);
    assert_eq!(gateway.on_the_way(), [MIB as u64]);
    gateway.restart().await;
    let _ = gateway.get(&format!("/v2/a/blobs/{}", digest("layer"))).await.expect(404);
    assert_eq!(
        gateway.get("/v2/a/tags/list").await.expect(200).json()["tags"],
        serde_json::json!([])
    );
    // With some space it goes on where it was.
    std::fs::remove_file(&other).unwrap();
    let content = vec![7; 2 * MIB];
    let _ = gateway
        .send("PUT", &format!("{kept}?digest={}", digest(&content)), &[], vec![7; MIB])
        .await
        .expect(201);
    gateway.push_image("a", "again", &[b"layer"]).await;
    drop(gateway);
}
