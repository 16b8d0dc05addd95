//! Indexes that name more than manifests of the right size: exported build caches, old manifest lists.

use portolan_tests::{INDEX, MANIFEST, TestGateway, digest, index, manifest};
use serde_json::{Value, json};

const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Returns an index of some media type whose children are blobs.
fn cache(kind: &str, layer_type: &str, layer: &[u8], config: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": kind,
        "manifests": [
            { "mediaType": layer_type, "digest": digest(layer), "size": layer.len() },
            { "mediaType": "application/vnd.example.cacheconfig.v0", "digest": digest(config), "size": config.len() },
        ],
    })
}

#[tokio::test]
async fn an_index_may_name_blobs() {
    let gateway = TestGateway::start().await;
    for (tag, kind, layer_type) in [
        ("oci", INDEX, "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("docker", LIST, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    ] {
        let repository = format!("cache/{tag}");
        let document = cache(kind, layer_type, b"layer", b"config");
        let missing = gateway.put_manifest(&repository, tag, &document).await;
        missing.expect_error(404, "MANIFEST_BLOB_UNKNOWN", &digest("layer"));
        gateway.push_blob(&repository, "layer").await;
        gateway.push_blob(&repository, "config").await;
        let answer = gateway.put_manifest(&repository, tag, &document).await.expect(201);
        assert_eq!(answer.all("warning"), Vec::<&str>::new());
        let back = gateway.get(&format!("/v2/{repository}/manifests/{tag}")).await.expect(200);
        assert_eq!((back.text(), back.header("content-type")), (document.to_string(), kind));
        // A blob has the size that is said of it, or a reader stops in the middle.
        let mut wrong = document.clone();
        wrong["manifests"][0]["size"] = 4.into();
        let answer = gateway.put_manifest(&repository, "wrong", &wrong).await;
        answer.expect_error(400, "MANIFEST_INVALID", "4 bytes");
    }
}

#[tokio::test]
async fn a_child_is_a_manifest_or_a_blob_by_its_media_type_alone() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let child = manifest(b"{}", &[]);
    let _ = gateway.put_manifest("a", "child", &child).await.expect(201);
    let mut as_blob = index(&[child.to_string().as_bytes()]);
    as_blob["manifests"][0]["mediaType"] = "application/vnd.example.layer".into();
    // The repository holds the manifest, but no blob of this digest.
    let answer = gateway.put_manifest("a", "index", &as_blob).await;
    answer.expect_error(404, "MANIFEST_BLOB_UNKNOWN", &digest(child.to_string()));
    let mut as_manifest = index(&[b"{}"]);
    as_manifest["manifests"][0]["size"] = 2.into();
    let answer = gateway.put_manifest("a", "index", &as_manifest).await;
    answer.expect_error(404, "MANIFEST_BLOB_UNKNOWN", &digest("{}"));
    // A page of the index shows what of it is a manifest.
    let both = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [as_manifest["manifests"][0], as_blob["manifests"][0]],
    });
    let mut both = both;
    both["manifests"][0]["mediaType"] = "application/vnd.example.layer".into();
    both["manifests"][1]["mediaType"] = MANIFEST.into();
    let _ = gateway.put_manifest("a", "both", &both).await.expect(201);
    let page = gateway.get("/v2/a/_portolan/artifacts/both").await.expect(200).json();
    let to: Vec<_> = page["references"]["to"]
        .as_array()
        .unwrap()
        .iter()
        .map(|to| to["digest"].clone())
        .collect();
    assert_eq!(to, [json!(digest(child.to_string()))]);
}

#[tokio::test]
async fn lists_with_wrong_sizes_of_manifests_are_stored_and_remarked_on() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let mut child = manifest(b"{}", &[]);
    child["mediaType"] = DOCKER.into();
    let _ = gateway.put_manifest("a", "child", &child).await.expect(201);
    let bytes = child.to_string();
    for (kind, size) in [(LIST, bytes.len() - 100), (LIST, 0), (INDEX, bytes.len() + 1)] {
        let list = json!({
            "schemaVersion": 2,
            "mediaType": kind,
            "manifests": [{ "mediaType": DOCKER, "digest": digest(&bytes), "size": size, "platform": { "os": "linux", "architecture": "amd64" } }],
        });
        let answer = gateway.put_manifest("a", "list", &list).await.expect(201);
        let expected = format!(
            "299 - \"The index says that manifest {} has {size} bytes, but it has {}. A client that compares sizes cannot pull it: make the \
             index anew. [portolan/manifest-size]\"",
            digest(&bytes),
            bytes.len()
        );
        assert_eq!(answer.all("warning"), [expected]);
        assert_eq!(gateway.get("/v2/a/manifests/list").await.expect(200).text(), list.to_string());
    }
}
