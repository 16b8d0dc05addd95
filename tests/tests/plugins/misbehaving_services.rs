//! A service that misbehaves: its own answer fails within its limits, and nothing else does.

use std::time::{Duration, Instant};

use portolan_tests::TestGateway;

use super::fixture::{Artifact, calls, with_everything, with_guests};

/// Starts a gateway with low limits, so that tests meet them soon.
async fn gateway(call_seconds_max: u32) -> TestGateway {
    let config = format!(
        "[plugins.plugin.evil.limits]\ncall_time_max = \"{call_seconds_max}s\"\nmemory_bytes_max = \"32 MiB\"\n[services]\nbody_bytes_max = \"1 KiB\"\n"
    );
    with_guests(&config, &["evil"]).await
}

/// Checks that the plugin still does what it should.
async fn expect_at_work(gateway: &TestGateway) {
    let _ = gateway.get("/evil/nothing/1").await.expect(200);
    let _ = Artifact::evil("nothing").push(gateway, "good", "v1").await.expect(201);
}

#[tokio::test]
async fn loops_traps_and_memory_end_the_call() {
    let gateway = gateway(1).await;
    for (path, words) in [
        ("loop", "longer than 1 seconds, its limit"),
        ("panic", "evil says hello"),
        ("trap", "trapped"),
        ("recursion", "trapped"),
        ("memory", "bytes of memory; its limit is 33554432"),
        ("forged-handle", "unknown handle"),
    ] {
        let begun = Instant::now();
        let answer = gateway.get(&format!("/evil/{path}")).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{path} took {:?}", begun.elapsed());
        assert!(
            (400..600).contains(&answer.status) && answer.text().contains("plugin evil failed"),
            "{path}: {}",
            answer.text()
        );
        assert!(
            answer.text().contains(words),
            "{path}: {} does not say {words:?}",
            answer.text()
        );
    }
    assert_eq!(calls(&gateway, "evil", "serve", "failed").await, 6);
    expect_at_work(&gateway).await;
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let gateway = gateway(60).await;
    // A gigabyte, of which the gateway takes what it would send.
    let answer = gateway.get("/evil/body").await;
    assert!(
        answer.status >= 400 && answer.text().contains("bytes of a response; its limit is 67108864"),
        "{}",
        answer.text()
    );
    for (path, words) in [
        ("headers/1000", "at most 64 headers"),
        ("stage/100000", "at most 67108864 are allowed"),
    ] {
        let answer = gateway.send("POST", &format!("/evil/{path}"), &[], "").await.expect(500);
        assert!(answer.text().contains(words), "{path}: {}", answer.text());
        assert_eq!(answer.header("x-evil-0"), "");
    }
    assert_eq!(
        gateway.get("/evil/headers/3").await.expect(200).header("x-evil-2").len(),
        1_000
    );
    expect_at_work(&gateway).await;
}

#[tokio::test]
async fn a_refusal_that_is_not_worded_is_worded_by_the_registry() {
    let gateway = gateway(1).await;
    let answer = gateway.send("POST", "/evil/explain", &[], vec![b'a'; 2_048]).await;
    answer.expect_error(413, "SIZE_INVALID", "1024");
    assert_eq!(
        calls(&gateway, "evil", "serve", "failed").await,
        1,
        "it was asked, and looped"
    );
    // One that is worded as a success is none.
    let answer = gateway.send("POST", "/evil/other", &[], vec![b'a'; 2_048]).await.expect(413);
    assert!(answer.body.is_empty());
    expect_at_work(&gateway).await;
}

#[tokio::test]
async fn an_error_of_the_plugin_is_told_and_a_panic_forgets_the_answer() {
    let gateway = with_everything().await;
    let answer = gateway.get("/everything/fail").await.expect(500);
    assert!(
        answer
            .text()
            .contains("plugin everything could not serve this request: The path asked for a failure."),
        "{}",
        answer.text()
    );
    let answer = gateway.get("/everything/panic").await;
    assert!(
        answer.status >= 400 && answer.text().contains("the path asked for a panic"),
        "{}",
        answer.text()
    );
    let _ = gateway.get("/everything/repositories").await.expect(200);
}
