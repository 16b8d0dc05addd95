//! Guests, gateways that have them, and artifacts for them.

use std::{path::PathBuf, time::Duration};

use portolan_tests::{Answer, EMPTY, TestGateway, digest, manifest};
use serde_json::{Value, json};

/// How often a test asks whether a job is done.
const POLLS_MAX: usize = 1_500;
/// The pause between two such questions, so that asking does not keep the job from being done.
const POLL_PAUSE: Duration = Duration::from_millis(20);

/// Returns the file of a guest.
pub(crate) fn guest(name: &str) -> PathBuf {
    let folder = |variable| std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set; run cargo xtask test"));
    // The test's own program cannot compile components in a child process.
    let program = folder("PORTOLAN_BIN");
    assert!(
        PathBuf::from(&program).is_file(),
        "there is no {}; run cargo xtask test",
        program.display()
    );
    let file = PathBuf::from(folder("PORTOLAN_GUESTS")).join(format!("{name}.wasm"));
    assert!(file.is_file(), "there is no {}; run cargo xtask guests", file.display());
    file
}

/// Starts a gateway with guests.
pub(crate) async fn with_guests(config: &str, names: &[&str]) -> TestGateway {
    let files: Vec<PathBuf> = names.iter().map(|name| guest(name)).collect();
    TestGateway::with_plugins(config, &files.iter().map(PathBuf::as_path).collect::<Vec<_>>()).await
}

/// Starts a gateway with the guest that has every capability.
pub(crate) async fn with_everything() -> TestGateway {
    let gateway = with_guests("", &["everything"]).await;
    let plugins = gateway.get("/v2/_portolan/plugins").await.expect(200).json();
    assert_eq!(plugins["plugins"][0]["state"], "active", "{plugins}");
    gateway
}

/// An artifact that is to be pushed.
#[derive(Clone)]
pub(crate) struct Artifact {
    kind: String,
    annotations: Vec<(String, String)>,
    layers: Vec<(&'static str, String)>,
}

impl Artifact {
    /// An artifact of a type.
    pub(crate) fn of(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            annotations: Vec::new(),
            layers: Vec::new(),
        }
    }

    /// An artifact for the guest that has every capability.
    pub(crate) fn everything() -> Self {
        Self::of("application/vnd.test.everything.v1+json")
    }

    /// An artifact for the guest that attacks.
    pub(crate) fn evil(attack: &str) -> Self {
        Self::of(format!("application/vnd.test.evil.{attack}"))
    }

    /// Adds an annotation.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.annotations.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a layer with a text.
    pub(crate) fn layer(mut self, text: impl Into<String>) -> Self {
        self.layers.push(("text/plain", text.into()));
        self
    }

    /// Adds a layer that a repository need not hold, and that is not pushed.
    pub(crate) fn foreign_layer(mut self, text: impl Into<String>) -> Self {
        self.layers
            .push(("application/vnd.oci.image.layer.nondistributable.v1.tar", text.into()));
        self
    }

    pub(crate) fn manifest(&self) -> Value {
        let layers: Vec<&[u8]> = self.layers.iter().map(|(_, text)| text.as_bytes()).collect();
        let mut document = manifest(b"{}", &layers);
        document["artifactType"] = self.kind.as_str().into();
        document["config"]["mediaType"] = EMPTY.into();
        for (n, (media_type, _)) in self.layers.iter().enumerate() {
            document["layers"][n]["mediaType"] = (*media_type).into();
        }
        document["annotations"] = self
            .annotations
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        document
    }

    pub(crate) fn digest(&self) -> String {
        digest(self.manifest().to_string())
    }

    /// Pushes what the manifest names.
    pub(crate) async fn push_blobs(&self, gateway: &TestGateway, repository: &str) {
        gateway.push_blob(repository, "{}").await;
        for (_, text) in self.layers.iter().filter(|(media_type, _)| *media_type == "text/plain") {
            gateway.push_blob(repository, text.clone()).await;
        }
    }

    /// Pushes the artifact, and returns the answer to its manifest. The reference may be followed by a query.
    pub(crate) async fn push(&self, gateway: &TestGateway, repository: &str, reference: &str) -> Answer {
        self.push_blobs(gateway, repository).await;
        gateway.put_manifest(repository, reference, &self.manifest()).await
    }
}

/// Returns what the gateway shows of an artifact.
pub(crate) async fn shown(gateway: &TestGateway, repository: &str, reference: &str) -> Value {
    gateway
        .get(&format!("/v2/{repository}/_portolan/artifacts/{reference}"))
        .await
        .expect(200)
        .json()
}

/// Returns what the gateway shows of a plugin.
pub(crate) async fn plugin(gateway: &TestGateway, name: &str) -> Value {
    gateway.get(&format!("/v2/_portolan/plugins/{name}")).await.expect(200).json()
}

/// Returns how often a capability of a plugin was called, with one outcome, or with any where that is `count`.
pub(crate) async fn calls(gateway: &TestGateway, name: &str, capability: &str, outcome: &str) -> u64 {
    plugin(gateway, name).await["calls"][capability][outcome]
        .as_u64()
        .unwrap_or_default()
}

/// Asks a path until the answer suits, and returns it.
pub(crate) async fn until(gateway: &TestGateway, path: &str, suits: impl Fn(&Answer) -> bool) -> Answer {
    let mut pause = tokio::time::interval(POLL_PAUSE);
    for _ in 0..POLLS_MAX {
        pause.tick().await;
        let answer = gateway.get(path).await;
        if suits(&answer) {
            return answer;
        }
    }
    panic!("{path} did not become what it should: {}", gateway.get(path).await.text());
}

/// Waits until an artifact was scanned, and returns its findings.
pub(crate) async fn scanned(gateway: &TestGateway, repository: &str, reference: &str) -> Answer {
    let path = format!("/v2/{repository}/_portolan/artifacts/{reference}/findings");
    until(gateway, &path, |answer| answer.header("portolan-scanned") == "yes").await
}

/// Checks that nothing of a manifest was stored: not under its digest, not under a tag.
pub(crate) async fn expect_nothing_stored(gateway: &TestGateway, repository: &str, digest: &str, tags: &[&str]) {
    for reference in tags.iter().chain([&digest]) {
        let _ = gateway
            .get(&format!("/v2/{repository}/manifests/{reference}"))
            .await
            .expect(404);
    }
    let listed = gateway.get(&format!("/v2/{repository}/tags/list")).await;
    assert!(
        tags.iter().all(|tag| !listed.text().contains(&format!("\"{tag}\""))),
        "{}",
        listed.text()
    );
    assert_eq!(
        gateway.get("/v2/_portolan/search?q=").await.expect(200).json()["results"],
        json!([])
    );
}
