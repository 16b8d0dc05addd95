//! What lies outside of a scope is not read: not in lists, pages, searches and revisions, and not at the cost of time either.

use std::sync::atomic::Ordering;

use super::*;
use crate::metadata::recent::Of;

fn prefixes(names: &[&str]) -> Prefixes {
    Prefixes::new(names.iter().map(|name| name.parse().unwrap())).unwrap()
}

fn all_but(names: &[&str]) -> Scope {
    Scope::all_but(prefixes(names))
}

fn only(names: &[&str]) -> Scope {
    Scope::Only(prefixes(names))
}

/// Puts an artifact with an entry into a repository, under a content of its own.
async fn put(db: &Database, name: &str, title: &str) {
    db.put(PutManifest {
        judged: Some(judged(title, stamp("thing", "1"))),
        ..manifest(name, &format!("{name} {title}"), &["v"])
    })
    .await;
}

/// Lists everything in pages of some size, each from the last name of the one before.
fn paged(db: &Database, scope: &Scope, query: Option<&str>, n: usize) -> Vec<String> {
    let types = ["*".to_owned()];
    let (mut listed, mut after) = (Vec::new(), None::<(String, String)>);
    loop {
        let from = after
            .as_ref()
            .map(|(repository, digest)| (repository.as_str(), digest.as_str()));
        let page = match query {
            Some(query) => db.metadata.search(scope, query, None, from, n).now(),
            None => db.metadata.entries(scope, "", &types, from, n).now(),
        };
        let page = page.unwrap();
        listed.extend(page.iter().map(|item| item.repository.to_string()));
        match page.last().filter(|_| page.len() == n) {
            Some(last) => after = Some((last.repository.to_string(), last.digest.to_string())),
            None => return listed,
        }
    }
}

#[tokio::test]
async fn every_list_has_what_the_scope_covers_in_full_pages() {
    let db = database();
    let mut names = vec![
        "a", "secret", "secret-x", "secret/a", "secret/b", "secret.y", "team", "team/a", "team/b/c", "teams", "z",
    ];
    for name in &names {
        put(&db, name, "web").await;
    }
    names.sort_unstable();
    for scope in [
        Scope::All,
        all_but(&["secret"]),
        all_but(&["a", "secret", "secret-x", "team/b", "z"]),
        all_but(&["absent"]),
        only(&["team"]),
        only(&["secret/a", "team/b", "z", "absent"]),
        only(&[]),
    ] {
        let expected: Vec<&str> = names.iter().copied().filter(|name| scope.covers(&repository(name))).collect();
        for n in [1, 2, 100] {
            assert_eq!(paged(&db, &scope, None, n), expected, "{scope:?}");
            assert_eq!(paged(&db, &scope, Some("web"), n), expected, "{scope:?}");
            assert_eq!(paged(&db, &scope, Some(""), n), expected, "{scope:?}");
            let (mut listed, mut after) = (Vec::new(), None::<String>);
            while let Some(page) =
                Some(db.metadata.repositories(&scope, "", after.as_deref(), n).await.unwrap()).filter(|page| !page.is_empty())
            {
                assert!(
                    page.len() == n || page.last().map(Repository::as_str) == expected.last().copied(),
                    "{scope:?}"
                );
                after = page.last().map(Repository::to_string);
                listed.extend(page.iter().map(Repository::to_string));
            }
            assert_eq!(listed, expected, "{scope:?}");
        }
        let under = db.metadata.repositories(&scope, "team", None, 100).await.unwrap();
        let expected = expected.iter().filter(|name| repository(name).is_under("team")).count();
        assert_eq!(under.len(), expected, "{scope:?}");
    }
}

