//! How plugins arrive: what they are shown to be able to do, and what happens to files that cannot be used.

use portolan_tests::TestGateway;
use serde_json::{Value, json};

use super::fixture::{Artifact, guest, plugin, shown, with_guests};

/// Checks that a file is quarantined with a reason that says all of these words.
async fn expect_quarantined(gateway: &TestGateway, name: &str, words: &[&str]) {
    let shown = plugin(gateway, name).await;
    assert_eq!(shown["state"], "quarantined", "{shown}");
    let reason = shown["reason"].as_str().unwrap_or_default();
    assert!(
        words.iter().all(|word| reason.contains(word)),
        "{name}: {reason:?} does not say {words:?}"
    );
    assert_eq!(shown["calls"], Value::Null, "{name} is asked nothing");
}

/// Checks that the gateway serves, stores what nobody knows, and asks the plugin that is left.
async fn expect_at_work(gateway: &TestGateway) {
    let _ = gateway.get("/readyz").await.expect(200);
    gateway.push_image("generic", "v1", &[b"layer"]).await;
    let _ = gateway.get("/v2/generic/manifests/v1").await.expect(200);
    let _ = Artifact::of("application/vnd.test.minimal")
        .push(gateway, "known", "v1")
        .await
        .expect(201);
    assert_eq!(shown(gateway, "known", "v1").await["plugin"]["name"], "minimal");
}

#[tokio::test]
async fn the_least_plugin_shows_one_capability() {
    let gateway = with_guests("", &["minimal"]).await;
    let shown = plugin(&gateway, "minimal").await;
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("active"), &Value::Null));
    assert_eq!(shown["capabilities"], json!(["validate"]));
    assert_eq!((&shown["contract"], &shown["version"]), (&json!("0.1.0"), &json!("1.0.0")));
    assert_eq!(shown["claims"], json!([{ "type": "application/vnd.test.minimal" }]));
    assert_eq!(shown["service"], json!({ "wellKnown": [] }));
    assert!(
        shown["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")),
        "{shown}"
    );
    expect_at_work(&gateway).await;
}

#[tokio::test]
async fn a_plugin_of_everything_shows_every_capability() {
    let gateway = with_guests("", &["everything"]).await;
    let shown = plugin(&gateway, "everything").await;
    assert_eq!(shown["state"], "active", "{shown}");
    assert_eq!(
        shown["capabilities"],
        json!(["validate", "admit", "index", "render", "scan", "compare", "serve"])
    );
    assert_eq!(
        shown["service"],
        json!({ "mount": "everything", "wellKnown": ["everything.json"] })
    );
    // What a plugin says it needs lowers its limits.
    assert_eq!(shown["limits"]["memoryBytesMax"], 64 << 20, "{shown}");
    assert_eq!(shown["limits"]["callTimeMax"], 5.0, "{shown}");
}

#[tokio::test]
async fn files_that_are_no_plugins_are_set_aside() {
    let files = [
        "core-module",
        "describe-nothing",
        "minimal",
        "not-wasm",
        "other-version",
        "truncated",
        "unknown-import",
    ];
    let gateway = with_guests("", &files).await;
    let expected: [(&str, &[&str]); 6] = [
        ("not-wasm", &["not WebAssembly"]),
        ("core-module", &["core WebAssembly module", "turn it into one"]),
        ("truncated", &["not a sound component"]),
        ("describe-nothing", &["does not export portolan:plugin/describe@0.1.0"]),
        (
            "other-version",
            &["built for 0.2.0", "this gateway offers 0.1.0", "build it for that version"],
        ),
        ("unknown-import", &["portolan:plugin/weather@0.1.0", "this gateway offers"]),
    ];
    for (name, words) in expected {
        expect_quarantined(&gateway, &format!("{name}.wasm"), words).await;
    }
    expect_at_work(&gateway).await;
    let types = gateway.get("/v2/_portolan/types").await.expect(200).json();
    assert_eq!(types["types"].as_array().map(Vec::len), Some(1), "{types}");
}

