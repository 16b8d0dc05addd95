//! Databases of older gateways: they are brought to the newest schema as a whole or not at all, and what they hold goes on.

use std::path::Path;

use rusqlite::{Batch, Connection, fallible_iterator::FallibleIterator, types::Value};

use super::*;
use crate::metadata::schema::{MIGRATIONS, migrate};

/// What the first version wrote for an index under a tag that names two manifests, of which it holds one, judged by a plugin.
const FIRST: &str = "
    INSERT INTO repositories (id, name) VALUES (1, 'a');
    INSERT INTO contents (id, bytes) VALUES (1, x'6d'), (2, x'696e646578');
    INSERT INTO artifacts (id, digest, repository_id, content_id, size, media_type, made, pushed, candidates)
        VALUES (1, :m, 1, 1, 1, 'a/b', 0, 1, '[]'), (2, :index, 1, 2, 5, 'a/b', 0, 1, '[]');
    INSERT INTO tags (repository_id, tag, artifact_id) VALUES (1, 't', 2);
    INSERT INTO edges (artifact_id, position, repository_id, kind, digest, size)
        VALUES (2, 0, 1, 2, :m, 1), (2, 1, 1, 2, :gone, 1), (2, 2, 1, 1, :blob, 1);
    INSERT INTO stamps (id, plugin, component, settings) VALUES (1, 'thing', :m, :m);
    INSERT INTO types (id, name) VALUES (1, 'x/thing');
    INSERT INTO judgements (artifact_id, repository, digest, type_id, stamp_id, failure, findings, entry)
        VALUES (1, 'a', :m, 1, 1, NULL, '[]', NULL);";

/// What gateways of each version could have stored, in the order of the scripts. A new script comes with rows for what it changes.
const STORED: [&str; MIGRATIONS.len()] = [
    // A job of a backlog, one that failed as often as it may, one that another gateway holds, and two whose artifact or plugin is gone.
    "INSERT INTO repositories VALUES (1, 'a'), (2, 'b');
    INSERT INTO contents VALUES (1, x'7b7d');
    INSERT INTO artifacts VALUES (1, 'sha256:1111111111111111111111111111111111111111111111111111111111111111', 1, 1, 2, 'a/b', 0, 10, '[\"c/d\"]'),
        (2, 'sha256:2222222222222222222222222222222222222222222222222222222222222222', 1, 1, 2, 'a/b', 0, 20, '[\"c/d\"]'),
        (3, 'sha256:3333333333333333333333333333333333333333333333333333333333333333', 2, 1, 2, 'a/b', 0, 30, '[\"c/d\"]');
    INSERT INTO candidates VALUES ('c/d', 1), ('c/d', 2), ('c/d', 3);
    INSERT INTO tags VALUES (1, 'v1', 1);
    INSERT INTO links VALUES ('sha256:4444444444444444444444444444444444444444444444444444444444444444', 1, 7, 0);
    INSERT INTO stamps VALUES (1, 'thing', 'sha256:5555555555555555555555555555555555555555555555555555555555555555',
        'sha256:6666666666666666666666666666666666666666666666666666666666666666');
    INSERT INTO jobs VALUES (1, 1, 0, 1, 0, 0, NULL), (2, 2, 1, 1, 400, 5, 'no thread is free'), (3, 3, 1, 1, 300, 1, NULL),
        (4, 77, 1, 1, 10, 0, NULL), (5, 3, 0, 77, 10, 0, NULL);
    INSERT INTO uploads VALUES ('u1', 'a', 7, 'sha256', x'00', 't1', 40);
    INSERT INTO plugin_set VALUES (1, 'word', 3);
    INSERT INTO revisions VALUES ('', 9), ('a', 5), ('b', 4);",
    // A session that is becoming a digest, and one that became it.
    "INSERT INTO uploads VALUES ('u2', 'b', 9, 'sha256', x'01', 't2', 50, 1, 'sha256:7777777777777777777777777777777777777777777777777777777777777777', 1),
        ('u3', 'b', 9, 'sha256', x'02', 't3', 60, 2, 'sha256:7777777777777777777777777777777777777777777777777777777777777777', 1);
    INSERT INTO probe VALUES (1, 70);",
    // An artifact that two plugins claim.
    "INSERT INTO types VALUES (1, 'c/d'), (2, 'e/f');
    INSERT INTO judgements VALUES (3, 'b', 'sha256:3333333333333333333333333333333333333333333333333333333333333333', 1, 1, NULL, '[]', NULL);
    INSERT INTO opinions VALUES (3, 1, 2, 1, 'it failed', '[]', NULL);",
    // Artifacts from before have been looked at half, and one is to be scanned.
    "INSERT INTO jobs VALUES (9, 2, 'thing', 0, 1, 1, 90, 100, 2, 7, 'no luck');
    UPDATE plugin_set SET planned_type = 'c/d', planned_artifact = 2;",
    // The words of an entry, with that of its scope.
    "INSERT INTO words (rowid, title, summary, keywords, repository, scope) VALUES (3, 'web', '', '', 'b', 'b');",
    // A session of a peer.
    "INSERT INTO uploads VALUES ('u4', 'b', 9, 'sha256', x'03', 't4', 80, 0, NULL, 1, '192.0.2.1');",
    // Entries of a type that changed.
    "INSERT INTO changes VALUES (1, 'b', 7);",
    // A blob that was pushed to another place, and what lies where it was before.
    "INSERT INTO blobs VALUES ('sha256:8888888888888888888888888888888888888888888888888888888888888888', 'somewhere', 9, 0);
    INSERT INTO links VALUES ('sha256:8888888888888888888888888888888888888888888888888888888888888888', 2, 0);
    INSERT INTO leases VALUES ('sha256:8888888888888888888888888888888888888888888888888888888888888888', 2, 90);
    INSERT INTO garbage VALUES ('elsewhere', 9, 80);",
    // A session as it is now.
    "INSERT INTO uploads (id, repository, acknowledged, algorithm, hash_state, token, used) VALUES ('u5', 'b', 11, 'sha256', x'04', 't5', 90);",
];

