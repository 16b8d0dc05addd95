//! Tags, repositories, extensions.

use portolan_tests::{TestGateway, manifest};
use serde_json::json;

#[tokio::test]
async fn tags_are_listed_bytewise_and_in_pages() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    for tag in ["b", "a", "B", "1.10.0", "1.9.0", "_x"] {
        let _ = gateway.put_manifest("a", tag, &manifest(b"{}", &[])).await.expect(201);
    }
    let sorted = json!(["1.10.0", "1.9.0", "B", "_x", "a", "b"]);
    let all = gateway.get("/v2/a/tags/list").await.expect(200);
    assert_eq!(all.json(), json!({ "name": "a", "tags": sorted }));
    assert_eq!(all.header("link"), "");
    let page = gateway.get("/v2/a/tags/list?n=4").await.expect(200);
    assert_eq!(page.json()["tags"], json!(["1.10.0", "1.9.0", "B", "_x"]));
    assert_eq!(page.header("link"), "</v2/a/tags/list?n=4&last=_x>; rel=\"next\"");
    let last = gateway.get("/v2/a/tags/list?n=4&last=_x").await.expect(200);
    assert_eq!((last.json()["tags"].clone(), last.header("link")), (json!(["a", "b"]), ""));
    let none = gateway.get("/v2/a/tags/list?n=0").await.expect(200);
    assert_eq!((none.json()["tags"].clone(), none.header("link")), (json!([]), ""));
    for bad in ["-1", "%2B1", "+1", "abc", "1x", "%20"] {
        gateway
            .get(&format!("/v2/a/tags/list?n={bad}"))
            .await
            .expect_error(400, "UNSUPPORTED", "parameter n");
    }
    // Nothing is asked for, and more than there can be.
    for all in ["n=", "n", "n=&last=", "n=10001", "n=99999999999999999999"] {
        let answer = gateway.get(&format!("/v2/a/tags/list?{all}")).await.expect(200);
        assert_eq!((&answer.json()["tags"], answer.header("link")), (&sorted, ""), "{all}");
    }
    gateway
        .get("/v2/nowhere/tags/list")
        .await
        .expect_error(404, "NAME_UNKNOWN", "nowhere");
}

#[tokio::test]
async fn a_page_has_up_to_ten_thousand_tags() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let document = manifest(b"{}", &[]);
    let digest = portolan_tests::digest(document.to_string());
    for first in (0..10_048).step_by(64) {
        let tags: Vec<String> = (first..first + 64).map(|n| format!("tag=t{n:05}")).collect();
        let _ = gateway
            .put_manifest("a", &format!("{digest}?{}", tags.join("&")), &document)
            .await
            .expect(201);
    }
    for asked in ["", "?n=10000", "?n=10001"] {
        let answer = gateway.get(&format!("/v2/a/tags/list{asked}")).await.expect(200);
        assert_eq!(answer.json()["tags"].as_array().unwrap().len(), 10_000);
        assert_eq!(answer.header("link"), "</v2/a/tags/list?n=10000&last=t09999>; rel=\"next\"");
    }
    let rest = gateway.get("/v2/a/tags/list?n=10000&last=t09999").await.expect(200);
    assert_eq!((rest.json()["tags"].as_array().unwrap().len(), rest.header("link")), (48, ""));
}

#[tokio::test]
async fn repositories_are_listed_in_pages() {
    let gateway = TestGateway::start().await;
    for repository in ["b", "a/b", "a", "a-b"] {
        gateway.push_blob(repository, "{}").await;
    }
    assert_eq!(
        gateway.get("/v2/_catalog").await.expect(200).json(),
        json!({ "repositories": ["a", "a-b", "a/b", "b"] })
    );
    let page = gateway.get("/v2/_catalog?n=3").await.expect(200);
    assert_eq!(page.header("link"), "</v2/_catalog?n=3&last=a%2Fb>; rel=\"next\"");
    assert_eq!(
        gateway.get("/v2/_catalog?n=3&last=a%2Fb").await.expect(200).json()["repositories"],
        json!(["b"])
    );
}

#[tokio::test]
async fn extensions_can_be_discovered() {
    let gateway = TestGateway::start().await;
    for path in ["/v2/_oci/ext/discover", "/v2/team/a/_oci/ext/discover"] {
        let found = gateway.get(path).await.expect(200).json();
        let names: Vec<&str> = found["extensions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["_oci", "_portolan"]);
    }
    let document = gateway.get("/v2/_portolan/openapi.json").await.expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(
        gateway.get("/v2/_portolan/types").await.expect(200).json(),
        json!({ "types": [] })
    );
    assert_eq!(
        gateway.get("/v2/_portolan/plugins").await.expect(200).json(),
        json!({ "plugins": [] })
    );
    gateway
        .get("/v2/_portolan/plugins/none")
        .await
        .expect_error(404, "NAME_UNKNOWN", "no plugin");
}
