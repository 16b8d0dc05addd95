//! BuildKit, whose daemon needs privileges that a test has not: the requests that it sends, one after the other, as containerd's pusher
//! and resolver make them.

use anyhow::{Context, ensure};
use portolan_tests::{Answer, INDEX, MANIFEST, TestGateway, digest, process::plugin};
use serde_json::{Value, json};

const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const CACHE_CONFIG: &str = "application/vnd.buildkit.cacheconfig.v0";
const STATEMENT: &str = "application/vnd.in-toto+json";

/// One repository, pushed to and pulled from as BuildKit does it.
struct Builder<'a> {
    gateway: &'a TestGateway,
    repository: &'a str,
}

impl Builder<'_> {
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let path = format!("/v2/{}/{path}", self.repository);
        self.gateway.send(method, &path, headers, body.to_vec()).await
    }

    /// Pushes a blob unless it is there, mounting it where it is known from another repository. Returns what it took.
    async fn blob(&self, media_type: &str, content: &[u8], from: Option<&str>) -> anyhow::Result<&'static str> {
        let digest = digest(content);
        let accept = format!("{media_type}, */*");
        let head = self
            .ask("HEAD", &format!("blobs/{digest}"), &[("accept", &accept)], b"")
            .await;
        if head.status == 200 {
            return Ok("existed");
        }
        ensure!(head.status == 404, "{}: {}", head.asked, head.status);
        let mount = from.map_or_else(String::new, |from| format!("?mount={digest}&from={from}"));
        let begun = self.ask("POST", &format!("blobs/uploads/{mount}"), &[], b"").await;
        if begun.status == 201 {
            return Ok("mounted");
        }
        ensure!(begun.status == 202, "{}: {}", begun.asked, begun.text());
        let location = format!("{}?digest={}", begun.location(), digest.replace(':', "%3A"));
        let put = self
            .gateway
            .send(
                "PUT",
                &location,
                &[("content-type", "application/octet-stream")],
                content.to_vec(),
            )
            .await;
        ensure!(put.status == 201, "{}: {}", put.asked, put.text());
        ensure!(
            put.header("docker-content-digest") == digest,
            "the digest of the answer is compared"
        );
        Ok("pushed")
    }

    /// Pushes a manifest under a tag, or by digest where there is none, unless that is there. Returns what it took.
    async fn manifest(&self, media_type: &str, tag: Option<&str>, manifest: &Value) -> anyhow::Result<&'static str> {
        let bytes = manifest.to_string();
        let digest = digest(&bytes);
        let path = format!("manifests/{}", tag.unwrap_or(&digest));
        let accept = format!("{media_type}, */*");
        let head = self.ask("HEAD", &path, &[("accept", &accept)], b"").await;
        if head.status == 200 && head.header("docker-content-digest") == digest {
            return Ok("existed");
        }
        let put = self
            .ask("PUT", &path, &[("content-type", media_type)], bytes.as_bytes())
            .await;
        ensure!(put.status == 201, "{}: {}", put.asked, put.text());
        ensure!(
            put.header("docker-content-digest") == digest,
            "the digest of the answer is compared"
        );
        Ok("pushed")
    }

    /// Resolves a tag and fetches what it means, as an import does. Returns the manifest.
    async fn resolve(&self, tag: &str) -> anyhow::Result<Value> {
        let accept = format!("{DOCKER}, {LIST}, {MANIFEST}, {INDEX}, */*");
        let head = self
            .ask("HEAD", &format!("manifests/{tag}"), &[("accept", &accept)], b"")
            .await;
        ensure!(head.status == 200, "{}: {}", head.asked, head.status);
        let (digest, media_type) = (head.header("docker-content-digest"), head.header("content-type"));
        let accept = format!("{media_type}, */*");
        let got = self
            .ask("GET", &format!("manifests/{digest}"), &[("accept", &accept)], b"")
            .await;
        ensure!(got.status == 200 && got.header("content-type") == media_type, "{}", got.asked);
        ensure!(
            head.header("content-length") == got.body.len().to_string(),
            "the size of the answer to HEAD is believed"
        );
        Ok(got.json())
    }

    /// Fetches a blob that a descriptor names.
    async fn fetch(&self, descriptor: &Value) -> anyhow::Result<Vec<u8>> {
        let digest = descriptor["digest"].as_str().context("a descriptor has a digest")?;
        let got = self.ask("GET", &format!("blobs/{digest}"), &[("accept", "*/*")], b"").await;
        ensure!(got.status == 200, "{}: {}", got.asked, got.text());
        Ok(got.body.to_vec())
    }
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(content), "size": content.len() })
}

