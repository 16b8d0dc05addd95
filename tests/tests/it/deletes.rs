//! Deleting tags, manifests and blobs.

use portolan_tests::{TestGateway, manifest};
use serde_json::json;

#[tokio::test]
async fn deleting_a_tag_leaves_the_manifest() {
    let gateway = TestGateway::start().await;
    let digest = gateway.push_image("a", "v1", &[]).await;
    let _ = gateway.delete("/v2/a/manifests/v1").await.expect(202);
    gateway
        .get("/v2/a/manifests/v1")
        .await
        .expect_error(404, "MANIFEST_UNKNOWN", "v1");
    let _ = gateway.get(&format!("/v2/a/manifests/{digest}")).await.expect(200);
    gateway
        .delete("/v2/a/manifests/v1")
        .await
        .expect_error(404, "MANIFEST_UNKNOWN", "v1");
}

#[tokio::test]
async fn deleting_a_manifest_takes_its_tags_along() {
    let mut gateway = TestGateway::start().await;
    let digest = gateway.push_image("a", "v1", &[]).await;
    let _ = gateway.put_manifest("a", "v2", &manifest(b"{}", &[])).await.expect(201);
    let _ = gateway.delete(&format!("/v2/a/manifests/{digest}")).await.expect(202);
    for reference in ["v1", "v2", &digest] {
        let _ = gateway.get(&format!("/v2/a/manifests/{reference}")).await.expect(404);
    }
    assert_eq!(gateway.get("/v2/a/tags/list").await.expect(200).json()["tags"], json!([]));
    gateway.restart().await;
    let _ = gateway.get(&format!("/v2/a/manifests/{digest}")).await.expect(404);
    gateway
        .delete(&format!("/v2/a/manifests/{digest}"))
        .await
        .expect_error(404, "MANIFEST_UNKNOWN", &digest);
}

#[tokio::test]
async fn deleting_a_blob_leaves_the_manifests_that_name_it() {
    let gateway = TestGateway::start().await;
    let digest = gateway.push_image("a", "v1", &[b"layer"]).await;
    let layer = gateway.push_blob("b", "layer").await;
    let _ = gateway.delete(&format!("/v2/a/blobs/{layer}")).await.expect(202);
    gateway
        .get(&format!("/v2/a/blobs/{layer}"))
        .await
        .expect_error(404, "BLOB_UNKNOWN", &layer);
    let _ = gateway.get(&format!("/v2/a/manifests/{digest}")).await.expect(200);
    let _ = gateway.get(&format!("/v2/b/blobs/{layer}")).await.expect(200);
    gateway
        .delete(&format!("/v2/a/blobs/{layer}"))
        .await
        .expect_error(404, "BLOB_UNKNOWN", &layer);
    gateway.push_blob("a", "layer").await;
    let _ = gateway.get(&format!("/v2/a/blobs/{layer}")).await.expect(200);
}

#[tokio::test]
async fn a_referrer_that_is_deleted_is_no_longer_listed() {
    let gateway = TestGateway::start().await;
    let subject = gateway.push_image("a", "v1", &[]).await;
    let mut document = manifest(b"{}", &[]);
    document["subject"] = json!({ "mediaType": portolan_tests::MANIFEST, "digest": subject, "size": 1 });
    let referrer = gateway
        .put_manifest("a", "sig", &document)
        .await
        .expect(201)
        .header("docker-content-digest")
        .to_owned();
    let path = format!("/v2/a/referrers/{subject}");
    assert_eq!(gateway.get(&path).await.json()["manifests"][0]["digest"], referrer.as_str());
    let _ = gateway.delete(&format!("/v2/a/manifests/{referrer}")).await.expect(202);
    assert_eq!(gateway.get(&path).await.json()["manifests"], json!([]));
}
