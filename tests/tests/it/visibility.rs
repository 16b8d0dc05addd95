//! What a caller may not read does not exist, on any route.

use portolan_tests::{TestGateway, digest, index, manifest};
use serde_json::json;

const HIDDEN: &str = "[auth]\nhidden = [\"secret\"]\n";

/// A gateway whose repository `secret/a` holds an image with the tag `v1`, and `open` another; then the first is hidden.
async fn with_secret() -> (TestGateway, String) {
    let mut gateway = TestGateway::start().await;
    let secret = gateway.push_image("secret/a", "v1", &[b"secret layer"]).await;
    gateway.push_image("open", "v1", &[b"open layer"]).await;
    gateway.reconfigure(HIDDEN).await;
    (gateway, secret)
}

#[tokio::test]
async fn every_route_hides_the_repository() {
    let (gateway, secret) = with_secret().await;
    let layer = digest("secret layer");
    let digest_paths = [
        format!("/v2/secret/a/manifests/{secret}"),
        "/v2/secret/a/manifests/v1".into(),
        format!("/v2/secret/a/blobs/{layer}"),
        "/v2/secret/a/tags/list".into(),
        "/v2/secret/a/_portolan/artifacts/v1".into(),
        "/v2/secret/a/_portolan/artifacts/v1/views/readme".into(),
        "/v2/secret/a/_portolan/artifacts/v1/findings".into(),
        "/v2/secret/a/_portolan/artifacts/v1/compare/v1".into(),
        "/v2/open/_portolan/artifacts/v1/compare/v1?repository=secret/a".into(),
    ];
    for path in digest_paths {
        for method in ["GET", "HEAD"] {
            let answer = gateway.send(method, &path, &[], "").await.expect(404);
            assert!(!answer.text().contains("layer"), "{path}");
        }
    }
    assert_eq!(
        gateway
            .get(&format!("/v2/secret/a/referrers/{secret}"))
            .await
            .expect(200)
            .json()["manifests"],
        json!([])
    );
    assert_eq!(
        gateway.get("/v2/_catalog").await.expect(200).json()["repositories"],
        json!(["open"])
    );
    assert_eq!(
        gateway.get("/v2/_portolan/search?q=secret").await.expect(200).json()["results"],
        json!([])
    );
    for (method, path) in [
        ("POST", "/v2/secret/a/blobs/uploads/".to_owned()),
        ("POST", format!("/v2/secret/a/blobs/uploads/?mount={layer}&from=open")),
        ("GET", "/v2/secret/a/blobs/uploads/x".into()),
        ("PATCH", "/v2/secret/a/blobs/uploads/x".into()),
        ("PUT", format!("/v2/secret/a/blobs/uploads/x?digest={layer}")),
        ("DELETE", "/v2/secret/a/blobs/uploads/x".into()),
        ("DELETE", "/v2/secret/a/manifests/v1".into()),
        ("DELETE", format!("/v2/secret/a/blobs/{layer}")),
    ] {
        gateway
            .send(method, &path, &[], "")
            .await
            .expect_error(403, "DENIED", "secret/a");
    }
    gateway
        .put_manifest("secret/a", "v2", &manifest(b"{}", &[]))
        .await
        .expect_error(403, "DENIED", "secret/a");
}

#[tokio::test]
async fn knowing_a_digest_gives_nothing() {
    let (gateway, secret) = with_secret().await;
    let layer = digest("secret layer");
    // Not through a mount, named or anonymous: the client is asked to push the bytes.
    for query in [format!("mount={layer}&from=secret/a"), format!("mount={layer}")] {
        let _ = gateway
            .send("POST", &format!("/v2/open/blobs/uploads/?{query}"), &[], "")
            .await
            .expect(202);
    }
    // Not through a manifest that names it, as a layer, a foreign layer or a child.
    let stolen = manifest(b"{}", &[b"secret layer"]);
    gateway
        .put_manifest("open", "stolen", &stolen)
        .await
        .expect_error(404, "MANIFEST_BLOB_UNKNOWN", &layer);
    let mut foreign = stolen.clone();
    foreign["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar".into();
    let _ = gateway.put_manifest("open", "foreign", &foreign).await.expect(201);
    let mut child = index(&[b""]);
    child["manifests"][0]["digest"] = secret.as_str().into();
    gateway
        .put_manifest("open", "child", &child)
        .await
        .expect_error(404, "MANIFEST_BLOB_UNKNOWN", &secret);
    // Not through the referrers of something that it has.
    let _ = gateway.get(&format!("/v2/open/referrers/{secret}")).await.expect(200);
    for path in [format!("/v2/open/blobs/{layer}"), format!("/v2/open/manifests/{secret}")] {
        let _ = gateway.get(&path).await.expect(404);
    }
}

#[tokio::test]
async fn a_sparse_manifest_gives_nothing_either() {
    let (mut gateway, _) = with_secret().await;
    gateway
        .reconfigure(&format!("{HIDDEN}[registry]\nmissing_references = \"accept\"\n"))
        .await;
    let _ = gateway
        .put_manifest("open", "stolen", &manifest(b"{}", &[b"secret layer"]))
        .await
        .expect(201);
    let _ = gateway
        .get(&format!("/v2/open/blobs/{}", digest("secret layer")))
        .await
        .expect(404);
}
