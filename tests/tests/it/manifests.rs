//! Pushing and pulling manifests.

use portolan_tests::{INDEX, MANIFEST, TestGateway, digest, digest512, index, manifest};
use serde_json::json;

#[tokio::test]
async fn a_manifest_comes_back_byte_for_byte() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let mut document = manifest(b"{}", &[]);
    document["unknown"] = json!({ "kept": [1, 2.50, "ü"] });
    let text = format!("\n {document}\n");
    let answer = gateway
        .send("PUT", "/v2/a/manifests/v1", &[("content-type", MANIFEST)], text.clone())
        .await
        .expect(201);
    let digest = digest(&text);
    assert_eq!(
        (answer.header("docker-content-digest"), answer.location().as_str()),
        (digest.as_str(), "/v2/a/manifests/v1")
    );
    for reference in ["v1", &digest] {
        let path = format!("/v2/a/manifests/{reference}");
        let (get, head) = (gateway.get(&path).await.expect(200), gateway.head(&path).await.expect(200));
        assert_eq!(
            (get.text(), get.header("content-type"), get.header("docker-content-digest")),
            (text.clone(), MANIFEST, digest.as_str())
        );
        for name in [
            "content-length",
            "content-type",
            "etag",
            "docker-content-digest",
            "cache-control",
        ] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        assert!(head.body.is_empty());
        assert_eq!(get.header("cache-control"), "no-cache");
        let etag = get.header("etag").to_owned();
        let _ = gateway.send("GET", &path, &[("if-none-match", &etag)], "").await.expect(304);
        let _ = gateway.send("HEAD", &path, &[("if-none-match", &etag)], "").await.expect(304);
    }
}

#[tokio::test]
async fn every_kind_of_manifest_is_stored_under_the_type_it_was_pushed_with() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let image = manifest(b"{}", &[]).to_string();
    let mut docker = manifest(b"{}", &[]);
    docker["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json".into();
    let mut list = index(&[image.as_bytes()]);
    list["mediaType"] = "application/vnd.docker.distribution.manifest.list.v2+json".into();
    let nested = index(&[index(&[image.as_bytes()]).to_string().as_bytes()]);
    let documents = [
        manifest(b"{}", &[]),
        index(&[]),
        index(&[image.as_bytes()]),
        nested,
        docker,
        list,
    ];
    for (n, document) in documents.iter().enumerate() {
        let _ = gateway.put_manifest("a", &format!("v{n}"), document).await.expect(201);
        let answer = gateway.get(&format!("/v2/a/manifests/v{n}")).await.expect(200);
        assert_eq!(answer.header("content-type"), document["mediaType"].as_str().unwrap());
    }
    // Helm and others leave the type to the header, and write null for nothing.
    let bare =
        json!({ "schemaVersion": 2, "config": manifest(b"{}", &[])["config"], "layers": null, "annotations": null }).to_string();
    let _ = gateway
        .send("PUT", "/v2/a/manifests/bare", &[("content-type", MANIFEST)], bare.clone())
        .await
        .expect(201);
    assert_eq!(gateway.get("/v2/a/manifests/bare").await.expect(200).text(), bare);
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let put = |kind: &'static str, body: String| {
        let gateway = &gateway;
        async move {
            gateway
                .send("PUT", "/v2/a/manifests/v1", &[("content-type", kind)], body)
                .await
        }
    };
    let image = manifest(b"{}", &[]);
    let mut both = image.clone();
    both["manifests"] = json!([]);
    put(INDEX, image.to_string())
        .await
        .expect_error(400, "MANIFEST_INVALID", "must be the same");
    put(MANIFEST, both.to_string())
        .await
        .expect_error(400, "MANIFEST_INVALID", "both");
    put("application/json", "{}".into())
        .await
        .expect_error(400, "MANIFEST_INVALID", "not a manifest type");
    put("application/vnd.docker.distribution.manifest.v1+json", "{}".into())
        .await
        .expect_error(400, "MANIFEST_INVALID", "obsolete");
    let twice = image.to_string().replacen('{', "{\"schemaVersion\":2,", 1);
    put(MANIFEST, twice).await.expect_error(400, "MANIFEST_INVALID", "twice");
    let _ = gateway.get("/v2/a/manifests/v1").await.expect(404);
}

