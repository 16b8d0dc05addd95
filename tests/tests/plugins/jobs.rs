//! Jobs: whatever one of them meets, the others are done; waiting loses nothing; what was stored before a plugin came is found once.

use portolan_tests::{MANIFEST, TestGateway, digest, process::Setup};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::fixture::{Artifact, calls, guest, plugin, scanned, shown, until, with_guests};

const TYPE: &str = "application/vnd.test.everything.v1+json";
const WITHOUT: &str = "[plugins.plugin.everything]\nenabled = false\n";
const STATUS: &str = "/v2/_portolan/plugins/everything";
/// Jobs are numbered as they are planned.
const LAST_JOB: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'jobs'";
/// How many artifacts are stored before the plugin comes: more than two pages.
const ARTIFACTS: u64 = 450;

/// Opens the metadata beside the gateway, to store what no client could and to see what nobody is shown.
fn metadata(gateway: &TestGateway) -> Connection {
    Connection::open(gateway.data().join("metadata.sqlite")).unwrap()
}

fn number(metadata: &Connection, sql: &str) -> u64 {
    let number: i64 = metadata.query_row(sql, [], |row| row.get(0)).unwrap();
    number.try_into().unwrap()
}

/// Stores artifacts for the plugin that nobody could read any more, as after a stricter reader: `{}` in repository `poison`.
fn poison(metadata: &Connection, count: u32) {
    let sql = format!(
        "INSERT INTO repositories VALUES (1000, 'poison');
        INSERT INTO contents VALUES (1000, x'7b7d');
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
            INSERT INTO artifacts SELECT 1000 + n, printf('sha256:%064d', n), 1000, 1000, 2, '{MANIFEST}', 0, 0, '[\"{TYPE}\"]' FROM n;
        INSERT INTO candidates SELECT '{TYPE}', id FROM artifacts WHERE repository_id = 1000;"
    );
    metadata.execute_batch(&sql).unwrap();
}