/// Makes a database of a version, with rows.
fn database_of(version: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let connection = connect(folder.path());
    for (number, (script, stored)) in (1_i64..).zip(MIGRATIONS.iter().zip(STORED)).take(version) {
        connection.execute_batch(script).unwrap();
        connection.execute_batch(stored).unwrap();
        connection.pragma_update(None, "user_version", number).unwrap();
    }
    folder
}

/// Opens a database that writes to its files before it commits.
fn connect(folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("metadata.sqlite")).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA cache_size = 1; PRAGMA cache_spill = 1;")
        .unwrap();
    connection
}

/// Returns everything that a database holds, times of just now or in a day and random keys as zero.
fn dump(connection: &Connection) -> Vec<String> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    let mut dump = vec![format!("version {version}")];
    let rows = |sql: &str| -> Vec<Vec<Value>> {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    };
    let schema = rows("SELECT name, sql FROM sqlite_schema ORDER BY type, name");
    dump.extend(schema.iter().map(|row| format!("{row:?}")));
    let now = connection
        .query_row("SELECT unixepoch()", [], |row| row.get::<_, i64>(0))
        .unwrap();
    for table in rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'words%' ORDER BY name") {
        let [Value::Text(table)] = table.as_slice() else {
            panic!("{table:?}")
        };
        for mut row in rows(&format!("SELECT * FROM \"{table}\" ORDER BY 1, 2")) {
            for value in &mut row {
                if let Value::Integer(time) = value
                    && [0, 86_400].iter().any(|ahead| (now + ahead - *time).abs() < 3_600)
                {
                    *time = 0;
                }
                if let Value::Blob(key) = value
                    && table == "upload_key"
                {
                    key.fill(0);
                }
            }
            dump.push(format!("{table} {row:?}"));
        }
    }
    dump
}

/// Opens a database as the gateway does, and returns everything that it holds then.
fn opened(folder: &Path) -> Vec<String> {
    drop(Metadata::open(folder).unwrap());
    dump(&connect(folder))
}

/// Copies the files as they are now: what a gateway finds that starts after another was killed.
fn as_after_a_kill(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in ["metadata.sqlite", "metadata.sqlite-wal"] {
        std::fs::copy(folder.join(file), copy.path().join(file)).unwrap();
    }
    copy
}

#[test]
fn a_database_of_any_version_becomes_the_newest() {
    let newest = tempfile::tempdir().unwrap();
    let schema = |dump: Vec<String>| -> Vec<String> { dump.into_iter().filter(|line| line.starts_with('[')).collect() };
    let expected = schema(opened(newest.path()));
    assert!(expected.len() > 20, "{expected:#?}");
    for version in 1..=MIGRATIONS.len() {
        let folder = database_of(version);
        assert_eq!(schema(opened(folder.path())), expected, "from version {version}");
    }
}

#[test]
fn a_step_that_runs_out_of_space_leaves_everything_as_it_was() {
    for version in 1..MIGRATIONS.len() {
        let folder = database_of(version);
        let connection = connect(folder.path());
        // The next step finds no page that an earlier one gave up.
        connection.execute_batch("VACUUM").unwrap();
        let before = dump(&connection);
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let mut failures = 0;
        for allowed in pages.. {
            // SQLite answers alike to a full disk and to a database that may not grow.
            connection.pragma_update(None, "max_page_count", allowed).unwrap();
            let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
            match migrate(&connection, found) {
                Ok(()) => break,
                Err(_) => failures += 1,
            }
            // A step that was done before the one that failed is done; nothing is half done.
            let after = dump(&connection);
            assert!(after == before || after[0] > before[0], "{after:#?}");
        }
        // A column gets another name in its place.
        assert!(
            failures > 0 || version == 8,
            "version {version}: the next step needs no space"
        );
    }
}

