//! Jobs are done at least once, by one at a time, in turns, and none stops another.

use super::*;
use crate::metadata::apply::{self, Writing};

const THING: &str = "application/vnd.example.thing";
const OTHER: &str = "application/vnd.example.other";

fn turn(plugin: &str, backlog: bool) -> Turn {
    Turn {
        plugin: plugin.into(),
        backlog,
    }
}

/// A page of artifacts for a plugin that indexes and scans, up to a cursor.
fn page(plugin: Stamp, artifacts: &[i64], until: (&str, i64)) -> Command {
    Command::Plan(Plan {
        set: "set".into(),
        jobs: Some((plugin, vec![JobKind::Index, JobKind::Scan])),
        artifacts: artifacts.to_vec(),
        until: cursor(until),
        now: 500,
    })
}

fn cursor((artifact_type, artifact): (&str, i64)) -> PlanCursor {
    PlanCursor {
        artifact_type: artifact_type.into(),
        artifact,
    }
}

impl Database {
    async fn claimed(&self, now: u64, after: Option<Turn>) -> Claimed {
        match self.done(Command::ClaimJob { now, after }).await {
            Applied::Claimed(claimed) => claimed,
            other => panic!("{other:?}"),
        }
    }

    async fn claim(&self, now: u64) -> Option<Job> {
        match self.claimed(now, None).await {
            Claimed::Job(job) => Some(*job),
            Claimed::Nothing => None,
            other @ Claimed::Removed { .. } => panic!("{other:?}"),
        }
    }

    async fn end(&self, job: &Job, end: JobEnd) {
        self.done(Command::EndJob { id: job.id, end }).await;
    }

    /// Pushes a manifest that a plugin is to scan.
    async fn put_scanned(&self, content: &str, plugin: Stamp, now: u64) {
        let judged = Judged {
            scan: true,
            ..judged("web", plugin)
        };
        let put = PutManifest {
            judged: Some(judged),
            now,
            ..manifest("a", content, &[])
        };
        self.put(put).await;
    }

    fn sql(&self, sql: &str) {
        let file = self.folder.path().join("metadata.sqlite");
        rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
    }

    /// Returns plugin, kind, depth and the time of the oldest.
    fn counts(&self) -> Vec<(String, JobKind, u64, Option<u64>)> {
        let counts = self.metadata.job_counts().now().unwrap();
        let fields = |count: JobCount| (count.plugin, count.kind, count.depth, count.oldest);
        counts.into_iter().map(fields).collect()
    }

    async fn set(&self, set: &str) {
        self.done(Command::PluginsChanged { set: set.into() }).await;
    }
}

#[tokio::test]
async fn a_job_belongs_to_one_worker_for_a_minute_or_longer_where_it_is_renewed() {
    let db = database();
    db.put_scanned("m", stamp("thing", "1"), 1_000).await;
    assert_eq!(db.claim(999).await, None);
    let job = db.claim(1_000).await.unwrap();
    assert_eq!(
        (job.kind, job.repository.as_str(), &job.digest),
        (JobKind::Scan, "a", &digest("m"))
    );
    assert_eq!((&job.stamp, job.backlog, job.tries), (&stamp("thing", "1"), false, 1));
    assert_eq!(db.claim(1_059).await, None);
    db.done(Command::RenewJob { id: job.id, now: 1_040 }).await;
    assert_eq!(db.claim(1_099).await, None);
    assert_eq!(db.claim(1_100).await.unwrap().tries, 2);
}