/// Returns the value of a counter or gauge, which is 0 where it is not there.
async fn metric(gateway: &TestGateway, name: &str) -> u64 {
    let text = gateway.get("/metrics").await.expect(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

async fn pages_and_artifacts(gateway: &TestGateway) -> (u64, u64) {
    (
        metric(gateway, "portolan_job_plan_pages_total").await,
        metric(gateway, "portolan_job_plan_artifacts_total").await,
    )
}

/// Waits until so many jobs of a kind are left, and a member of their status is at least so much.
async fn until_jobs(gateway: &TestGateway, kind: &str, depth: u64, member: &str, least: u64) -> Value {
    let suits = |jobs: &Value| jobs["depth"] == depth && jobs[member].as_u64().is_some_and(|number| number >= least);
    let answer = until(gateway, STATUS, |answer| suits(&answer.json()["jobs"][kind])).await;
    answer.json()["jobs"][kind].clone()
}

#[tokio::test]
async fn artifacts_that_cannot_be_read_any_more_stop_nobody() {
    let mut gateway = with_guests(WITHOUT, &["everything"]).await;
    let before = Artifact::everything().layer("from before");
    poison(&metadata(&gateway), 15);
    let _ = before.push(&gateway, "before", "v1").await.expect(201);
    gateway.reconfigure("").await;
    let _ = Artifact::everything()
        .layer("new")
        .push(&gateway, "new", "v1")
        .await
        .expect(201);
    let _ = scanned(&gateway, "new", "v1").await;
    let _ = scanned(&gateway, "before", "v1").await;
    assert_eq!(shown(&gateway, "before", "v1").await["entry"]["document"]["layers"], 1);
    // Each of them was tried and waits for another try, with its error, and is still served.
    let scans = until_jobs(&gateway, "scan", 15, "again", 15).await;
    assert_eq!((&scans["done"], &scans["givenUp"]), (&json!(2), &json!(0)), "{scans}");
    let errors = number(
        &metadata(&gateway),
        "SELECT count(*) FROM jobs WHERE kind = 1 AND tries > 0 AND error <> ''",
    );
    assert_eq!(errors, 15);
    let served = gateway
        .get(&format!("/v2/poison/manifests/sha256:{:064}", 7))
        .await
        .expect(200);
    assert_eq!(served.text(), "{}");
    // Prometheus is told the same.
    let labels = r#"plugin="everything",kind="scan""#;
    assert_eq!(metric(&gateway, &format!("portolan_jobs{{{labels}}}")).await, 15);
    let again = metric(&gateway, &format!("portolan_job_tries_total{{{labels},outcome=\"again\"}}")).await;
    assert!(again >= 15, "{again}");
}

/// What the gateway logs can be seen only where it is a process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_given_up_after_five_tries_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new().plugin(guest("everything"));
    setup.start_in(folder.path()).unwrap().stop().unwrap();
    {
        let metadata = Connection::open(folder.path().join("data/metadata.sqlite")).unwrap();
        poison(&metadata, 2);
        // One has been tried four times, the other was begun five times and never came to an end.
        let jobs = "INSERT INTO stamps VALUES (500, 'everything', 'sha256:' || printf('%064d', 0), 'sha256:' || printf('%064d', 0));
            INSERT INTO jobs (artifact_id, plugin, kind, stamp_id, backlog, planned, due, tries, waits, error)
            VALUES (1001, 'everything', 1, 500, 0, 1, 1, 4, 0, 'x'), (1002, 'everything', 1, 500, 0, 1, 1, 5, 0, 'it was killed');";
        metadata.execute_batch(jobs).unwrap();
    }
    let gateway = setup.start_in(folder.path()).unwrap();
    let jobs = loop {
        let jobs = gateway.get_json(STATUS).unwrap()["jobs"].clone();
        if jobs["scan"]["depth"] == 0 {
            break jobs;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (&jobs["scan"]["givenUp"], &jobs["scan"]["tries"]),
        (&json!(2), &json!(2)),
        "{jobs}"
    );
    assert_eq!(jobs["scan"]["oldestSeconds"], Value::Null);
    let log = gateway.whole_log();
    for (number, words) in [(1, "tries=5"), (2, "it was killed")] {
        let digest = format!("sha256:{number:064}");
        let named = |line: &&str| line.contains("a job is given up") && line.contains("poison") && line.contains(&digest);
        let line = log.lines().find(named).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains(words) && line.contains("everything"), "{line}");
    }
}

#[tokio::test]
async fn a_job_for_a_version_that_is_gone_is_dropped() {
    let gateway = with_guests("", &["everything"]).await;
    let _ = Artifact::everything()
        .layer("text")
        .push(&gateway, "a", "v1")
        .await
        .expect(201);
    let _ = scanned(&gateway, "a", "v1").await;
    let job = "INSERT INTO stamps SELECT 500, plugin, 'sha256:' || printf('%064d', 0), settings FROM stamps;
        INSERT INTO jobs (artifact_id, plugin, kind, stamp_id, backlog, planned, due, tries, waits)
        SELECT id, 'everything', 0, 500, 0, 1, 1, 0, 0 FROM artifacts WHERE made = 0;";
    metadata(&gateway).execute_batch(job).unwrap();
    let indexes = until_jobs(&gateway, "index", 0, "dropped", 1).await;
    assert_eq!(indexes["tries"], 0, "{indexes}");
    assert_eq!(calls(&gateway, "everything", "index", "count").await, 1, "by the push alone");
}

#[tokio::test]
async fn several_jobs_run_at_once() {
    // Three threads, of which jobs may use two.
    let config = "[plugins]\nthreads = 3\n[plugins.plugin.evil.limits]\ncall_time_max = \"20s\"\n";
    let gateway = with_guests(config, &["evil"]).await;
    let endless = Artifact::evil("loop").with("test.capability", "scanner");
    let _ = endless.push(&gateway, "a", "endless").await.expect(201);
    let _ = Artifact::evil("nothing").push(&gateway, "a", "quick").await.expect(201);
    let _ = scanned(&gateway, "a", "quick").await;
    // The first is still being scanned, and a push has a thread as well.
    assert_eq!(calls(&gateway, "evil", "scan", "failed").await, 0);
    let _ = Artifact::evil("nothing")
        .with("n", 2)
        .push(&gateway, "a", "pushed")
        .await
        .expect(201);
    assert_eq!(calls(&gateway, "evil", "scan", "failed").await, 0);
}

/// The gateway is a process of its own, which is asked to stop as people ask it.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_when_the_gateway_stops_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    // However slow the machine is, the job still runs when the gateway stops.
    let patient = "[plugins.plugin.evil.limits]\ncall_time_max = \"10m\"\n";
    let setup = Setup::new().plugin(guest("evil")).config(patient);
    let gateway = setup.start_in(folder.path()).unwrap();
    let endless = Artifact::evil("loop")
        .with("test.capability", "scanner")
        .manifest()
        .to_string();
    let client = reqwest::Client::new();
    let blob = gateway.url(&format!("/v2/a/blobs/uploads/?digest={}", digest("{}")));
    assert_eq!(client.post(blob).body("{}").send().await.unwrap().status(), 201);
    let put = client.put(gateway.url("/v2/a/manifests/v1")).body(endless);
    let answer = put.header("content-type", MANIFEST).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let database = Connection::open(folder.path().join("data/metadata.sqlite")).unwrap();
    while number(&database, "SELECT count(*) FROM jobs WHERE tries = 1") == 0 {
        tokio::task::yield_now().await;
    }
    gateway.stop().unwrap();
    let state = "SELECT 'tries ' || tries || ', waits ' || waits || coalesce(', error ' || error, '') FROM jobs";
    let state: Vec<String> = {
        let mut statement = database.prepare(state).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert!(
        matches!(state.as_slice(), [state] if state.starts_with("tries 0, waits 1")),
        "{state:?}"
    );
}

#[tokio::test]
async fn waiting_for_a_thread_loses_no_job() {
    let busy = "[plugins]\nthreads = 1\nqueue_wait_max = \"20ms\"\n[plugins.plugin.evil.limits]\ncall_time_max = \"200ms\"\n";
    let mut gateway = with_guests(&format!("{busy}{WITHOUT}"), &["everything", "evil"]).await;
    let artifacts: Vec<Artifact> = (0..4).map(|n| Artifact::everything().layer(format!("layer {n}"))).collect();
    for (n, artifact) in artifacts.iter().enumerate() {
        let _ = artifact.push(&gateway, "a", &format!("v{n}")).await.expect(201);
    }
    gateway.reconfigure(busy).await;
    // Clients keep the only thread busy until jobs had to wait more often than a job may be tried.
    let spin = || async {
        loop {
            let _ = gateway.get("/evil/loop").await;
        }
    };
    let waited = until(&gateway, STATUS, |answer| {
        let jobs = &answer.json()["jobs"];
        let waits = ["index", "scan"].map(|kind| jobs[kind]["putOff"].as_u64().unwrap_or_default());
        waits.iter().sum::<u64>() >= 6
    });
    tokio::select! {
        _ = async { tokio::join!(spin(), spin(), spin()) } => {}
        _ = waited => {}
    }
    for n in 0..artifacts.len() {
        let _ = scanned(&gateway, "a", &format!("v{n}")).await;
    }
    for kind in ["index", "scan"] {
        let ended = until_jobs(&gateway, kind, 0, "done", 4).await;
        assert_eq!(
            (&ended["again"], &ended["givenUp"]),
            (&json!(0), &json!(0)),
            "{kind}: {ended}"
        );
    }
}

/// Stores as many artifacts as planning needs three pages for: one and the same in many repositories.
async fn many(gateway: &TestGateway) {
    let artifact = Artifact::everything().layer("text");
    let _ = artifact.push(gateway, "r0", "v1").await.expect(201);
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ARTIFACTS} - 1)
            INSERT INTO repositories SELECT 1000 + n, 'r' || n FROM n;
        INSERT INTO links SELECT l.digest, r.id, l.made FROM links l, repositories r WHERE r.id > 1000;
        INSERT INTO artifacts SELECT r.id, a.digest, r.id, a.content_id, a.size, a.media_type, 0, 0, a.candidates
            FROM artifacts a, repositories r WHERE r.id > 1000;
        INSERT OR IGNORE INTO candidates SELECT c.type, a.id FROM candidates c, artifacts a;"
    );
    metadata(gateway).execute_batch(&sql).unwrap();
}