#[test]
fn a_gateway_that_is_killed_at_any_statement_goes_on_at_the_next_start() {
    for (version, script) in MIGRATIONS.into_iter().enumerate().skip(1) {
        let expected = opened(database_of(version).path());
        for killed_after in 0.. {
            let folder = database_of(version);
            let connection = connect(folder.path());
            let transaction = connection.unchecked_transaction().unwrap();
            let mut statements = Batch::new(&transaction, script);
            let mut run = 0;
            while run < killed_after
                && let Some(mut statement) = statements.next().unwrap()
            {
                let _ = statement.raw_execute().unwrap();
                run += 1;
            }
            let killed = as_after_a_kill(folder.path());
            assert_eq!(opened(killed.path()), expected, "version {version}, after {run} statements");
            if run < killed_after {
                break;
            }
        }
    }
}

#[tokio::test]
async fn blobs_of_the_first_schema_lie_where_they_did() {
    let folder = database_of(7);
    let metadata = Metadata::open(folder.path()).unwrap();
    let four = "4".repeat(64);
    let digest: Digest = format!("sha256:{four}").parse().unwrap();
    let blob = metadata.blob(&repository("a"), &digest).now().unwrap().unwrap();
    assert_eq!((blob.size, blob.location.as_str()), (7, format!("sha256/44/{four}").as_str()));
    // No manifest names it, and so it stays for a day.
    let day = |now: u64| metadata.ended_leases(now, None, 9).now().unwrap().len();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert_eq!((day(now + 86_000), day(now + 86_500)), (0, 1));
    assert!(!metadata.leases_were_written().now().unwrap());
}

#[tokio::test]
async fn jobs_of_the_first_schema_are_done() {
    let folder = database_of(1);
    let metadata = Metadata::open(folder.path()).unwrap();
    let db = Database { metadata, folder };
    let counts = db.metadata.job_counts().await.unwrap();
    let depths: Vec<_> = counts.iter().map(|count| (count.kind, count.depth)).collect();
    assert_eq!(
        depths,
        [(JobKind::Index, 1), (JobKind::Scan, 2)],
        "those of nobody are left out"
    );
    assert_eq!(counts[1].oldest, Some(300));
    let mut claimed = Vec::new();
    loop {
        match db.done(Command::ClaimJob { now: 500, after: None }).await {
            Applied::Claimed(Claimed::Job(job)) => {
                assert_eq!(
                    (job.stamp.plugin.as_str(), job.tries),
                    ("thing", 1),
                    "waiting was counted as tries"
                );
                claimed.push((job.digest.to_string()[7..9].to_owned(), job.kind, job.backlog));
            }
            Applied::Claimed(Claimed::Nothing) => break,
            other => panic!("{other:?}"),
        }
    }
    let expected = [
        ("33", JobKind::Scan, false),
        ("22", JobKind::Scan, false),
        ("11", JobKind::Index, true),
    ];
    assert_eq!(
        claimed,
        expected.map(|(digest, kind, backlog)| (digest.to_owned(), kind, backlog))
    );
    assert_eq!(
        db.metadata.planned().await.unwrap(),
        Some(("word".to_owned(), PlanCursor::default())),
        "everything is looked at once"
    );
}

#[tokio::test]
async fn what_the_first_version_stored_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let script = ["m", "index", "gone", "blob"].iter().fold(FIRST.to_owned(), |script, name| {
        script.replace(&format!(":{name}"), &format!("'{}'", digest(name)))
    });
    let old = Connection::open(folder.path().join("metadata.sqlite")).unwrap();
    old.execute_batch(include_str!("../schema/1.sql")).unwrap();
    old.execute_batch(&script).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let metadata = Metadata::open(folder.path()).unwrap();
    let named = metadata.named_under(&repository("a"), &tag("t"), None, 10).await.unwrap();
    let mut expected = [(digest("m"), true), (digest("gone"), false)];
    expected.sort();
    assert!(
        named
            .iter()
            .map(|(digest, head)| (digest.clone(), head.is_some()))
            .eq(expected)
    );
    let record = metadata.artifact(&repository("a"), &digest("m")).await.unwrap().unwrap();
    assert_eq!((record.judged.unwrap().0.as_str(), record.opinions), ("x/thing", vec![]));
    let opinion = Opinion {
        stamp: stamp("other", "1"),
        artifact_type: "x/other".into(),
        entry: Some(entry("web")),
        findings: vec![finding("other/one")],
        failure: Some("it failed".into()),
    };
    let put = PutManifest {
        judged: Some(judged("web", stamp("thing", "2"))),
        opinions: vec![opinion.clone()],
        media_type: media_type("a/b"),
        ..manifest("a", "m", &[])
    };
    metadata.apply(Command::PutManifest(Box::new(put))).await.unwrap();
    let record = metadata.artifact(&repository("a"), &digest("m")).await.unwrap().unwrap();
    assert_eq!(record.opinions, [opinion]);
}