#[tokio::test]
async fn json_that_is_huge_deep_or_no_text_is_refused() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let put = |body: Vec<u8>| {
        let gateway = &gateway;
        async move {
            gateway
                .send("PUT", "/v2/a/manifests/v1", &[("content-type", MANIFEST)], body)
                .await
        }
    };
    put(b"{".to_vec()).await.expect_error(400, "MANIFEST_INVALID", "EOF");
    put("[".repeat(100_000).into())
        .await
        .expect_error(400, "MANIFEST_INVALID", "recursion");
    put(b"{\"schemaVersion\":2,\"x\":\"\xff\"}".to_vec())
        .await
        .expect_error(400, "MANIFEST_INVALID", "UTF-8");
    put(Vec::new()).await.expect_error(400, "MANIFEST_INVALID", "EOF");
    // The largest manifest is one of exactly 4 MiB.
    let padded = |size: usize| {
        let mut document = manifest(b"{}", &[]);
        document["annotations"] = json!({ "pad": "" });
        let pad = size - document.to_string().len();
        document["annotations"]["pad"] = "x".repeat(pad).into();
        document.to_string().into_bytes()
    };
    let _ = put(padded(4 << 20)).await.expect(201);
    put(padded((4 << 20) + 1))
        .await
        .expect_error(413, "SIZE_INVALID", "at most 4194304");
}

#[tokio::test]
async fn a_manifest_may_only_name_what_its_repository_holds() {
    let mut gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let elsewhere = gateway.push_blob("b", "layer").await;
    let document = manifest(b"{}", &[b"layer"]);
    gateway
        .put_manifest("a", "v1", &document)
        .await
        .expect_error(404, "MANIFEST_BLOB_UNKNOWN", &elsewhere);
    let child = manifest(b"{}", &[]).to_string();
    gateway
        .put_manifest("a", "v1", &index(&[child.as_bytes()]))
        .await
        .expect_error(404, "MANIFEST_BLOB_UNKNOWN", &digest(&child));
    let mut wrong_size = manifest(b"{}", &[]);
    wrong_size["config"]["size"] = 3.into();
    gateway
        .put_manifest("a", "v1", &wrong_size)
        .await
        .expect_error(400, "MANIFEST_INVALID", "3 bytes");
    let _ = gateway.get("/v2/a/manifests/v1").await.expect(404);
    // A foreign layer may be absent, and so may a subject.
    let mut foreign = document.clone();
    foreign["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar".into();
    let _ = gateway.put_manifest("a", "foreign", &foreign).await.expect(201);
    gateway.reconfigure("[registry]\nmissing_references = \"accept\"\n").await;
    let _ = gateway.put_manifest("a", "v1", &document).await.expect(201);
    // Naming a blob of another repository does not give access to it.
    let _ = gateway.get(&format!("/v2/a/blobs/{elsewhere}")).await.expect(404);
}

#[tokio::test]
async fn several_tags_are_set_together_or_not_at_all() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let document = manifest(b"{}", &[]);
    let digest = digest(document.to_string());
    let tags: Vec<String> = (0..12).map(|n| format!("t{n}")).collect();
    let query = tags.iter().map(|tag| format!("tag={tag}")).collect::<Vec<_>>().join("&");
    let answer = gateway
        .put_manifest("a", &format!("{digest}?{query}"), &document)
        .await
        .expect(201);
    assert_eq!(answer.all("oci-tag"), tags);
    for tag in &tags {
        assert_eq!(
            gateway
                .head(&format!("/v2/a/manifests/{tag}"))
                .await
                .expect(200)
                .header("docker-content-digest"),
            digest
        );
    }
    gateway
        .put_manifest("a", &format!("{digest}?tag=good&tag=-bad"), &document)
        .await
        .expect_error(400, "MANIFEST_INVALID", "-bad");
    let _ = gateway.get("/v2/a/manifests/good").await.expect(404);
    let many = (0..65).map(|n| format!("tag=m{n}")).collect::<Vec<_>>().join("&");
    gateway
        .put_manifest("a", &format!("{digest}?{many}"), &document)
        .await
        .expect_error(414, "MANIFEST_INVALID", "at most 64");
}

