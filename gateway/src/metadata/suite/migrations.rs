//! A database of an earlier version is brought up to date with all that is in it.

use super::*;

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

#[tokio::test]
async fn what_the_first_version_stored_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let script = ["m", "index", "gone", "blob"].iter().fold(FIRST.to_owned(), |script, name| {
        script.replace(&format!(":{name}"), &format!("'{}'", digest(name)))
    });
    let old = rusqlite::Connection::open(folder.path().join("metadata.sqlite")).unwrap();
    old.execute_batch(include_str!("../schema/1.sql")).unwrap();
    old.execute_batch(&script).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let metadata = Metadata::open(folder.path()).unwrap();
    let named = metadata.named_under(&repository("a"), &tag("t"), None, 10).unwrap();
    let mut expected = [(digest("m"), true), (digest("gone"), false)];
    expected.sort();
    assert!(
        named
            .iter()
            .map(|(digest, head)| (digest.clone(), head.is_some()))
            .eq(expected)
    );
    let record = metadata.artifact(&repository("a"), &digest("m")).unwrap().unwrap();
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
    let record = metadata.artifact(&repository("a"), &digest("m")).unwrap().unwrap();
    assert_eq!(record.opinions, [opinion]);
}
