//! What goes because nothing leads to it, and what stays.

use super::*;
use crate::metadata::Garbage;

fn key(name: &str, content: &str) -> (Repository, Digest) {
    (repository(name), digest(content))
}

impl Database {
    /// Collects everything whose lease has ended by a time. Returns how many links went.
    async fn collect(&self, now: u64) -> u64 {
        let ended = self.metadata.ended_leases(now, None, 100).await.unwrap();
        let blobs = ended
            .into_iter()
            .map(|(_, repository, digest)| (repository, digest))
            .collect();
        match self.done(Command::Collect { blobs, now }).await {
            Applied::Collected(links) => links,
            other => panic!("{other:?}"),
        }
    }

    fn garbage(&self) -> Vec<String> {
        let garbage = self.metadata.garbage(None, 100).now().unwrap();
        garbage.iter().map(|garbage| garbage.location.to_string()).collect()
    }

    fn location(&self, name: &str, content: &str) -> Option<String> {
        let blob = self.metadata.blob(&repository(name), &digest(content)).now().unwrap();
        blob.map(|blob| blob.location.to_string())
    }
}

fn image(name: &str, content: &str, layers: &[&str]) -> PutManifest {
    PutManifest {
        edges: layers.iter().map(|layer| edge(EdgeKind::Layer, layer)).collect(),
        ..manifest(name, content, &[])
    }
}

#[tokio::test]
async fn a_link_goes_when_its_lease_has_ended_and_no_manifest_names_it() {
    let db = database();
    for blob in ["named", "unnamed"] {
        db.done(link_at("a", blob, "1")).await;
    }
    db.put(image("a", "m", &["named"])).await;
    assert_eq!(db.collect(LEASE.until - 1).await, 0);
    assert!(db.sees("a", "unnamed").await);
    assert_eq!(db.collect(LEASE.until).await, 1);
    assert!(db.sees("a", "named").await && !db.sees("a", "unnamed").await);
    assert_eq!(db.garbage(), [at("unnamed", "1").to_string()]);
    // Nothing is looked at again before something happens to it.
    assert_eq!(db.metadata.ended_leases(u64::MAX, None, 9).await.unwrap(), []);
    // What a manifest named goes with the last one, at once.
    db.put(image("a", "n", &["named"])).await;
    db.done(delete("a", "m")).await;
    assert_eq!(db.collect(LEASE.now).await, 0);
    db.done(delete("a", "n")).await;
    assert_eq!(db.collect(LEASE.now).await, 1);
    assert!(!db.sees("a", "named").await);
    assert_eq!(db.garbage().len(), 2);
}

#[tokio::test]
async fn a_lease_is_never_shortened_and_holds_only_what_is_there() {
    let db = database();
    let renew = |blobs, until| Command::RenewLeases {
        blobs,
        lease: Lease { now: LEASE.now, until },
    };
    db.done(link_at("a", "x", "1")).await;
    db.done(renew(vec![key("a", "x"), key("a", "absent"), key("nowhere", "x")], 3_000))
        .await;
    db.done(renew(vec![key("a", "x")], 2_500)).await;
    db.put(image("a", "m", &["x"])).await;
    db.done(delete("a", "m")).await;
    assert_eq!(db.collect(2_999).await, 0);
    assert_eq!(db.collect(3_000).await, 1);
    assert!(!db.metadata.repository_exists(&repository("nowhere")).await.unwrap());
    // A command that comes late finds a lease that was renewed meanwhile.
    db.done(link("a", "y")).await;
    db.done(renew(vec![key("a", "y")], 9_000)).await;
    let blobs = vec![key("a", "y")];
    assert_eq!(db.done(Command::Collect { blobs, now: 5_000 }).await, Applied::Collected(0));
    assert!(db.sees("a", "y").await);
}

#[tokio::test]
async fn bytes_are_garbage_when_the_last_link_goes() {
    let db = database();
    db.done(link_at("a", "x", "1")).await;
    db.done(mount("b", "x", &["a"])).await;
    db.done(unlink("a", "x")).await;
    assert!(db.garbage().is_empty() && db.sees("b", "x").await);
    db.done(unlink("b", "x")).await;
    let garbage = db.metadata.garbage(None, 9).await.unwrap();
    let expected = Garbage {
        since: LEASE.now,
        location: at("x", "1"),
        size: 1,
    };
    assert_eq!(garbage, [expected]);
    // What is about to be removed is not there any more, whoever speaks of it.
    assert_eq!(db.refused(mount("c", "x", &["a", "b"])).await, Refused::Absent);
    assert_eq!(db.refused(link_at("c", "x", "1")).await, Refused::Absent);
    let without_bytes = LinkBlob {
        repository: repository("c"),
        digest: digest("x"),
        size: 1,
        location: None,
        is_new: false,
        upload: None,
        lease: LEASE,
    };
    assert_eq!(db.refused(Command::LinkBlob(without_bytes)).await, Refused::Absent);
    let locations = vec![at("x", "1")];
    db.done(Command::ForgetGarbage { locations }).await;
    assert!(db.garbage().is_empty());
}

#[tokio::test]
async fn a_push_of_a_blob_that_is_there_replaces_its_bytes() {
    let db = database();
    db.done(link_at("a", "x", "1")).await;
    let mark = |time: &str, is_whole| Command::MarkBlob {
        digest: digest("x"),
        location: at("x", time),
        is_whole,
    };
    db.done(mark("1", false)).await;
    assert!(!db.sees("a", "x").await);
    db.done(mark("1", true)).await;
    assert!(db.sees("a", "x").await);
    db.done(mark("1", false)).await;
    assert_eq!(db.refused(mount("b", "x", &["a"])).await, Refused::Absent);
    let missing = db.refused(Command::PutManifest(Box::new(image("a", "m", &["x"])))).await;
    assert!(matches!(missing, Refused::Missing { .. }), "{missing:?}");
    assert_eq!(db.done(link_at("b", "x", "2")).await, Applied::Done);
    // Every repository that sees it sees the new bytes.
    for name in ["a", "b"] {
        assert_eq!(db.location(name, "x"), Some(at("x", "2").to_string()));
    }
    assert_eq!(db.garbage(), [at("x", "1").to_string()]);
    // Who looked at the old ones says nothing about the new ones.
    db.done(mark("1", false)).await;
    assert!(db.sees("a", "x").await);
}

#[tokio::test]
async fn the_documents_of_scans_go_with_them() {
    let db = database();
    db.put(manifest("a", "m", &[])).await;
    db.done(Command::PutScan(Box::new(scan("a", "m", "{}")))).await;
    assert!(db.sees("a", "{}").await);
    let second = ScanUpdate {
        document: Some(at("[]", "1")),
        ..scan("a", "m", "[]")
    };
    db.done(Command::PutScan(Box::new(second))).await;
    assert!(!db.sees("a", "{}").await && db.sees("a", "[]").await);
    db.done(delete("a", "m")).await;
    db.collect(u64::MAX >> 1).await;
    assert!(!db.sees("a", "[]").await);
    assert_eq!(db.garbage().len(), 2);
}