#[tokio::test]
async fn planning_begins_when_the_gateway_serves_and_happens_once() {
    let mut gateway = with_guests(WITHOUT, &["everything"]).await;
    many(&gateway).await;
    gateway.reconfigure("").await;
    // The gateway is ready. Nothing else of this thread has run since: nothing was planned before.
    let planned = "SELECT (SELECT count(*) FROM jobs) + (SELECT planned_artifact FROM plugin_set)";
    assert_eq!(number(&metadata(&gateway), planned), 0);
    let _ = gateway.get("/readyz").await.expect(200);
    while pages_and_artifacts(&gateway).await.1 < ARTIFACTS {
        tokio::task::yield_now().await;
    }
    assert_eq!(pages_and_artifacts(&gateway).await, (3, ARTIFACTS), "in pages of 200");
    let before = number(&metadata(&gateway), LAST_JOB);
    assert_eq!(before, 2 * ARTIFACTS, "one to index and one to scan each");
    // The same plugins at the next start have nothing to look at, whether the jobs are done or not.
    gateway.restart().await;
    let _ = Artifact::everything()
        .layer("new")
        .push(&gateway, "new", "v1")
        .await
        .expect(201);
    let _ = scanned(&gateway, "new", "v1").await;
    assert_eq!(pages_and_artifacts(&gateway).await, (0, 0));
    assert_eq!(number(&metadata(&gateway), LAST_JOB), before + 1);
}