#[tokio::test]
async fn a_try_counts_and_being_put_off_does_not() {
    let db = database();
    db.put_scanned("m", stamp("thing", "1"), 1_000).await;
    let mut job = db.claim(1_000).await.unwrap();
    for waits in 1..=20 {
        let (due, reason) = (1_000, "no thread is free".into());
        db.end(&job, JobEnd::PutOff { due, reason }).await;
        job = db.claim(1_000).await.unwrap();
        assert_eq!((job.tries, job.waits), (1, waits));
    }
    let (due, error) = (1_200, "no luck".into());
    db.end(&job, JobEnd::Again { due, error }).await;
    assert_eq!(db.claim(1_199).await, None);
    let job = db.claim(1_200).await.unwrap();
    assert_eq!((job.tries, job.waits, job.error.as_deref()), (2, 20, Some("no luck")));
    // The same push again plans nothing while the scan is planned, and nothing after it is done.
    db.put_scanned("m", stamp("thing", "1"), 1_000).await;
    assert_eq!(db.claim(1_201).await, None);
    db.done(Command::PutScan(Box::new(scan("a", "m", "{}")))).await;
    db.end(&job, JobEnd::Removed).await;
    db.end(&job, JobEnd::Removed).await;
    db.put_scanned("m", stamp("thing", "1"), 1_000).await;
    assert_eq!(db.claim(9_999).await, None);
}

#[tokio::test]
async fn the_oldest_job_of_a_queue_that_is_due_comes_first() {
    let db = database();
    for (content, now) in [("m", 30), ("n", 10), ("o", 20)] {
        db.put_scanned(content, stamp("thing", "1"), now).await;
    }
    for content in ["n", "o", "m"] {
        assert_eq!(db.claim(100).await.unwrap().digest, digest(content));
    }
}

#[tokio::test]
async fn plugins_take_turns_and_so_do_their_backlogs() {
    let db = database();
    db.set("set").await;
    for n in 0..4 {
        db.put(manifest("a", &format!("old {n}"), &[])).await;
    }
    db.done(page(stamp("b", "1"), &[1, 2, 3, 4], (THING, 4))).await;
    for n in 0..3 {
        db.put_scanned(&format!("a {n}"), stamp("a", "1"), 400).await;
        db.put_scanned(&format!("b {n}"), stamp("b", "1"), 900).await;
    }
    let (mut turns, mut last) = (Vec::new(), None);
    while let Claimed::Job(job) = db.claimed(1_000, last.clone()).await {
        last = Some(job.turn());
        turns.push((job.stamp.plugin, job.backlog));
        if turns.len() == 12 {
            break;
        }
    }
    // Although those of `a` are older, and the backlog of `b` older than what was pushed later.
    let rounds = [("a", false), ("b", false), ("b", true)].repeat(3);
    let rest = [("b", true)].repeat(3);
    let expected: Vec<_> = rounds
        .into_iter()
        .chain(rest)
        .map(|(name, backlog)| (name.to_owned(), backlog))
        .collect();
    assert_eq!(turns, expected);
}

#[tokio::test]
async fn rows_that_nobody_can_do_stop_nobody() {
    let db = database();
    for n in 0..12 {
        db.put_scanned(&format!("poison {n}"), stamp("thing", "1"), 10).await;
    }
    db.put_scanned("sound", stamp("thing", "1"), 20).await;
    // A kind of a newer gateway, a name and a digest that are none, an artifact and a plugin that are gone, a count that is none.
    db.sql(
        "UPDATE jobs SET kind = 7 WHERE id IN (1, 2); UPDATE jobs SET tries = -9 WHERE id IN (3, 4);
        UPDATE artifacts SET digest = 'poison' || id WHERE id IN (5, 6); DELETE FROM artifacts WHERE id IN (7, 8);
        INSERT INTO repositories VALUES (77, 'NOT a name'); UPDATE artifacts SET repository_id = 77 WHERE id IN (9, 10);
        UPDATE jobs SET stamp_id = 4711 WHERE id IN (11, 12);",
    );
    for n in 0..12 {
        match db.claimed(100, None).await {
            Claimed::Removed { turn: found, reason } => assert!(found == turn("thing", false) && !reason.is_empty()),
            other => panic!("{n}: {other:?}"),
        }
    }
    assert_eq!(db.claim(100).await.unwrap().digest, digest("sound"));
    assert_eq!(db.claim(100).await, None);
}