#[tokio::test]
async fn the_digest_of_a_push_has_to_be_right() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let document = manifest(b"{}", &[]);
    let wrong = digest("other");
    gateway
        .put_manifest("a", &wrong, &document)
        .await
        .expect_error(400, "DIGEST_INVALID", &wrong);
    let long = digest512(document.to_string());
    let answer = gateway.put_manifest("a", &long, &document).await.expect(201);
    assert_eq!(answer.header("docker-content-digest"), long);
    assert_eq!(
        gateway.get(&format!("/v2/a/manifests/{long}")).await.expect(200).text(),
        document.to_string()
    );
}

#[tokio::test]
async fn a_subject_is_acknowledged_and_its_referrers_are_listed() {
    let gateway = TestGateway::start().await;
    let subject = gateway.push_image("a", "v1", &[]).await;
    let refer = |kind: &str, note: &str| {
        let mut document = manifest(b"{}", &[]);
        document["artifactType"] = kind.into();
        document["annotations"] = json!({ "note": note });
        document["subject"] = json!({ "mediaType": MANIFEST, "digest": subject, "size": 1 });
        document
    };
    for (kind, note) in [("test/a", "1"), ("test/a", "2"), ("test/b", "3")] {
        let document = refer(kind, note);
        let answer = gateway
            .put_manifest("a", &digest(document.to_string()), &document)
            .await
            .expect(201);
        assert_eq!(answer.header("oci-subject"), subject);
    }
    let path = format!("/v2/a/referrers/{subject}");
    let answer = gateway.get(&path).await.expect(200);
    assert_eq!(answer.header("content-type"), INDEX);
    let listed = answer.json();
    assert_eq!(listed["manifests"].as_array().unwrap().len(), 3);
    assert!(listed["manifests"][0]["artifactType"].is_string() && listed["manifests"][0]["annotations"]["note"].is_string());
    let answer = gateway.get(&format!("{path}?artifactType=test/a")).await.expect(200);
    assert_eq!(
        (
            answer.header("oci-filters-applied"),
            answer.json()["manifests"].as_array().unwrap().len()
        ),
        ("artifactType", 2)
    );
    // Page by page, each once.
    let (mut next, mut seen) = (format!("{path}?n=1"), Vec::new());
    loop {
        let answer = gateway.get(&next).await.expect(200);
        seen.extend(
            answer.json()["manifests"]
                .as_array()
                .unwrap()
                .iter()
                .map(|found| found["digest"].to_string()),
        );
        match answer.header("link").strip_prefix('<').and_then(|link| link.split_once('>')) {
            Some((link, _)) => link.clone_into(&mut next),
            None => break,
        }
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
    // Nothing refers to what nobody knows.
    for path in [
        format!("/v2/nowhere/referrers/{subject}"),
        format!("/v2/a/referrers/{}", digest("x")),
    ] {
        assert_eq!(gateway.get(&path).await.expect(200).json()["manifests"], json!([]));
    }
    gateway
        .get("/v2/a/referrers/sha256:x")
        .await
        .expect_error(400, "DIGEST_INVALID", "64");
}

/// Returns an image manifest in which text follows the first brace.
fn beginning(with: &str) -> String {
    manifest(b"{}", &[]).to_string().replacen('{', &format!("{{{with}"), 1)
}

#[tokio::test]
async fn keys_that_other_readers_take_for_known_ones_are_refused() {
    let gateway = TestGateway::start().await;
    gateway.push_blob("a", "{}").await;
    let layer = json!({ "mediaType": "a/b", "digest": digest("{}"), "size": 2 });
    let put = |kind: &'static str, body: String| {
        let gateway = &gateway;
        async move {
            gateway
                .send("PUT", "/v2/a/manifests/v1", &[("content-type", kind)], body)
                .await
        }
    };
    for (body, key, known) in [
        (beginning(&format!("\"Layers\":[{layer}],")), "Layers", "layers"),
        (beginning(&format!("\"layer\u{17f}\":[{layer}],")), "layer\u{17f}", "layers"),
        (beginning("\"MEDIATYPE\":\"x/y\","), "MEDIATYPE", "mediaType"),
        (
            manifest(b"{}", &[b"{}"])
                .to_string()
                .replacen("\"layers\":[{", "\"layers\":[{\"Digest\":\"\",", 1),
            "Digest",
            "digest",
        ),
    ] {
        let expected = format!("the key {key:?} can be taken for {known:?}");
        put(MANIFEST, body).await.expect_error(400, "MANIFEST_INVALID", &expected);
    }
    let child = manifest(b"{}", &[]).to_string();
    let body = index(&[child.as_bytes()]).to_string();
    let body = body.replacen("[{", "[{\"platform\":{\"os\":\"linux\",\"OS\":\"other\"},", 1);
    put(INDEX, body)
        .await
        .expect_error(400, "MANIFEST_INVALID", "\"OS\" can be taken for \"os\"");
    let _ = gateway.get("/v2/a/manifests/v1").await.expect(404);
    // Annotations are names of people's own, and what nobody knows means nothing to anybody else.
    let annotated = beginning("\"annotations\":{\"Layers\":\"\",\"layers\":null},\"x\":{\"Layers\":1},");
    let _ = put(MANIFEST, annotated).await.expect(201);
}

