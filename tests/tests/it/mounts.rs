//! Mounting blobs from other repositories.

use portolan_tests::{TestGateway, digest};

#[tokio::test]
async fn a_blob_is_mounted_from_where_it_is() {
    let gateway = TestGateway::start().await;
    let blob = gateway.push_blob("a", "abc").await;
    let answer = gateway
        .send("POST", &format!("/v2/b/blobs/uploads/?mount={blob}&from=a"), &[], "")
        .await
        .expect(201);
    assert_eq!(answer.location(), format!("/v2/b/blobs/{blob}"));
    assert_eq!(gateway.get(&answer.location()).await.expect(200).body, "abc");
    let _ = gateway
        .send("POST", &format!("/v2/c/blobs/uploads/?mount={blob}"), &[], "")
        .await
        .expect(201);
    assert_eq!(gateway.get(&format!("/v2/c/blobs/{blob}")).await.expect(200).body, "abc");
}

#[tokio::test]
async fn what_cannot_be_mounted_becomes_an_upload() {
    let gateway = TestGateway::start().await;
    let blob = gateway.push_blob("a", "abc").await;
    let missing = digest("missing");
    for query in [
        format!("mount={missing}&from=a"),
        format!("mount={missing}"),
        format!("mount={blob}&from=nowhere"),
        format!("mount={blob}&from=NO"),
        "mount=&from=a".into(),
        "mount=".into(),
        "from=a".into(),
        "digest-algorithm=".into(),
    ] {
        let answer = gateway
            .send("POST", &format!("/v2/b/blobs/uploads/?{query}"), &[], "")
            .await
            .expect(202);
        assert!(answer.location().starts_with("/v2/b/blobs/uploads/"), "{query}");
    }
    gateway
        .send("POST", "/v2/b/blobs/uploads/?mount=sha256:x", &[], "")
        .await
        .expect_error(400, "DIGEST_INVALID", "64");
}
