//! Lists, pages and search.

use super::*;

#[tokio::test]
async fn tags_are_sorted_bytewise_and_paged() {
    let db = database();
    let mut tags = vec!["a", "B", "_x", "0", "a.b", "a-b", "aa", "Z", "latest", "1.10", "1.9"];
    db.put(manifest("a", "m", &tags)).await;
    tags.sort_unstable();
    let list = |last: Option<&str>, n: usize| {
        let found = db.metadata.tags(&repository("a"), last, n).now().unwrap();
        found.iter().map(|tag| tag.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 100), tags);
    assert_eq!(list(None, 3), tags[..3]);
    assert_eq!(list(Some(tags[2]), 3), tags[3..6]);
    // What a page goes on from does not have to exist, or to be a tag.
    assert_eq!(list(Some("a/"), 1), ["aa"]);
    assert!(list(Some("\u{10FFFF}"), 9).is_empty());
    assert!(list(None, 0).is_empty());
}

#[tokio::test]
async fn prefixes_cover_whole_segments() {
    let db = database();
    let mut names = vec![
        "team", "team-a", "team.a", "team/a", "team/a-b", "team/a/b", "team/b", "team0", "tea", "teams", "teams/a",
    ];
    for name in &names {
        db.done(link(name, "x")).await;
        db.put(PutManifest {
            judged: Some(judged("web", stamp("thing", "1"))),
            ..manifest(name, "m", &["v"])
        })
        .await;
    }
    names.sort_unstable();
    let shown = |found: Vec<Repository>| found.iter().map(Repository::to_string).collect::<Vec<_>>();
    let list = |prefix: &str, after: Option<&str>, n: usize| {
        shown(db.metadata.repositories(&Scope::All, prefix, after, n).now().unwrap())
    };
    assert_eq!(list("", None, 100), names);
    assert_eq!(list("team", None, 100), ["team", "team/a", "team/a-b", "team/a/b", "team/b"]);
    assert_eq!(list("team/a", None, 100), ["team/a", "team/a/b"]);
    assert_eq!(list("te", None, 100), [""; 0]);
    let types = ["application/vnd.example.thing".to_owned()];
    for prefix in ["", "team", "team/a", "teams", "nothing"] {
        let (mut paged, mut after) = (Vec::new(), None);
        let (mut entries, mut cursor) = (Vec::new(), None);
        for _ in 0..20 {
            let page = list(prefix, after.as_deref(), 2);
            after = page.last().cloned().or(after);
            paged.extend(page);
            let from = cursor
                .as_ref()
                .map(|(repository, digest): &(String, String)| (repository.as_str(), digest.as_str()));
            let page = db.metadata.entries(&Scope::All, prefix, &types, from, 2).await.unwrap();
            cursor = page
                .last()
                .map(|item| (item.repository.to_string(), item.digest.to_string()))
                .or(cursor);
            entries.extend(shown(page.into_iter().map(|item| item.repository).collect()));
        }
        assert_eq!(paged, list(prefix, None, 100), "{prefix}");
        assert_eq!(entries, paged, "{prefix}");
    }
}

#[tokio::test]
async fn entries_are_listed_by_type_with_their_document_as_json() {
    let db = database();
    for (name, kind) in [("b", "x/one"), ("a", "x/two"), ("c", "y/one")] {
        for content in ["m", "n"] {
            let said = Judged {
                artifact_type: kind.into(),
                ..judged(name, stamp("thing", "1"))
            };
            db.put(PutManifest {
                judged: Some(said),
                ..manifest(name, content, &[content])
            })
            .await;
        }
    }
    let list = |types: &[&str]| {
        let types: Vec<String> = types.iter().map(|kind| (*kind).to_owned()).collect();
        let found = db.metadata.entries(&Scope::All, "", &types, None, 100).now().unwrap();
        found
            .iter()
            .map(|item| format!("{}:{} {}", item.repository, item.tags[0], item.artifact_type))
            .collect::<Vec<_>>()
    };
    let (first, second) = if digest("m") < digest("n") { ("m", "n") } else { ("n", "m") };
    assert_eq!(list(&["x/one"]), [format!("b:{first} x/one"), format!("b:{second} x/one")]);
    assert_eq!(list(&["x/*"]).len(), 4);
    assert_eq!(list(&["x/*", "x/one", "y/one"]).len(), 6);
    assert_eq!(list(&["*"]).len(), 6);
    assert!(list(&[]).is_empty() && list(&["x/"]).is_empty() && list(&["z/*"]).is_empty());
    let item = db
        .metadata
        .entries(&Scope::All, "a", &["x/two".into()], None, 1)
        .await
        .unwrap()
        .remove(0);
    let value: serde_json::Value = serde_json::from_str(&item.entry).unwrap();
    assert_eq!((&value["title"], &value["document"]["title"]), (&"a".into(), &"a".into()));
}

