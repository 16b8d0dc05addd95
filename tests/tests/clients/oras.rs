//! `oras`: artifacts of types that no plugin knows, referrers, copies.

use std::time::{Duration, Instant};

use portolan_tests::chart::Chart;
use serde_json::Value;

use super::{assert_holds, scene, word_after};

#[test]
fn an_unknown_type_with_several_files_goes_there_and_back() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let artifact = format!("{}/notes/hello:1", gateway.address());
    desk.write("a.txt", "first")?;
    desk.write("b/c.json", r#"{"second": true}"#)?;
    desk.write("empty", "")?;
    let files = "a.txt:text/plain b/c.json:application/json empty:application/octet-stream";
    desk.run(&format!(
        "oras push --plain-http {artifact} --artifact-type application/vnd.example.note {files}"
    ))?;
    desk.run(&format!("oras pull --plain-http --output pulled {artifact}"))?;
    for file in ["a.txt", "b/c.json", "empty"] {
        assert_eq!(desk.read(&format!("pulled/{file}"))?, desk.read(file)?, "{file}");
    }
    desk.run(&format!("oras tag --plain-http {artifact} stable 1.0"))?;
    let tags = desk.run(&format!("oras repo tags --plain-http {}/notes/hello", gateway.address()))?;
    assert_eq!(tags, "1\n1.0\nstable\n");
    assert_eq!(
        desk.run(&format!("oras repo ls --plain-http {}", gateway.address()))?,
        "notes/hello\n"
    );

    desk.run(&format!("oras manifest delete --plain-http --force {artifact}"))?;
    assert_holds(&desk.refused(&format!("oras pull --plain-http {artifact}"))?, &["not found"]);
    gateway.stop()
}

#[test]
fn referrers_are_attached_discovered_and_copied_along() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let (first, second, third) = ("notes/first:1", "notes/second:1", "notes/third:1");
    let at = |artifact: &str| format!("{}/{artifact}", gateway.address());
    desk.write("note", "hello")?;
    desk.write("signature", "yes")?;
    desk.run(&format!(
        "oras push --plain-http {} --artifact-type application/vnd.example.note note",
        at(first)
    ))?;
    desk.run(&format!(
        "oras attach --plain-http {} --artifact-type application/vnd.example.signature signature",
        at(first)
    ))?;
    let discovers = |source: &str| -> anyhow::Result<Vec<String>> {
        let found: Value = serde_json::from_str(&desk.run(&format!("oras discover --format json {source}"))?)?;
        let types = found["referrers"].as_array().into_iter().flatten();
        Ok(types
            .filter_map(|referrer| referrer["artifactType"].as_str())
            .map(str::to_owned)
            .collect())
    };
    let expected = ["application/vnd.example.signature"];
    assert_eq!(discovers(&format!("--plain-http {}", at(first)))?, expected);
    // No fallback tag: the client saw that the registry lists referrers itself.
    assert_eq!(
        desk.run(&format!("oras repo tags --plain-http {}", at("notes/first")))?,
        "1\n"
    );

    desk.run(&format!(
        "oras cp -r --from-plain-http --to-plain-http {} {}",
        at(first),
        at(second)
    ))?;
    assert_eq!(discovers(&format!("--plain-http {}", at(second)))?, expected);
    desk.run(&format!(
        "oras cp -r --from-plain-http {} --to-oci-layout layout:1",
        at(first)
    ))?;
    assert_eq!(discovers("--oci-layout layout:1")?, expected);
    desk.run(&format!(
        "oras cp -r --from-oci-layout layout:1 --to-plain-http {}",
        at(third)
    ))?;
    assert_eq!(discovers(&format!("--plain-http {}", at(third)))?, expected);
    gateway.stop()
}

#[test]
fn the_findings_of_a_scanned_chart_are_discovered_and_pulled() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let values = "database:\n  password: hunter2-hunter2\n";
    desk.write("chart.tgz", Chart::new("web", "1.0.0").file("values.yaml", values).archive()?)?;
    desk.run(&format!("helm4 push --plain-http chart.tgz oci://{}/team", gateway.address()))?;

    let chart = format!("{}/team/web:1.0.0", gateway.address());
    // The scan runs after the push was answered.
    let deadline = Instant::now() + Duration::from_secs(60);
    let referrers = loop {
        let found = desk.run(&format!(
            "oras discover --plain-http {chart} --artifact-type application/sarif+json --format json"
        ))?;
        let found: Value = serde_json::from_str(&found)?;
        match found["referrers"].as_array() {
            Some(referrers) if !referrers.is_empty() => break referrers.clone(),
            _ => anyhow::ensure!(
                Instant::now() < deadline,
                "no findings were attached: {found}\n{}",
                gateway.log()
            ),
        }
    };
    assert_eq!(referrers.len(), 1, "{referrers:?}");
    assert_holds(
        &desk.run(&format!("oras discover --plain-http {chart}"))?,
        &["application/sarif+json"],
    );

    let reference = referrers[0]["reference"].as_str().unwrap_or_default();
    let manifest: Value = serde_json::from_str(&desk.run(&format!("oras manifest fetch --plain-http {reference}"))?)?;
    let repository = reference.split('@').next().unwrap_or_default();
    let digest = manifest["config"]["digest"].as_str().unwrap_or_default();
    let document = desk.run(&format!("oras blob fetch --plain-http --output - {repository}@{digest}"))?;
    assert_holds(&document, &["\"2.1.0\"", "values.yaml", "password"]);
    assert!(
        !document.contains("hunter2"),
        "the secret itself is in the findings: {document}"
    );
    gateway.stop()
}

#[test]
fn a_wrong_digest_is_answered_as_the_client_expects() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    desk.write("note", "hello")?;
    let pushed = desk.run(&format!("oras push --plain-http {}/notes/x:1 note", gateway.address()))?;
    let digest = word_after(&pushed, "Digest: ")?;
    let absent = format!(
        "sha256:{}",
        digest.trim_start_matches("sha256:").replace(|c: char| c != 'f', "f")
    );
    let refused = desk.refused(&format!(
        "oras manifest fetch --plain-http {}/notes/x@{absent}",
        gateway.address()
    ))?;
    assert_holds(&refused, &["not found"]);
    gateway.stop()
}
