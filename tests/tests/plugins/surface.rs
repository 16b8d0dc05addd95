//! What people see of plugins and of single artifacts: types, plugins, artifacts, search, metrics.

use portolan_tests::{digest, index, manifest};
use serde_json::{Value, json};

use super::fixture::{Artifact, calls, plugin, scanned, shown, with_everything, with_guests};

#[tokio::test]
async fn types_are_listed_with_what_can_be_done() {
    let gateway = with_guests("", &["everything", "minimal"]).await;
    let types = gateway.get("/v2/_portolan/types").await.expect(200).json();
    let types = types["types"].as_array().unwrap();
    let named: Vec<&str> = types.iter().filter_map(|kind| kind["type"].as_str()).collect();
    assert_eq!(
        named,
        [
            "application/vnd.test.everything.kind.*",
            "application/vnd.test.everything.v1+json",
            "application/vnd.test.minimal"
        ]
    );
    let (everything, minimal) = (&types[1], &types[2]);
    assert_eq!(
        (&everything["title"], &everything["plugin"]),
        (&json!("Everything"), &json!("everything"))
    );
    assert!(
        everything["icon"].as_str().is_some_and(|icon| icon.starts_with("<svg")),
        "{everything}"
    );
    assert_eq!(everything["capabilities"].as_array().map(Vec::len), Some(7));
    let views: Vec<&str> = everything["views"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|view| view["name"].as_str())
        .collect();
    assert_eq!(views, ["manifest", "text", "children", "echo"]);
    assert_eq!(
        (&minimal["capabilities"], &minimal["views"]),
        (&json!(["validate"]), &json!([]))
    );
    // Lists come in pages.
    let first = gateway.get("/v2/_portolan/types?n=2").await.expect(200);
    let next = first.header("link").split(['<', '>']).nth(1).unwrap().to_owned();
    let second = gateway.get(&next).await.expect(200);
    assert_eq!(second.json()["types"], json!([minimal]));
    assert_eq!(second.header("link"), "");
}

