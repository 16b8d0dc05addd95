//! Lists of what refers to a manifest: bounded pages, and the index that clients kept under a tag before there were lists.

use portolan_tests::{Answer, EMPTY, INDEX, MANIFEST, TestGateway, digest, index, manifest};
use serde_json::{Value, json};

/// The most bytes that clients read of an index.
const READ_MAX: usize = 4 << 20;

fn referrer(subject: Option<&str>, kind: &str, note: &str) -> Value {
    let mut document = manifest(b"{}", &[]);
    document["artifactType"] = kind.into();
    document["annotations"] = json!({ "note": note });
    if let Some(subject) = subject {
        document["subject"] = json!({ "mediaType": MANIFEST, "digest": subject, "size": 1 });
    }
    document
}

async fn push(gateway: &TestGateway, document: &Value) -> String {
    let digest = digest(document.to_string());
    let _ = gateway.put_manifest("a", &digest, document).await.expect(201);
    digest
}

fn next(answer: &Answer) -> Option<String> {
    let (link, _) = answer.header("link").strip_prefix('<')?.split_once('>')?;
    Some(link.to_owned())
}

/// Follows a list to its end. Returns what it holds, and the size of each page in bytes.
async fn follow(gateway: &TestGateway, path: String) -> (Vec<Value>, Vec<usize>) {
    let (mut found, mut sizes, mut path) = (Vec::new(), Vec::new(), Some(path));
    while let Some(asked) = path {
        let answer = gateway.get(&asked).await.expect(200);
        found.extend(answer.json()["manifests"].as_array().unwrap().clone());
        sizes.push(answer.body.len());
        path = next(&answer);
    }
    (found, sizes)
}

