//! Revisions move with what services can see, and an older one never comes again.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::*;
use crate::metadata::schema::MIGRATIONS;

const THING: &str = "application/vnd.example.thing";
const OTHER: &str = "application/vnd.example.other";

/// Says what an indexer says of the manifest with this content.
fn index(name: &str, content: &str, said: Judged) -> Command {
    Command::PutEntry(Box::new(EntryUpdate {
        repository: repository(name),
        digest: digest(content),
        judged: said,
    }))
}

fn of_type(artifact_type: &str, title: &str) -> Judged {
    Judged {
        artifact_type: artifact_type.into(),
        ..judged(title, stamp("thing", "1"))
    }
}

fn put(name: &str, content: &str, tags: &[&str], said: Option<Judged>) -> Command {
    Command::PutManifest(Box::new(PutManifest {
        judged: said,
        ..manifest(name, content, tags)
    }))
}

fn delete_tag(name: &str, tag_name: &str) -> Command {
    Command::DeleteTag {
        repository: repository(name),
        tag: tag(tag_name),
    }
}

/// Applies commands, and compares which of some revisions each moves. None moves backwards.
async fn expect_moves<const N: usize>(db: &Database, all: [(&str, Option<&str>); N], steps: Vec<(Command, Vec<&str>)>) {
    let revisions = || {
        all.map(|(prefix, kind)| {
            let types = kind.map(|kind| vec![kind.to_owned()]);
            db.metadata.revision(&Scope::All, prefix, types.as_deref()).now().unwrap()
        })
    };
    for (number, (command, expected)) in steps.into_iter().enumerate() {
        let before = revisions();
        db.done(command).await;
        let after = revisions();
        assert!(
            before.iter().zip(&after).all(|(before, after)| before <= after),
            "step {number}"
        );
        let moved = all
            .iter()
            .zip(before.iter().zip(&after))
            .filter(|(_, (before, after))| before != after);
        let moved: Vec<&str> = moved.map(|((prefix, kind), _)| kind.unwrap_or(prefix)).collect();
        assert_eq!(moved, expected, "step {number}");
    }
}

#[tokio::test]
async fn revisions_move_where_something_changed_and_nowhere_else() {
    let db = database();
    let all = ["", "team", "team/a", "team/b", "other"];
    let in_a = vec!["", "team", "team/a"];
    let set = |word: &str| Command::PluginsChanged { set: word.into() };
    let newer = Judged {
        findings: vec![finding("thing/two")],
        ..judged("one", stamp("thing", "2"))
    };
    let steps = vec![
        // A repository begins.
        (link("team/a", "x"), in_a.clone()),
        (link("team/a", "x"), vec![]),
        (link("team/a", "y"), vec![]),
        (put("team/a", "m", &["v"], None), in_a.clone()),
        (index("team/a", "m", of_type(THING, "one")), in_a.clone()),
        (index("team/a", "m", of_type(THING, "one")), vec![]),
        // Another version says the same and finds something else.
        (index("team/a", "m", newer), vec![]),
        (Command::PutScan(Box::new(scan("team/a", "m", "{}"))), vec![]),
        (Command::PutScan(Box::new(scan("team/a", "m", "{\"more\":1}"))), vec![]),
        (Command::PutScan(Box::new(scan("other", "m", "{}"))), vec![]),
        (mount("team/b", "x", &["team/a"]), vec!["", "team", "team/b"]),
        (set("one"), all.to_vec()),
        (set("one"), vec![]),
        (set("two"), all.to_vec()),
        (delete_tag("team/a", "v"), in_a.clone()),
        (delete("team/a", "m"), in_a.clone()),
        (unlink("team/a", "x"), in_a),
        (Command::ClaimJob { now: 1, after: None }, vec![]),
    ];
    expect_moves(&db, all.map(|prefix| (prefix, None)), steps).await;
    let before = all.map(|prefix| db.revision(prefix).now());
    db.refused(delete_tag("team/a", "v")).await;
    db.refused(Command::All(vec![put("team/a", "n", &["v"], None), delete_tag("other", "v")]))
        .await;
    assert_eq!(all.map(|prefix| db.revision(prefix).now()), before);
}

#[tokio::test]
async fn entries_of_a_type_move_with_nothing_else() {
    let db = database();
    let all = [("", None), ("", Some(THING)), ("", Some(OTHER)), ("team", Some(THING))];
    let (both, thing) = (vec!["", THING, OTHER], vec!["", THING]);
    let said = |kind: &str, title: &str| Some(of_type(kind, title));
    let steps = vec![
        (put("r", "bare", &["bare"], None), vec![""]),
        (put("r", "thing", &["v"], said(THING, "one")), thing.clone()),
        (put("r", "other", &["w"], said(OTHER, "one")), vec!["", OTHER]),
        // The same again is a push, but no entry is another one.
        (put("r", "thing", &["v"], said(THING, "one")), vec![""]),
        (put("r", "thing", &[], said(THING, "two")), thing.clone()),
        (put("r", "thing", &["v2"], None), thing.clone()),
        // A tag goes from one entry to another, and to something that has none.
        (put("r", "other", &["v", "w"], said(OTHER, "one")), both.clone()),
        (put("r", "bare", &["v"], None), vec!["", OTHER]),
        (put("r", "bare", &["v"], None), vec![""]),
        (put("r", "thing", &["v"], None), thing.clone()),
        (delete_tag("r", "bare"), vec![""]),
        (delete_tag("r", "v"), thing.clone()),
        // Another plugin owns it by now.
        (index("r", "thing", of_type(OTHER, "two")), both.clone()),
        (index("r", "thing", of_type(OTHER, "two")), vec![]),
        (
            index(
                "r",
                "thing",
                Judged {
                    entry: None,
                    ..of_type(OTHER, "two")
                },
            ),
            vec!["", OTHER],
        ),
        (Command::PutScan(Box::new(scan("r", "other", "{}"))), vec![]),
        (delete("r", "thing"), vec![""]),
        (delete("r", "other"), vec!["", OTHER]),
        (put("team/r", "thing", &["v"], said(THING, "one")), vec!["", THING, THING]),
    ];
    expect_moves(&db, all, steps).await;
    // What is read as another type has no entry until somebody says something of it again.
    let retyped = PutManifest {
        media_type: media_type("application/vnd.oci.image.index.v1+json"),
        ..manifest("team/r", "thing", &[])
    };
    let command = Command::PutManifest(Box::new(retyped));
    expect_moves(&db, all, vec![(command, vec!["", THING, THING])]).await;
    // Patterns cover types that come later.
    let pattern = |db: &Database| {
        let types = ["application/vnd.example.*".to_owned()];
        db.metadata.revision(&Scope::All, "", Some(&types)).now().unwrap()
    };
    let before = pattern(&db);
    db.done(put("r", "new", &[], said("application/vnd.example.new", "one")))
        .await;
    assert!(pattern(&db) > before);
}

