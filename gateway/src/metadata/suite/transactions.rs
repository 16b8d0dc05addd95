//! Commands happen as a whole or not at all, together or alone, and what was acknowledged stays.

use super::*;

fn missing(name: &str, missing: Vec<Digest>) -> Refused {
    let repository = repository(name);
    Refused::Missing { repository, missing }
}

#[tokio::test]
async fn a_manifest_is_stored_only_where_all_it_names_is_held() {
    let db = database();
    db.done(link("team/a", "config")).await;
    let mut put = manifest("team/a", "m", &["v1", "v2"]);
    put.edges = vec![
        edge(EdgeKind::Config, "config"),
        edge(EdgeKind::Layer, "layer"),
        edge(EdgeKind::Manifest, "child"),
        Edge {
            required: false,
            ..edge(EdgeKind::Layer, "foreign")
        },
    ];
    let command = Command::PutManifest(Box::new(put.clone()));
    assert_eq!(
        db.refused(command.clone()).await,
        missing("team/a", vec![digest("layer"), digest("child")])
    );
    assert_eq!(db.tagged("team/a", "v1").await, None);
    // What another repository holds does not count.
    db.done(link("team/b", "layer")).await;
    db.put(manifest("team/b", "child", &[])).await;
    assert_eq!(
        db.refused(command.clone()).await,
        missing("team/a", vec![digest("layer"), digest("child")])
    );
    db.done(link("team/a", "layer")).await;
    db.put(manifest("team/a", "child", &[])).await;
    assert_eq!(db.done(command.clone()).await, Applied::Done);
    assert_eq!(db.done(command).await, Applied::Existed);
    assert_eq!(db.tagged("team/a", "v2").await.as_deref(), Some("m"));
    assert_eq!(
        db.metadata.missing(&put.repository, &put.digest).await.unwrap(),
        [digest("foreign")]
    );

    let wrong = Edge {
        size: 7,
        ..edge(EdgeKind::Config, "config")
    };
    let mut put = manifest("team/a", "wrong", &[]);
    put.edges = vec![Edge {
        required: false,
        ..wrong
    }];
    let expected = Refused::Size {
        repository: repository("team/a"),
        digest: digest("config"),
        said: 7,
        has: 6,
    };
    assert_eq!(db.refused(Command::PutManifest(Box::new(put))).await, expected);
}

#[tokio::test]
async fn a_refusal_names_ten_at_most() {
    let db = database();
    let mut put = manifest("a", "m", &[]);
    put.edges = (0..30).map(|n| edge(EdgeKind::Layer, &n.to_string())).collect();
    let Refused::Missing { missing, .. } = db.refused(Command::PutManifest(Box::new(put))).await else {
        panic!()
    };
    assert_eq!(missing, (0..10).map(|n| digest(&n.to_string())).collect::<Vec<_>>());
    assert!(!db.metadata.repository_exists(&repository("a")).await.unwrap());
}

#[tokio::test]
async fn refused_commands_leave_those_that_share_their_commit_alone() {
    let db = database();
    let mut tasks = Vec::new();
    for n in 0..600 {
        let name = format!("r{}", n % 7);
        let command = match n % 3 {
            0 => delete(&name, "absent"),
            1 => link(&name, &n.to_string()),
            _ => Command::All(vec![
                link(&name, &n.to_string()),
                Command::PutManifest(Box::new(manifest(&name, "m", &["v"]))),
            ]),
        };
        let metadata = db.metadata.clone();
        tasks.push((n, tokio::spawn(async move { metadata.apply(command).await })));
    }
    for (n, task) in tasks {
        let applied = task.await.unwrap();
        match n % 3 {
            0 => assert!(matches!(applied, Err(MetadataError::Refused(Refused::Absent)))),
            _ => assert!(matches!(applied, Ok(Applied::Done)), "{applied:?}"),
        }
        assert_eq!(db.sees(&format!("r{}", n % 7), &n.to_string()).await, n % 3 > 0);
    }
}

#[tokio::test]
async fn all_means_all_or_nothing_and_later_ones_see_earlier_ones() {
    let db = database();
    let put = |content: &str, edges: Vec<Edge>| {
        Command::PutManifest(Box::new(PutManifest {
            edges,
            ..manifest("a", content, &[])
        }))
    };
    let index = || put("index", vec![edge(EdgeKind::Manifest, "child")]);
    let child = || put("child", vec![edge(EdgeKind::Config, "config")]);
    let before = db.revision("").await;
    let command = Command::All(vec![link("a", "config"), index(), child()]);
    assert_eq!(db.refused(command).await, missing("a", vec![digest("child")]));
    assert!(!db.sees("a", "config").await && !db.holds("a", "child").await);
    assert_eq!(db.revision("").await, before);
    db.done(Command::All(vec![link("a", "config"), child(), index()])).await;
    assert!(db.sees("a", "config").await && db.holds("a", "child").await && db.holds("a", "index").await);
    assert!(db.revision("").await > before);
}