#[tokio::test]
async fn what_was_stored_under_laxer_rules_is_still_served() {
    let folder = tempfile::tempdir().unwrap();
    let (body, subject) = (beginning("\"Layers\":[],\"annotations\":{\"by\":\"me\"},"), digest("subject"));
    {
        let gateway = TestGateway::over(folder.path()).await;
        gateway.push_blob("a", "{}").await;
        gateway.stop().await;
        let metadata = portolan::metadata::Metadata::open(folder.path()).unwrap();
        let put = |bytes: &str, tag: &str, media_type: &str, edges| portolan::metadata::PutManifest {
            repository: "a".parse().unwrap(),
            digest: digest(bytes).parse().unwrap(),
            media_type: media_type.parse().unwrap(),
            bytes: bytes.to_owned().into(),
            candidates: Vec::new(),
            edges,
            subject: None,
            referrer_type: None,
            annotations: "{}".into(),
            tags: vec![tag.parse().unwrap()],
            judged: None,
            opinions: Vec::new(),
            now: 1,
        };
        let named = portolan::metadata::Edge {
            kind: portolan::metadata::EdgeKind::Manifest,
            digest: digest(&body).parse().unwrap(),
            size: body.len() as u64,
            required: true,
        };
        let fallback = index(&[body.as_bytes()]).to_string().replacen('{', "{\"Manifests\":[],", 1);
        for put in [
            put(&body, "old", MANIFEST, Vec::new()),
            put(&fallback, &subject.replace(':', "-"), INDEX, vec![named]),
        ] {
            metadata
                .apply(portolan::metadata::Command::PutManifest(Box::new(put)))
                .await
                .unwrap();
        }
    }
    let gateway = TestGateway::over(folder.path()).await;
    for reference in ["old", &digest(&body)] {
        let answer = gateway.get(&format!("/v2/a/manifests/{reference}")).await.expect(200);
        assert_eq!((answer.text(), answer.header("content-type")), (body.clone(), MANIFEST));
        let _ = gateway.head(&format!("/v2/a/manifests/{reference}")).await.expect(200);
    }
    let listed = gateway.get(&format!("/v2/a/referrers/{subject}")).await.expect(200).json();
    assert_eq!(listed["manifests"][0]["annotations"], json!({ "by": "me" }));
    // What it means to a client cannot be told, so no plugin is asked, and the page says why.
    let page = gateway.get("/v2/a/_portolan/artifacts/old").await.expect(200).json();
    assert_eq!(page["digest"], digest(&body).as_str());
    assert!(
        page["failure"]
            .as_str()
            .unwrap()
            .contains("\"Layers\" can be taken for \"layers\""),
        "{page}"
    );
    gateway.get("/v2/a/_portolan/artifacts/old/views/any").await.expect_error(
        422,
        "MANIFEST_INVALID",
        "is served as it was pushed",
    );
    let _ = gateway.delete("/v2/a/manifests/old").await.expect(202);
}
