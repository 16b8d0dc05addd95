//! Rows of upload sessions.

use super::*;
use crate::{
    metadata::{EndedUpload, SaveUpload, UnfinishedUploads, UploadProgress, UploadRecord},
    oci::Algorithm,
};

fn save(id: &str, now: u64) -> SaveUpload {
    SaveUpload {
        id: id.into(),
        repository: repository("a"),
        offset: now,
        completing: None,
        algorithm: Algorithm::Sha512,
        hash_version: 7,
        hash_state: vec![0, 1, 2],
        token: format!("token of {id}"),
        peer: String::new(),
        now,
    }
}

impl Database {
    async fn save(&self, upload: SaveUpload) {
        self.done(Command::SaveUpload(upload)).await;
    }

    fn idle(&self, before: u64, n: usize) -> Vec<String> {
        let mut ids = Vec::new();
        let mut last = None;
        loop {
            let page = self.metadata.idle_uploads(before, last.as_ref(), n).now().unwrap();
            ids.extend(page.iter().map(|upload| upload.id.clone()));
            match page.into_iter().next_back() {
                Some(upload) => last = Some(upload),
                None => return ids,
            }
        }
    }
}

fn end(id: &str, now: u64) -> Command {
    Command::LinkBlob(LinkBlob {
        repository: repository("a"),
        digest: digest("b"),
        size: 1,
        location: Some(at("b", id)),
        is_new: true,
        upload: Some(EndedUpload { id: id.into(), now }),
        lease: LEASE,
    })
}

#[tokio::test]
async fn a_row_says_what_its_session_is_at() {
    let db = database();
    db.save(save("x", 5)).await;
    let open = UploadRecord {
        id: "x".into(),
        progress: UploadProgress::Open,
        repository: repository("a"),
        offset: 5,
        algorithm: Algorithm::Sha512,
        hash_version: 7,
        hash_state: vec![0, 1, 2],
        token: "token of x".into(),
    };
    assert_eq!(db.metadata.upload("x").await.unwrap(), Some(open.clone()));
    assert!(db.metadata.has_upload_token("token of x").await.unwrap());
    let becoming = SaveUpload {
        completing: Some(digest("b")),
        ..save("x", 5)
    };
    db.save(becoming).await;
    let progress = UploadProgress::Completing(digest("b"));
    assert_eq!(
        db.metadata.upload("x").await.unwrap(),
        Some(UploadRecord { progress, ..open })
    );
    assert_eq!(
        db.metadata.completing_uploads("", 9).await.unwrap(),
        [("x".into(), "a".into())]
    );
    assert_eq!(db.metadata.completing_uploads("x", 9).await.unwrap(), []);
    assert!(!db.sees("a", "b").await);
    db.done(end("x", 9)).await;
    let done = db.metadata.upload("x").await.unwrap().unwrap();
    assert_eq!(done.progress, UploadProgress::Done(digest("b")));
    assert!(db.sees("a", "b").await);
    assert!(!db.metadata.has_upload_token("token of x").await.unwrap());
    assert!(db.metadata.unfinished_upload("x").await.unwrap().is_none());
    // A session without a row ends without one.
    db.done(end("y", 9)).await;
    assert_eq!(db.metadata.upload("y").await.unwrap(), None);
}

#[tokio::test]
async fn sessions_are_counted_and_found_by_their_age() {
    let db = database();
    for (id, now) in [("x", 5), ("y", 7), ("w", 7), ("z", 9), ("done", 6)] {
        db.save(save(id, now)).await;
    }
    db.done(end("done", 6)).await;
    let counted = |n: usize| {
        let UnfinishedUploads { count, oldest } = db.metadata.unfinished_uploads(n).now().unwrap();
        (count, oldest)
    };
    assert_eq!((counted(100), counted(2)), ((4, 5), (2, 5)));
    for n in [1, 2, 100] {
        assert_eq!(db.idle(9, n), ["x", "w", "y"]);
        assert_eq!(db.idle(5, n), Vec::<String>::new());
    }
    let forget = |before: u64| Command::ForgetEndedUploads { before, n: 10 };
    assert_eq!(db.done(forget(6)).await, Applied::Forgotten(0));
    assert_eq!(db.done(forget(7)).await, Applied::Forgotten(1));
    for id in ["x", "x"] {
        db.done(Command::DropUpload { id: id.into() }).await;
    }
    assert_eq!(counted(100), (3, 7));
    assert_eq!(database().metadata.unfinished_uploads(9).await.unwrap().count, 0);
}

#[tokio::test]
async fn who_holds_most_sessions_gives_the_oldest_ones() {
    let db = database();
    for (id, peer, now) in [
        ("x", "p", 5),
        ("y", "q", 3),
        ("z", "q", 7),
        ("w", "q", 2),
        ("v", "", 1),
        ("done", "q", 1),
    ] {
        let peer = peer.into();
        db.save(SaveUpload { peer, ..save(id, now) }).await;
    }
    db.done(end("done", 9)).await;
    let beyond = |peer: &str, n| -> Vec<String> {
        let found = db.metadata.uploads_beyond_share(peer, n).now().unwrap();
        found.into_iter().map(|upload| upload.id).collect()
    };
    // With one more, each of the others holds as many as are left, or fewer.
    assert_eq!((beyond("p", 10), beyond("r", 2)), (ids(&["w", "y", "z"]), ids(&["w", "y"])));
    db.done(Command::DropUpload { id: "w".into() }).await;
    assert_eq!(beyond("r", 10), ids(&["y", "z"]));
    for peer in ["", "p", "q"] {
        assert_eq!(beyond(peer, 10), Vec::<String>::new(), "{peer}");
    }
    assert_eq!(database().metadata.uploads_beyond_share("p", 10).await.unwrap(), []);
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn names_are_signed_with_a_key_of_each_database() {
    let (one, other) = (database(), database());
    let key = one.metadata.upload_key().await.unwrap();
    assert_eq!(key.len(), 32);
    assert_ne!(key, other.metadata.upload_key().await.unwrap());
    let again = Metadata::open(one.folder.path()).unwrap();
    assert_eq!(again.upload_key().await.unwrap(), key);
}

#[tokio::test]
async fn sessions_of_the_first_schema_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let old = rusqlite::Connection::open(folder.path().join("metadata.sqlite")).unwrap();
    old.execute_batch(include_str!("../schema/1.sql")).unwrap();
    let row = "INSERT INTO uploads (id, repository, offset, algorithm, hash_state, token, used)
        VALUES ('x', 'a', 3, 'sha256', x'000102', 't', 5)";
    old.execute_batch(row).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let metadata = Metadata::open(folder.path()).unwrap();
    let found = metadata.upload("x").await.unwrap().unwrap();
    assert_eq!(
        (found.progress, found.hash_version, found.offset),
        (UploadProgress::Open, 1, 3)
    );
    assert_eq!(metadata.unfinished_uploads(9).await.unwrap().count, 1);
    assert_eq!(metadata.upload_key().await.unwrap().len(), 32);
}
