//! Content has an end, damage is found and healed, and data can be backed up and restored.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use portolan_tests::{
    TestGateway, digest, manifest, metric,
    process::{Setup, environment},
};
use serde_json::Value;
use tokio::time::timeout;

/// Far longer than anything here takes, so that a gateway that hangs ends a test.
const FAR_TOO_LONG: Duration = Duration::from_secs(60);

/// Returns the only file of some content.
fn file(data: &Path, digest: &str) -> PathBuf {
    let hex = &digest["sha256:".len()..];
    let folder = data.join("blobs/sha256").join(&hex[..2]);
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(hex));
    let only = files.next().expect("the content has a file");
    assert!(files.next().is_none(), "the content has one file");
    only
}

/// Writes the same number of other bytes into a file.
fn spoil(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, bytes.iter().map(|byte| !byte).collect::<Vec<_>>()).unwrap();
}

/// Runs a command of the program on a data folder.
fn portolan(arguments: &[&str], data: &Path) -> Output {
    let program = environment("PORTOLAN_BIN").unwrap();
    Command::new(program)
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap()
}

fn done(output: &Output) -> String {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    said
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_blob_whose_bytes_are_gone_is_not_there_until_it_is_pushed_again() {
    let gateway = TestGateway::start().await;
    gateway.push_image("a", "v1", &[b"layer"]).await;
    let layer = digest("layer");
    let path = format!("/v2/a/blobs/{layer}");
    let _ = gateway.head(&path).await.expect(200);
    std::fs::remove_file(file(gateway.data(), &layer)).unwrap();
    let _ = gateway.head(&path).await.expect(404);
    let _ = gateway.get(&path).await.expect(404);
    let mount = format!("/v2/b/blobs/uploads/?mount={layer}&from=a");
    let _ = gateway.send("POST", &mount, &[], "").await.expect(202);
    // A manifest cannot name it either, so that whoever pushes one brings the bytes.
    let refused = gateway.put_manifest("a", "v2", &manifest(b"{}", &[b"layer"])).await;
    refused.expect_error(404, "MANIFEST_BLOB_UNKNOWN", &layer);
    gateway.push_blob("b", "layer").await;
    // Every repository that sees it sees the new bytes.
    assert_eq!(gateway.get(&path).await.expect(200).text(), "layer");
    let _ = gateway.send("POST", &mount.replace("/b/", "/c/"), &[], "").await.expect(201);
}

#[tokio::test]
async fn a_get_of_bytes_that_are_gone_is_a_404_and_marks_them() {
    let gateway = TestGateway::start().await;
    let layer = gateway.push_blob("a", "layer").await;
    std::fs::remove_file(file(gateway.data(), &layer)).unwrap();
    let gone = gateway.get(&format!("/v2/a/blobs/{layer}")).await;
    gone.expect_error(404, "BLOB_UNKNOWN", &layer);
    let mount = format!("/v2/b/blobs/uploads/?mount={layer}&from=a");
    let _ = gateway.send("POST", &mount, &[], "").await.expect(202);
}

#[tokio::test]
async fn a_push_heals_spoilt_bytes() {
    let gateway = TestGateway::start().await;
    for push in ["small", "large"] {
        let content = vec![push.as_bytes()[0]; if push == "small" { 100 } else { 5 << 20 }];
        let blob = gateway.push_blob("a", content.clone()).await;
        spoil(&file(gateway.data(), &blob));
        gateway.push_blob("b", content.clone()).await;
        assert!(
            gateway.get(&format!("/v2/a/blobs/{blob}")).await.expect(200).body == content,
            "{push}"
        );
    }
}

#[tokio::test]
async fn what_no_manifest_names_goes_with_its_bytes() {
    let gateway = TestGateway::with_config("[gc]\ninterval = \"100ms\"\nlease = \"1s\"\n").await;
    let image = gateway.push_image("a", "v1", &[b"layer"]).await;
    let unnamed = gateway.push_blob("a", "unnamed").await;
    let gone = async {
        // Whoever asks by HEAD would let it stay.
        while gateway.get(&format!("/v2/a/blobs/{unnamed}")).await.status == 200 || gateway.content().len() > 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(FAR_TOO_LONG, gone).await.expect("it goes");
    assert_eq!(
        gateway
            .get(&format!("/v2/a/blobs/{}", digest("layer")))
            .await
            .expect(200)
            .text(),
        "layer"
    );
    let _ = gateway.delete(&format!("/v2/a/manifests/{image}")).await.expect(202);
    let empty = async {
        loop {
            let text = gateway.get("/metrics").await.expect(200).text();
            let counts = ["files_total", "garbage", "unnamed"].map(|name| metric(&text, &format!("portolan_gc_{name}")));
            if counts == [3, 0, 0] {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(FAR_TOO_LONG, empty).await.expect("nothing stays of what was deleted");
    assert_eq!(gateway.content(), Vec::<String>::new());
    // It can come again.
    gateway.push_image("a", "v1", &[b"layer"]).await;
}

#[tokio::test]
async fn content_from_before_there_were_locations_is_read_and_goes_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = TestGateway::over(folder.path()).await;
    gateway.push_image("a", "v1", &[b"layer"]).await;
    gateway.stop().await;
    // As gateways of before stored it, and as the migration of their metadata says where it lies.
    let layer = digest("layer");
    let (now, before) = (file(folder.path(), &layer), file(folder.path(), &layer).with_extension(""));
    std::fs::rename(&now, &before).unwrap();
    let database = rusqlite::Connection::open(folder.path().join("metadata.sqlite")).unwrap();
    let location = before
        .strip_prefix(folder.path().join("blobs"))
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let moved = database.execute("UPDATE blobs SET location = ?1 WHERE digest = ?2", [&location, &layer]);
    assert_eq!(moved.unwrap(), 1);
    drop(database);
    done(&portolan(&["scrub"], folder.path()));
    let gateway = TestGateway::over(folder.path()).await;
    let path = format!("/v2/a/blobs/{layer}");
    let _ = gateway.head(&path).await.expect(200);
    assert_eq!(gateway.get(&path).await.expect(200).text(), "layer");
    let _ = gateway.delete(&path).await.expect(202);
    gateway.stop().await;
    done(&portolan(&["gc"], folder.path()));
    assert!(!before.exists());
}

#[tokio::test]
async fn what_was_asked_for_stays_for_the_time_of_a_lease() {
    let gateway = TestGateway::with_config("[gc]\ninterval = \"100ms\"\nlease = \"1h\"\n").await;
    let image = gateway.push_image("a", "v1", &[b"layer"]).await;
    let layer = format!("/v2/a/blobs/{}", digest("layer"));
    let _ = gateway.head(&layer).await.expect(200);
    let _ = gateway.delete(&format!("/v2/a/manifests/{image}")).await.expect(202);
    let rounds = || async { metric(&gateway.get("/metrics").await.expect(200).text(), "portolan_gc_rounds_total") };
    let begin = rounds().await;
    let three = async {
        while rounds().await < begin + 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(FAR_TOO_LONG, three).await.expect("rounds are made");
    let _ = gateway
        .put_manifest("a", "v2", &manifest(b"{}", &[b"layer"]))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_scrub_finds_what_is_spoilt_and_what_nothing_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = TestGateway::over(folder.path()).await;
    gateway.push_image("a", "v1", &[b"one", b"two", b"three"]).await;
    gateway.stop().await;
    let data = folder.path();
    assert!(
        done(&portolan(&["scrub"], data)).trim_start().starts_with("4 "),
        "all of four blobs"
    );
    spoil(&file(data, &digest("one")));
    std::fs::write(file(data, &digest("two")), "tw").unwrap();
    std::fs::remove_file(file(data, &digest("three"))).unwrap();
    let stray = file(data, &digest("{}")).with_extension("0".repeat(32));
    std::fs::write(&stray, "{}").unwrap();
    let found = portolan(&["scrub", "--json", "--dry-run"], data);
    assert!(refused(&found).contains("not everything is as it should be"));
    let report: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(
        (&report["blobs"], &report["spoilt"], &report["strays"], &report["stray_bytes"]),
        (&4.into(), &3.into(), &1.into(), &2.into()),
        "{report}"
    );
    let faults: Vec<_> = report["named"]
        .as_array()
        .unwrap()
        .iter()
        .map(|spoilt| &spoilt["fault"])
        .collect();
    assert!(faults.contains(&&Value::from("missing")), "{report}");
    assert!(stray.exists());
    // Now it is written down.
    let said = portolan(&["scrub"], data);
    refused(&said);
    assert!(String::from_utf8_lossy(&said.stdout).contains(&digest("one")), "{said:?}");
    assert!(!stray.exists());
    gateway = TestGateway::over(data).await;
    for blob in ["one", "two", "three"] {
        let _ = gateway.get(&format!("/v2/a/blobs/{}", digest(blob))).await.expect(404);
        gateway.push_blob("b", blob).await;
        assert_eq!(
            gateway.get(&format!("/v2/a/blobs/{}", digest(blob))).await.expect(200).text(),
            blob
        );
    }
    gateway.stop().await;
    done(&portolan(&["scrub"], data));
}

#[tokio::test]
async fn a_gateway_that_runs_finds_what_is_spoilt_by_itself() {
    let gateway = TestGateway::with_config("[scrub]\ninterval = \"100ms\"\nbytes_per_second = \"0 B\"\n").await;
    gateway.push_image("a", "v1", &[b"layer"]).await;
    let layer = format!("/v2/a/blobs/{}", digest("layer"));
    spoil(&file(gateway.data(), &digest("layer")));
    let found = async {
        while gateway.get(&layer).await.status != 404 {
            tokio::task::yield_now().await;
        }
    };
    timeout(FAR_TOO_LONG, found).await.expect("it is found");
    gateway.push_blob("a", "layer").await;
    assert_eq!(gateway.get(&layer).await.expect(200).text(), "layer");
}

#[tokio::test]
async fn a_backup_of_a_gateway_that_runs_can_be_restored() {
    let (folder, backups) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (data, backup) = (folder.path().join("data"), backups.path().join("backup"));
    let gateway = Setup::new()
        .config("[gc]\ninterval = \"100ms\"\nlease = \"1s\"")
        .start_in(folder.path())
        .unwrap();
    let client = reqwest::Client::new();
    let push = async |number: usize| {
        let content = format!("content {number}");
        for blob in ["{}", &content] {
            let url = gateway.url(&format!("/v2/a/blobs/uploads/?digest={}", digest(blob)));
            assert_eq!(client.post(url).body(blob.to_owned()).send().await.unwrap().status(), 201);
        }
        let put = client.put(gateway.url(&format!("/v2/a/manifests/v{number}")));
        let put = put
            .header("content-type", portolan_tests::MANIFEST)
            .body(manifest(b"{}", &[content.as_bytes()]).to_string());
        assert_eq!(put.send().await.unwrap().status(), 201);
    };
    for number in 0..50 {
        push(number).await;
    }
    // Pushes and deletions go on while it is made, twice.
    let target = backup.to_str().unwrap().to_owned();
    for first in [50, 80] {
        let (data, target) = (data.clone(), target.clone());
        let making = tokio::task::spawn_blocking(move || done(&portolan(&["backup", &target], &data)));
        for number in first..first + 30 {
            push(number).await;
            let old = number - 20;
            let tag = client.delete(gateway.url(&format!("/v2/a/manifests/v{old}")));
            assert_eq!(tag.send().await.unwrap().status(), 202);
        }
        assert!(making.await.unwrap().contains("blobs of"));
    }
    gateway.stop().unwrap();
    assert!(refused(&portolan(&["restore", &target], &data)).contains("not empty"));
    let restored = tempfile::tempdir().unwrap();
    let data = restored.path().join("data");
    done(&portolan(&["restore", &target], &data));
    done(&portolan(&["scrub"], &data));
    let gateway = Setup::new().start_in(restored.path()).unwrap();
    // What was there when the second backup began and was not deleted since.
    for number in 70..80 {
        let manifest = client
            .get(gateway.url(&format!("/v2/a/manifests/v{number}")))
            .send()
            .await
            .unwrap();
        if manifest.status() == 200 {
            let blob = gateway.url(&format!("/v2/a/blobs/{}", digest(format!("content {number}"))));
            assert_eq!(
                client.get(blob).send().await.unwrap().text().await.unwrap(),
                format!("content {number}")
            );
        }
    }
    let tags = gateway.get_json("/v2/a/tags/list").unwrap();
    assert!(tags["tags"].as_array().unwrap().len() >= 20, "{tags}");
}

/// Runs a command on a data folder and kills it after a while, if it takes that long. Returns whether it was killed.
fn killed(arguments: &[&str], data: &Path, after: Duration) -> bool {
    let program = environment("PORTOLAN_BIN").unwrap();
    let mut child = Command::new(program).args(arguments).arg("--data").arg(data).spawn().unwrap();
    std::thread::sleep(after);
    let runs = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    child.wait().unwrap();
    runs
}

#[tokio::test]
async fn a_backup_and_a_restore_go_on_after_they_were_killed() {
    let (folder, backups) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gateway = TestGateway::over(folder.path()).await;
    let blobs: Vec<String> = (0..200).map(|number| format!("content {number}")).collect();
    for blob in &blobs {
        gateway.push_blob("a", blob.clone()).await;
    }
    let (backup, data) = (backups.path().join("backup"), backups.path().join("data"));
    let target = backup.to_str().unwrap();
    let steps = || (0..12).map(|step| Duration::from_millis(step * 15));
    // The gateway runs meanwhile, and more comes.
    let mut kills = 0;
    for (number, after) in steps().enumerate() {
        gateway.push_blob("a", format!("more {number}")).await;
        kills += usize::from(killed(&["backup", target], folder.path(), after));
    }
    done(&portolan(&["backup", target], folder.path()));
    for after in steps() {
        kills += usize::from(killed(&["restore", target], &data, after));
        if !data.join("restoring").exists() && data.join("metadata.sqlite").exists() {
            break;
        }
    }
    assert!(kills > 2, "only {kills} were cut off");
    if data.join("restoring").exists() || !data.exists() {
        done(&portolan(&["restore", target], &data));
    }
    gateway.stop().await;
    done(&portolan(&["scrub"], &data));
    let restored = TestGateway::over(&data).await;
    for blob in &blobs {
        let found = restored.get(&format!("/v2/a/blobs/{}", digest(blob))).await.expect(200);
        assert_eq!(found.text(), *blob);
    }
}

#[tokio::test]
async fn backups_and_restores_that_are_cut_off_lose_nothing() {
    let (folder, backups) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let backup = backups.path().join("backup");
    let target = backup.to_str().unwrap();
    assert!(refused(&portolan(&["backup", target], folder.path())).contains("holds no data"));
    assert!(refused(&portolan(&["restore", target], folder.path())).contains("no whole backup"));
    let gateway = TestGateway::over(folder.path()).await;
    gateway.push_image("a", "v1", &[b"one"]).await;
    gateway.stop().await;
    done(&portolan(&["backup", target], folder.path()));
    // A later one was cut off: half a file, and a snapshot without its name.
    let half = backup.join("content/sha256/ff");
    std::fs::create_dir_all(&half).unwrap();
    std::fs::write(half.join("0000.part"), "half").unwrap();
    std::fs::create_dir_all(backup.join("unfinished")).unwrap();
    std::fs::write(backup.join("unfinished/metadata.sqlite"), "half").unwrap();
    let data = backups.path().join("restored");
    // A restore that was cut off before its metadata came is no data folder yet.
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("restoring"), "").unwrap();
    let program = environment("PORTOLAN_BIN").unwrap();
    let started = Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(refused(&started).contains("was not restored to the end"), "{started:?}");
    done(&portolan(&["restore", target], &data));
    let gateway = TestGateway::over(&data).await;
    assert_eq!(
        gateway
            .get(&format!("/v2/a/blobs/{}", digest("one")))
            .await
            .expect(200)
            .text(),
        "one"
    );
    gateway.stop().await;
    // The next one begins anew and leaves nothing of the half one.
    done(&portolan(&["backup", target], folder.path()));
    assert!(!backup.join("unfinished").exists());
    // A backup that was spoilt is told from a good one.
    spoil(&content_of(&backup, &digest("one")));
    let other = backups.path().join("other");
    assert!(refused(&portolan(&["restore", target], &other)).contains("not what its digest says"));
}

/// Returns the file of some content in a backup.
fn content_of(backup: &Path, digest: &str) -> PathBuf {
    let hex = &digest["sha256:".len()..];
    let files = std::fs::read_dir(backup.join("content/sha256").join(&hex[..2])).unwrap();
    files
        .map(|entry| entry.unwrap().path())
        .next()
        .expect("the backup has the content")
}

#[tokio::test]
async fn collecting_can_be_asked_for_and_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = TestGateway::over(folder.path()).await;
    let blob = gateway.push_blob("a", "x").await;
    let _ = gateway.delete(&format!("/v2/a/blobs/{blob}")).await.expect(202);
    // It may be looked at while the gateway runs, and is done by nobody else then.
    assert!(done(&portolan(&["gc", "status"], folder.path())).contains("nothing leads to"));
    assert!(refused(&portolan(&["gc"], folder.path())).contains("in use by another gateway"));
    gateway.stop().await;
    let told = done(&portolan(&["gc", "--dry-run"], folder.path()));
    assert!(told.lines().any(|line| line.trim_start().starts_with("1 ")), "{told}");
    let collected = done(&portolan(&["gc"], folder.path()));
    assert!(collected.contains("1 files of 1 B were removed"), "{collected}");
    assert!(
        std::fs::read_dir(folder.path().join("blobs/sha256"))
            .unwrap()
            .all(|entry| { std::fs::read_dir(entry.unwrap().path()).unwrap().next().is_none() })
    );
}