#[tokio::test]
async fn every_word_of_a_query_begins_a_word_of_the_entry() {
    let db = database();
    db.put(PutManifest {
        judged: Some(judged("Grüße web", stamp("thing", "1"))),
        ..manifest("team/front", "m", &["v"])
    })
    .await;
    db.put(PutManifest {
        judged: Some(judged("Database", stamp("thing", "1"))),
        ..manifest("team/back", "m", &["v"])
    })
    .await;
    let front = ["team/front [v]"];
    for query in [
        "web",
        "WEB",
        "we",
        "gru GRÜßE",
        "front web",
        "pages web team",
        "reverse-proxy web",
        "reverse-pro front",
        "web -",
        "\"web\"",
    ] {
        assert_eq!(db.found(query).await, front.map(str::to_owned), "{query}");
    }
    for query in ["http", "team", "", "  ", "serves"] {
        assert_eq!(db.found(query).await, ["team/back [v]", "team/front [v]"], "{query}");
    }
    for query in [
        "eb",
        "web database",
        "proxy-reverse",
        "-",
        "\"",
        "*",
        "title:web",
        "web OR database",
        "NEAR(web front)",
        "(",
        "^web x",
    ] {
        assert!(db.found(query).await.is_empty(), "{query}");
    }
    // Nothing that people type is an error.
    for query in [
        "a\0b\"",
        "\"\"\"",
        "{title summary}: x",
        "a* + b",
        "\u{10FFFF}",
        &"x ".repeat(10_000),
        "'; DROP",
    ] {
        db.found(query).await;
    }
}

#[tokio::test]
async fn what_is_found_comes_in_pages_and_by_type() {
    let db = database();
    for name in ["team/front", "team/back"] {
        db.put(PutManifest {
            judged: Some(judged("web", stamp("thing", "1"))),
            ..manifest(name, "m", &["v"])
        })
        .await;
    }
    let page = |after: Option<(&str, &str)>| db.metadata.search(&Scope::All, "team", None, after, 1).now().unwrap();
    let first = page(None).remove(0);
    let second = page(Some((first.repository.as_str(), first.digest.as_str()))).remove(0);
    assert_eq!(
        (first.repository.as_str(), second.repository.as_str()),
        ("team/back", "team/front")
    );
    assert!(page(Some((second.repository.as_str(), second.digest.as_str()))).is_empty());
    let of = |kind: &str| {
        db.metadata
            .search(&Scope::All, "team", Some(kind), None, 10)
            .now()
            .unwrap()
            .len()
    };
    assert_eq!((of("x/y"), of("application/*")), (0, 2));
}

#[tokio::test]
async fn hashes_of_machine_code_are_kept() {
    let db = database();
    let put = |code: &str| Command::PutCode {
        component: digest("c"),
        engine: "e".into(),
        code: digest(code),
    };
    db.done(put("one")).await;
    db.done(put("two")).await;
    assert_eq!(db.metadata.code(&digest("c"), "e").await.unwrap(), Some(digest("two")));
    assert_eq!(db.metadata.code(&digest("c"), "f").await.unwrap(), None);
}