#[tokio::test]
async fn words_are_looked_for_inside_of_the_scope() {
    let db = database();
    put(&db, "secret/a", "launch codes").await;
    put(&db, "secret-a", "launch codes of others").await;
    let found = |scope: &Scope, query: &str| {
        let found = db.metadata.search(scope, query, None, None, 10).now().unwrap();
        found.iter().map(|item| item.repository.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found(&Scope::All, "launch"), ["secret-a", "secret/a"]);
    assert_eq!(found(&all_but(&["secret"]), "launch"), ["secret-a"]);
    assert_eq!(found(&only(&["secret"]), "launch"), ["secret/a"]);
    assert_eq!(found(&all_but(&["secret-a"]), "secret a"), ["secret/a"]);
    // The words of the scope are no words of an entry, and a query cannot name them.
    for query in ["secret\u{E000}a", "scope:secret", "secret) OR (x", "\" OR scope : \"secret"] {
        assert!(found(&all_but(&["secret", "secret-a"]), query).is_empty(), "{query}");
    }
    assert!(found(&Scope::All, "secret\u{E000}a").is_empty());
    // Where the entry changes or goes, so do the words of its scope.
    db.done(delete("secret/a", "secret/a launch codes")).await;
    assert!(found(&only(&["secret"]), "launch").is_empty());
}

#[tokio::test]
async fn revisions_move_with_what_the_scope_covers_and_nothing_else() {
    let db = database();
    let names = ["secret", "secret/a", "secrets", "team", "team/a", "team/secret/x", "z"];
    let scopes = [
        Scope::All,
        all_but(&["secret", "team/secret"]),
        all_but(&["team"]),
        only(&["team/a", "secret", "absent"]),
        only(&["team"]),
    ];
    let prefixes = ["", "secret", "secret/a", "team", "team/a", "team/secret", "z", "absent"];
    let all = || {
        let of = |scope: &Scope| prefixes.map(|prefix| db.metadata.revision(scope, prefix, None).now().unwrap());
        scopes.each_ref().map(of)
    };
    let mut before = all();
    assert_eq!(before, [[0; 8]; 5]);
    // Alone, and several at once, which share a commit.
    let batches: Vec<Vec<&str>> = names
        .iter()
        .map(|name| vec![*name])
        .chain([names.to_vec(), names[..2].to_vec()])
        .collect();
    for (number, batch) in batches.iter().enumerate() {
        let content = number.to_string();
        let commands = batch
            .iter()
            .flat_map(|name| [content.clone(), format!("{content} more")].map(|content| manifest(name, &content, &[])))
            .map(|put| Command::PutManifest(Box::new(put)));
        futures_util::future::join_all(commands.map(|command| db.done(command))).await;
        let after = all();
        for (scope, (before, after)) in scopes.iter().zip(before.iter().zip(&after)) {
            for (prefix, (before, after)) in prefixes.iter().zip(before.iter().zip(after)) {
                let seen = |name: &&str| repository(name).is_under(prefix) && scope.covers(&repository(name));
                assert_eq!(after > before, batch.iter().any(seen), "{scope:?} {prefix} {batch:?}");
                assert!(after >= before);
            }
        }
        before = after;
    }
    // Where nothing can be seen there is nothing, whatever happened; the set of plugins is everybody's.
    assert_eq!(
        db.metadata.revision(&all_but(&["secret"]), "secret/a", None).await.unwrap(),
        0
    );
    db.done(Command::PluginsChanged { set: "x".into() }).await;
    assert_eq!(
        db.metadata.revision(&all_but(&["secret"]), "secret/a", None).await.unwrap(),
        1
    );
}

/// Returns how many steps the database takes to read something.
fn steps<T>(db: &Database, read: impl Fn(&Metadata) -> Result<T, MetadataError>) -> i32 {
    let steps = &db.metadata.readers().steps;
    // A statement that is prepared for the first time may look for more than its rows.
    read(&db.metadata).unwrap();
    steps.store(0, Ordering::Relaxed);
    read(&db.metadata).unwrap();
    steps.load(Ordering::Relaxed)
}

#[tokio::test]
async fn what_is_hidden_costs_no_step() {
    let (few, many) = (database(), database());
    for db in [&few, &many] {
        for name in ["a", "t/x", "z"] {
            put(db, name, "web").await;
        }
    }
    let hidden: Vec<(String, String)> = (0..300).map(|n| (format!("secret/{n}"), format!("web {n}"))).collect();
    futures_util::future::join_all(hidden.iter().map(|(name, title)| put(&many, name, title))).await;
    let types = ["*".to_owned()];
    for scope in [all_but(&["secret"]), only(&["a", "t", "z"])] {
        let of = |types| Of {
            scope: scope.clone(),
            prefix: String::new(),
            types,
        };
        let read = |db: &Database| {
            [
                steps(db, |metadata| metadata.repositories(&scope, "", None, 2).now()),
                steps(db, |metadata| metadata.entries(&scope, "", &types, None, 2).now()),
                steps(db, |metadata| metadata.search(&scope, "", None, None, 10).now()),
                steps(db, |metadata| metadata.search(&scope, "web", None, None, 10).now()),
                steps(db, |metadata| metadata.add_up(of(None)).now()),
                steps(db, |metadata| metadata.add_up(of(Some(types.to_vec()))).now()),
            ]
        };
        for (few, many) in read(&few).into_iter().zip(read(&many)) {
            // That a range ends is seen by the row behind it, where there is one: a step for each of the few ranges.
            assert!(few > 10 && few.abs_diff(many) <= 4, "{scope:?}: {few} and {many}");
        }
    }
    // The measure sees what is read: the same words without a scope.
    let all = |db: &Database| steps(db, |metadata| metadata.search(&Scope::All, "web", None, None, 1).now());
    assert!(all(&many) > 10 * all(&few));
}

#[tokio::test]
async fn a_blob_is_found_behind_many_that_are_hidden() {
    let db = database();
    let links = (0..300).map(|n| link(&format!("secret/{n}"), "x"));
    futures_util::future::join_all(links.map(|command| db.done(command))).await;
    for name in ["open", "shown"] {
        db.done(link(name, "x")).await;
    }
    let found = |scope: &Scope, n: usize| db.metadata.blob_repositories(scope, &digest("x"), n).now().unwrap();
    assert_eq!(found(&all_but(&["secret"]), 100), [repository("open"), repository("shown")]);
    assert_eq!(found(&all_but(&["secret"]), 1), [repository("open")]);
    assert_eq!(found(&Scope::All, 100).len(), 100);
    assert!(found(&only(&["other"]), 100).is_empty());
}

#[tokio::test]
async fn words_of_an_earlier_schema_are_found_in_their_scope() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metadata.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch(include_str!("../schema/1.sql")).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    connection
        .execute_batch("INSERT INTO types VALUES (1, 'x/y'); INSERT INTO stamps VALUES (1, 'p', 'c', 's');")
        .unwrap();
    let names = ["open", "secret", "secret/a_b.c-d/e", "secret-a"];
    for (id, name) in (1_i64..).zip(names) {
        let digest = digest(name);
        let entry = format!(
            "{{\"title\":\"Web \\\"{id}\\\"\",\"summary\":\"Serves\",\"keywords\":[\"http\",\"b c\"],\"references\":[],\"document\":{{}}}}"
        );
        connection
            .execute("INSERT INTO repositories VALUES (?1, ?2)", rusqlite::params![id, name])
            .unwrap();
        connection
            .execute(
                "INSERT INTO judgements VALUES (?1, ?2, ?3, 1, 1, NULL, '[]', ?4)",
                rusqlite::params![id, name, digest.as_str(), entry],
            )
            .unwrap();
        connection
            .execute("INSERT INTO words (rowid, title) VALUES (?1, 'old')", [id])
            .unwrap();
    }
    drop(connection);
    let metadata = Metadata::open(folder.path()).unwrap();
    let found = |scope: &Scope, query: &str| {
        let found = metadata.search(scope, query, None, None, 10).now().unwrap();
        found.iter().map(|item| item.repository.to_string()).collect::<Vec<_>>()
    };
    for query in ["web", "serves", "http c", "b"] {
        assert_eq!(
            found(&Scope::All, query),
            ["open", "secret", "secret-a", "secret/a_b.c-d/e"],
            "{query}"
        );
        assert_eq!(found(&all_but(&["secret"]), query), ["open", "secret-a"], "{query}");
        assert_eq!(found(&only(&["secret/a_b.c-d"]), query), ["secret/a_b.c-d/e"], "{query}");
    }
    assert_eq!(found(&Scope::All, "3"), ["secret/a_b.c-d/e"]);
    assert!(found(&Scope::All, "old").is_empty());
}
