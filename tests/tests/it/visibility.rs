//! What a caller may not read does not exist, on any route.

use portolan_tests::{MANIFEST, TestGateway, digest, index, manifest};
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

/// Returns the names under which the gateway counts its routes, from the sources of its router: those without names in their paths, and
/// those with.
fn routes() -> Vec<&'static str> {
    let router = include_str!("../../../gateway/src/http.rs");
    let fixed = router.lines().filter(|line| line.trim_start().starts_with(".route(\""));
    let fixed = fixed.filter_map(|line| line.split_once("fixed(\"").or_else(|| line.split_once("read(\"")));
    let source = include_str!("../../../gateway/src/http/route.rs");
    let (_, names) = source.split_once("fn name(&self)").expect("the router names its routes");
    let (names, _) = names.split_once("\n    }\n").expect("the function ends");
    let named = names.lines().filter_map(|line| line.split_once("=> \""));
    let mut names: Vec<&str> = fixed.chain(named).filter_map(|(_, rest)| rest.split('"').next()).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() > 20, "{names:?}");
    names
}

/// Returns the methods that a path answers, as it says itself.
async fn methods(gateway: &TestGateway, path: &str) -> Vec<String> {
    let answer = gateway.send("OPTIONS", path, &[], "").await;
    match answer.header("allow") {
        // Services choose themselves.
        "" => ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].map(Into::into).into(),
        allowed => allowed.split(", ").map(Into::into).collect(),
    }
}

/// Asks for what belongs to the hidden repository: reads find nothing, writes are denied.
async fn expect_hidden(gateway: &TestGateway, secret: &str, layer: &str) {
    let paths = [
        format!("/v2/secret/a/manifests/{secret}"),
        "/v2/secret/a/manifests/v1".into(),
        format!("/v2/secret/a/blobs/{layer}"),
        "/v2/secret/a/blobs/uploads/".into(),
        format!("/v2/secret/a/blobs/uploads/?digest={layer}"),
        format!("/v2/secret/a/blobs/uploads/?mount={layer}&from=open"),
        format!("/v2/secret/a/blobs/uploads/x?digest={layer}"),
        "/v2/secret/a/tags/list".into(),
        "/v2/secret/a/_portolan/artifacts/v1".into(),
        "/v2/secret/a/_portolan/artifacts/v1/views/readme".into(),
        "/v2/secret/a/_portolan/artifacts/v1/findings".into(),
        "/v2/secret/a/_portolan/artifacts/v1/compare/v1".into(),
    ];
    for path in &paths {
        for method in methods(gateway, path).await {
            let answer = gateway.send(&method, path, &[("content-type", MANIFEST)], "{}").await;
            let reads = ["GET", "HEAD"].contains(&method.as_str()) && !path.contains("/uploads/");
            let answer = answer.expect(if reads { 404 } else { 403 });
            assert!(!answer.text().contains("secret layer"), "{}", answer.asked);
        }
    }
}

/// Asks for everything else: nothing of the hidden repository shows.
async fn expect_no_trace(gateway: &TestGateway, secret: &str, layer: &str) {
    let referrers = format!("/v2/secret/a/referrers/{secret}");
    let paths = [
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/v2/",
        "/v2/_catalog",
        "/v2/_oci/ext/discover",
        "/v2/secret/a/_oci/ext/discover",
        "/v2/_portolan/types",
        "/v2/_portolan/plugins",
        "/v2/_portolan/plugins/x",
        "/v2/_portolan/search?q=secret",
        "/v2/_portolan/openapi.json",
        "/.well-known/x.json",
        "/x/secret/a",
        "/v2/open/_portolan/artifacts/v1",
        "/v2/open/_portolan/artifacts/v1/compare/v1?repository=secret/a",
        &referrers,
    ];
    for path in paths {
        for method in methods(gateway, path).await {
            let answer = gateway.send(&method, path, &[], "").await;
            for word in [secret, layer, "secret layer", "secret/a\""] {
                assert!(!answer.text().contains(word), "{}: {}", answer.asked, answer.text());
            }
        }
    }
    let json = async |path: &str| gateway.get(path).await.expect(200).json();
    assert_eq!(json(&referrers).await["manifests"], json!([]));
    assert_eq!(json("/v2/_catalog").await["repositories"], json!(["open"]));
}

#[tokio::test]
async fn every_route_hides_the_repository() {
    let (mut gateway, secret) = with_secret().await;
    let layer = digest("secret layer");
    expect_hidden(&gateway, &secret, &layer).await;
    expect_no_trace(&gateway, &secret, &layer).await;
    // A route that is new is in none of the lists above.
    let counted = gateway.get("/metrics").await.expect(200).text();
    for route in routes() {
        let asked = counted.contains(&format!("route=\"{route}\""));
        assert!(asked, "the route {route} was not asked for the hidden repository");
    }
    // Nothing of it was changed.
    gateway.reconfigure("").await;
    let tags = gateway.get("/v2/secret/a/tags/list").await.expect(200).json();
    assert_eq!(tags["tags"], json!(["v1"]));
    for path in [format!("manifests/{secret}"), format!("blobs/{layer}")] {
        let _ = gateway.get(&format!("/v2/secret/a/{path}")).await.expect(200);
    }
}

/// What a caller may not see answers as what is not there.
#[tokio::test]
async fn what_is_hidden_and_what_is_absent_look_alike() {
    let (gateway, secret) = with_secret().await;
    let layer = digest("secret layer");
    let ask = async |path: &str, repository: &str| {
        let answer = gateway.get(&path.replace("{r}", repository)).await;
        (answer.status, answer.text().replace(repository, "{r}"))
    };
    for path in [
        format!("/v2/{{r}}/manifests/{secret}"),
        "/v2/{r}/manifests/v1".into(),
        format!("/v2/{{r}}/blobs/{layer}"),
        "/v2/{r}/tags/list".into(),
        format!("/v2/{{r}}/referrers/{secret}"),
        "/v2/{r}/_portolan/artifacts/v1".into(),
        "/v2/{r}/_portolan/artifacts/v1/views/readme".into(),
        "/v2/{r}/_portolan/artifacts/v1/findings".into(),
        "/v2/{r}/_portolan/artifacts/v1/compare/v1".into(),
        "/v2/open/_portolan/artifacts/v1/compare/v1?repository={r}".into(),
    ] {
        assert_eq!(ask(&path, "secret/a").await, ask(&path, "absent/a").await, "{path}");
    }
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
