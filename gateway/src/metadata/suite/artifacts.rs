//! Manifests, tags, referrers and what plugins say of them.

use super::*;

#[tokio::test]
async fn tags_move_and_go() {
    let db = database();
    db.put(manifest("a", "one", &["v", "w"])).await;
    db.put(manifest("a", "two", &["v"])).await;
    assert_eq!(
        (db.tagged("a", "v").await.as_deref(), db.tagged("a", "w").await.as_deref()),
        (Some("two"), Some("one"))
    );
    let delete_tag = |name: &str| Command::DeleteTag {
        repository: repository("a"),
        tag: tag(name),
    };
    assert_eq!(db.refused(delete_tag("x")).await, Refused::Absent);
    db.done(delete_tag("v")).await;
    assert_eq!(db.refused(delete_tag("v")).await, Refused::Absent);
    assert_eq!(db.tagged("a", "v").await, None);
    assert!(db.holds("a", "two").await);
    db.done(delete("a", "one")).await;
    assert_eq!(db.tagged("a", "w").await, None);
    assert_eq!(db.refused(delete("a", "one")).await, Refused::Absent);
    assert_eq!(db.refused(delete("b", "one")).await, Refused::Absent);
}

#[tokio::test]
async fn the_same_bytes_have_a_media_type_in_each_repository() {
    let db = database();
    let index = media_type("application/vnd.oci.image.index.v1+json");
    db.put(manifest("a", "m", &["v"])).await;
    db.put(PutManifest {
        media_type: index.clone(),
        ..manifest("b", "m", &["v"])
    })
    .await;
    let found = |name: &str| {
        db.metadata
            .manifest(&repository(name), &Reference::Tag(tag("v")))
            .now()
            .unwrap()
            .unwrap()
    };
    assert_ne!(found("a").media_type, index);
    assert_eq!(found("b").media_type, index);
    db.done(delete("a", "m")).await;
    assert_eq!(found("b").bytes, "m");
    db.done(delete("b", "m")).await;
    db.put(manifest("a", "m", &["v"])).await;
    assert_eq!(found("a").bytes, "m");

    // Pushed again as something else, it names something else, and what was said of it does not hold.
    db.put(PutManifest {
        judged: Some(judged("web", stamp("thing", "1"))),
        ..manifest("a", "m", &[])
    })
    .await;
    db.put(PutManifest {
        media_type: index.clone(),
        candidates: vec!["x/y".into()],
        ..manifest("a", "m", &[])
    })
    .await;
    let record = db.metadata.artifact(&repository("a"), &digest("m")).await.unwrap().unwrap();
    assert_eq!(
        (record.head.media_type, record.judged, record.candidates),
        (index, None, vec!["x/y".to_owned()])
    );
    assert!(db.found("web").await.is_empty());
}

#[tokio::test]
async fn blobs_are_seen_through_links_alone() {
    let db = database();
    assert_eq!(db.done(link("a", "x")).await, Applied::Done);
    assert_eq!(db.done(link("a", "x")).await, Applied::Existed);
    let mount = |from: &[&str]| mount("b", "x", from);
    assert_eq!(db.refused(mount(&["c", "b"])).await, Refused::Absent);
    assert!(!db.metadata.repository_exists(&repository("b")).await.unwrap());
    assert_eq!(db.done(mount(&["c", "a"])).await, Applied::Mounted(1));
    assert_eq!(
        db.metadata.blob_repositories(&Scope::All, &digest("x"), 10).await.unwrap(),
        [repository("a"), repository("b")]
    );
    assert_eq!(
        db.metadata
            .blob_repositories(&Scope::All, &digest("x"), 1)
            .await
            .unwrap()
            .len(),
        1
    );
    let mut put = manifest("a", "m", &[]);
    put.edges = vec![edge(EdgeKind::Layer, "x")];
    db.put(put.clone()).await;
    db.done(unlink("a", "x")).await;
    assert_eq!(db.refused(unlink("a", "x")).await, Refused::Absent);
    assert!(!db.sees("a", "x").await && db.sees("b", "x").await && db.holds("a", "m").await);
    assert_eq!(
        db.metadata.missing(&put.repository, &put.digest).await.unwrap(),
        [digest("x")]
    );
    assert!(db.metadata.repository_exists(&repository("a")).await.unwrap());
}