#[tokio::test]
async fn jobs_are_counted_however_they_come_and_go() {
    let db = database();
    db.set("set").await;
    db.put_scanned("m", stamp("thing", "1"), 300).await;
    db.put_scanned("n", stamp("thing", "1"), 200).await;
    let scans = |depth, oldest| ("thing".to_owned(), JobKind::Scan, depth, oldest);
    assert_eq!(db.counts(), [scans(2, Some(200))]);
    // Another version takes the place of the first.
    db.done(page(stamp("thing", "2"), &[1, 2], (THING, 2))).await;
    let indexes = ("thing".to_owned(), JobKind::Index, 2, Some(500));
    assert_eq!(db.counts(), [indexes, scans(2, Some(500))]);
    let job = db.claim(600).await.unwrap();
    db.end(&job, JobEnd::Removed).await;
    db.done(delete("a", "m")).await;
    db.done(delete("a", "n")).await;
    assert_eq!(db.counts(), [("thing".to_owned(), JobKind::Index, 0, None), scans(0, None)]);
}

#[tokio::test]
async fn a_page_plans_what_this_version_has_not_done() {
    let db = database();
    db.set("set").await;
    db.put(manifest("a", "m", &[])).await;
    db.put(PutManifest {
        judged: Some(judged("web", stamp("thing", "1"))),
        ..manifest("b", "n", &[])
    })
    .await;
    let claimed = |db: &Database| db.counts().iter().map(|count| count.2).sum::<u64>();
    // One index job and two scans: `n` was indexed by this very version. One that is gone is left out.
    db.done(page(stamp("thing", "1"), &[1, 2, 99], (THING, 99))).await;
    assert_eq!(claimed(&db), 3);
    db.done(page(stamp("thing", "1"), &[1, 2], (THING, 99))).await;
    assert_eq!(claimed(&db), 3);
    let old = db.claim(600).await.unwrap();
    // Another version plans all of it anew, and the end of an old job does not end a new one.
    db.done(page(stamp("thing", "2"), &[1, 2], (THING, 99))).await;
    db.end(&old, JobEnd::Removed).await;
    assert_eq!(claimed(&db), 4);
    // Another plugin has jobs of its own for the same artifacts.
    db.done(page(stamp("other", "1"), &[1, 2], (OTHER, 99))).await;
    assert_eq!(claimed(&db), 8);
    let mut done = Vec::new();
    while let Some(job) = db.claim(600).await {
        if job.kind == JobKind::Index && job.stamp.plugin == "thing" {
            let update = EntryUpdate {
                repository: job.repository.clone(),
                digest: job.digest.clone(),
                judged: judged("late", job.stamp.clone()),
            };
            db.done(Command::PutEntry(Box::new(update))).await;
        }
        db.end(&job, JobEnd::Removed).await;
        done.push((job.stamp.plugin, job.backlog, job.tries));
    }
    assert_eq!(done.len(), 8);
    assert!(done.iter().all(|(_, backlog, tries)| *backlog && *tries == 1));
    assert_eq!(db.found("late").await.len(), 2);
    // The entries are there, and the scans that nobody stored are planned again.
    db.done(page(stamp("thing", "2"), &[1, 2], (THING, 99))).await;
    assert_eq!(claimed(&db), 2);
}

#[tokio::test]
async fn an_entry_that_is_missing_only_because_the_plugin_was_busy_is_planned() {
    let db = database();
    let marked = Judged {
        entry: None,
        failure: Some("no thread for plugins became free in time".into()),
        index: true,
        ..judged("web", stamp("thing", "1"))
    };
    db.put(PutManifest {
        judged: Some(marked),
        ..manifest("a", "m", &["v"])
    })
    .await;
    let job = db.claim(1_000).await.unwrap();
    assert_eq!((job.kind, job.backlog), (JobKind::Index, false));
    let update = EntryUpdate {
        repository: job.repository.clone(),
        digest: job.digest.clone(),
        judged: judged("web", stamp("thing", "1")),
    };
    db.done(Command::PutEntry(Box::new(update))).await;
    db.end(&job, JobEnd::Removed).await;
    let record = db.metadata.artifact(&repository("a"), &digest("m")).await.unwrap().unwrap();
    assert!(record.entry.is_some() && record.failure.is_none());
}