#[tokio::test]
async fn plugins_that_break_the_contract_are_set_aside() {
    let files = [
        "claims-nothing",
        "describe-not-json",
        "minimal",
        "mount-reserved",
        "twin",
        "wrong-record",
    ];
    let gateway = with_guests("", &files).await;
    let expected: [(&str, &[&str]); 5] = [
        // Found at arrival, not at the first push: its interfaces have the right names.
        ("wrong-record.wasm", &["other types than the contract says"]),
        ("claims-nothing", &["claims nothing", "needs at least one artifact type"]),
        ("describe-not-json.wasm", &["describe does not return JSON"]),
        ("mount-reserved", &["\"v2\" belongs to the gateway", "choose another"]),
        (
            "twin",
            &[
                "application/vnd.test.minimal",
                "minimal.wasm claims already",
                "remove one of the two",
            ],
        ),
    ];
    for (name, words) in expected {
        let file = name.strip_suffix(".wasm").unwrap_or(name);
        let listed = gateway.get("/v2/_portolan/plugins").await.expect(200).json();
        let plugins = listed["plugins"].as_array().unwrap();
        let status = plugins
            .iter()
            .find(|plugin| plugin["file"] == format!("{file}.wasm"))
            .unwrap();
        expect_quarantined(&gateway, status["name"].as_str().unwrap(), words).await;
    }
    expect_at_work(&gateway).await;
    // What a plugin claims that is set aside is stored like anything that nobody knows.
    let _ = Artifact::of("application/vnd.test.wrong-record")
        .push(&gateway, "unknown", "v1")
        .await
        .expect(201);
    assert_eq!(shown(&gateway, "unknown", "v1").await["plugin"], Value::Null);
}

#[tokio::test]
async fn plugins_that_misbehave_when_they_describe_themselves_are_set_aside() {
    let files = [
        "describe-changing",
        "describe-huge",
        "describe-loop",
        "describe-trap",
        "memory-at-start",
        "minimal",
        "table",
    ];
    let gateway = with_guests("[plugins.limits]\ncall_time_max = \"2s\"\n", &files).await;
    let expected: [(&str, &[&str]); 6] = [
        (
            "describe-trap",
            &["describe failed", "trapped", "evil has nothing to describe"],
        ),
        ("describe-loop", &["describe failed", "longer than 2 seconds, its limit"]),
        ("describe-changing", &["two different texts"]),
        ("describe-huge", &["at most 262144 are allowed"]),
        ("memory-at-start", &["memory", "1073741824", "limit"]),
        ("table", &["elements in tables; its limit is 100000"]),
    ];
    for (name, words) in expected {
        expect_quarantined(&gateway, &format!("{name}.wasm"), words).await;
    }
    expect_at_work(&gateway).await;
}

#[tokio::test]
async fn a_name_is_given_once() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("minimal-again.wasm");
    std::fs::copy(guest("minimal"), &copy).unwrap();
    let gateway = TestGateway::with_plugins("", &[&guest("minimal"), &copy]).await;
    let listed = gateway.get("/v2/_portolan/plugins").await.expect(200).json();
    let plugins = listed["plugins"].as_array().unwrap();
    let state = |file: &str| plugins.iter().find(|plugin| plugin["file"] == file).unwrap();
    // By file name, the first keeps it.
    assert_eq!(state("minimal-again.wasm")["state"], "active", "{listed}");
    let reason = state("minimal.wasm")["reason"].as_str().unwrap();
    assert!(reason.contains("\"minimal\" is taken by minimal-again.wasm"), "{reason}");
    expect_at_work(&gateway).await;
}

#[tokio::test]
async fn a_file_can_be_too_large() {
    let gateway = with_guests("[plugins]\ncomponent_bytes_max = \"100 KiB\"\n", &["everything", "minimal"]).await;
    expect_quarantined(&gateway, "everything.wasm", &["bytes; a plugin has at most 102400"]).await;
    expect_at_work(&gateway).await;
}

#[tokio::test]
async fn operators_switch_plugins_off_and_settings_have_to_suit() {
    let mut gateway = with_guests("[plugins.plugin.everything]\nenabled = false\n", &["everything", "minimal"]).await;
    let shown = plugin(&gateway, "everything").await;
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("disabled"), &Value::Null));
    expect_at_work(&gateway).await;
    gateway
        .reconfigure("[plugins.plugin.everything.settings]\ngreeting = 5\n")
        .await;
    expect_quarantined(&gateway, "everything", &["settings do not suit it", "/greeting"]).await;
    gateway.reconfigure("[plugins.plugin.minimal.settings]\nany = true\n").await;
    expect_quarantined(&gateway, "minimal", &["settings are configured, but this plugin has none"]).await;
}