#[tokio::test]
async fn an_artifact_is_remembered_with_all_that_was_said() {
    let db = database();
    let put = PutManifest {
        judged: Some(judged("web", stamp("thing", "1"))),
        ..manifest("team/a", "m", &["b", "a"])
    };
    db.put(put.clone()).await;
    db.done(Command::PutScan(Box::new(scan("team/a", "m", "{}")))).await;
    let record = db.metadata.artifact(&put.repository, &put.digest).await.unwrap().unwrap();
    assert_eq!(record.candidates, put.candidates);
    assert_eq!(record.tags, [tag("a"), tag("b")]);
    assert_eq!(
        record.judged,
        Some(("application/vnd.example.thing".into(), stamp("thing", "1")))
    );
    assert_eq!(record.entry, Some(entry("web")));
    assert_eq!(record.validated, [finding("thing/one")]);
    assert_eq!(record.scanned, Some((stamp("thing", "1"), vec![finding("thing/scan")])));
    assert_eq!((record.failure, record.head.size), (None, 1));
    assert_eq!(db.metadata.sarif(&put.repository, &put.digest).await.unwrap().unwrap(), "{}");

    // A push that nobody judges leaves what was said; another judgement replaces it.
    db.put(manifest("team/a", "m", &["c"])).await;
    assert_eq!(db.found("web").await, ["team/a [a, b, c]"]);
    let failed = Judged {
        entry: None,
        failure: Some("trapped".into()),
        ..judged("", stamp("thing", "2"))
    };
    db.put(PutManifest {
        judged: Some(failed),
        ..manifest("team/a", "m", &[])
    })
    .await;
    let record = db.metadata.artifact(&put.repository, &put.digest).await.unwrap().unwrap();
    assert_eq!((record.entry, record.failure.as_deref()), (None, Some("trapped")));
    assert!(db.found("web").await.is_empty());
    assert!(
        db.metadata
            .artifact(&put.repository, &digest("other"))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_document_that_is_no_json_is_refused_and_loses_nothing() {
    let db = database();
    let mut bad = judged("web", stamp("thing", "1"));
    bad.entry = Some(Entry {
        document: "{".into(),
        ..entry("web")
    });
    let put = PutManifest {
        judged: Some(bad),
        ..manifest("a", "m", &["v"])
    };
    assert!(matches!(
        db.apply(Command::PutManifest(Box::new(put))).await,
        Err(MetadataError::Failed { .. })
    ));
    assert_eq!(db.tagged("a", "v").await, None);
    db.done(link("a", "x")).await;
}

#[tokio::test]
async fn a_deletion_takes_everything_along_that_belongs_to_the_manifest() {
    let db = database();
    let index = PutManifest {
        edges: vec![edge(EdgeKind::Manifest, "m")],
        ..manifest("a", "index", &[])
    };
    let signature = |name: &str| PutManifest {
        subject: Some(digest("m")),
        referrer_type: Some("x/signature".into()),
        annotations: "{\"by\":\"me\"}".into(),
        ..manifest(name, "signature", &[])
    };
    let whole = Judged {
        scan: true,
        ..judged("web", stamp("thing", "1"))
    };
    db.put(PutManifest {
        judged: Some(whole),
        ..manifest("a", "m", &["v"])
    })
    .await;
    db.put(index).await;
    db.put(signature("a")).await;
    db.done(Command::PutScan(Box::new(scan("a", "m", "{}")))).await;
    let referrers = || referrers(&db, "a", "m", None, None, 10);
    let parents = || db.metadata.parents(&repository("a"), &digest("m"), 10).now().unwrap();
    assert_eq!((referrers().len(), parents().len(), db.sees("a", "{}").await), (2, 1, true));
    db.done(delete("a", "m")).await;
    assert!(db.found("web").await.is_empty() && !db.sees("a", "{}").await);
    // The client's own referrer and the index stay.
    let left = referrers();
    assert_eq!((left.len(), parents().len()), (1, 1));
    assert_eq!(
        (left[0].artifact_type.as_deref(), left[0].annotations.as_str()),
        (Some("x/signature"), "{\"by\":\"me\"}")
    );
    let (now, after) = (10_000, None);
    assert_eq!(
        db.done(Command::ClaimJob { now, after }).await,
        Applied::Claimed(Claimed::Nothing)
    );
    db.done(delete("a", "index")).await;
    db.done(delete("a", "signature")).await;
    assert_eq!((referrers().len(), parents().len()), (0, 0));
    // The same push starts from nothing.
    db.put(manifest("a", "m", &["v"])).await;
    let record = db.metadata.artifact(&repository("a"), &digest("m")).await.unwrap().unwrap();
    assert_eq!((record.judged, record.scanned), (None, None));
}

#[tokio::test]
async fn a_scan_replaces_the_one_before_and_leaves_what_clients_pushed() {
    let db = database();
    let referrers = |subject: &str| {
        let found = referrers(&db, "a", subject, Some("application/sarif+json"), None, 10);
        found.into_iter().map(|referrer| referrer.digest).collect::<Vec<_>>()
    };
    let put_scan = |subject: &str, document: &str| Command::PutScan(Box::new(scan("a", subject, document)));
    let shown = |subject: &str, document: &str| vec![scan("a", subject, document).referrer.unwrap().digest];
    db.put(manifest("a", "m", &["v"])).await;
    db.put(manifest("a", "n", &["w"])).await;
    for document in ["one", "none", "none"] {
        db.done(put_scan("m", document)).await;
        assert_eq!(referrers("m"), shown("m", document));
    }
    assert!(!db.sees("a", "one").await);
    // Two artifacts without findings share one document.
    db.done(put_scan("n", "none")).await;
    db.done(put_scan("m", "one")).await;
    assert!(db.sees("a", "none").await && db.sees("a", "one").await);
    // What a client pushes is the client's from then on.
    db.done(link("a", "none")).await;
    db.done(Command::PutManifest(scan("a", "n", "none").referrer.unwrap())).await;
    db.done(put_scan("n", "two")).await;
    assert!(db.sees("a", "none").await && referrers("n").len() == 2);
    db.done(delete("a", "n")).await;
    assert_eq!(referrers("n"), shown("n", "none"));
    // A scan of what is gone changes nothing.
    db.done(put_scan("n", "late")).await;
    assert!(!db.sees("a", "late").await && referrers("n").len() == 1);
    // What the gateway attached is for no plugin.
    let cursor = PlanCursor {
        artifact_type: "application/vnd.example.thing".into(),
        artifact: 0,
    };
    assert_eq!(db.metadata.candidates(&cursor, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn referrers_are_listed_by_subject_type_and_page() {
    let db = database();
    for n in 0..5 {
        let put = PutManifest {
            subject: Some(digest("m")),
            referrer_type: (n > 0).then(|| format!("x/{}", n % 2)),
            ..manifest("a", &format!("r{n}"), &[])
        };
        db.put(put).await;
    }
    let list = |kind: Option<&str>, after: Option<&Digest>, n: usize| {
        let found = referrers(&db, "a", "m", kind, after, n);
        found.into_iter().map(|referrer| referrer.digest).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = (0..5).map(|n| digest(&format!("r{n}"))).collect();
    all.sort();
    assert_eq!(list(None, None, 10), all);
    assert_eq!(list(None, None, 2), all[..2]);
    assert_eq!(list(None, Some(&all[1]), 10), all[2..]);
    assert_eq!(list(Some("x/1"), None, 10).len(), 2);
    assert!(list(Some("x/2"), None, 10).is_empty());
    assert!(referrers(&db, "b", "m", None, None, 10).is_empty());
}

fn referrers(
    db: &Database,
    name: &str,
    subject: &str,
    kind: Option<&str>,
    after: Option<&Digest>,
    n: usize,
) -> Vec<ReferrerRecord> {
    let subject = digest(subject);
    let found = db
        .metadata
        .referrers(&repository(name), &subject, kind, after, n, usize::MAX)
        .now();
    found.unwrap().0
}

#[tokio::test]
async fn a_page_of_referrers_ends_before_it_has_too_many_bytes() {
    let db = database();
    for n in 0..4 {
        let put = PutManifest {
            subject: Some(digest("m")),
            annotations: format!("{{\"k\":\"{}\"}}", "x".repeat(100)),
            ..manifest("a", &format!("r{n}"), &[])
        };
        db.put(put).await;
    }
    let page = |after: Option<&Digest>, bytes_max| {
        let page = db
            .metadata
            .referrers(&repository("a"), &digest("m"), None, after, 10, bytes_max)
            .now();
        let (found, more) = page.unwrap();
        (found.into_iter().map(|found| found.digest).collect::<Vec<_>>(), more)
    };
    let (all, more) = page(None, usize::MAX);
    assert_eq!((all.len(), more), (4, false));
    assert_eq!(page(None, 250), (all[..2].to_vec(), true));
    assert_eq!(page(None, 1), (all[..1].to_vec(), true), "one is always there");
    assert_eq!(page(Some(&all[1]), 250), (all[2..].to_vec(), false));
}

#[tokio::test]
async fn what_an_index_under_a_tag_names_is_read_in_pages() {
    let db = database();
    for name in ["r0", "r1", "r2"] {
        db.put(manifest("a", name, &[])).await;
    }
    let named = ["r2", "r0", "gone", "r0", "r1"];
    let edges = named.map(|name| Edge {
        required: false,
        ..edge(EdgeKind::Manifest, name)
    });
    let blob = Edge {
        required: false,
        ..edge(EdgeKind::Layer, "blob")
    };
    let index = PutManifest {
        edges: edges.into_iter().chain([blob]).collect(),
        ..manifest("a", "index", &["t"])
    };
    db.put(index).await;
    let page = |after: Option<&Digest>, n| db.metadata.named_under(&repository("a"), &tag("t"), after, n).now().unwrap();
    let all = page(None, 10);
    let mut expected = ["r0", "r1", "r2", "gone"].map(digest);
    expected.sort();
    assert!(
        all.iter().map(|(digest, _)| digest).eq(&expected),
        "each once, and no blob: {all:?}"
    );
    for (found, head) in &all {
        assert_eq!(
            head.as_ref().map(|head| &head.digest),
            Some(found).filter(|found| **found != digest("gone"))
        );
    }
    assert_eq!(page(None, 2), all[..2]);
    assert_eq!(page(Some(&expected[1]), 10), all[2..]);
    let other = db.metadata.named_under(&repository("b"), &tag("t"), None, 10).await.unwrap();
    assert_eq!(other, []);
}

#[tokio::test]
async fn opinions_are_kept_beside_the_judgement_and_go_with_it() {
    let db = database();
    let opinion = |plugin: &str| Opinion {
        stamp: stamp(plugin, "1"),
        artifact_type: "x/other".into(),
        entry: None,
        findings: vec![finding(plugin)],
        failure: None,
    };
    let read = || {
        db.metadata
            .artifact(&repository("a"), &digest("m"))
            .now()
            .unwrap()
            .map(|record| record.opinions)
    };
    let put = |opinions: Vec<Opinion>| PutManifest {
        judged: Some(judged("web", stamp("thing", "1"))),
        opinions,
        ..manifest("a", "m", &[])
    };
    db.put(put(vec![opinion("b"), opinion("a")])).await;
    assert_eq!(read(), Some(vec![opinion("b"), opinion("a")]), "in their order");
    // A push that nobody judged says nothing against them.
    db.put(manifest("a", "m", &["v"])).await;
    assert_eq!(read().unwrap().len(), 2);
    db.put(put(vec![opinion("b")])).await;
    assert_eq!(read(), Some(vec![opinion("b")]));
    // Who owns it by now has said all.
    let update = EntryUpdate {
        repository: repository("a"),
        digest: digest("m"),
        judged: judged("web", stamp("b", "2")),
    };
    db.done(Command::PutEntry(Box::new(update))).await;
    assert_eq!(read(), Some(vec![]));
    db.put(put(vec![opinion("b")])).await;
    db.done(delete("a", "m")).await;
    db.put(put(vec![])).await;
    assert_eq!(read(), Some(vec![]));
}