#[tokio::test]
async fn how_far_planning_came_is_remembered_for_a_set_of_plugins() {
    let db = database();
    assert_eq!(db.metadata.planned().await.unwrap(), None);
    db.set("set").await;
    let planned = || db.metadata.planned().now().unwrap().unwrap();
    assert_eq!(planned(), ("set".to_owned(), PlanCursor::default()));
    db.put(manifest("a", "m", &[])).await;
    db.done(page(stamp("thing", "1"), &[1], (THING, 1))).await;
    assert_eq!(planned(), ("set".to_owned(), cursor((THING, 1))));
    // The same set at the next start changes nothing.
    db.set("set").await;
    assert_eq!(planned().1, cursor((THING, 1)));
    // Another set begins anew, and a page for the one before is refused as a whole.
    db.set("other").await;
    assert_eq!(planned(), ("other".to_owned(), PlanCursor::default()));
    assert_eq!(db.refused(page(stamp("thing", "2"), &[1], (THING, 1))).await, Refused::Moved);
    assert_eq!(db.claim(600).await.unwrap().stamp, stamp("thing", "1"));
}

#[tokio::test]
async fn candidates_are_read_in_pages() {
    let db = database();
    for content in ["m", "n", "o"] {
        db.put(manifest("a", content, &[])).await;
    }
    let types = |after: &str| db.metadata.candidate_type_after(after).now().unwrap();
    assert_eq!(types("").as_deref(), Some(OTHER));
    assert_eq!(types(OTHER).as_deref(), Some(THING));
    assert_eq!(types(THING), None);
    db.sql("UPDATE artifacts SET candidates = 'no JSON' WHERE id = 2");
    let page = |after, n| db.metadata.candidates(&cursor((THING, after)), n).now().unwrap();
    let all = vec![THING.to_owned(), OTHER.to_owned()];
    assert_eq!(page(0, 2), [(1, all.clone()), (2, Vec::new())]);
    assert_eq!(page(2, 2), [(3, all)]);
    assert_eq!(page(3, 2), []);
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
    assert!(db.found("web").await.is_empty());
    assert!(!db.metadata.repository_exists(&repository("a")).await.unwrap());
}

#[tokio::test]
async fn a_turn_is_found_behind_however_many_jobs() {
    let statements = apply::statements();
    let next = statements
        .into_iter()
        .find(|sql| sql.contains("FROM jobs WHERE (plugin, backlog)"))
        .unwrap();
    let mut steps = Vec::new();
    for jobs in [1, 300] {
        let db = database();
        futures_util::future::join_all((0..jobs).map(|n| {
            let db = &db;
            async move { db.put_scanned(&n.to_string(), stamp("thing", "1"), 100).await }
        }))
        .await;
        let connection = rusqlite::Connection::open(db.folder.path().join("metadata.sqlite")).unwrap();
        // Nothing is due, so that each queue is looked for, and what follows the last.
        let (now, after) = (0, Some(turn("thing", false)));
        let claimed = Writing::new(&connection).apply(Command::ClaimJob { now, after }).unwrap();
        assert_eq!(claimed.unwrap(), Applied::Claimed(Claimed::Nothing));
        let statement = connection.prepare_cached(next).unwrap();
        steps.push(statement.get_status(rusqlite::StatementStatus::VmStep));
    }
    assert!(steps[0] > 10 && steps[0] == steps[1], "{steps:?}");
}