/// The description of a cache with one layer.
fn cache_config(layer: &[u8]) -> Vec<u8> {
    let config = json!({
        "layers": [{ "blob": digest(layer), "parent": -1 }],
        "records": [{ "digest": digest("step"), "results": [{ "layer": 0, "createdAt": "2026-01-01T00:00:00Z" }] }],
    });
    config.to_string().into_bytes()
}

async fn start() -> anyhow::Result<TestGateway> {
    Ok(TestGateway::with_plugins("", &[plugin("helm")?.as_path()]).await)
}

#[tokio::test]
async fn a_cache_is_exported_and_imported_in_every_form() -> anyhow::Result<()> {
    let gateway = start().await?;
    for (tag, kind) in [("index", INDEX), ("list", LIST), ("image", MANIFEST)] {
        let repository = format!("cache/{tag}");
        let builder = Builder {
            gateway: &gateway,
            repository: &repository,
        };
        let layer = b"what was built".as_slice();
        let config = cache_config(layer);
        let layer_type = if kind == LIST {
            "application/vnd.docker.image.rootfs.diff.tar.gzip"
        } else {
            LAYER
        };
        let mut named = descriptor(layer_type, layer);
        named["annotations"] =
            json!({ "buildkit/createdat": "2026-01-01T00:00:00Z", "containerd.io/uncompressed": digest("tar") });
        let config_named = descriptor(CACHE_CONFIG, &config);
        let document = if kind == MANIFEST {
            json!({ "schemaVersion": 2, "mediaType": kind, "config": config_named, "layers": [named] })
        } else {
            json!({ "schemaVersion": 2, "mediaType": kind, "manifests": [named, config_named] })
        };
        let took = [
            builder.blob(layer_type, layer, None).await?,
            builder.blob(CACHE_CONFIG, &config, None).await?,
            builder.manifest(kind, Some(tag), &document).await?,
            // The next build with the same result.
            builder.blob(layer_type, layer, None).await?,
            builder.blob(CACHE_CONFIG, &config, None).await?,
            builder.manifest(kind, Some(tag), &document).await?,
        ];
        assert_eq!(took, ["pushed", "pushed", "pushed", "existed", "existed", "existed"], "{tag}");
        let found = builder.resolve(tag).await?;
        assert_eq!(found, document);
        let (config_of, layer_of) = match kind {
            MANIFEST => (&found["config"], &found["layers"][0]),
            _ => (&found["manifests"][1], &found["manifests"][0]),
        };
        assert_eq!(builder.fetch(config_of).await?, config);
        assert_eq!(builder.fetch(layer_of).await?, layer);
    }
    Ok(())
}

