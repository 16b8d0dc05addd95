//! Compiling plugins: in a child with limits, and once.

use std::path::PathBuf;

use portolan_tests::TestGateway;
use serde_json::Value;

use super::fixture::with_guests;

/// Returns what the gateway shows of the only plugin.
async fn plugin(gateway: &TestGateway) -> Value {
    gateway.get("/v2/_portolan/plugins").await.expect(200).json()["plugins"][0].clone()
}

/// Returns the file of the only machine code that is kept.
fn kept(gateway: &TestGateway) -> PathBuf {
    let files = std::fs::read_dir(gateway.data().join("code")).expect("the folder of machine code");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[tokio::test]
async fn code_is_kept_and_not_believed_when_it_was_changed() {
    let mut gateway = with_guests("", &["minimal"]).await;
    let path = kept(&gateway);
    let modified = || {
        std::fs::metadata(&path)
            .and_then(|file| file.modified())
            .expect("the time of the last change")
    };
    let (before, sound) = (modified(), std::fs::read(&path).expect("the machine code"));
    gateway.restart().await;
    assert_eq!(modified(), before, "what is kept is not compiled again");

    let mut forged = sound.clone();
    *forged.last_mut().expect("some code") ^= 1;
    std::fs::write(&path, &forged).expect("a changed file");
    gateway.restart().await;
    assert_eq!(plugin(&gateway).await["state"], "active");
    assert_eq!(std::fs::read(&path).expect("the machine code"), sound);

    std::fs::remove_file(&path).expect("the file goes");
    gateway.restart().await;
    assert_eq!(plugin(&gateway).await["state"], "active");
    assert_eq!(std::fs::read(&path).expect("the machine code"), sound);
}

#[tokio::test]
async fn the_compiler_is_bounded_in_time_and_memory() {
    let cases = [
        ("compile_time_max = \"1ms\"", "longer than 0.001 seconds, the limit"),
        ("compile_memory_bytes_max = \"24 MiB\"", "it may use 25165824 bytes"),
    ];
    for (limit, expected) in cases {
        let gateway = with_guests(&format!("[plugins]\n{limit}\n"), &["everything"]).await;
        let plugin = plugin(&gateway).await;
        let reason = plugin["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(expected), "{limit}: {plugin}");
        gateway.push_image("a", "v1", &[b"layer"]).await;
    }
}

#[tokio::test]
async fn a_guest_that_needs_wasi_to_start_gets_a_stub() {
    let gateway = with_guests("", &["wasi"]).await;
    let plugin = plugin(&gateway).await;
    assert_eq!(plugin["state"], "active", "{plugin}");
    assert_eq!(plugin["capabilities"], serde_json::json!([]));
}
