//! Reads that take long hold up nobody, and last no longer than somebody waits for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all, poll_immediate},
};

use super::*;
use crate::metadata::readers::{
    Read,
    threads::{LONG_THREADS, WAITING_MAX},
};

/// Never comes to an end.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

async fn ready(db: &Database) {
    let put = PutManifest {
        judged: Some(judged("web", stamp("thing", "1"))),
        ..manifest("a", "m", &["v"])
    };
    db.put(put).await;
}

/// Every read that may be much.
fn long_reads(metadata: &Metadata) -> Vec<BoxFuture<'_, Result<(), MetadataError>>> {
    async fn done<T>(read: impl Future<Output = Result<T, MetadataError>>) -> Result<(), MetadataError> {
        read.await.map(drop)
    }
    let (name, of, all) = (repository("a"), digest("m"), Scope::All);
    let read = move || (metadata.clone(), name.clone(), of.clone(), all.clone());
    macro_rules! reads {
        ($(|$metadata:ident, $name:ident, $of:ident, $all:ident| $read:expr;)*) => {
            vec![$({
                let ($metadata, $name, $of, $all) = read();
                async move {
                    let _ = (&$name, &$of, &$all);
                    done($read).await
                }
                .boxed()
            }),*]
        };
    }
    reads![
        |db, name, of, all| db.artifact(&name, &of);
        |db, name, of, all| db.missing(&name, &of);
        |db, name, of, all| db.parents(&name, &of, 10);
        |db, name, of, all| db.referrers(&name, &of, None, None, 10, 1_000);
        |db, name, of, all| db.named_under(&name, &tag("v"), None, 10);
        |db, name, of, all| db.manifests(&name, vec![of.clone()], |record| record.bytes.len());
        |db, name, of, all| db.sarif(&name, &of);
        |db, name, of, all| db.tags(&name, None, 10);
        |db, name, of, all| db.repositories(&all, "", None, 10);
        |db, name, of, all| db.blob_repositories(&all, &of, 10);
        |db, name, of, all| db.entries(&all, "", &[], None, 10);
        |db, name, of, all| db.search(&all, "web", None, None, 10);
        |db, name, of, all| db.revision(&all, "a", None);
        |db, name, of, all| db.job_counts();
        |db, name, of, all| db.unnamed_links(1_000);
        |db, name, of, all| db.garbage_count();
        |db, name, of, all| db.blobs(None, 10);
    ]
}

#[tokio::test]
async fn a_read_that_the_disk_holds_up_holds_up_nobody_else() {
    let db = database();
    ready(&db).await;
    let before = db.tagged("a", "v").await;
    for (n, mut read) in long_reads(&db.metadata).into_iter().enumerate() {
        let gate = db.metadata.readers().gate.clone();
        let closed = gate.close();
        // On this thread, which a read that waits here would hold up for ever.
        assert!(poll_immediate(&mut read).await.is_none(), "{n}");
        while gate.standing() == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            assert_eq!(db.tagged("a", "v").await, before);
            assert!(db.holds("a", "m").await && !db.sees("a", "x").await);
        }
        drop(closed);
        read.await.unwrap();
    }
}

/// Returns a read that ends only when it is interrupted, and counts it when it begins.
fn endless<'a>(
    db: &'a Database,
    begun: &Arc<AtomicUsize>,
    mut read: impl FnMut(&Read<'_>) -> Result<(), MetadataError> + Send + 'static,
) -> BoxFuture<'a, Result<(), MetadataError>> {
    let begun = begun.clone();
    let work = move |reading: &Read<'_>| {
        begun.fetch_add(1, Ordering::SeqCst);
        read(reading)
    };
    db.metadata.readers().read(work).boxed()
}

#[tokio::test]
async fn who_goes_away_ends_what_was_read_for_them() {
    let db = database();
    ready(&db).await;
    let one = |read: &Read<'_>| read.row(ENDLESS, [], |_| Ok(())).map(drop);
    // An interruption between two statements counts as well.
    let many = |read: &Read<'_>| {
        loop {
            read.row("SELECT 2", [], |_| Ok(()))?;
        }
    };
    for n in 0..20 {
        let begun = Arc::new(AtomicUsize::new(0));
        let mut asked: Vec<_> = (0..3 * LONG_THREADS)
            .map(|at| {
                if (n + at) % 2 == 0 {
                    endless(&db, &begun, one)
                } else {
                    endless(&db, &begun, many)
                }
            })
            .collect();
        for read in &mut asked {
            assert!(poll_immediate(read).await.is_none());
        }
        while begun.load(Ordering::SeqCst) < LONG_THREADS {
            tokio::task::yield_now().await;
        }
        // Those that wait go first: a thread that is interrupted takes up the next one.
        while asked.pop().is_some() {}
        assert_eq!(db.metadata.tags(&repository("a"), None, 10).await.unwrap(), [tag("v")]);
        assert_eq!(begun.load(Ordering::SeqCst), LONG_THREADS, "what waited was begun for nobody");
    }
}

#[tokio::test]
async fn what_takes_too_long_is_ended() {
    let db = database();
    ready(&db).await;
    let one = |read: &Read<'_>| read.row(ENDLESS, [], |_| Ok(())).map(drop);
    let read = |_| db.metadata.readers().read_within(Duration::from_millis(20), one);
    let asked = join_all((0..2 * LONG_THREADS).map(read)).await;
    assert_eq!(db.metadata.tags(&repository("a"), None, 10).await.unwrap(), [tag("v")]);
    assert!(asked.iter().all(|read| matches!(read, Err(MetadataError::Late))));
}

#[tokio::test]
async fn no_more_reads_wait_than_there_is_room_for() {
    let db = database();
    ready(&db).await;
    let gate = db.metadata.readers().gate.clone();
    let closed = gate.close();
    let name = repository("a");
    let mut running: Vec<_> = (0..LONG_THREADS)
        .map(|_| Box::pin(db.metadata.tags(&name, None, 10)))
        .collect();
    for read in &mut running {
        assert!(poll_immediate(read).await.is_none());
    }
    while gate.standing() < LONG_THREADS {
        tokio::task::yield_now().await;
    }
    let mut waiting: Vec<_> = (0..WAITING_MAX)
        .map(|_| Box::pin(db.metadata.tags(&name, None, 10)))
        .collect();
    for read in &mut waiting {
        assert!(poll_immediate(read).await.is_none());
    }
    let refused = db.metadata.tags(&name, None, 10).now_or_never();
    assert!(matches!(refused, Some(Err(MetadataError::Busy))), "{refused:?}");
    // Who gives up makes room.
    waiting.pop();
    let mut next = Box::pin(db.metadata.tags(&name, None, 10));
    assert_eq!(futures_util::poll!(&mut next).map(drop), Poll::Pending);
    drop(closed);
    for read in join_all(running.into_iter().chain(waiting).chain([next])).await {
        assert_eq!(read.unwrap(), [tag("v")]);
    }
}
