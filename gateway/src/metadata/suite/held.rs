//! What manifests name is checked and stored for all of it at once, and as if it had been asked for one by one.

use std::{cell::Cell, collections::BTreeSet};

use proptest::{prelude::*, test_runner::TestRunner};
use rusqlite::Connection;

use super::*;
use crate::metadata::{apply::Writing, schema::migrate};

/// How many digests a refusal names.
const TOLD_MAX: usize = 10;
const NAMES: usize = 30;

/// Which of the things in a repository an edge names, how it names it, whether it has to be there and whether its size is right.
type Named = (usize, usize, bool, bool);

fn named() -> impl Strategy<Value = Vec<Named>> {
    let wrong = prop::bool::weighted(0.97);
    prop::collection::vec((0..3_usize, 0..NAMES, any::<bool>(), wrong), 0..60)
}

fn thing(n: usize) -> String {
    format!("{n:0>width$}", width = 2 + n)
}

fn edges(named: &[Named]) -> Vec<Edge> {
    let one = |&(kind, n, required, right): &Named| {
        let kind = [EdgeKind::Config, EdgeKind::Layer, EdgeKind::Manifest][kind];
        let mut edge = edge(kind, &thing(n));
        edge.required = required;
        edge.size += u64::from(!right);
        edge
    };
    named.iter().map(one).collect()
}

/// Asks for one edge after the other, as a manifest is read.
fn one_by_one(db: &Database, edges: &[Edge]) -> (Vec<Option<u64>>, Option<Refused>) {
    let name = repository("a");
    let held = |edge: &Edge| match edge.kind {
        EdgeKind::Manifest => {
            let reference = Reference::Digest(edge.digest.clone());
            let head = db.metadata.manifest_head(&name, &reference).now().unwrap();
            head.map(|head| head.size)
        }
        EdgeKind::Config | EdgeKind::Layer => db.metadata.blob(&name, &edge.digest).now().unwrap().map(|blob| blob.size),
    };
    let sizes: Vec<_> = edges.iter().map(held).collect();
    let mut missing = Vec::new();
    for (edge, size) in edges.iter().zip(&sizes) {
        match size {
            Some(has) if *has != edge.size && edge.kind != EdgeKind::Manifest => {
                let refused = Refused::Size {
                    repository: name,
                    digest: edge.digest.clone(),
                    said: edge.size,
                    has: *has,
                };
                return (sizes, Some(refused));
            }
            None if edge.required && missing.len() < TOLD_MAX => missing.push(edge.digest.clone()),
            _ => {}
        }
    }
    let refused = (!missing.is_empty()).then_some(Refused::Missing {
        repository: name,
        missing,
    });
    (sizes, refused)
}

/// Reads the edges of a manifest in their order.
fn stored(db: &Database, content: &str) -> Vec<(i64, i64, String, i64)> {
    let connection = Connection::open(db.folder.path().join("metadata.sqlite")).unwrap();
    let sql = "SELECT e.position, e.kind, e.digest, e.size FROM edges e JOIN artifacts a ON a.id = e.artifact_id
        WHERE a.digest = ?1 ORDER BY e.position";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([digest(content).as_str()], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_manifest_is_answered_as_if_its_edges_were_asked_for_one_by_one() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let db = database();
    // Of what can be named the repository holds some as blobs, some as manifests, some as both; another one holds all of it.
    runtime.block_on(async {
        for n in 0..NAMES {
            for name in ["a", "b"] {
                if name == "b" || n % 2 == 0 {
                    db.done(link(name, &thing(n))).await;
                }
                if name == "b" || n % 3 == 0 {
                    db.put(manifest(name, &thing(n), &[])).await;
                }
            }
        }
    });
    let mut runner = TestRunner::new(ProptestConfig::with_cases(300));
    let (count, answers) = (Cell::new(0), Cell::new([0, 0, 0]));
    let answered = |kind: usize| {
        let mut counts = answers.get();
        counts[kind] += 1;
        answers.set(counts);
    };
    let checked = runner.run(&named(), |named| {
        let edges = edges(&named);
        let (sizes, refused) = one_by_one(&db, &edges);
        let asked: Vec<_> = edges.iter().collect();
        prop_assert_eq!(db.metadata.held(&repository("a"), &asked).now().unwrap(), sizes);
        prop_assert!(
            db.metadata
                .held(&repository("nobody"), &asked)
                .now()
                .unwrap()
                .iter()
                .all(Option::is_none)
        );
        count.set(count.get() + 1);
        let content = format!("manifest {}", count.get());
        let put = PutManifest {
            edges: edges.clone(),
            ..manifest("a", &content, &[])
        };
        match (runtime.block_on(db.apply(Command::PutManifest(Box::new(put)))), refused) {
            (Ok(applied), None) => {
                prop_assert_eq!(applied, Applied::Done);
                let expected: Vec<_> = (0..)
                    .zip(&named)
                    .zip(&edges)
                    .map(|((position, named), edge)| {
                        let (kind, size) = (i64::try_from(named.0).unwrap(), i64::try_from(edge.size).unwrap());
                        (position, kind, edge.digest.to_string(), size)
                    })
                    .collect();
                prop_assert_eq!(stored(&db, &content), expected);
                answered(0);
            }
            (Err(MetadataError::Refused(refused)), Some(expected)) => {
                answered(if matches!(refused, Refused::Size { .. }) { 1 } else { 2 });
                prop_assert_eq!(refused, expected);
            }
            other => prop_assert!(false, "{:?}", other),
        }
        Ok(())
    });
    checked.unwrap();
    assert!(answers.get().iter().all(|count| *count > 5), "{answers:?}");
}

