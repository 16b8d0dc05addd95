//! What a gateway behind a proxy has to get right: addresses with a path in front, and what caches may keep.

use portolan_tests::{TestGateway, digest};

const ORIGIN: &str = "[http]\norigin = \"https://example.org/tools/registry\"\n";

/// Takes the path away that a proxy would.
fn inside(address: &str) -> String {
    let (before, own) = address.split_at(address.len().min("/tools/registry".len()));
    assert_eq!(before, "/tools/registry", "{address}");
    own.to_owned()
}

#[tokio::test]
async fn every_address_follows_the_path_of_the_origin() {
    let gateway = TestGateway::with_config(ORIGIN).await;
    let begun = gateway.send("POST", "/v2/a/blobs/uploads/", &[], "").await.expect(202);
    let session = inside(&begun.location());
    let patched = gateway.send("PATCH", &session, &[], "ab").await.expect(202);
    let state = gateway.get(&inside(&patched.location())).await.expect(204);
    let refused = gateway
        .send("PATCH", &session, &[("content-range", "9-9")], "x")
        .await
        .expect(416);
    assert_eq!((state.location(), refused.location()), (begun.location(), begun.location()));
    let blob = digest("ab");
    let put = gateway
        .send("PUT", &format!("{session}?digest={blob}"), &[], "")
        .await
        .expect(201);
    assert_eq!(gateway.get(&inside(&put.location())).await.expect(200).body, "ab");
    let posted = gateway
        .send("POST", &format!("/v2/a/blobs/uploads/?digest={blob}"), &[], "ab")
        .await
        .expect(201);
    let mounted = gateway
        .send("POST", &format!("/v2/b/blobs/uploads/?mount={blob}&from=a"), &[], "")
        .await
        .expect(201);
    assert_eq!(
        (posted.location(), mounted.location()),
        (put.location(), put.location().replace("/a/", "/b/"))
    );
    gateway.push_blob("a", "{}").await;
    for tag in ["v1", "v2"] {
        let pushed = gateway
            .put_manifest("a", tag, &portolan_tests::manifest(b"{}", &[b"ab"]))
            .await
            .expect(201);
        assert_eq!(pushed.location(), format!("/tools/registry/v2/a/manifests/{tag}"));
    }
    for list in ["/v2/a/tags/list?n=1", "/v2/_catalog?n=1"] {
        let link = gateway.get(list).await.expect(200).header("link").to_owned();
        let next = link.strip_prefix('<').and_then(|link| link.split_once('>')).unwrap().0;
        let _ = gateway.get(&inside(next)).await.expect(200);
    }
    let artifact = gateway.get("/v2/a/_portolan/artifacts/v1").await.expect(200).json();
    let _ = gateway
        .get(&inside(artifact["findings"]["url"].as_str().unwrap()))
        .await
        .expect(200);
    let discovered = gateway.get("/v2/_oci/ext/discover").await.expect(200).json();
    let description = inside(discovered["extensions"][1]["url"].as_str().unwrap());
    let servers = gateway.get(&description).await.expect(200).json()["servers"].clone();
    assert_eq!(servers[0]["url"], "/tools/registry/");
    assert!(gateway.get("/").await.expect(200).text().contains("/tools/registry/v2/"));
    // The path is that of the proxy: the gateway itself has nothing there.
    let _ = gateway.get("/tools/registry/v2/").await.expect(404);
}

#[tokio::test]
async fn without_a_path_in_front_addresses_are_as_the_client_asked() {
    let gateway = TestGateway::with_config("[http]\norigin = \"https://example.org\"\n").await;
    let begun = gateway.send("POST", "/v2/a/blobs/uploads/", &[], "").await.expect(202);
    assert!(begun.location().starts_with("/v2/a/blobs/uploads/"), "{}", begun.location());
}

/// A cache in between that keeps an answer has to ask again before it hands it out: then it learns that the content was deleted.
#[tokio::test]
async fn no_cache_outlives_a_deletion() {
    let gateway = TestGateway::start().await;
    let image = gateway.push_image("a", "v1", &[b"layer"]).await;
    let paths = [
        "/v2/a/manifests/v1".to_owned(),
        format!("/v2/a/manifests/{image}"),
        format!("/v2/a/blobs/{}", digest("layer")),
    ];
    for path in &paths {
        let answer = gateway.get(path).await.expect(200);
        let etag = answer.header("etag").to_owned();
        let validated = gateway.send("GET", path, &[("if-none-match", &etag)], "").await.expect(304);
        for answer in [answer, validated, gateway.head(path).await.expect(200)] {
            assert_eq!(
                (answer.header("cache-control"), answer.header("etag")),
                ("no-cache", etag.as_str()),
                "{path}"
            );
        }
        let _ = gateway.delete(path).await.expect(202);
        let _ = gateway.send("GET", path, &[("if-none-match", &etag)], "").await.expect(404);
    }
}

/// Proxies that fetch content in slices ask for the first one before they know that there is nothing.
#[tokio::test]
async fn a_range_of_nothing_is_the_whole() {
    let gateway = TestGateway::start().await;
    let path = format!("/v2/a/blobs/{}", gateway.push_blob("a", "").await);
    for range in ["bytes=0-", "bytes=0-1048575", "bytes=-5"] {
        let answer = gateway.send("GET", &path, &[("range", range)], "").await.expect(200);
        assert_eq!(
            (answer.header("content-length"), answer.header("content-range")),
            ("0", ""),
            "{range}"
        );
    }
}