fn digests(found: &[Value]) -> Vec<String> {
    found
        .iter()
        .map(|found| found["digest"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_page_has_no_more_bytes_than_clients_read() {
    let gateway = TestGateway::start().await;
    let subject = gateway.push_image("a", "v1", &[]).await;
    let note = "x".repeat(1 << 20);
    let mut expected = Vec::new();
    for n in 0..9 {
        expected.push(push(&gateway, &referrer(Some(&subject), "test/a", &format!("{n}{note}"))).await);
    }
    // One alone is nearly as large as a page may be.
    let large = "y".repeat((4 << 20) - 2_000);
    expected.push(push(&gateway, &referrer(Some(&subject), "test/a", &large)).await);
    expected.sort();
    let (found, sizes) = follow(&gateway, format!("/v2/a/referrers/{subject}")).await;
    assert_eq!(digests(&found), expected, "each once and in order");
    assert!(sizes.iter().all(|size| *size <= READ_MAX), "{sizes:?}");
    assert!((5..=7).contains(&sizes.len()), "{sizes:?}");
    let (found, _) = follow(&gateway, format!("/v2/a/referrers/{subject}?artifactType=test/a&n=1")).await;
    assert_eq!(digests(&found), expected);
    // The page of the artifact is made of the same list and stays as small.
    let page = gateway.get("/v2/a/_portolan/artifacts/v1").await.expect(200);
    assert!(page.body.len() < 64 << 10);
}

#[tokio::test]
async fn an_index_under_a_tag_lists_what_its_manifests_say() {
    let gateway = TestGateway::start().await;
    let subject = gateway.push_image("a", "v1", &[]).await;
    let typed = referrer(None, "test/typed+json", "kept");
    let mut plain = manifest(b"{}", &[b"layer"]);
    plain["config"]["mediaType"] = "test/config".into();
    gateway.push_blob("a", "layer").await;
    let both = referrer(Some(&subject), "test/both", "both");
    for document in [&typed, &plain, &both] {
        push(&gateway, document).await;
    }
    let texts = [&typed, &plain, &both].map(Value::to_string);
    let mut fallback = index(&texts.each_ref().map(String::as_bytes));
    // What the entries say themselves is old, or was never there.
    fallback["manifests"][0]["artifactType"] = "test/other".into();
    fallback["manifests"][0]["annotations"] = json!({ "note": "old" });
    let path = format!("/v2/a/referrers/{subject}");
    let _ = gateway
        .put_manifest("a", &subject.replace(':', "-"), &fallback)
        .await
        .expect(201);
    let listed = gateway.get(&path).await.expect(200).json();
    let entry = |document: &Value| {
        let digest = digest(document.to_string());
        let found = listed["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|found| found["digest"] == digest.as_str());
        let found: Vec<_> = found.collect();
        assert_eq!(found.len(), 1, "{listed}");
        (
            found[0]["artifactType"].clone(),
            found[0]["annotations"].clone(),
            found[0]["size"].clone(),
        )
    };
    let size = |n: usize| json!(texts[n].len());
    assert_eq!(entry(&typed), (json!("test/typed+json"), json!({ "note": "kept" }), size(0)));
    assert_eq!(entry(&plain), (json!("test/config"), Value::Null, size(1)));
    assert_eq!(entry(&both), (json!("test/both"), json!({ "note": "both" }), size(2)));
    for (filter, expected) in [
        ("test%2Ftyped%2Bjson", 1),
        ("test/typed+json", 1),
        ("test/typed%20json", 0),
        ("test/other", 0),
        ("test/config", 1),
    ] {
        let answer = gateway.get(&format!("{path}?artifactType={filter}")).await.expect(200);
        assert_eq!(answer.json()["manifests"].as_array().unwrap().len(), expected, "{filter}");
        assert_eq!(answer.header("oci-filters-applied"), "artifactType");
    }
    // Page by page, with the type in the link.
    let (found, sizes) = follow(&gateway, format!("{path}?n=1")).await;
    assert_eq!((found.len(), sizes.len()), (3, 3));
    let first = gateway
        .get(&format!("{path}?n=1&artifactType=test/typed+json"))
        .await
        .expect(200);
    assert!(next(&first).is_none_or(|link| link.contains("artifactType=test%2Ftyped%2Bjson")));
}

#[tokio::test]
async fn large_manifests_under_a_tag_are_read_a_few_at_a_time() {
    let gateway = TestGateway::start().await;
    let subject = gateway.push_image("a", "v1", &[]).await;
    let mut texts = Vec::new();
    for n in 0..6 {
        let document = referrer(
            None,
            if n == 5 { "test/wanted" } else { "test/other" },
            &format!("{n}{}", "x".repeat(1 << 20)),
        );
        push(&gateway, &document).await;
        texts.push(document.to_string());
    }
    let fallback = index(&texts.iter().map(String::as_bytes).collect::<Vec<_>>());
    let _ = gateway
        .put_manifest("a", &subject.replace(':', "-"), &fallback)
        .await
        .expect(201);
    let (found, sizes) = follow(&gateway, format!("/v2/a/referrers/{subject}")).await;
    let mut expected: Vec<String> = texts.iter().map(digest).collect();
    expected.sort();
    assert_eq!(digests(&found), expected);
    assert!(sizes.len() == 3 && sizes.iter().all(|size| *size <= READ_MAX), "{sizes:?}");
    // A filter that little passes ends pages early, and the list goes on.
    let (found, sizes) = follow(&gateway, format!("/v2/a/referrers/{subject}?artifactType=test/wanted")).await;
    assert_eq!(digests(&found), [digest(&texts[5])]);
    assert_eq!(sizes.len(), 2, "{sizes:?}");
}

#[tokio::test]
async fn an_index_that_names_one_thing_many_times_lists_it_once() {
    let gateway = TestGateway::start().await;
    let subject = gateway.push_image("a", "v1", &[]).await;
    let child = referrer(None, "test/a", "once").to_string();
    gateway.push_blob("a", "{}").await;
    push(&gateway, &serde_json::from_str(&child).unwrap()).await;
    let descriptor = json!({ "mediaType": MANIFEST, "digest": digest(&child), "size": child.len() });
    let fallback = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": vec![descriptor; 2_000] });
    let _ = gateway
        .put_manifest("a", &subject.replace(':', "-"), &fallback)
        .await
        .expect(201);
    let (found, sizes) = follow(&gateway, format!("/v2/a/referrers/{subject}?n=1")).await;
    assert_eq!((digests(&found), sizes.len()), (vec![digest(&child)], 1));
    assert_ne!(found[0]["artifactType"], EMPTY);
}

#[tokio::test]
async fn what_an_index_names_and_nobody_holds_hides_nothing() {
    let gateway = TestGateway::with_config("[registry]\nmissing_references = \"accept\"\n").await;
    let subject = gateway.push_image("a", "v1", &[]).await;
    let mut expected = Vec::new();
    for n in 0..3 {
        expected.push(push(&gateway, &referrer(Some(&subject), "test/a", &n.to_string())).await);
    }
    expected.sort();
    // More than one page looks up, all of them before what refers to the subject.
    let absent = |n| json!({ "mediaType": MANIFEST, "digest": format!("sha256:{n:064x}"), "size": 5 });
    let fallback = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": (0..2_500).map(absent).collect::<Vec<_>>() });
    let _ = gateway
        .put_manifest("a", &subject.replace(':', "-"), &fallback)
        .await
        .expect(201);
    for n in ["", "?n=1", "?n=2", "?n=3"] {
        let (found, _) = follow(&gateway, format!("/v2/a/referrers/{subject}{n}")).await;
        assert_eq!(digests(&found), expected, "{n}");
    }
    // The artifact's own page looks behind them as well, and says where it ends early.
    let page = format!("/v2/a/_portolan/artifacts/{subject}");
    let shown = gateway.get(&page).await.expect(200).json();
    let from = shown["references"]["from"].as_array().unwrap();
    let listed: Vec<&str> = from.iter().filter_map(|related| related["digest"].as_str()).collect();
    assert_eq!(listed, expected);
    assert!(shown["references"]["more"].is_null());
    let fallback = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": (0..9_500).map(absent).collect::<Vec<_>>() });
    let _ = gateway
        .put_manifest("a", &subject.replace(':', "-"), &fallback)
        .await
        .expect(201);
    let shown = gateway.get(&page).await.expect(200).json();
    let more = format!("/v2/a/referrers/{subject}?last=sha256:{:064x}", 7_999);
    assert!(shown["references"]["more"].as_str().unwrap().ends_with(&more), "{shown}");
}