/// Returns how many statements a push, a push of the same as another type, and a deletion take of a manifest that names so many blobs and
/// manifests and has so many candidates and tags.
fn statements(n: usize) -> Vec<usize> {
    let connection = Connection::open_in_memory().unwrap();
    migrate(&connection, 0).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    let mut writing = Writing::new(&connection);
    for child in 0..n {
        writing.apply(link("a", &thing(child % 20))).unwrap().unwrap();
        writing
            .apply(Command::PutManifest(Box::new(manifest("a", &thing(child % 20), &[]))))
            .unwrap()
            .unwrap();
    }
    let all = |kind| (0..n).map(move |child| edge(kind, &thing(child % 20)));
    let put = PutManifest {
        edges: all(EdgeKind::Layer).chain(all(EdgeKind::Manifest)).collect(),
        candidates: (0..n).map(|n| format!("x/type-{n}")).collect(),
        tags: (0..n.min(100)).map(|n| tag(&format!("t{n}"))).collect(),
        ..manifest("a", "large", &[])
    };
    let other = PutManifest {
        media_type: media_type("x/other"),
        ..put.clone()
    };
    let commands = [put, other].map(|put| Command::PutManifest(Box::new(put)));
    let mut counts = Vec::new();
    for command in commands.into_iter().chain([delete("a", "large")]) {
        writing.run.borrow_mut().clear();
        writing.apply(command).unwrap().unwrap();
        counts.push(writing.run.borrow().len());
    }
    for table in ["edges", "tags"] {
        let left: i64 = connection
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 0, "{table}");
    }
    counts
}

#[test]
fn statements_do_not_grow_with_what_a_manifest_names() {
    let few = statements(1);
    assert_eq!(statements(2_000), few);
    assert!(few.iter().all(|count| *count <= 25), "{few:?}");
}

#[test]
fn the_rows_of_repositories_are_taken_in_the_order_of_their_names() {
    let connection = Connection::open_in_memory().unwrap();
    migrate(&connection, 0).unwrap();
    let mut writing = Writing::new(&connection);
    let commands = || {
        let mount = Command::MountBlob {
            repository: repository("d"),
            digest: digest("x"),
            from: vec![repository("e"), repository("b")],
            lease: LEASE,
        };
        vec![link("c", "x"), Command::All(vec![link("b", "x"), link("a", "x")]), mount]
    };
    for command in commands() {
        writing.apply(command).unwrap().unwrap();
    }
    let batch = commands();
    let mut needed = BTreeSet::new();
    batch.iter().for_each(|command| command.repositories(&mut needed));
    assert!(needed.iter().map(|name| name.as_str()).eq(["a", "b", "c", "d", "e"]));
    let mut next = Writing::new(&connection);
    next.take_repositories(&batch).unwrap();
    assert_eq!(next.run.borrow().len(), needed.len(), "each is taken once");
    let needed = needed.len();
    for command in batch {
        next.apply(command).unwrap().unwrap();
    }
    let asked = next
        .run
        .borrow()
        .iter()
        .filter(|sql| sql.contains("FROM repositories"))
        .count();
    assert_eq!(asked, needed + 1, "only the one that is not there is looked for again");
}