/// An image, its provenance, and the index of both.
struct Attested {
    blobs: [(&'static str, Vec<u8>); 4],
    image: Value,
    attestation: Value,
    index: Value,
}

fn attested() -> Attested {
    let layer = b"a layer".to_vec();
    let config = json!({ "architecture": "amd64", "os": "linux", "config": {}, "rootfs": { "type": "layers", "diff_ids": [digest("tar")] } });
    let config = config.to_string().into_bytes();
    let image = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &config),
        "layers": [descriptor(LAYER, &layer)],
    });
    let image_bytes = image.to_string();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{ "name": "pkg:docker/app", "digest": { "sha256": digest(&image_bytes).replace("sha256:", "") } }],
        "predicate": {},
    });
    let statement = statement.to_string().into_bytes();
    let nothing = json!({ "architecture": "unknown", "os": "unknown", "config": {}, "rootfs": { "type": "layers", "diff_ids": [digest(&statement)] } });
    let nothing = nothing.to_string().into_bytes();
    let mut provenance = descriptor(STATEMENT, &statement);
    provenance["annotations"] = json!({ "in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2" });
    let attestation = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &nothing),
        "layers": [provenance],
    });
    let mut of_image = descriptor(MANIFEST, image_bytes.as_bytes());
    of_image["platform"] = json!({ "architecture": "amd64", "os": "linux" });
    let mut of_attestation = descriptor(MANIFEST, attestation.to_string().as_bytes());
    of_attestation["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
    of_attestation["annotations"] =
        json!({ "vnd.docker.reference.digest": digest(&image_bytes), "vnd.docker.reference.type": "attestation-manifest" });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [of_image, of_attestation] });
    Attested {
        blobs: [(LAYER, layer), (CONFIG, config), (STATEMENT, statement), (CONFIG, nothing)],
        image,
        attestation,
        index,
    }
}

#[tokio::test]
async fn an_image_is_pushed_with_its_attestations_and_mounted_elsewhere() -> anyhow::Result<()> {
    let gateway = start().await?;
    let Attested {
        blobs,
        image,
        attestation,
        index,
    } = attested();
    for (repository, from, expected) in [("apps/web", None, "pushed"), ("apps/copy", Some("apps/web"), "mounted")] {
        let builder = Builder {
            gateway: &gateway,
            repository,
        };
        for (media_type, content) in &blobs {
            assert_eq!(builder.blob(media_type, content, from).await?, expected);
        }
        // Under a tag that meant something else before.
        builder.manifest(MANIFEST, Some("latest"), &image).await?;
        for manifest in [&image, &attestation] {
            let expected = if manifest == &image { "existed" } else { "pushed" };
            assert_eq!(builder.manifest(MANIFEST, None, manifest).await?, expected);
        }
        assert_eq!(builder.manifest(INDEX, Some("latest"), &index).await?, "pushed");
        assert_eq!(builder.manifest(INDEX, Some("latest"), &index).await?, "existed");
        assert_eq!(builder.resolve("latest").await?, index);
    }
    Ok(())
}

#[tokio::test]
async fn attestations_as_artifacts_refer_to_their_image() -> anyhow::Result<()> {
    let gateway = start().await?;
    let builder = Builder {
        gateway: &gateway,
        repository: "apps/web",
    };
    let Attested {
        blobs,
        image,
        attestation,
        ..
    } = attested();
    for (media_type, content) in &blobs {
        builder.blob(media_type, content, None).await?;
    }
    builder.manifest(MANIFEST, None, &image).await?;
    // The empty config is carried in the descriptor, and pushed all the same.
    let mut config = descriptor("application/vnd.oci.empty.v1+json", b"{}");
    config["data"] = "e30=".into();
    builder.blob("application/vnd.oci.empty.v1+json", b"{}", None).await?;
    let kind = "application/vnd.docker.attestation.manifest.v1+json";
    let artifact = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": config,
        "layers": attestation["layers"],
        "subject": descriptor(MANIFEST, image.to_string().as_bytes()),
    });
    assert_eq!(builder.manifest(MANIFEST, None, &artifact).await?, "pushed");
    let subject = digest(image.to_string());
    let listed = builder
        .ask("GET", &format!("referrers/{subject}?artifactType={kind}"), &[], b"")
        .await;
    assert_eq!(listed.json()["manifests"][0]["digest"], digest(artifact.to_string()).as_str());
    assert_eq!(listed.header("oci-filters-applied"), "artifactType");
    Ok(())
}