#[tokio::test]
async fn an_older_revision_never_comes_again() {
    let db = database();
    let mut seen = BTreeSet::new();
    for n in 0..20 {
        db.done(put("a", "m", &["v"], Some(of_type(THING, "one")))).await;
        assert!(seen.insert(db.revision("").await), "made anew the {n}th time");
        db.done(delete("a", "m")).await;
        assert!(seen.insert(db.revision("").await), "deleted the {n}th time");
    }
    assert!(seen.iter().next_back() == Some(&db.revision("").await));
    // Two changes of one transaction are two changes.
    let both = || vec![put("a", "m", &["v"], None), delete("a", "m")];
    let before = db.revision("").await;
    db.done(Command::All(both())).await;
    let together = db.revision("").await - before;
    for command in both() {
        db.done(command).await;
    }
    assert_eq!(db.revision("").await - before, 2 * together);
}

#[tokio::test]
async fn scopes_of_other_repositories_have_other_revisions() {
    let db = database();
    let names: Vec<String> = (0..40).map(|n| format!("r{n}")).collect();
    for name in &names {
        db.done(put(name, "m", &["v"], None)).await;
    }
    let prefixes = |name: &str| Prefixes::new([name.parse().unwrap()]).unwrap();
    let revision = |scope: &Scope| db.metadata.revision(scope, "", None).now().unwrap();
    let of = |name: &String| {
        [
            revision(&Scope::Only(prefixes(name))),
            revision(&Scope::all_but(prefixes(name))),
        ]
    };
    // All repositories changed as often, so that counts alone would be the same.
    let mut seen: BTreeSet<u64> = names.iter().flat_map(of).collect();
    assert_eq!(seen.len(), 80);
    for n in 0..5 {
        let content = n.to_string();
        for name in &names {
            db.done(put(name, &content, &[], None)).await;
        }
        assert!(names.iter().flat_map(of).all(|revision| seen.insert(revision)));
    }
}

#[tokio::test]
async fn revisions_of_an_earlier_schema_go_on() {
    let names = ["a", "a-b", "a/b", "a/b/c", "a/d", "b/c"];
    // Changes of each, which an earlier schema counted for all prefixes of the name.
    let counts = [3, 1, 4, 1, 5, 9];
    let folder = tempfile::tempdir().unwrap();
    let old = Connection::open(folder.path().join("metadata.sqlite")).unwrap();
    let earlier = MIGRATIONS
        .iter()
        .take_while(|script| !script.contains("CREATE TABLE changes"));
    for (version, script) in (1_i64..).zip(earlier) {
        old.execute_batch(script).unwrap();
        old.pragma_update(None, "user_version", version).unwrap();
    }
    for (name, count) in names.iter().zip(counts) {
        old.execute("INSERT INTO repositories (name) VALUES (?1)", [name]).unwrap();
        for prefix in repository(name).prefixes() {
            let moved = "INSERT INTO revisions VALUES (?1, ?2) ON CONFLICT DO UPDATE SET revision = revision + excluded.revision";
            old.execute(moved, rusqlite::params![prefix, count]).unwrap();
        }
    }
    drop(old);
    let migrated = Metadata::open(folder.path()).unwrap();
    // One that never had an earlier schema, with as many changes.
    let db = database();
    for (name, count) in names.iter().zip(counts) {
        for n in 0..count {
            db.done(put(name, &n.to_string(), &[], None)).await;
        }
    }
    // The first push of a repository is two changes: it begins as well.
    let begun = |covered: &dyn Fn(&str) -> bool| names.iter().filter(|name| covered(name)).count() as u64;
    let hidden = Scope::all_but(Prefixes::new(["a/b".parse().unwrap()]).unwrap());
    for scope in [Scope::All, hidden] {
        for prefix in ["", "a", "a/b", "a/b/c", "b", "absent"] {
            let expected = db.metadata.revision(&scope, prefix, None).await.unwrap();
            let begun = begun(&|name| repository(name).is_under(prefix) && scope.covers(&repository(name)));
            let found = migrated.revision(&scope, prefix, None).await.unwrap();
            assert_eq!(found + begun, expected, "{scope:?} {prefix}");
        }
    }
    let before = migrated.revision(&Scope::All, "a", None).await.unwrap();
    migrated.apply(put("a/b", "m", &[], None)).await.unwrap();
    assert_eq!(migrated.revision(&Scope::All, "a", None).await.unwrap(), before + 1);
}
