//! Jobs are done at least once, by one at a time.

use super::*;

fn backfill(stamp: Stamp) -> Command {
    Command::Backfill(Backfill {
        stamp,
        types: vec!["application/vnd.example.other".into(), "application/vnd.example.thing".into()],
        type_prefixes: Vec::new(),
        index: true,
        scan: true,
    })
}

impl Database {
    async fn claim(&self, now: u64) -> Option<Job> {
        match self.done(Command::ClaimJob { now }).await {
            Applied::Job(job) => job,
            other => panic!("{other:?}"),
        }
    }

    async fn end(&self, job: Job, again: Option<u64>) {
        let again = again.map(|due| (due, "no luck".to_owned()));
        self.done(Command::EndJob { job, again }).await;
    }
}

#[tokio::test]
async fn a_job_belongs_to_one_worker_for_a_minute() {
    let db = database();
    let said = Judged {
        scan: true,
        ..judged("web", stamp("thing", "1"))
    };
    let put = PutManifest {
        judged: Some(said),
        ..manifest("a", "m", &["v"])
    };
    db.put(put.clone()).await;
    assert_eq!(db.claim(999).await, None);
    let job = db.claim(1_000).await.unwrap();
    assert_eq!(
        (job.kind, job.repository.as_str(), &job.digest),
        (JobKind::Scan, "a", &digest("m"))
    );
    assert_eq!((job.plugin.as_str(), job.attempts), ("thing", 0));
    assert_eq!(db.claim(1_059).await, None);
    let job = db.claim(1_060).await.unwrap();
    assert_eq!(job.attempts, 1);
    db.end(job, Some(1_200)).await;
    assert_eq!(db.claim(1_199).await, None);
    let job = db.claim(1_200).await.unwrap();
    assert_eq!(job.attempts, 2);
    // The same push again plans nothing while the scan is planned, and nothing after it is done.
    db.put(put.clone()).await;
    assert_eq!(db.claim(1_201).await, None);
    db.done(Command::PutScan(Box::new(scan("a", "m", "{}")))).await;
    db.end(job.clone(), None).await;
    db.end(job, None).await;
    db.put(put).await;
    assert_eq!(db.claim(9_999).await, None);
}

#[tokio::test]
async fn the_oldest_job_that_is_due_comes_first() {
    let db = database();
    for (content, now) in [("m", 30), ("n", 10), ("o", 20)] {
        let said = Judged {
            scan: true,
            ..judged("web", stamp("thing", "1"))
        };
        db.put(PutManifest {
            judged: Some(said),
            now,
            ..manifest("a", content, &[])
        })
        .await;
    }
    for content in ["n", "o", "m"] {
        assert_eq!(db.claim(100).await.unwrap().digest, digest(content));
    }
}

#[tokio::test]
async fn a_new_plugin_is_given_what_another_or_none_has_looked_at() {
    let db = database();
    db.put(manifest("a", "m", &[])).await;
    db.put(PutManifest {
        judged: Some(judged("web", stamp("thing", "1"))),
        ..manifest("b", "n", &[])
    })
    .await;
    db.put(PutManifest {
        candidates: vec!["x/y".into()],
        ..manifest("c", "o", &[])
    })
    .await;
    // One index job and two scans: `n` was indexed by this very version.
    assert_eq!(db.done(backfill(stamp("thing", "1"))).await, Applied::Planned(3));
    assert_eq!(db.done(backfill(stamp("thing", "1"))).await, Applied::Planned(0));
    let old = db.claim(1).await.unwrap();
    // Another version plans all of it anew, and the end of an old job does not end a new one.
    assert_eq!(db.done(backfill(stamp("thing", "2"))).await, Applied::Planned(4));
    db.end(old, None).await;
    let mut kinds = Vec::new();
    while let Some(job) = db.claim(1).await {
        kinds.push((job.repository.to_string(), job.kind));
        if job.kind == JobKind::Index {
            let update = EntryUpdate {
                repository: job.repository.clone(),
                digest: job.digest.clone(),
                judged: judged("late", stamp("thing", "2")),
            };
            db.done(Command::PutEntry(Box::new(update))).await;
        }
        db.end(job, None).await;
    }
    kinds.sort_by_key(|(name, kind)| (name.clone(), *kind == JobKind::Scan));
    let expected = [
        ("a", JobKind::Index),
        ("a", JobKind::Scan),
        ("b", JobKind::Index),
        ("b", JobKind::Scan),
    ];
    assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(db.found("late").len(), 2);
    assert_eq!(db.done(backfill(stamp("thing", "2"))).await, Applied::Planned(2));
    let pattern = Backfill {
        stamp: stamp("x", "1"),
        types: Vec::new(),
        type_prefixes: vec!["x/".into(), "application/vnd.example.th".into()],
        index: true,
        scan: false,
    };
    assert_eq!(db.done(Command::Backfill(pattern)).await, Applied::Planned(3));
}

#[tokio::test]
async fn an_entry_of_what_is_gone_changes_nothing() {
    let db = database();
    let update = EntryUpdate {
        repository: repository("a"),
        digest: digest("m"),
        judged: judged("web", stamp("thing", "1")),
    };
    assert_eq!(db.done(Command::PutEntry(Box::new(update))).await, Applied::Done);
    assert!(db.found("web").is_empty());
    assert!(!db.metadata.repository_exists(&repository("a")).unwrap());
}