#[tokio::test]
async fn planning_goes_on_where_a_crash_ended_it() {
    let mut gateway = with_guests(WITHOUT, &["everything"]).await;
    many(&gateway).await;
    // The 200th artifact of the type: as after the first page, with the set of plugins that will be active then.
    let first_page = format!("SELECT artifact_id FROM candidates WHERE type = '{TYPE}' ORDER BY artifact_id LIMIT 1 OFFSET 199");
    let last = number(&metadata(&gateway), &first_page);
    gateway.reconfigure("").await;
    metadata(&gateway)
        .execute_batch(&format!(
            "UPDATE plugin_set SET planned_type = '{TYPE}', planned_artifact = {last}"
        ))
        .unwrap();
    while pages_and_artifacts(&gateway).await.1 < ARTIFACTS - 200 {
        tokio::task::yield_now().await;
    }
    gateway.restart().await;
    assert_eq!(pages_and_artifacts(&gateway).await, (0, 0));
    assert_eq!(number(&metadata(&gateway), LAST_JOB), 2 * (ARTIFACTS - 200));
}

#[tokio::test]
async fn plugins_whose_claims_overlap_do_not_plan_in_turns() {
    let mut gateway = with_guests(WITHOUT, &["claim-all", "everything"]).await;
    let artifact = Artifact::everything().layer("a secret");
    let _ = artifact.push(&gateway, "a", "v1").await.expect(201);
    let _ = scanned(&gateway, "a", "v1").await;
    gateway.reconfigure("").await;
    let scans = until_jobs(&gateway, "scan", 0, "done", 1).await;
    assert_eq!(scans["tries"], 1, "{scans}");
    let claim_all = plugin(&gateway, "claim-all").await["jobs"].clone();
    assert_eq!(
        (&claim_all["scan"]["tries"], &claim_all["scan"]["depth"]),
        (&json!(0), &json!(0))
    );
    // And back: the plugin that is left has what the other did before.
    gateway.reconfigure(WITHOUT).await;
    let findings = "/v2/a/_portolan/artifacts/v1/findings";
    let _ = until(&gateway, findings, |answer| answer.text().contains("claim-all/scanned")).await;
}