#[tokio::test]
async fn what_is_expected_is_looked_at_where_it_is_done() {
    let db = database();
    let expect = |reference: Reference, expected: &Expected| Command::Expect {
        repository: repository("a"),
        reference,
        expected: expected.clone(),
    };
    let v = || Reference::Tag(tag("v"));
    let one_of = |contents: &[&str]| Expected::OneOf(contents.iter().map(|content| digest(content)).collect());
    let none_of = |contents: &[&str]| Expected::NoneOf(contents.iter().map(|content| digest(content)).collect());
    let put = |content: &str| Command::PutManifest(Box::new(manifest("a", content, &["v"])));
    let unmet = |reference: Reference, meant: Option<&str>| Refused::Unmet {
        repository: repository("a"),
        reference,
        meant: meant.map(digest),
    };
    // Nothing is there, not even the repository, and a condition alone makes none.
    db.done(expect(v(), &Expected::Nothing)).await;
    db.done(expect(v(), &none_of(&["one"]))).await;
    for expected in [Expected::Something, one_of(&["one"])] {
        assert_eq!(db.refused(expect(v(), &expected)).await, unmet(v(), None));
    }
    assert!(!db.metadata.repository_exists(&repository("a")).await.unwrap());
    db.done(Command::All(vec![expect(v(), &Expected::Nothing), put("one")])).await;
    for expected in [Expected::Nothing, one_of(&[]), one_of(&["two"]), none_of(&["two", "one"])] {
        let command = Command::All(vec![expect(v(), &expected), put("two")]);
        assert_eq!(db.refused(command).await, unmet(v(), Some("one")), "{expected:?}");
        assert!(db.tagged("a", "v").await.as_deref() == Some("one") && !db.holds("a", "two").await);
    }
    for expected in [Expected::Something, one_of(&["two", "one"]), none_of(&["two"])] {
        db.done(expect(v(), &expected)).await;
    }
    // A digest means itself where the repository holds it.
    let by_digest = |content: &str| Reference::Digest(digest(content));
    db.done(expect(by_digest("one"), &one_of(&["one"]))).await;
    db.done(expect(by_digest("two"), &Expected::Nothing)).await;
    let command = expect(by_digest("one"), &Expected::Nothing);
    assert_eq!(db.refused(command).await, unmet(by_digest("one"), Some("one")));
}

#[tokio::test]
async fn of_many_that_expect_nothing_one_is_first() {
    let db = database();
    let mut tasks = Vec::new();
    for n in 0..200 {
        let expect = Command::Expect {
            repository: repository("a"),
            reference: Reference::Tag(tag("v")),
            expected: Expected::Nothing,
        };
        let put = Command::PutManifest(Box::new(manifest("a", &n.to_string(), &["v"])));
        let metadata = db.metadata.clone();
        tasks.push(tokio::spawn(
            async move { metadata.apply(Command::All(vec![expect, put])).await },
        ));
    }
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => done += 1,
            Err(MetadataError::Refused(Refused::Unmet { meant, .. })) => assert!(meant.is_some()),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(done, 1);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_process_is_gone() {
    let db = database();
    db.done(link("a", "x")).await;
    db.put(manifest("a", "m", &["v"])).await;
    // A copy of the files as they are now is what a process would find that starts after this one was killed.
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(db.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if !path.to_string_lossy().ends_with("-shm") {
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let found = Database {
        metadata: Metadata::open(copy.path()).unwrap(),
        folder: copy,
    };
    assert_eq!(found.tagged("a", "v").await.as_deref(), Some("m"));
    assert!(found.sees("a", "x").await);
    let Database { metadata, folder } = found;
    drop(metadata);
    let found = Database {
        metadata: Metadata::open(folder.path()).unwrap(),
        folder,
    };
    assert_eq!(found.tagged("a", "v").await.as_deref(), Some("m"));
}

#[tokio::test]
async fn two_writers_of_one_database_wait_for_each_other() {
    let db = database();
    let other = Metadata::open(db.folder.path()).unwrap();
    for n in 0..20 {
        let (one, two) = (format!("one {n}"), format!("two {n}"));
        let (first, second) = tokio::join!(db.apply(link("a", &one)), other.apply(link("a", &two)));
        assert_eq!((first.unwrap(), second.unwrap()), (Applied::Done, Applied::Done));
        assert!(db.sees("a", &one).await && db.sees("a", &two).await);
        assert_eq!(other.revision(&Scope::All, "a", None).await.unwrap(), db.revision("a").await);
    }
}

#[tokio::test]
async fn unusable_databases_are_refused_with_their_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    drop(Metadata::open(&path).unwrap());
    let file = path.join("metadata.sqlite");
    rusqlite::Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 4_711)
        .unwrap();
    match Metadata::open(&path).err().unwrap() {
        MetadataError::Newer {
            path,
            found: 4_711,
            known,
        } => {
            assert_eq!(path, file.display().to_string());
            assert!(known >= 4, "{known}");
        }
        other => panic!("{other}"),
    }
    std::fs::write(&file, "not a database, but long enough to be taken for one".repeat(100)).unwrap();
    let error = Metadata::open(&path).err().unwrap().to_string();
    assert!(
        error.contains(&file.display().to_string()) && error.contains("another data folder"),
        "{error}"
    );
    let error = Metadata::open(&file).err().unwrap().to_string();
    assert!(error.contains("cannot be opened"), "{error}");
}