#[tokio::test]
async fn plugins_are_listed_with_what_became_of_them() {
    let gateway = with_guests("", &["everything", "not-wasm"]).await;
    let listed = gateway.get("/v2/_portolan/plugins").await.expect(200).json();
    let names: Vec<&str> = listed["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|plugin| plugin["name"].as_str())
        .collect();
    assert_eq!(names, ["everything", "not-wasm.wasm"]);
    gateway
        .get("/v2/_portolan/plugins/absent")
        .await
        .expect_error(404, "NAME_UNKNOWN", "/v2/_portolan/plugins lists all");
    let _ = Artifact::everything().push(&gateway, "a", "v1").await.expect(201);
    let _ = Artifact::everything()
        .with("test.refuse", "No.")
        .push(&gateway, "a", "v2")
        .await
        .expect(400);
    let shown = plugin(&gateway, "everything").await;
    assert_eq!(
        (&shown["calls"]["validate"]["ok"], &shown["calls"]["validate"]["refused"]),
        (&json!(1), &json!(1))
    );
    assert!(
        shown["calls"]["validate"]["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0),
        "{shown}"
    );
    assert!(shown["memoryBytesPeak"].as_u64().is_some_and(|bytes| bytes > 0), "{shown}");
    assert_eq!(shown["failure"], "closed");
}

#[tokio::test]
async fn an_artifact_is_shown_with_all_that_is_known() {
    let gateway = with_everything().await;
    let artifact = Artifact::everything()
        .with("org.opencontainers.image.title", "thing")
        .with("org.opencontainers.image.version", "1.2.3")
        .with("test.reference", "example.org/base:1")
        .layer("text");
    let digest = artifact.digest();
    let _ = artifact.push(&gateway, "team/thing", "v1").await.expect(201);
    let _ = scanned(&gateway, "team/thing", "v1").await;
    let shown = shown(&gateway, "team/thing", "v1").await;
    assert_eq!(
        (&shown["repository"], &shown["digest"], &shown["tags"]),
        (&json!("team/thing"), &json!(digest), &json!(["v1"]))
    );
    assert_eq!(shown["type"], "application/vnd.test.everything.v1+json");
    assert_eq!(
        shown["plugin"],
        json!({ "name": "everything", "version": "1.0.0", "title": "Everything" })
    );
    let entry = &shown["entry"];
    assert_eq!(
        (&entry["title"], &entry["version"], &entry["summary"]),
        (&json!("thing"), &json!("1.2.3"), &json!("1 layers, 4 bytes"))
    );
    assert_eq!(
        (&entry["keywords"], &entry["document"]["digest"]),
        (&json!(["everything", "test"]), &json!(digest))
    );
    assert_eq!(shown["failure"], Value::Null);
    let view = &shown["views"][1];
    assert_eq!(view["url"], format!("/v2/team/thing/_portolan/artifacts/{digest}/views/text"));
    assert_eq!(shown["findings"]["scan"]["info"], 1);
    // Commands are ready to be copied.
    let registry = gateway.address();
    assert_eq!(
        shown["commands"],
        json!([
            { "title": "Pull", "command": format!("oras pull {registry}/team/thing:v1") },
            { "title": "Pin", "command": format!("oras pull {registry}/team/thing@{digest}") },
        ])
    );
    let reference = &shown["references"]["to"][0];
    assert_eq!(
        (&reference["kind"], &reference["target"]),
        (&json!("dependency"), &json!("example.org/base:1"))
    );
    gateway
        .get("/v2/team/thing/_portolan/artifacts/absent")
        .await
        .expect_error(404, "MANIFEST_UNKNOWN", "absent");
}

#[tokio::test]
async fn references_lead_both_ways() {
    let gateway = with_everything().await;
    let child = Artifact::everything().layer("child");
    let _ = child.push(&gateway, "a", "child").await.expect(201);
    let mut parent = index(&[child.manifest().to_string().as_bytes()]);
    parent["artifactType"] = "application/vnd.test.everything.kind.parent".into();
    let _ = gateway.put_manifest("a", "parent", &parent).await.expect(201);
    let mut referrer = manifest(b"{}", &[]);
    referrer["subject"] = parent["manifests"][0].clone();
    let _ = gateway.put_manifest("a", "referrer", &referrer).await.expect(201);
    let of_child = shown(&gateway, "a", "child").await["references"]["from"].clone();
    let digests: Vec<&str> = of_child
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|from| from["digest"].as_str())
        .collect();
    for document in [&parent, &referrer] {
        assert!(digests.contains(&digest(document.to_string()).as_str()), "{of_child}");
    }
    let of_parent = shown(&gateway, "a", "parent").await;
    assert_eq!(of_parent["type"], "application/vnd.test.everything.kind.parent");
    assert_eq!(of_parent["references"]["to"][0]["digest"], child.digest());
    assert_eq!(
        shown(&gateway, "a", "referrer").await["references"]["to"][0]["kind"],
        "subject"
    );
}

#[tokio::test]
async fn what_nobody_knows_is_shown_as_what_it_is() {
    let gateway = with_everything().await;
    gateway.push_image("a", "v1", &[b"layer"]).await;
    let shown = shown(&gateway, "a", "v1").await;
    assert_eq!(
        (&shown["plugin"], &shown["entry"], &shown["type"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!((&shown["views"], &shown["commands"]), (&json!([]), &json!([])));
    assert_eq!(shown["candidates"][0], "application/vnd.oci.image.layer.v1.tar", "{shown}");
    let view = gateway.get("/v2/a/_portolan/artifacts/v1/views/text").await;
    view.expect_error(404, "UNSUPPORTED", "no plugin knows this artifact's type");
    let compared = gateway.get("/v2/a/_portolan/artifacts/v1/compare/v1").await;
    compared.expect_error(404, "UNSUPPORTED", "/v2/_portolan/types lists the types that are known");
}

#[tokio::test]
async fn entries_are_searched() {
    let gateway = with_guests("", &["claim-all", "everything"]).await;
    for (repository, title) in [
        ("team/one", "harbour master"),
        ("team/two", "lighthouse"),
        ("other", "harbour pilot"),
    ] {
        let artifact = Artifact::everything().with("org.opencontainers.image.title", title);
        let _ = artifact.push(&gateway, repository, "v1").await.expect(201);
    }
    gateway.push_image("image", "v1", &[b"layer"]).await;
    let found = |answer: &Value| -> Vec<String> {
        answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| result["repository"].as_str().unwrap().to_owned())
            .collect()
    };
    let search = |query: &'static str| {
        let gateway = &gateway;
        async move { gateway.get(&format!("/v2/_portolan/search?{query}")).await.expect(200).json() }
    };
    assert_eq!(found(&search("q=harbour").await), ["other", "team/one"]);
    assert_eq!(found(&search("q=lighthouse").await), ["team/two"]);
    assert_eq!(found(&search("q=absent").await), Vec::<String>::new());
    assert_eq!(
        found(&search("type=application/vnd.test.everything.v1%2Bjson").await).len(),
        3
    );
    assert_eq!(found(&search("q=&type=application/vnd.absent").await), Vec::<String>::new());
    let first = &search("q=lighthouse").await["results"][0];
    assert_eq!((&first["title"], &first["tags"]), (&json!("lighthouse"), &json!(["v1"])));
    // In pages.
    let page = gateway.get("/v2/_portolan/search?q=harbour&n=1").await.expect(200);
    assert_eq!(found(&page.json()), ["other"]);
    let next = page.header("link").split(['<', '>']).nth(1).unwrap().to_owned();
    assert_eq!(found(&gateway.get(&next).await.expect(200).json()), ["team/one"]);
    // A deleted artifact is not found.
    let gone = Artifact::everything()
        .with("org.opencontainers.image.title", "lighthouse")
        .digest();
    let _ = gateway.delete(&format!("/v2/team/two/manifests/{gone}")).await.expect(202);
    assert_eq!(found(&search("q=lighthouse").await), Vec::<String>::new());
}

#[tokio::test]
async fn calls_are_counted_for_prometheus() {
    let gateway = with_everything().await;
    let _ = Artifact::everything().push(&gateway, "a", "v1").await.expect(201);
    let _ = Artifact::everything()
        .with("test.refuse", "No.")
        .push(&gateway, "a", "v2")
        .await
        .expect(400);
    let _ = scanned(&gateway, "a", "v1").await;
    let metrics = gateway.get("/metrics").await.expect(200).text();
    for line in [
        r#"portolan_plugin_calls_total{plugin="everything",capability="validate",outcome="ok"} 1"#,
        r#"portolan_plugin_calls_total{plugin="everything",capability="validate",outcome="refused"} 1"#,
        r#"portolan_plugin_calls_total{plugin="everything",capability="admit",outcome="ok"} 1"#,
        r#"portolan_plugin_calls_total{plugin="everything",capability="scan",outcome="ok"} 1"#,
        r#"portolan_plugin_call_seconds_count{plugin="everything",capability="validate"} 2"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
    assert_eq!(metrics.matches("# EOF").count(), 1);
    assert_eq!(calls(&gateway, "everything", "scan", "ok").await, 1);
}

/// A proxy may serve the gateway below a path: what people copy and what services are told begins with it.
#[tokio::test]
async fn commands_and_services_follow_the_path_of_the_origin() {
    let origin = "https://example.org/tools/registry";
    let gateway = with_guests(&format!("[http]\norigin = \"{origin}\"\n"), &["everything"]).await;
    let artifact = Artifact::everything();
    let _ = artifact.push(&gateway, "team/thing", "v1").await.expect(201);
    let shown = shown(&gateway, "team/thing", "v1").await;
    // A reference of an OCI client has no path before the repository: such a command could not work.
    assert_eq!(shown["commands"], json!([]));
    let url = format!(
        "/tools/registry/v2/team/thing/_portolan/artifacts/{}/views/text",
        artifact.digest()
    );
    assert_eq!(shown["views"][1]["url"], url);
    assert_eq!(gateway.get("/everything").await.expect(200).json()["origin"], origin);
    let page = gateway.get("/v2/_portolan/types?n=1").await.expect(200);
    let link = page.header("link");
    assert!(link.starts_with("</tools/registry/v2/_portolan/types?n=1&"), "{link}");
}
