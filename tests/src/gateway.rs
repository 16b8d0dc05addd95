//! A gateway inside the test's own process.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use portolan::{
    app::App,
    config::{Config, Overrides},
};
use reqwest::{Body, Method};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Answer, digest};

/// A gateway over a temporary folder, on a port of its own.
pub struct TestGateway {
    app: Option<App>,
    folder: TempDir,
    data: PathBuf,
    config: String,
    client: reqwest::Client,
}

impl TestGateway {
    /// Starts a gateway without plugins.
    pub async fn start() -> Self {
        Self::with_config("").await
    }

    /// Starts a gateway without plugins and with some configuration.
    pub async fn with_config(config: &str) -> Self {
        Self::with_plugins(config, &[]).await
    }

    /// Starts a gateway with plugins, which are files.
    ///
    /// # Panics
    /// Where a file cannot be read, and says how to build it.
    pub async fn with_plugins(config: &str, files: &[&Path]) -> Self {
        Self::begin(None, config, files).await
    }

    /// Starts a gateway without plugins over a data folder that outlives it.
    pub async fn over(data: &Path) -> Self {
        Self::begin(Some(data.to_owned()), "", &[]).await
    }

    async fn begin(data: Option<PathBuf>, config: &str, files: &[&Path]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins).expect("a folder in a new one");
        for file in files {
            let name = file.file_name().expect("a plugin is a file");
            std::fs::copy(file, plugins.join(name))
                .unwrap_or_else(|error| panic!("{}: {error}; run cargo xtask guests", file.display()));
        }
        let data = data.unwrap_or_else(|| folder.path().join("data"));
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let mut gateway = Self {
            app: None,
            folder,
            data,
            config: config.to_owned(),
            client,
        };
        gateway.run().await;
        gateway
    }

    async fn run(&mut self) {
        let overrides = Overrides {
            listen: Some("127.0.0.1:0".parse().expect("an address")),
            data: Some(self.data.clone()),
            plugins: Some(self.folder.path().join("plugins")),
        };
        let mut config = Config::from_text(&self.config, overrides).expect("a good configuration");
        // A test's own program cannot compile components in a child process, the gateway's can.
        config.plugins.compile_program = std::env::var_os("PORTOLAN_BIN").map(Into::into);
        self.app = Some(App::start(config).await.expect("the gateway starts"));
    }

    /// Stops the gateway and starts it again over the same data, on another port.
    ///
    /// # Panics
    /// Where it does not start again.
    pub async fn restart(&mut self) {
        if let Some(app) = self.app.take() {
            app.stop().await;
        }
        self.run().await;
    }

    /// Stops the gateway for good.
    pub async fn stop(mut self) {
        if let Some(app) = self.app.take() {
            app.stop().await;
        }
    }

    /// Changes the configuration and restarts.
    pub async fn reconfigure(&mut self, config: &str) {
        config.clone_into(&mut self.config);
        self.restart().await;
    }

    /// Returns the address that the gateway listens on.
    ///
    /// # Panics
    /// Never: the gateway runs between any two calls.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.app.as_ref().expect("the gateway runs").address()
    }

    /// Returns the data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns the sizes of the files of content on its way, in bytes.
    ///
    /// # Panics
    /// Where the data folder is not that of a gateway.
    #[must_use]
    pub fn on_the_way(&self) -> Vec<u64> {
        let folders = ["uploads", "incoming"].map(|folder| self.data.join(folder));
        let files = folders
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).expect("a gateway has made the folder"));
        // One that goes meanwhile is on its way no more.
        files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).collect()
    }

    /// Returns the names of the files of content.
    ///
    /// # Panics
    /// Where the data folder is not that of a gateway.
    #[must_use]
    pub fn content(&self) -> Vec<String> {
        let list = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = list(self.data.join("blobs")).flat_map(|algorithm| list(algorithm.path()));
        let names = folders.flat_map(|folder| list(folder.path()));
        names.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Sends a request.
    ///
    /// # Panics
    /// Where there is no answer.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let url = format!("http://{}{path}", self.address());
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method.clone(), url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let asked = format!("{method} {path}");
        let response = request.send().await.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
        Answer {
            status,
            headers,
            body,
            asked,
        }
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Asks for the head of a path.
    pub async fn head(&self, path: &str) -> Answer {
        self.send("HEAD", path, &[], "").await
    }

    /// Deletes a path.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "").await
    }

    /// Pushes a blob at one go and returns its digest.
    pub async fn push_blob(&self, repository: &str, content: impl Into<Bytes>) -> String {
        let content = content.into();
        let digest = digest(&content);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self
            .send("POST", &path, &[("content-type", "application/octet-stream")], content)
            .await
            .expect(201);
        assert_eq!(answer.header("docker-content-digest"), digest);
        digest
    }

    /// Sends a manifest, under the media type that it names itself.
    pub async fn put_manifest(&self, repository: &str, reference: &str, manifest: &Value) -> Answer {
        let kind = manifest["mediaType"].as_str().unwrap_or(crate::MANIFEST);
        self.send(
            "PUT",
            &format!("/v2/{repository}/manifests/{reference}"),
            &[("content-type", kind)],
            manifest.to_string(),
        )
        .await
    }

    /// Pushes an image of a config and layers with everything it names, and returns the digest of its manifest.
    pub async fn push_image(&self, repository: &str, tag: &str, layers: &[&'static [u8]]) -> String {
        self.push_blob(repository, "{}").await;
        for layer in layers {
            self.push_blob(repository, *layer).await;
        }
        let answer = self
            .put_manifest(repository, tag, &crate::manifest(b"{}", layers))
            .await
            .expect(201);
        answer.header("docker-content-digest").to_owned()
    }
}
